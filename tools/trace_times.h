/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACE_TIMES_H
#define TRACE_TIMES_H
/*
 * Where the time of a trace went.  Pure: a tree in, numbers out, the same for the same tree.
 *
 * Times are those of the spans, except that what a call caused cannot have been before the call:
 * such spans are moved into it, with all that their clock has written (see enum clock_doubt).
 *
 * The critical path runs backwards from the end: through the child that ended last, from that
 * child's start on through the child that had ended last by then, and so on.  What was still
 * running when the next child began was not waited for, and is not on it.
 */
#include "trace_tree.h"

enum clock_doubt {
	CLOCK_FITS,
	CLOCK_OF_HOST, /* the other host's clock is off: by moved_ns, give or take unsure_ns */
	CLOCK_WAS_SET, /* both are one host's */
};

enum lasting {
	LASTING_FITS,
	LASTING_AFTER_CALLER, /* the caller of another process did not wait for the end */
	LASTING_AFTER_PARENT, /* work of the same process that its parent did not wait for */
};

struct span_time {
	bool is_known;    /* else its own times are of no use, and the rest is 0 */
	bool is_critical; /* on the critical path */
	enum clock_doubt clock;
	enum lasting lasting;
	uint64_t start_ns; /* Unix time, moved */
	uint64_t end_ns;
	uint64_t path_start_ns; /* the part of it that is on the critical path */
	uint64_t path_end_ns;
	uint64_t self_ns;     /* no child that it waits for was running */
	uint64_t critical_ns; /* its own share of the critical path, at most self_ns */
	int64_t moved_ns;
	uint64_t unsure_ns;
};

struct trace_times {
	struct span_time *at; /* by node */
	uint64_t start_ns;    /* of the whole; 0, 0: nothing is known */
	uint64_t end_ns;
	uint64_t critical_ns; /* length of the critical path */
};

/* false: no memory. */
MUST_USE bool trace_times_init(struct trace_times *times, const struct trace_tree *tree);
void trace_times_done(struct trace_times *times);

/*
 * Do these two take their times from one clock: one host, or, where that is not told, one process?
 */
bool is_one_clock(const struct otlp_resource *a, const struct otlp_resource *b);

/* Of one process, as far as the resources tell. */
bool is_one_process(const struct otlp_resource *a, const struct otlp_resource *b);

#endif
