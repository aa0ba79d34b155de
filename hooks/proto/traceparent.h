/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACEPARENT_H
#define TRACEPARENT_H
/* W3C Trace Context level 2, the traceparent header (C1-C14, C21).  Pure, async-signal-safe. */
#include <stdint.h>

#include "bytes.h"
#include "trace_id.h"
#include "word.h"

#define TRACEPARENT_LEN 55u

enum traceparent {
	TRACEPARENT_VALID,
	TRACEPARENT_LATER, /* valid, of a version above 00: its tail is not understood and must not
			    * be passed on (C9), so that it cannot be rewritten in place */
	TRACEPARENT_INVALID, /* as if none had come (C11); the results are untouched */
};

/*
 * Blanks around the value are allowed (C2).  ret_flags holds TRACE_FLAG_* only (C13).
 * More than one header line is invalid (C3): that is for the caller to see.
 */
enum traceparent traceparent_parse(struct bytes value, struct trace_id *ret_trace,
				   struct span_id *ret_span, uint8_t *ret_flags);

/* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */
#define TRACEPARENT_SPAN_AT 36

/* Version 00, no NUL.  Flags other than TRACE_FLAG_* are sent as 0 (C21). */
void traceparent_format(char to[static TRACEPARENT_LEN], const struct trace_id *trace,
			const struct span_id *span, uint8_t flags);

/* The header's name, in any case (C1). */
static inline bool traceparent_is_name(struct bytes name)
{
	return word_is(name, BYTES("traceparent"));
}

#endif
