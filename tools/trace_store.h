/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACE_STORE_H
#define TRACE_STORE_H
/*
 * Recent traces in memory, and the decision when one is finished.  No locks and no clock here: the
 * owner serializes all calls and says what time it is (now_ms: CLOCK_MONOTONIC).
 *
 * OTLP has no word for "this trace is over".  A trace is taken for finished when nothing new came
 * for some time, and how long that is depends on what can still be on its way:
 *
 *   grace (300 ms)      nothing is missing: every parent is there, every call that left a process
 *                       has its other side
 *   patience (5.5 s)    a parent in another process is missing, or a call (CLIENT, PRODUCER) has no
 *                       other side, which may be on its way: exporters batch for 5 s by default.
 *                       It counts from the end of the last span, since by then everybody's batch
 *                       has gone out, but never from later than the last arrival.
 *   long wait (60 s)    a parent in the same process is missing, so it is still under way
 *
 * Spans that come after that are kept, marked and reported once, as late.
 *
 * Memory is bounded: above the limit whole traces are forgotten, printed ones first, oldest first.
 */
#include <stdbool.h>
#include <stdint.h>

#include "otlp.h"

struct trace {
	struct trace *hash_next;
	struct trace *prev, *next; /* in one of the store's lists */
	struct arena arena;
	size_t accounted; /* bytes of arena that the store's total knows of */
	uint8_t id[16];
	uint32_t count;
	uint32_t late; /* spans not reported yet that came after the printing */
	bool is_printed;
	bool is_assessed;    /* due_ms is final unless a span comes */
	uint64_t arrived_ms; /* the last one */
	uint64_t due_ms;
	struct otlp_span *first;
	struct otlp_span **last;
};

struct trace_waits {
	uint64_t grace_ms;
	uint64_t patience_ms;
	uint64_t long_ms;
};

struct trace_list {
	struct trace *head, *tail;
};

struct trace_counts {
	uint64_t spans;            /* accepted */
	uint64_t traces;           /* begun */
	uint64_t printed;          /* traces handed out as finished */
	uint64_t late;             /* spans that came after the printing of their trace */
	uint64_t forgotten_traces; /* before they were printed */
	uint64_t forgotten_spans;  /* of those, and for lack of memory */
};

struct trace_store {
	struct trace_waits waits;
	size_t limit; /* bytes */
	size_t bytes;
	struct trace_counts counts;
	struct trace_list pending; /* in order of last arrival; also printed ones with news */
	struct trace_list done;
	struct trace **table;
	uint32_t table_size; /* a power of two */
	uint32_t traces;
};

extern const struct trace_waits trace_waits_default;

/* Zeroed caller's storage; false: no memory. */
MUST_USE bool trace_store_init(struct trace_store *st, struct trace_waits waits, size_t limit);
void trace_store_done(struct trace_store *st);

/* Copies every span of b, borrowing nothing. */
void trace_store_add(struct trace_store *st, const struct otlp_batch *b, uint64_t now_ms);

/*
 * The next trace to be printed: finished, or printed before and now with late spans; with all set,
 * also unfinished ones.  NULL: none.  Valid until the store is changed; say
 * trace_store_printed() when done with it.  unix_ns: CLOCK_REALTIME.
 */
struct trace *trace_store_next(struct trace_store *st, uint64_t now_ms, uint64_t unix_ns, bool all);
void trace_store_printed(struct trace_store *st, struct trace *t);

/* Forgets what was printed and has no news: spans of those that come later begin a trace anew. */
void trace_store_forget_printed(struct trace_store *st);

/* When trace_store_next() is worth calling again: UINT64_MAX is never, unless spans come. */
uint64_t trace_store_due(const struct trace_store *st);

#endif
