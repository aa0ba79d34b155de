/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHAPE_TABLE_H
#define SHAPE_TABLE_H
/*
 * Traces of one shape: the same services make the same kinds of calls to each other, however often.
 * Bounded: traces of further shapes are counted.
 */
#include "samples.h"
#include "term.h"
#include "verdict.h"

#define SHAPES_MAX 1024u

struct shape {
	uint64_t hash;
	struct bytes name; /* of the first root */
	uint64_t errors;   /* traces whose root failed */
	struct samples took;
	uint32_t spans; /* of the slowest */
	uint32_t services;
	uint8_t slowest[16]; /* trace id */
};

struct shape_table {
	struct arena names;
	struct shape *list;
	uint32_t count;
	uint64_t refused; /* traces */
};

/* Zeroed caller's storage; false: no memory. */
MUST_USE bool shape_table_init(struct shape_table *t);
void shape_table_done(struct shape_table *t);

void shape_table_add(struct shape_table *t, const struct trace *trace,
		     const struct trace_report *r);

/* Those that took the most time together first. */
void shape_table_print(struct text *to, const struct style *st, struct shape_table *t,
		       bool is_json);

/* The first max of them as text, and how many more there are. */
void shape_table_print_top(struct text *to, const struct style *st, struct shape_table *t,
			   unsigned max);

/* What a trace is like: the same for the same services and kinds of calls. */
uint64_t shape_hash(const struct trace_report *r);

#endif
