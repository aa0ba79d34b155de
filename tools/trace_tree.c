/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_tree.h"

#include <stdlib.h>

bool span_time_is_broken(const struct otlp_span *s)
{
	return s->start_ns == 0 || s->end_ns < s->start_ns;
}

struct by_id {
	const struct otlp_span *span;
	uint32_t seq;
	uint32_t node;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static bool is_same_span(const struct otlp_span *a, const struct otlp_span *b)
{
	return memcmp(a->span_id, b->span_id, sizeof(a->span_id)) == 0 && a->kind == b->kind &&
	       a->start_ns == b->start_ns && a->end_ns == b->end_ns;
}

/* Copies of one span become neighbours, the first to arrive in front. */
static int compare_id(const void *pa, const void *pb)
{
	const struct by_id *a = pa, *b = pb;
	int r = memcmp(a->span->span_id, b->span->span_id, sizeof(a->span->span_id));

	if (!r)
		r = compare_u64(a->span->start_ns, b->span->start_ns);
	if (!r)
		r = compare_u64(a->span->end_ns, b->span->end_ns);
	if (!r)
		r = a->span->kind - b->span->kind;
	return r ? r : compare_u64(a->seq, b->seq);
}

static uint32_t find_node(const struct by_id *ids, uint32_t n, const uint8_t *span_id)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (memcmp(ids[mid].span->span_id, span_id, sizeof(ids->span->span_id)) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == n || memcmp(ids[low].span->span_id, span_id, sizeof(ids->span->span_id)) != 0)
		return TREE_NONE;
	return ids[low].node;
}

/* Sorts ids, drops copies, and gives every span that stays its node. */
static void make_nodes(struct trace_tree *tree, struct by_id *ids, uint32_t n)
{
	uint8_t *is_copy = (uint8_t *)tree->order; /* not in use yet, and large enough */

	memset(is_copy, 0, n);
	qsort(ids, n, sizeof(*ids), compare_id);
	for (uint32_t i = 1; i < n; i++)
		if (is_same_span(ids[i - 1].span, ids[i].span))
			is_copy[ids[i].seq] = 1;
	for (uint32_t i = 0; i < n; i++)
		ids[i].node = is_copy[ids[i].seq] ? TREE_NONE : ids[i].seq;
}

/* Nodes keep arrival order, so the numbers behind the dropped ones move up. */
static uint32_t close_gaps(struct trace_tree *tree, struct by_id *ids, uint32_t n)
{
	const uint8_t *is_copy = (const uint8_t *)tree->order;
	uint32_t *number = calloc(n, sizeof(*number));
	uint32_t kept = 0, unique = 0;

	if (!number)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		number[i] = is_copy[i] ? TREE_NONE : kept++;
	for (uint32_t i = 0; i < n; i++)
		if (ids[i].node != TREE_NONE) {
			ids[i].node = number[ids[i].seq];
			tree->nodes[ids[i].node] = (struct tree_node){ .span = ids[i].span };
			ids[unique++] = ids[i];
		}
	free(number);
	tree->duplicates = n - kept;
	return kept;
}

/*
 * Cuts every circle of parents at the node where it is found.  Each walk up marks what it passed
 * with its own number, so that the whole is linear.
 */
static bool break_circles(struct trace_tree *tree)
{
	uint32_t *seen = calloc(tree->count, sizeof(*seen));

	if (!seen)
		return false;
	for (uint32_t i = 0; i < tree->count; i++) {
		uint32_t at = i;

		while (at != TREE_NONE && !seen[at]) {
			uint32_t up = tree->nodes[at].parent;

			seen[at] = i + 1;
			if (up != TREE_NONE && seen[up] == i + 1) {
				tree->nodes[at].parent = TREE_NONE;
				tree->nodes[at].is_orphan = true;
				tree->nodes[at].is_circle = true;
			}
			at = up;
		}
	}
	free(seen);
	return true;
}

