/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict.h"

#include <stdlib.h>

/* Calls that take less of their trace, in percent, are nobody's trouble. */
#define N_PLUS_1_PERCENT 5u

/* An error of the clock that does not change the picture is not worth a line. */
#define CLOCK_MIN_NS 1000000

static void add(struct verdict *v, struct finding f)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < v->count; i++)
		before += v->list[i].kind == f.kind;
	if (before < FINDINGS_MAX)
		v->list[v->count++] = f;
	else
		v->left_out[f.kind]++;
}

/* What calls of one kind, and those who answered them, have on the critical path together. */
static uint64_t critical_of_call(const struct trace_report *r, uint32_t node)
{
	uint64_t ns = r->times.at[node].critical_ns;

	for (uint32_t i = r->tree.nodes[node].first_child; i != TREE_NONE;
	     i = r->tree.nodes[i].next)
		if (r->tree.nodes[i].span->kind == OTLP_KIND_SERVER)
			ns += r->times.at[i].critical_ns;
	return ns;
}

static bool is_culprit_better(const struct finding *best, uint64_t ns)
{
	return ns && (best->node == TREE_NONE || ns > best->ns);
}

/*
 * Calls of one kind, one after the other, count as one: each is small, and together they are the
 * trouble.
 */
static void find_culprit(struct trace_report *r)
{
	struct finding best = { .kind = FINDING_CULPRIT,
				.node = TREE_NONE,
				.of_ns = r->times.critical_ns };
	uint64_t *sums = calloc(r->groups.count + 1, sizeof(*sums));

	for (uint32_t i = 0; i < r->tree.count; i++) {
		uint32_t node = r->tree.order[i], group = r->groups.of[node];

		if (is_culprit_better(&best, r->times.at[node].critical_ns)) {
			best.node = node;
			best.count = 1;
			best.ns = r->times.at[node].critical_ns;
		}
		if (sums && group != TREE_NONE)
			sums[group] += critical_of_call(r, node);
	}
	for (uint32_t i = 0; sums && i < r->groups.count; i++)
		if (r->groups.list[i].is_serial && is_culprit_better(&best, sums[i])) {
			best.node = r->groups.list[i].first;
			best.count = r->groups.list[i].count;
			best.ns = sums[i];
		}
	free(sums);
	/* Of one span there is nothing to say that its line does not say. */
	if (best.node != TREE_NONE && r->tree.count > 1)
		add(&r->verdict, best);
}

static bool is_error(const struct trace_tree *tree, uint32_t node)
{
	return node != TREE_NONE && tree->nodes[node].span->status == OTLP_STATUS_ERROR;
}

/* Does its failure reach a root, parent by parent? */
static bool reaches_root(const struct trace_tree *tree, uint32_t node, const uint8_t *reaches)
{
	uint32_t parent = tree->nodes[node].parent;

	return is_error(tree, node) && (parent == TREE_NONE || reaches[parent]);
}

/*
 * The failure that the whole trace died of began where the chain of failed spans ends; of several
 * ends the one that failed first.  Without a failed root, the first failure that was survived.
 */
static void find_error(struct trace_report *r)
{
	const struct trace_tree *tree = &r->tree;
	uint8_t *reaches = calloc(tree->count + 1, 2), *has_cause = reaches + tree->count + 1;
	uint32_t best = TREE_NONE;

	if (!reaches)
		return;
	for (uint32_t i = 0; i < tree->count; i++) {
		uint32_t node = tree->order[i], parent = tree->nodes[node].parent;

		reaches[node] = reaches_root(tree, node, reaches);
		if (is_error(tree, node) && parent != TREE_NONE)
			has_cause[parent] = 1;
	}
	for (uint32_t i = 0; i < tree->count; i++) {
		uint32_t node = tree->order[i];
		bool is_better = best == TREE_NONE || reaches[node] > reaches[best];

		if (!is_error(tree, node) || has_cause[node])
			continue;
		if (!is_better && reaches[node] == reaches[best])
			is_better = r->times.at[node].end_ns < r->times.at[best].end_ns;
		if (is_better)
			best = node;
	}
	if (best != TREE_NONE)
		add(&r->verdict, (struct finding){ .kind = FINDING_ERROR,
						   .node = best,
						   .count = tree->errors,
						   .is_survived = !reaches[best] });
	free(reaches);
}

static bool is_n_plus_1(const struct call_group *g, uint64_t trace_ns)
{
	return g->is_serial && g->busy_ns >= trace_ns / 100 * N_PLUS_1_PERCENT;
}

/* The one with the most time that is none of those before. */
static const struct call_group *next_group(const struct call_groups *groups, uint64_t trace_ns,
					   const struct verdict *before)
{
	const struct call_group *best = NULL;

	for (uint32_t i = 0; i < groups->count; i++) {
		const struct call_group *g = &groups->list[i];
		bool is_told = !is_n_plus_1(g, trace_ns);

		for (uint32_t j = 0; j < before->count && !is_told; j++)
			is_told = before->list[j].kind == FINDING_N_PLUS_1 &&
				  before->list[j].node == g->first;
		if (!is_told && (!best || g->busy_ns > best->busy_ns))
			best = g;
	}
	return best;
}

