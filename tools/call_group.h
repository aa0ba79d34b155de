/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_GROUP_H
#define CALL_GROUP_H
/*
 * Calls of one kind from one place: siblings that go to the same peer and differ at most in whom or
 * what they ask for.  One after the other they are an N+1.  Pure.
 */
#include "trace_times.h"

/* Fewer are a loop that somebody may have meant. */
#define CALL_GROUP_MIN 5u

struct call_group {
	uint32_t first; /* node, by start */
	uint32_t count;
	uint32_t errors;
	uint64_t busy_ns;    /* one of them at least was under way */
	uint64_t longest_ns; /* of one */
	bool is_serial;
	bool is_same; /* they do not differ at all */
};

struct call_groups {
	struct call_group *list;
	uint32_t count;
	uint32_t *of; /* by node: which group; TREE_NONE: none */
};

/* false: no memory. */
MUST_USE bool call_groups_init(struct call_groups *groups, const struct trace_tree *tree,
			       const struct trace_times *times);
void call_groups_done(struct call_groups *groups);

#endif
