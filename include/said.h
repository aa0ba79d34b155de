/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAID_H
#define SAID_H
/*
 * What the application says of itself (interspan.h): attributes, errors and events of the current
 * span, and spans of its own.
 *
 * A span of its own belongs to the thread that started it, and to the request that this thread
 * worked for then (or to none): it is the parent of what follows as long as both are so.  Every
 * function: any thread, async-signal-safe, no lock; inside the guard.
 */
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "guard.h"
#include "span.h"

/* to: room for the digits and a NUL.  0: there is no current span. */
size_t said_trace_id(char *to);
size_t said_span_id(char *to);

void said_attribute(struct bytes key, struct bytes value);
void said_error(struct bytes type);
void said_int(struct bytes key, int64_t value);
void said_double(struct bytes key, double value);
void said_event(struct bytes name);

/* Attributes: n pairs of texts, a key and its value; with one that is NULL they end. */
void said_event_with(struct bytes name, const char *const *attributes, size_t n);
void said_link(struct bytes traceparent, struct bytes tracestate, const char *const *attributes,
	       size_t n);
void said_force(void);
uint64_t said_span_start(struct bytes name);
void said_span_end(uint64_t span);

/*
 * The parent of what the calling thread does now for request (of context_current(), or {0, 0}): the
 * innermost span of its own that is open, or the request itself.
 */
struct span_ref said_parent(struct span_ref request);

/* Has the calling thread started any span of its own?  False: said_parent() is its argument. */
static ALWAYS_INLINE bool said_any(void)
{
	return thread_self.said.slot != 0;
}

#endif
