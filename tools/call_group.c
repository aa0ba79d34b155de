/* SPDX-License-Identifier: Apache-2.0 */
#include "call_group.h"

#include <stdlib.h>

#include "call_name.h"

/* Serial: taken together they take at least so many percent of what they take one by one. */
#define SERIAL_PERCENT 95u

struct member {
	uint64_t shape; /* hash; collisions of siblings would need an enemy, and gain him nothing */
	uint64_t whole; /* hash of all that is asked for */
	uint64_t start_ns;
	uint32_t node;
	bool is_whole; /* whole is known: a query's parameters, for one, are not */
};

static uint64_t hash_more(uint64_t h, struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * 1099511628211u;
	return (h ^ 0xff) * 1099511628211u;
}

static uint64_t hash_text(const struct text *t)
{
	return hash_more(14695981039346656037u, (struct bytes){ t->ptr, t->len });
}

static bool has_placeholder(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] && strchr("?$%:@", text.ptr[i]))
			return true;
	return false;
}

static uint64_t hash_whole(const struct otlp_span *s, bool *ret_is_whole)
{
	static const char *const keys[] = { "http.request.method", "url.full", "http.method",
					    "http.url", NULL };
	struct bytes query = otlp_find_text(&s->attrs, "db.query.text");
	uint64_t h = hash_more(14695981039346656037u, query);

	*ret_is_whole = query.len && !has_placeholder(query);
	for (const char *const *key = keys; *key; key++) {
		struct bytes part = otlp_find_text(&s->attrs, *key);

		h = hash_more(h, part);
		*ret_is_whole |= part.len != 0;
	}
	return h;
}

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare_member(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;
	int r = compare_u64(a->shape, b->shape);

	if (!r)
		r = compare_u64(a->start_ns, b->start_ns);
	return r ? r : compare_u64(a->node, b->node);
}

static struct member describe(const struct trace_tree *tree, const struct trace_times *times,
			      uint32_t node, struct text *scratch)
{
	const struct otlp_span *s = tree->nodes[node].span;
	struct member m = { .node = node, .start_ns = times->at[node].start_ns };
	struct text peer = { 0 };

	text_clear(scratch);
	call_shape(scratch, s);
	m.shape = hash_more(hash_text(scratch), call_peer(tree, node, &peer));
	m.shape = hash_more(m.shape, s->resource->service);
	m.whole = hash_whole(s, &m.is_whole);
	text_done(&peer);
	return m;
}

static struct call_group make(const struct trace_tree *tree, const struct trace_times *times,
			      const struct member *m, uint32_t n)
{
	struct call_group g = { .first = m->node, .count = n, .is_same = true };
	uint64_t until = 0, sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct span_time *t = &times->at[m[i].node];
		uint64_t from = t->start_ns > until ? t->start_ns : until;

		sum += t->end_ns - t->start_ns;
		if (t->end_ns > from) {
			g.busy_ns += t->end_ns - from;
			until = t->end_ns;
		}
		if (t->end_ns - t->start_ns > g.longest_ns)
			g.longest_ns = t->end_ns - t->start_ns;
		g.is_same &= m[i].is_whole && m[i].whole == m->whole;
		g.errors += tree->nodes[m[i].node].span->status == OTLP_STATUS_ERROR;
	}
	g.is_serial = sum / 100 * SERIAL_PERCENT <= g.busy_ns;
	return g;
}

/* Groups of the children of one node; members has room for all of them. */
static void group_siblings(struct call_groups *groups, const struct trace_tree *tree,
			   const struct trace_times *times, uint32_t first, struct member *members)
{
	struct text scratch = { 0 };
	uint32_t n = 0, calls = 0;

	for (uint32_t i = first; i != TREE_NONE; i = tree->nodes[i].next)
		calls += tree->nodes[i].span->kind == OTLP_KIND_CLIENT ||
			 tree->nodes[i].span->kind == OTLP_KIND_PRODUCER;
	for (uint32_t i = first; calls >= CALL_GROUP_MIN && i != TREE_NONE; i = tree->nodes[i].next)
		if (times->at[i].is_known && (tree->nodes[i].span->kind == OTLP_KIND_CLIENT ||
					      tree->nodes[i].span->kind == OTLP_KIND_PRODUCER))
			members[n++] = describe(tree, times, i, &scratch);
	text_done(&scratch);
	qsort(members, n, sizeof(*members), compare_member);
	for (uint32_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && members[end].shape == members[i].shape;)
			end++;
		if (end - i < CALL_GROUP_MIN)
			continue;
		for (uint32_t j = i; j < end; j++)
			groups->of[members[j].node] = groups->count;
		groups->list[groups->count++] = make(tree, times, members + i, end - i);
	}
}

bool call_groups_init(struct call_groups *groups, const struct trace_tree *tree,
		      const struct trace_times *times)
{
	struct member *members = calloc(tree->count + 1, sizeof(*members));

	*groups = (struct call_groups){
		.list = calloc(tree->count / CALL_GROUP_MIN + 1, sizeof(*groups->list)),
		.of = malloc((tree->count + 1) * sizeof(*groups->of)),
	};
	if (!members || !groups->list || !groups->of) {
		free(members);
		call_groups_done(groups);
		return false;
	}
	memset(groups->of, 0xff, (tree->count + 1) * sizeof(*groups->of));
	group_siblings(groups, tree, times, tree->top, members);
	for (uint32_t i = 0; i < tree->count; i++)
		group_siblings(groups, tree, times, tree->nodes[i].first_child, members);
	free(members);
	return true;
}

void call_groups_done(struct call_groups *groups)
{
	free(groups->list);
	free(groups->of);
	*groups = (struct call_groups){ 0 };
}