static void find_n_plus_1(struct trace_report *r)
{
	uint64_t trace_ns = r->times.end_ns - r->times.start_ns;

	for (uint32_t i = 0; i < r->groups.count; i++)
		r->verdict.left_out[FINDING_N_PLUS_1] += is_n_plus_1(&r->groups.list[i], trace_ns);
	for (uint32_t n = 0; n < FINDINGS_MAX; n++) {
		const struct call_group *g = next_group(&r->groups, trace_ns, &r->verdict);

		if (!g)
			return;
		r->verdict.left_out[FINDING_N_PLUS_1]--;
		add(&r->verdict, (struct finding){ .kind = FINDING_N_PLUS_1,
						   .node = g->first,
						   .count = g->count,
						   .ns = g->busy_ns,
						   .of_ns = trace_ns,
						   .new_ns = trace_ns - g->busy_ns + g->longest_ns,
						   .is_same = g->is_same });
	}
}

/* Once for each clock: what is below the first that was moved says nothing new. */
static void find_clocks(struct trace_report *r)
{
	for (uint32_t i = 0; i < r->tree.count; i++) {
		uint32_t node = r->tree.order[i];
		const struct span_time *t = &r->times.at[node];
		int64_t ns = t->moved_ns < 0 ? -(t->moved_ns + 1) : t->moved_ns;
		bool is_known = false;

		if (t->clock == CLOCK_FITS || ns < CLOCK_MIN_NS)
			continue;
		for (uint32_t j = 0; j < r->verdict.count; j++) {
			const struct finding *f = &r->verdict.list[j];

			is_known |= f->kind == FINDING_CLOCK &&
				    is_one_clock(r->tree.nodes[f->node].span->resource,
						 r->tree.nodes[node].span->resource);
		}
		if (!is_known)
			add(&r->verdict,
			    (struct finding){ .kind = FINDING_CLOCK, .node = node, .count = 1 });
	}
}

static void find_outlivers(struct trace_report *r)
{
	for (uint32_t i = 0; i < r->tree.count; i++) {
		uint32_t node = r->tree.order[i], parent = r->tree.nodes[node].parent;
		const struct span_time *t = &r->times.at[node];

		if (t->lasting != LASTING_FITS)
			add(&r->verdict,
			    (struct finding){ .kind = FINDING_OUTLIVES,
					      .node = node,
					      .count = 1,
					      .ns = t->end_ns - r->times.at[parent].end_ns });
	}
}

static enum orphan_cause orphan_cause(const struct trace_tree *tree, uint32_t node)
{
	const struct otlp_span *s = tree->nodes[node].span;

	if (!tree->nodes[node].is_orphan)
		return ORPHAN_NONE;
	if (tree->nodes[node].is_circle)
		return ORPHAN_CIRCLE;
	if (s->flags & OTLP_FLAG_HAS_REMOTE)
		return s->flags & OTLP_FLAG_REMOTE ? ORPHAN_REMOTE : ORPHAN_LOCAL;
	return s->kind == OTLP_KIND_SERVER || s->kind == OTLP_KIND_CONSUMER ? ORPHAN_REMOTE :
									      ORPHAN_UNKNOWN;
}

/* One for each cause, by its first span. */
static void find_orphans(struct trace_report *r)
{
	struct finding by_cause[ORPHAN_CIRCLE + 1] = { 0 };

	if (!r->tree.orphans)
		return;
	for (uint32_t i = 0; i < r->tree.count; i++) {
		uint32_t node = r->tree.order[i];
		struct finding *f;

		if (!r->tree.nodes[node].is_orphan)
			continue;
		f = &by_cause[orphan_cause(&r->tree, node)];
		if (!f->count++)
			f->node = node;
	}
	for (int cause = ORPHAN_REMOTE; cause <= ORPHAN_CIRCLE; cause++) {
		by_cause[cause].kind = FINDING_ORPHAN;
		by_cause[cause].cause = (enum orphan_cause)cause;
		if (by_cause[cause].count)
			add(&r->verdict, by_cause[cause]);
	}
}

bool trace_report_init(struct trace_report *r, const struct trace *t)
{
	*r = (struct trace_report){ 0 };
	if (!trace_tree_init(&r->tree, t) || !trace_times_init(&r->times, &r->tree) ||
	    !call_groups_init(&r->groups, &r->tree, &r->times)) {
		trace_report_done(r);
		return false;
	}
	find_culprit(r);
	find_error(r);
	find_n_plus_1(r);
	find_clocks(r);
	find_outlivers(r);
	find_orphans(r);
	return true;
}

void trace_report_done(struct trace_report *r)
{
	trace_tree_done(&r->tree);
	trace_times_done(&r->times);
	call_groups_done(&r->groups);
}
