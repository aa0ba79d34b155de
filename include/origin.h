/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORIGIN_H
#define ORIGIN_H
/*
 * Who started this program?  TRACEPARENT and TRACESTATE of its environment, as it began (C95-C103;
 * capitals only), name the span that all its own work belongs to: what it calls without a request
 * that it serves is parented to it.
 *
 * That ends, for good, when the program turns out to be a server (listen, accept, a request that is
 * read) or a daemon (daemon, setsid): whoever started it is no cause of what it does from then on
 * (C110).  A forked child has what its parent had.
 *
 * All functions but origin_init(): any thread, async-signal-safe, no lock.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "compiler.h"
#include "span.h"

enum origin {
	ORIGIN_NONE,
	ORIGIN_LIVE,
	ORIGIN_OVER, /* there was one */
};

extern _Atomic enum origin origin_state;

/* Once, at start-up. */
void origin_init(char *const *envp);

/* The parent of work that no request has caused; false: there is none.  Texts live for ever. */
MUST_USE bool origin_context(struct span_context *ret);

/* Is it the one that we were started with, be it over or not? */
bool origin_is(const struct trace_id *trace, const struct span_id *span);

/*
 * The program has a span of its own (process_span.h), to which all that belongs.  At start-up; the
 * trace state is borrowed for ever.
 */
void origin_adopt(const struct span_context *own);

/* Its context, also when it is over; false: it has none. */
MUST_USE bool origin_own(struct span_context *ret);

/* This is a server, or a daemon. */
static ALWAYS_INLINE void origin_end(void)
{
	if (UNLIKELY(atomic_load_explicit(&origin_state, memory_order_relaxed) == ORIGIN_LIVE))
		atomic_store_explicit(&origin_state, ORIGIN_OVER, memory_order_relaxed);
}

#endif
