/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_times.h"

#include <stdlib.h>

/*
 * A child may end a little after its parent and mean nothing by it: the reader of an answer may be
 * through before its writer gets the processor back.  More where two processes are involved.
 */
#define SLACK_INSIDE_NS 1000000u
#define SLACK_BETWEEN_NS 5000000u
#define SLACK_SHARE 20u /* or a twentieth of the parent */

/* Clocks whose error is known; traces go through few hosts. */
#define CLOCKS_MAX 64

struct clock {
	const struct otlp_resource *of;
	int64_t moved_ns;
};

struct placing {
	const struct trace_tree *tree;
	struct span_time *at;
	struct clock clocks[CLOCKS_MAX];
	uint32_t clock_count;
};

static bool is_same_text(const struct otlp_resource *a, const struct otlp_resource *b,
			 const char *key, bool *ret_is_told)
{
	struct bytes in_a = otlp_find_text(&a->attrs, key), in_b = otlp_find_text(&b->attrs, key);

	*ret_is_told = in_a.len && in_b.len;
	return bytes_equal(in_a, in_b);
}

bool is_one_process(const struct otlp_resource *a, const struct otlp_resource *b)
{
	const struct otlp_value *pid_a = otlp_find(&a->attrs, "process.pid");
	const struct otlp_value *pid_b = otlp_find(&b->attrs, "process.pid");
	bool is_told, is_same;

	if (a == b)
		return true;
	is_same = is_same_text(a, b, "service.instance.id", &is_told);
	if (is_told)
		return is_same;
	if (pid_a && pid_b && pid_a->type == OTLP_INT && pid_b->type == OTLP_INT &&
	    pid_a->integer != pid_b->integer)
		return false;
	return bytes_equal(a->service, b->service) && is_same_text(a, b, "host.name", &is_told);
}

bool is_one_clock(const struct otlp_resource *a, const struct otlp_resource *b)
{
	bool is_told, is_same = is_same_text(a, b, "host.name", &is_told);

	return is_told ? is_same : is_one_process(a, b);
}

static uint64_t slack(uint64_t parent_ns, uint64_t least)
{
	return parent_ns / SLACK_SHARE > least ? parent_ns / SLACK_SHARE : least;
}

static struct clock *clock_find(struct placing *p, const struct otlp_resource *of)
{
	for (uint32_t i = 0; i < p->clock_count; i++)
		if (is_one_clock(p->clocks[i].of, of))
			return &p->clocks[i];
	return NULL;
}

static void clock_learn(struct placing *p, const struct otlp_resource *of, int64_t moved_ns)
{
	struct clock *c = clock_find(p, of);

	if (!c && p->clock_count < CLOCKS_MAX) {
		c = &p->clocks[p->clock_count++];
		c->of = of;
	}
	if (c)
		c->moved_ns = moved_ns;
}

/* Times are anybody's numbers: at the ends of the world they stay there, in order. */
static uint64_t moved(uint64_t ns, int64_t by)
{
	uint64_t at = ns + (uint64_t)by;

	if (by < 0)
		return at > ns ? 0 : at;
	return at < ns ? UINT64_MAX : at;
}

static void move(struct span_time *t, const struct otlp_span *s, int64_t by)
{
	t->moved_ns = by;
	t->start_ns = moved(s->start_ns, by);
	t->end_ns = moved(s->end_ns, by);
}

/* The call that this is the other side of: its caller waits for it. */
static bool is_served(const struct otlp_span *parent, const struct otlp_span *s)
{
	return parent->kind == OTLP_KIND_CLIENT && s->kind == OTLP_KIND_SERVER;
}

/* Moves the other side of a call into the call, if it is not there and can be. */
static void fit_into_call(struct placing *p, const struct otlp_span *parent,
			  const struct span_time *call, const struct otlp_span *s,
			  struct span_time *t)
{
	uint64_t call_ns = call->end_ns - call->start_ns, ns = t->end_ns - t->start_ns;
	bool is_early = t->start_ns < call->start_ns;
	bool is_late = t->end_ns > call->end_ns + slack(call_ns, SLACK_BETWEEN_NS);
	bool is_one = is_one_clock(parent->resource, s->resource);
	uint64_t rest;

