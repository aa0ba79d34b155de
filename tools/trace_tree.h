/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACE_TREE_H
#define TRACE_TREE_H
/*
 * The spans of a trace as a tree, whatever was received: parents may be missing, ids may repeat,
 * parents may run in circles, clocks may disagree.  Every distinct span is in it exactly once.
 * What looks at a whole trace (waterfall, JSON, later verdicts) looks at this.
 */
#include "trace_store.h"

#define TREE_NONE UINT32_MAX

struct tree_node {
	const struct otlp_span *span;
	uint32_t parent;      /* index of a node; TREE_NONE: a root, or an orphan */
	uint32_t first_child; /* by start time, then in arrival order */
	uint32_t next;        /* sibling; of the top ones too */
	uint32_t depth;
	bool is_orphan; /* names a parent that was not received, or is in a circle of parents */
	bool is_circle; /* the latter */
};

struct trace_tree {
	struct tree_node *nodes; /* in arrival order */
	uint32_t *order;         /* node indexes depth first: the order to print in */
	uint32_t count;
	uint32_t duplicates; /* spans received more than once (O22) and left out */
	uint32_t orphans;
	uint32_t errors;
	uint32_t top; /* first of the nodes without parent */
	/* The span of time covered; spans with an impossible time do not count. */
	uint64_t start_ns;
	uint64_t end_ns;
};

/* Borrows the spans of t; false: no memory. */
MUST_USE bool trace_tree_init(struct trace_tree *tree, const struct trace *t);
void trace_tree_done(struct trace_tree *tree);

/* How many different services it has, 64 at most: traces have few. */
uint32_t trace_tree_services(const struct trace_tree *tree);

/* Is this span's own time of no use?  Its duration is then not known. */
bool span_time_is_broken(const struct otlp_span *s);

#endif
