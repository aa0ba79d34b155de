/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include "compiler.h"

/* Arrays, not pointers: those would be relocated in every process that loads us. */
static const char names[FORMAT_LINES][FORMAT_NAME_MAX] = {
	[FORMAT_B3] = "b3",
	[FORMAT_B3_TRACE] = "X-B3-TraceId",
	[FORMAT_B3_SPAN] = "X-B3-SpanId",
	[FORMAT_B3_PARENT] = "X-B3-ParentSpanId",
	[FORMAT_B3_SAMPLED] = "X-B3-Sampled",
	[FORMAT_B3_FLAGS] = "X-B3-Flags",
	[FORMAT_JAEGER] = "uber-trace-id",
	[FORMAT_XRAY] = "X-Amzn-Trace-Id",
	[FORMAT_OT_TRACE] = "ot-tracer-traceid",
	[FORMAT_OT_SPAN] = "ot-tracer-spanid",
	[FORMAT_OT_SAMPLED] = "ot-tracer-sampled",
};

struct bytes format_name(enum format_line line)
{
	return bytes_from_str(names[line]);
}

enum format_line format_line_of(struct bytes name)
{
	for (unsigned i = 0; i < FORMAT_LINES; i++)
		if (bytes_equal_nocase(name, bytes_from_str(names[i])))
			return (enum format_line)i;
	return FORMAT_LINES;
}

bool format_is_wanted(enum format_line line)
{
	switch (line) {
	case FORMAT_JAEGER:
		return config_propagates(PROPAGATOR_JAEGER);
	case FORMAT_XRAY:
		return config_propagates(PROPAGATOR_XRAY);
	case FORMAT_OT_TRACE:
	case FORMAT_OT_SPAN:
	case FORMAT_OT_SAMPLED:
		return config_propagates(PROPAGATOR_OTTRACE);
	case FORMAT_LINES:
		return false;
	default: /* read in both forms, whichever is written (C74) */
		return config_propagates(PROPAGATOR_B3) || config_propagates(PROPAGATOR_B3MULTI);
	}
}

struct bytes format_baggage_prefix(enum config_propagator format)
{
	if (format == PROPAGATOR_JAEGER)
		return BYTES("uberctx-");
	return format == PROPAGATOR_OTTRACE ? BYTES("ot-baggage-") : BYTES("");
}

uint32_t format_baggage_of(struct bytes name, struct bytes *ret_key)
{
	static const enum config_propagator formats[] = { PROPAGATOR_JAEGER, PROPAGATOR_OTTRACE };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		struct bytes prefix = format_baggage_prefix(formats[i]);

		*ret_key = bytes_skip(name, prefix.len);
		if (ret_key->len && config_propagates(formats[i]) &&
		    bytes_equal_nocase((struct bytes){ name.ptr, prefix.len }, prefix))
			return formats[i];
	}
	*ret_key = (struct bytes){ NULL, 0 };
	return config_propagates(PROPAGATOR_JAEGER) &&
			       bytes_equal_nocase(name, BYTES("jaeger-baggage")) ?
		       PROPAGATOR_JAEGER :
		       0;
}

/* --- reading --- */

/* Hex of at most 2 * n digits, zeros ahead of them (C77, C85, C93); false: no hex, or all zero. */
static bool id_take(struct bytes hex, uint8_t *to, size_t n)
{
	char padded[2 * sizeof(struct trace_id)];
	uint8_t any = 0;

	if (!hex.len || hex.len > 2 * n)
		return false;
	memset(padded, '0', sizeof(padded));
	memcpy(padded + 2 * n - hex.len, hex.ptr, hex.len);
	if (!hex_decode(to, padded, n))
		return false;
	for (size_t i = 0; i < n; i++)
		any |= to[i];
	return any != 0;
}

static bool ids_take(struct bytes trace, struct bytes span, struct span_context *ret)
{
	return id_take(trace, ret->trace.bytes, sizeof(ret->trace.bytes)) &&
	       id_take(span, ret->span.bytes, sizeof(ret->span.bytes));
}

enum decision_word { SAID_NO, SAID_YES, SAID_DEBUG, SAID_NOTHING, SAID_NONSENSE };

/* Nothing said: whoever begins the trace here decides (C83). */
static bool decision_take(enum decision_word said, struct span_context *ret)
{
	ret->is_deferred = said == SAID_NOTHING;
	ret->is_debug = said == SAID_DEBUG;
	ret->flags = (uint8_t)(said == SAID_NO ? 0 : TRACE_FLAG_SAMPLED);
	return said != SAID_NONSENSE;
}

static enum decision_word word_of(struct bytes s)
{
	if (!s.ptr)
		return SAID_NOTHING;
	if (bytes_equal(s, BYTES("1")) || bytes_equal(s, BYTES("true")))
		return SAID_YES;
	if (bytes_equal(s, BYTES("0")) || bytes_equal(s, BYTES("false")))
		return SAID_NO;
	return SAID_NONSENSE;
}

