/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUMMARY_H
#define SUMMARY_H
/*
 * All traces of a program's run: the most telling waterfalls (those that failed, then the slowest),
 * and a verdict of one screen over all of them.
 */
#include "service_map.h"
#include "shape_table.h"
#include "tally.h"

#define SUMMARY_WATERFALLS 10u

struct summary {
	struct style style; /* the caller's */
	struct shape_table shapes;
	struct service_map map;
	struct tally culprits, errors, n_plus_1;
	struct kept {
		uint64_t rank;
		uint64_t seq;
		struct text picture;
	} kept[SUMMARY_WATERFALLS];
	uint32_t kept_count;
	uint64_t traces, spans, failed;
};

/* Zeroed caller's storage; false: no memory. */
MUST_USE bool summary_init(struct summary *s);
void summary_done(struct summary *s);

/* A finished trace, once. */
void summary_add(struct summary *s, const struct trace *t);

/* took_ns: how long the program ran; forgotten: spans that there was no memory for. */
void summary_print(struct text *to, struct summary *s, uint64_t took_ns, uint64_t forgotten);

#endif
