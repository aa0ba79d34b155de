/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FOLD_H
#define FOLD_H
/*
 * Which rows of a waterfall the others of their kind stand for.  What a finding is about, what
 * failed, and what is above those, is never folded away.  Pure.
 */
#include "verdict.h"

struct fold {
	uint32_t seen, hidden;
	uint32_t last; /* node, in whose place the hidden ones are counted */
	uint64_t start_ns, end_ns;
	bool is_critical; /* one of them is on the critical path */
};

struct folding {
	uint8_t *is_kept;   /* by node: it or something below it must be seen */
	uint8_t *is_hidden; /* by node */
	struct fold *folds; /* by group */
};

/* false: no memory. */
MUST_USE bool folding_init(struct folding *f, const struct trace_report *r);
void folding_done(struct folding *f);

/* The fold whose row stands in the place of this node; NULL: none does. */
const struct fold *fold_at(const struct folding *f, const struct trace_report *r, uint32_t node);

#endif