static bool is_b3_length(struct bytes trace, struct bytes span)
{
	return (trace.len == 16 || trace.len == 32) && span.len == 16;
}

/* C75: trace-span[-state[-parent]] */
static bool b3_single(struct bytes rest, struct span_context *ret)
{
	struct bytes trace = bytes_split(&rest, '-');
	struct bytes span = rest.ptr ? bytes_split(&rest, '-') : rest;
	struct bytes state = rest.ptr ? bytes_split(&rest, '-') : rest;
	struct span_id parent;

	if (!is_b3_length(trace, span) || !ids_take(trace, span, ret))
		return false;
	if (rest.ptr && (rest.len != 16 || !hex_decode(parent.bytes, rest.ptr, 8)))
		return false;
	if (state.ptr && state.len != 1)
		return false;
	return decision_take(bytes_equal(state, BYTES("d")) ? SAID_DEBUG : word_of(state), ret);
}

/* C76, C122 */
static bool b3_multi(const struct format_values *v, struct span_context *ret)
{
	struct bytes trace = v->of[FORMAT_B3_TRACE], span = v->of[FORMAT_B3_SPAN];
	struct bytes parent = v->of[FORMAT_B3_PARENT];
	struct span_id unused;
	bool is_debug = bytes_equal(v->of[FORMAT_B3_FLAGS], BYTES("1"));

	if (!is_b3_length(trace, span) || !ids_take(trace, span, ret))
		return false;
	if (parent.ptr && (parent.len != 16 || !hex_decode(unused.bytes, parent.ptr, 8)))
		return false;
	return decision_take(is_debug ? SAID_DEBUG : word_of(v->of[FORMAT_B3_SAMPLED]), ret);
}

/* C84: colons may have been encoded. */
static struct bytes jaeger_part(struct bytes *rest)
{
	struct bytes part = *rest;

	for (size_t i = 0; i < rest->len; i++) {
		size_t n = rest->ptr[i] == ':' ? 1 : 0;

		if (i + 3 <= rest->len &&
		    bytes_equal_nocase((struct bytes){ rest->ptr + i, 3 }, BYTES("%3a")))
			n = 3;
		if (!n)
			continue;
		part.len = i;
		*rest = (struct bytes){ rest->ptr + i + n, rest->len - i - n };
		return part;
	}
	*rest = (struct bytes){ NULL, 0 };
	return part;
}

static bool jaeger(struct bytes rest, struct span_context *ret)
{
	struct bytes trace = jaeger_part(&rest), span = jaeger_part(&rest);
	struct bytes parent = jaeger_part(&rest), flags = jaeger_part(&rest);
	char padded[2] = { '0', '0' };
	uint8_t bits;

	if (!parent.ptr || !flags.len || flags.len > 2 || rest.ptr)
		return false;
	memcpy(padded + 2 - flags.len, flags.ptr, flags.len);
	if (!ids_take(trace, span, ret) || !hex_decode(&bits, padded, 1))
		return false;
	/* C86: 1 sampled, 2 debug if sampled */
	return decision_take(!(bits & 1) ? SAID_NO : bits & 2 ? SAID_DEBUG : SAID_YES, ret);
}

/* C88: "1-{8}-{24}" */
static bool xray_root(struct bytes root, char to[TRACE_ID_HEX])
{
	if (root.len != 35 || memcmp(root.ptr, "1-", 2) != 0 || root.ptr[10] != '-')
		return false;
	memcpy(to, root.ptr + 2, 8);
	memcpy(to + 8, root.ptr + 11, 24);
	return true;
}

static bool xray(struct bytes rest, struct span_context *ret)
{
	struct bytes root = { NULL, 0 }, parent = root, sampled = root;
	char trace[TRACE_ID_HEX];

	while (rest.ptr) {
		struct bytes value = bytes_trim(bytes_split(&rest, ';'));
		struct bytes key = bytes_split(&value, '=');

		if (bytes_equal_nocase(key, BYTES("root")))
			root = value;
		else if (bytes_equal_nocase(key, BYTES("parent")))
			parent = value;
		else if (bytes_equal_nocase(key, BYTES("sampled")))
			sampled = value;
	}
	if (parent.len != SPAN_ID_HEX || !xray_root(root, trace) ||
	    !ids_take((struct bytes){ trace, sizeof(trace) }, parent, ret))
		return false;
	/* C89 */
	return decision_take(bytes_equal(sampled, BYTES("?")) ? SAID_NOTHING : word_of(sampled),
			     ret);
}

/* C92, C93 */
static bool ottrace(const struct format_values *v, struct span_context *ret)
{
	struct bytes trace = v->of[FORMAT_OT_TRACE], span = v->of[FORMAT_OT_SPAN];

	return is_b3_length(trace, span) && ids_take(trace, span, ret) &&
	       decision_take(word_of(v->of[FORMAT_OT_SAMPLED]), ret);
}