	/* Late alone, by one clock or behind a call that failed: it was not waited for. */
	if (!is_early && (!is_late || is_one || parent->status == OTLP_STATUS_ERROR))
		return;
	if (!is_early && ns > call_ns)
		return;
	rest = ns < call_ns ? call_ns - ns : 0;
	t->clock = is_one ? CLOCK_WAS_SET : CLOCK_OF_HOST;
	t->unsure_ns = rest / 2;
	move(t, s, (int64_t)(call->start_ns + rest / 2 - s->start_ns));
	if (!is_one)
		clock_learn(p, s->resource, t->moved_ns);
}

static enum lasting how_long(const struct otlp_span *parent, const struct span_time *pt,
			     const struct otlp_span *s, const struct span_time *t)
{
	bool is_inside = is_one_process(parent->resource, s->resource);
	uint64_t ns = pt->end_ns - pt->start_ns;

	/* Messages are for later. */
	if (s->kind == OTLP_KIND_CONSUMER || parent->kind == OTLP_KIND_PRODUCER)
		return LASTING_FITS;
	if (t->end_ns <= pt->end_ns + slack(ns, is_inside ? SLACK_INSIDE_NS : SLACK_BETWEEN_NS))
		return LASTING_FITS;
	return is_inside ? LASTING_AFTER_PARENT : LASTING_AFTER_CALLER;
}

static void place(struct placing *p, uint32_t node)
{
	const struct tree_node *n = &p->tree->nodes[node];
	const struct otlp_span *s = n->span, *parent;
	struct span_time *t = &p->at[node], *pt;
	const struct clock *known = clock_find(p, s->resource);

	if (span_time_is_broken(s))
		return;
	t->is_known = true;
	move(t, s, known ? known->moved_ns : 0);
	if (n->parent == TREE_NONE || !p->at[n->parent].is_known)
		return;
	parent = p->tree->nodes[n->parent].span;
	pt = &p->at[n->parent];
	if (is_one_process(parent->resource, s->resource))
		move(t, s, pt->moved_ns);
	if (is_served(parent, s))
		fit_into_call(p, parent, pt, s, t);
	t->lasting = how_long(parent, pt, s, t);
}

/* --- self time and critical path --- */

/* A child as its parent sees it: cut to the parent's time. */
struct part {
	uint64_t start_ns, end_ns;
	uint32_t node;
};

static int compare_start(const void *pa, const void *pb)
{
	const struct part *a = pa, *b = pb;

	return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

/* Last end first; of two the one that began first, then the one that arrived first. */
static int compare_end(const void *pa, const void *pb)
{
	const struct part *a = pa, *b = pb;
	int r = (a->end_ns < b->end_ns) - (a->end_ns > b->end_ns);

	if (!r)
		r = compare_start(pa, pb);
	return r ? r : (a->node > b->node) - (a->node < b->node);
}

/* The children that the parent waits for; those of the top if parent is TREE_NONE. */
static uint32_t collect(const struct trace_times *times, const struct trace_tree *tree,
			uint32_t parent, struct part *parts)
{
	const struct span_time *pt = parent == TREE_NONE ? NULL : &times->at[parent];
	uint32_t n = 0;

	for (uint32_t i = pt ? tree->nodes[parent].first_child : tree->top; i != TREE_NONE;
	     i = tree->nodes[i].next) {
		const struct span_time *t = &times->at[i];
		struct part part = { t->start_ns, t->end_ns, i };

		if (!t->is_known || t->lasting == LASTING_AFTER_PARENT)
			continue;
		if (pt && part.start_ns < pt->start_ns)
			part.start_ns = pt->start_ns;
		if (pt && part.end_ns > pt->end_ns)
			part.end_ns = pt->end_ns;
		if (part.start_ns <= part.end_ns)
			parts[n++] = part;
	}
	return n;
}

static uint64_t covered(struct part *parts, uint32_t n)
{
	uint64_t total = 0, until = 0;

	qsort(parts, n, sizeof(*parts), compare_start);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t from = parts[i].start_ns > until ? parts[i].start_ns : until;

		if (parts[i].end_ns <= from)
			continue;
		total += parts[i].end_ns - from;
		until = parts[i].end_ns;
	}
	return total;
}

