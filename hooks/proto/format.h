/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMAT_H
#define FORMAT_H
/*
 * Trace headers other than the W3C's (C74-C94): B3 in one header or in several, Jaeger's, AWS
 * X-Ray's, OpenTracing's.  None has a trace state, or tells whether the trace id is random (C94).
 * Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "config.h"
#include "http1.h"
#include "span.h"

/* The headers that there are. */
enum format_line {
	FORMAT_B3,
	FORMAT_B3_TRACE,
	FORMAT_B3_SPAN,
	FORMAT_B3_PARENT,
	FORMAT_B3_SAMPLED,
	FORMAT_B3_FLAGS,
	FORMAT_JAEGER,
	FORMAT_XRAY,
	FORMAT_OT_TRACE,
	FORMAT_OT_SPAN,
	FORMAT_OT_SAMPLED,
	FORMAT_LINES
};

/* The lengths of their names: see http1_tell(). */
#define FORMAT_TELL                                                                          \
	(HTTP1_TELL(2) | HTTP1_TELL(10) | HTTP1_TELL(11) | HTTP1_TELL(12) | HTTP1_TELL(13) | \
	 HTTP1_TELL(15) | HTTP1_TELL(16) | HTTP1_TELL(17))

#define FORMAT_NAME_MAX 20

/* As it is written; for ever. */
struct bytes format_name(enum format_line line);

/* Which header is it, in any case?  FORMAT_LINES: none of these. */
enum format_line format_line_of(struct bytes name);

/* Is it of a format that is set? */
bool format_is_wanted(enum format_line line);

/* Values by their headers; ptr NULL: there is none. */
struct format_values {
	struct bytes of[FORMAT_LINES];
};

/* The context that a format has there; false: none, or not valid.  *ret is whole, then. */
bool format_parse(enum config_propagator format, const struct format_values *v,
		  struct span_context *ret);

/*
 * Jaeger and OpenTracing have a header for each item of baggage (C87, C92).  What its name begins
 * with, as it is written; empty: the format has none.
 */
struct bytes format_baggage_prefix(enum config_propagator format);

/*
 * Which format is it an item of, if that is set?  0: of none.  *ret_key: a view into name; empty
 * for the one header of Jaeger's that has a list.
 */
uint32_t format_baggage_of(struct bytes name, struct bytes *ret_key);

/* The header lines of a context, with CR and LF; returns their length. */
#define FORMAT_WRITE_MAX 160u
size_t format_write(enum config_propagator format, const struct span_context *ctx, char *to);

#endif
