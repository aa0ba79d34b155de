/* SPDX-License-Identifier: Apache-2.0 */
#include "traceparent.h"

#include "hex.h"

#define TRACE_AT 3
#define SPAN_AT TRACEPARENT_SPAN_AT
#define FLAGS_AT 53

static bool has_dashes(const char *s)
{
	return s[TRACE_AT - 1] == '-' && s[SPAN_AT - 1] == '-' && s[FLAGS_AT - 1] == '-';
}

/*
 * Of TRACEPARENT_LEN, as nearly all are: version 00, no flag that is not known, no blanks.  False:
 * it is for traceparent_parse().
 */
static ALWAYS_INLINE bool usual(const char *s, struct trace_id *ret_trace, struct span_id *ret_span,
				uint8_t *ret_flags)
{
	uint8_t flags = (uint8_t)(s[FLAGS_AT + 1] - '0');
	hex_digits wrong = { 0 };
	struct trace_id trace;
	struct span_id span;

	if (memcmp(s, "00", 2) != 0 || s[FLAGS_AT] != '0' || flags > 3 || !has_dashes(s))
		return false;
	hex_decode_8(trace.bytes, s + TRACE_AT, &wrong);
	hex_decode_8(trace.bytes + 8, s + TRACE_AT + 16, &wrong);
	hex_decode_8(span.bytes, s + SPAN_AT, &wrong);
	if (!hex_is_right(wrong) || trace_id_is_zero(&trace) || span_id_is_zero(&span))
		return false;
	*ret_trace = trace;
	*ret_span = span;
	*ret_flags = flags;
	return true;
}

enum traceparent traceparent_parse(struct bytes value, struct trace_id *ret_trace,
				   struct span_id *ret_span, uint8_t *ret_flags)
{
	struct bytes v;
	struct trace_id trace;
	struct span_id span;
	uint8_t version, flags;

	if (LIKELY(value.len == TRACEPARENT_LEN) &&
	    LIKELY(usual(value.ptr, ret_trace, ret_span, ret_flags)))
		return TRACEPARENT_VALID;
	v = bytes_trim(value);
	if (v.len < TRACEPARENT_LEN || !has_dashes(v.ptr))
		return TRACEPARENT_INVALID;
	/* Lower case only (C4), which is what hex_decode() accepts. */
	if (!hex_decode(&version, v.ptr, 1) || version == 0xff ||
	    !hex_decode(trace.bytes, v.ptr + TRACE_AT, sizeof(trace.bytes)) ||
	    !hex_decode(span.bytes, v.ptr + SPAN_AT, sizeof(span.bytes)) ||
	    !hex_decode(&flags, v.ptr + FLAGS_AT, 1))
		return TRACEPARENT_INVALID;
	if (trace_id_is_zero(&trace) || span_id_is_zero(&span))
		return TRACEPARENT_INVALID;
	/* Later versions may only add fields at the end (C5, C8). */
	if (v.len > TRACEPARENT_LEN && (version == 0 || v.ptr[TRACEPARENT_LEN] != '-'))
		return TRACEPARENT_INVALID;
	*ret_trace = trace;
	*ret_span = span;
	*ret_flags = flags & (TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM);
	return version == 0 ? TRACEPARENT_VALID : TRACEPARENT_LATER;
}

void traceparent_format(char to[static TRACEPARENT_LEN], const struct trace_id *trace,
			const struct span_id *span, uint8_t flags)
{
	uint8_t sent = flags & (TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM);

	memcpy(to, "00-", TRACE_AT);
	hex_encode_8(to + TRACE_AT, trace->bytes);
	hex_encode_8(to + TRACE_AT + 16, trace->bytes + 8);
	to[SPAN_AT - 1] = '-';
	hex_encode_8(to + SPAN_AT, span->bytes);
	memcpy(to + FLAGS_AT - 1, "-0", 2);
	to[FLAGS_AT + 1] = (char)('0' + sent);
}