static uint64_t clamp(uint64_t ns, uint64_t least, uint64_t most)
{
	return ns < least ? least : ns > most ? most : ns;
}

static void cut(struct part *parts, uint32_t n, uint64_t start_ns, uint64_t end_ns)
{
	for (uint32_t i = 0; i < n; i++) {
		parts[i].start_ns = clamp(parts[i].start_ns, start_ns, end_ns);
		parts[i].end_ns = clamp(parts[i].end_ns, start_ns, end_ns);
	}
}

/* Marks the children on the path; returns how long none of them was. */
static uint64_t follow(struct trace_times *times, struct part *parts, uint32_t n, uint64_t start_ns,
		       uint64_t end_ns)
{
	uint64_t at = end_ns, own = 0;
	struct span_time *t;

	qsort(parts, n, sizeof(*parts), compare_end);
	for (uint32_t i = 0; i < n && at > start_ns; i++) {
		if (parts[i].end_ns > at || parts[i].start_ns >= parts[i].end_ns)
			continue;
		t = &times->at[parts[i].node];
		t->is_critical = true;
		t->path_start_ns = parts[i].start_ns;
		t->path_end_ns = parts[i].end_ns;
		own += at - parts[i].end_ns;
		at = parts[i].start_ns;
	}
	return own + (at > start_ns ? at - start_ns : 0);
}

static void divide(struct trace_times *times, const struct trace_tree *tree, struct part *parts)
{
	follow(times, parts, collect(times, tree, TREE_NONE, parts), times->start_ns,
	       times->end_ns);
	/* Parents before their children. */
	for (uint32_t i = 0; i < tree->count; i++) {
		uint32_t node = tree->order[i];
		struct span_time *t = &times->at[node];
		uint32_t n;

		if (!t->is_known)
			continue;
		n = collect(times, tree, node, parts);
		t->self_ns = t->end_ns - t->start_ns - covered(parts, n);
		if (!t->is_critical)
			continue;
		cut(parts, n, t->path_start_ns, t->path_end_ns);
		t->critical_ns = follow(times, parts, n, t->path_start_ns, t->path_end_ns);
		if (t->critical_ns > t->self_ns)
			t->critical_ns = t->self_ns;
		if (tree->nodes[node].parent == TREE_NONE)
			times->critical_ns += t->path_end_ns - t->path_start_ns;
	}
}

bool trace_times_init(struct trace_times *times, const struct trace_tree *tree)
{
	struct placing p = { .tree = tree };
	struct part *parts = calloc(tree->count + 1, sizeof(*parts));

	*times = (struct trace_times){ .at = calloc(tree->count + 1, sizeof(*times->at)) };
	if (!times->at || !parts) {
		free(parts);
		trace_times_done(times);
		return false;
	}
	p.at = times->at;
	times->start_ns = UINT64_MAX;
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct span_time *t = &times->at[tree->order[i]];

		place(&p, tree->order[i]);
		if (t->is_known && t->start_ns < times->start_ns)
			times->start_ns = t->start_ns;
		if (t->is_known && t->end_ns > times->end_ns)
			times->end_ns = t->end_ns;
	}
	if (times->start_ns > times->end_ns)
		times->start_ns = times->end_ns = 0;
	divide(times, tree, parts);
	free(parts);
	return true;
}

void trace_times_done(struct trace_times *times)
{
	free(times->at);
	*times = (struct trace_times){ 0 };
}