bool format_parse(enum config_propagator format, const struct format_values *v,
		  struct span_context *ret)
{
	struct span_context got = { .is_remote = true, .is_other = true };
	bool is_valid = false;

	switch (format) {
	case PROPAGATOR_B3:
	case PROPAGATOR_B3MULTI: /* C74 */
		is_valid = b3_single(v->of[FORMAT_B3], &got) || b3_multi(v, &got);
		break;
	case PROPAGATOR_JAEGER:
		is_valid = jaeger(v->of[FORMAT_JAEGER], &got);
		break;
	case PROPAGATOR_XRAY:
		is_valid = xray(v->of[FORMAT_XRAY], &got);
		break;
	case PROPAGATOR_OTTRACE:
		is_valid = ottrace(v, &got);
		break;
	default:
		break;
	}
	if (is_valid)
		*ret = got;
	return is_valid;
}

/* --- writing --- */

struct line {
	char *to;
	size_t len;
};

static void put(struct line *l, struct bytes b)
{
	memcpy(l->to + l->len, b.ptr, b.len);
	l->len += b.len;
}

static void put_name(struct line *l, enum format_line name)
{
	put(l, format_name(name));
	put(l, BYTES(": "));
}

static void put_hex(struct line *l, const uint8_t *bytes, size_t n)
{
	hex_encode(l->to + l->len, bytes, n);
	l->len += 2 * n;
}

static void put_trace(struct line *l, const struct span_context *c)
{
	put_hex(l, c->trace.bytes, sizeof(c->trace.bytes));
}

static void put_span(struct line *l, const struct span_context *c)
{
	put_hex(l, c->span.bytes, sizeof(c->span.bytes));
}

static void put_end(struct line *l)
{
	put(l, BYTES("\r\n"));
}

static bool is_sampled(const struct span_context *c)
{
	return c->flags & TRACE_FLAG_SAMPLED;
}

/* C80: without a parent's id. */
static void put_b3(struct line *l, const struct span_context *c)
{
	put_name(l, FORMAT_B3);
	put_trace(l, c);
	put(l, BYTES("-"));
	put_span(l, c);
	put(l, !is_sampled(c) ? BYTES("-0") : c->is_debug ? BYTES("-d") : BYTES("-1"));
	put_end(l);
}

static void put_b3_multi(struct line *l, const struct span_context *c)
{
	bool is_debug = is_sampled(c) && c->is_debug;

	put_name(l, FORMAT_B3_TRACE);
	put_trace(l, c);
	put_end(l);
	put_name(l, FORMAT_B3_SPAN);
	put_span(l, c);
	put_end(l);
	put_name(l, is_debug ? FORMAT_B3_FLAGS : FORMAT_B3_SAMPLED);
	put(l, is_sampled(c) ? BYTES("1") : BYTES("0"));
	put_end(l);
}

static void put_jaeger(struct line *l, const struct span_context *c)
{
	put_name(l, FORMAT_JAEGER);
	put_trace(l, c);
	put(l, BYTES(":"));
	put_span(l, c);
	put(l, !is_sampled(c) ? BYTES(":0:0") : c->is_debug ? BYTES(":0:3") : BYTES(":0:1"));
	put_end(l);
}

static void put_xray(struct line *l, const struct span_context *c)
{
	put_name(l, FORMAT_XRAY);
	put(l, BYTES("Root=1-"));
	put_hex(l, c->trace.bytes, 4);
	put(l, BYTES("-"));
	put_hex(l, c->trace.bytes + 4, 12);
	put(l, BYTES(";Parent="));
	put_span(l, c);
	put(l, is_sampled(c) ? BYTES(";Sampled=1") : BYTES(";Sampled=0"));
	put_end(l);
}

static void put_ottrace(struct line *l, const struct span_context *c)
{
	put_name(l, FORMAT_OT_TRACE);
	put_hex(l, c->trace.bytes + 8, 8); /* C93 */
	put_end(l);
	put_name(l, FORMAT_OT_SPAN);
	put_span(l, c);
	put_end(l);
	put_name(l, FORMAT_OT_SAMPLED);
	put(l, is_sampled(c) ? BYTES("true") : BYTES("false"));
	put_end(l);
}

size_t format_write(enum config_propagator format, const struct span_context *ctx, char *to)
{
	struct line l = { to, 0 };

	if (format == PROPAGATOR_B3)
		put_b3(&l, ctx);
	else if (format == PROPAGATOR_B3MULTI)
		put_b3_multi(&l, ctx);
	else if (format == PROPAGATOR_JAEGER)
		put_jaeger(&l, ctx);
	else if (format == PROPAGATOR_XRAY)
		put_xray(&l, ctx);
	else if (format == PROPAGATOR_OTTRACE)
		put_ottrace(&l, ctx);
	return l.len;
}
