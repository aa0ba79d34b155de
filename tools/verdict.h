/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VERDICT_H
#define VERDICT_H
/*
 * What is to be said about a trace: a handful of findings, each with its evidence.  Pure.
 */
#include "call_group.h"
#include "text.h"

enum finding_kind {
	FINDING_CULPRIT,  /* largest self time on the critical path */
	FINDING_ERROR,    /* the deepest span of the failure that came first */
	FINDING_N_PLUS_1, /* calls one after the other that could have been one, or at once */
	FINDING_CLOCK,
	FINDING_OUTLIVES,
	FINDING_ORPHAN,
	FINDING_KINDS
};

enum orphan_cause {
	ORPHAN_NONE,
	ORPHAN_REMOTE,  /* the caller is another process */
	ORPHAN_LOCAL,   /* the parent is of the same process */
	ORPHAN_UNKNOWN, /* the sender does not tell which */
	ORPHAN_CIRCLE,  /* the parent is there, and below it */
};

struct finding {
	enum finding_kind kind;
	uint32_t node;
	uint32_t count;   /* of spans that it stands for */
	uint64_t ns;      /* culprit: own time; N+1: all calls; outlives: by how much */
	uint64_t of_ns;   /* culprit: critical path; N+1: the trace */
	uint64_t new_ns;  /* N+1: the trace if the calls were made at once */
	bool is_same;     /* N+1: not even the arguments differ */
	bool is_survived; /* error: the trace as a whole did not fail */
	enum orphan_cause cause;
};

/* More of one kind are counted. */
#define FINDINGS_MAX 3u

struct verdict {
	struct finding list[FINDING_KINDS * FINDINGS_MAX];
	uint32_t count;
	uint32_t left_out[FINDING_KINDS];
};

/* All that is derived from the spans of a trace. */
struct trace_report {
	struct trace_tree tree;
	struct trace_times times;
	struct call_groups groups;
	struct verdict verdict;
};

/* Borrows the spans of t; false: no memory. */
MUST_USE bool trace_report_init(struct trace_report *r, const struct trace *t);
void trace_report_done(struct trace_report *r);

/* The finding in words, behind its label: unsafe text, for term_add() or JSON. */
const char *finding_label(enum finding_kind kind);
void finding_text(struct text *to, const struct trace_report *r, const struct finding *f);

#endif
