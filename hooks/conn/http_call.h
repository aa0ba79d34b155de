/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H
/* The end of an outbound call: told on the span of the request that it was made for (calls.h). */
#include "clock.h"
#include "conn.h"

/*
 * s: the span of x, as span_mine() says; closed, and gone afterwards.  By who holds the half of c
 * that carries responses, or when c ends; of an x without x->common, anybody.  now:
 * CLOCK_MONOTONIC.
 */
void http_call_end_at(struct conn *c, const struct exchange *x, struct span *s, uint64_t now);

static inline void http_call_end(struct conn *c, const struct exchange *x, struct span *s)
{
	http_call_end_at(c, x, s, clock_monotonic_ns());
}

#endif