static bool find_parents(struct trace_tree *tree, const struct by_id *ids)
{
	for (uint32_t i = 0; i < tree->count; i++) {
		struct tree_node *node = &tree->nodes[i];

		node->parent = TREE_NONE;
		node->first_child = TREE_NONE;
		node->next = TREE_NONE;
		if (!node->span->has_parent)
			continue;
		node->parent = find_node(ids, tree->count, node->span->parent_id);
		node->is_orphan = node->parent == TREE_NONE;
	}
	return break_circles(tree);
}

static int compare_start(const void *pa, const void *pb)
{
	const struct by_id *a = pa, *b = pb;
	int r = compare_u64(a->span->start_ns, b->span->start_ns);

	return r ? r : compare_u64(a->node, b->node);
}

/* Hangs the nodes in front of their siblings, latest first: the lists end up by start. */
static void link_children(struct trace_tree *tree, struct by_id *ids)
{
	tree->top = TREE_NONE;
	qsort(ids, tree->count, sizeof(*ids), compare_start);
	for (uint32_t i = tree->count; i-- > 0;) {
		struct tree_node *node = &tree->nodes[ids[i].node];
		uint32_t *list = node->parent == TREE_NONE ? &tree->top :
							     &tree->nodes[node->parent].first_child;

		node->next = *list;
		*list = ids[i].node;
	}
}

/* Depth first without recursion: a trace may be one chain of 100,000 spans. */
static void walk(struct trace_tree *tree)
{
	uint32_t at = tree->top, n = 0, depth = 0;

	while (at != TREE_NONE) {
		struct tree_node *node = &tree->nodes[at];

		tree->order[n++] = at;
		node->depth = depth;
		if (node->first_child != TREE_NONE) {
			at = node->first_child;
			depth++;
			continue;
		}
		while (at != TREE_NONE && tree->nodes[at].next == TREE_NONE) {
			at = tree->nodes[at].parent;
			depth--;
		}
		if (at != TREE_NONE)
			at = tree->nodes[at].next;
	}
}

static void summarize(struct trace_tree *tree)
{
	tree->start_ns = UINT64_MAX;
	for (uint32_t i = 0; i < tree->count; i++) {
		const struct otlp_span *s = tree->nodes[i].span;

		tree->orphans += tree->nodes[i].is_orphan;
		tree->errors += s->status == OTLP_STATUS_ERROR;
		if (span_time_is_broken(s))
			continue;
		if (s->start_ns < tree->start_ns)
			tree->start_ns = s->start_ns;
		if (s->end_ns > tree->end_ns)
			tree->end_ns = s->end_ns;
	}
	if (tree->start_ns > tree->end_ns)
		tree->start_ns = tree->end_ns = 0;
}

bool trace_tree_init(struct trace_tree *tree, const struct trace *t)
{
	struct by_id *ids = calloc(t->count ? t->count : 1, sizeof(*ids));
	uint32_t n = 0;

	*tree = (struct trace_tree){ .top = TREE_NONE };
	tree->nodes = calloc(t->count ? t->count : 1, sizeof(*tree->nodes));
	tree->order = calloc(t->count ? t->count : 1, sizeof(*tree->order));
	if (!ids || !tree->nodes || !tree->order)
		goto fail;
	for (const struct otlp_span *s = t->first; s; s = s->next, n++)
		ids[n] = (struct by_id){ .span = s, .seq = n };
	make_nodes(tree, ids, n);
	tree->count = close_gaps(tree, ids, n);
	if (n && (!tree->count || !find_parents(tree, ids)))
		goto fail;
	link_children(tree, ids);
	walk(tree);
	summarize(tree);
	free(ids);
	return true;
fail:
	free(ids);
	trace_tree_done(tree);
	return false;
}

void trace_tree_done(struct trace_tree *tree)
{
	free(tree->nodes);
	free(tree->order);
	*tree = (struct trace_tree){ .top = TREE_NONE };
}

uint32_t trace_tree_services(const struct trace_tree *tree)
{
	struct bytes seen[64];
	uint32_t n = 0;

	for (uint32_t i = 0; i < tree->count && n < ARRAY_LEN(seen); i++) {
		struct bytes service = tree->nodes[i].span->resource->service;
		uint32_t j = 0;

		while (j < n && !bytes_equal(seen[j], service))
			j++;
		if (j == n)
			seen[n++] = service;
	}
	return n;
}
