/* SPDX-License-Identifier: Apache-2.0 */
/* Trace headers of other formats (C74-C94, C122): values are written out by their definitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "format.h"

#define T "80f198ee56343ba864fe8b2a57d3eff7"
#define T64 "64fe8b2a57d3eff7"
#define T64_LONG "0000000000000000" T64
#define S "e457b5a2e4d86bd1"
#define P "05e3ac9a4f6e3b90"
#define NO_IDS "0000000000000000"

/* Ids as hex, then what is said: 0, 1, d or ? (left to us); NULL: not valid. */
static void assert_parsed(enum config_propagator format, const struct format_values *v,
			  const char *want, const char *id)
{
	struct span_context got = { .flags = 0x77 };
	char text[64];

	if (!format_parse(format, v, &got)) {
		if (want)
			fail_msg("%s: not valid", id);
		assert_int_equal(got.flags, 0x77); /* untouched (C11) */
		return;
	}
	hex_encode(text, got.trace.bytes, 16);
	text[32] = ' ';
	hex_encode(text + 33, got.span.bytes, 8);
	text[49] = ' ';
	text[50] = got.is_deferred ? '?' : got.is_debug ? 'd' : got.flags & 1 ? '1' : '0';
	text[51] = '\0';
	if (!want || strcmp(text, want) != 0)
		fail_msg("%s: %s", id, text);
	assert_true(got.is_remote);              /* C14 */
	assert_int_equal(got.flags & ~1u, 0);    /* C25, C94: not random */
	assert_int_equal(got.tracestate.len, 0); /* C94 */
}

static void test_format_in_one_header(void **state)
{
	static const struct {
		const char *id;
		enum config_propagator format;
		enum format_line line;
		const char *value, *want;
	} rows[] = {
#define B3(id, value, want) { id, PROPAGATOR_B3, FORMAT_B3, value, want }
		B3("C75", T "-" S "-1-" P, T " " S " 1"),
		B3("C75", T "-" S "-0", T " " S " 0"),
		B3("C78", T "-" S "-d", T " " S " d"),
		B3("C83", T "-" S, T " " S " ?"),
		B3("C77", T64 "-" S "-1", T64_LONG " " S " 1"),
		B3("C82", "0", NULL),
		B3("C122", T, NULL),
		B3("C122", T "-" S "-", NULL),
		B3("C122", T "-" S "-" P, NULL),
		B3("C122",
		   T "-" S "-1-"
		     "05e3",
		   NULL),
		B3("C122", T "-" S "-1-05e3ac9a4f6e3b9x", NULL),
		B3("C122", T "-" S "-2", NULL),
		B3("C122", T "-" S "-1-" P "-", NULL),
		B3("C77", "80F198EE56343BA864FE8B2A57D3EFF7-" S "-1", NULL),
		B3("C75", NO_IDS "-" S "-1", NULL),
		B3("C75", T "-" NO_IDS "-1", NULL),
		B3("C75", T "0-" S "-1", NULL),
		B3("C75", "", NULL),
#define UBER(id, value, want) { id, PROPAGATOR_JAEGER, FORMAT_JAEGER, value, want }
		UBER("C84", T ":" S ":" P ":1", T " " S " 1"),
		UBER("C84", T ":" S ":0:0", T " " S " 0"),
		UBER("C84", T "%3A" S "%3a0%3A01", T " " S " 1"),
		UBER("C85", "f7:d1:0:1", "000000000000000000000000000000f7 00000000000000d1 1"),
		UBER("C86", T ":" S ":0:3", T " " S " d"),
		UBER("C86", T ":" S ":0:2", T " " S " 0"),
		UBER("C86", T ":" S ":0:9", T " " S " 1"),
		UBER("C84", T ":" S ":0", NULL),
		UBER("C84", T ":" S ":0:1:1", NULL),
		UBER("C84", T ":" S ":0:", NULL),
		UBER("C84", T ":" S ":0:111", NULL),
		UBER("C85", "0:" S ":0:1", NULL),
		UBER("C85", T ":0:0:1", NULL),
#define XRAY(id, value, want) { id, PROPAGATOR_XRAY, FORMAT_XRAY, value, want }
		XRAY("C88", "Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S ";Sampled=1",
		     T " " S " 1"),
		XRAY("C88",
		     "Sampled=0; Parent=" S ";Self=1-2-3;Root=1-80f198ee-56343ba864fe8b2a57d3eff7",
		     T " " S " 0"),
		XRAY("C89", "Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S ";Sampled=?",
		     T " " S " ?"),
		XRAY("C89", "Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S, T " " S " ?"),
		XRAY("C89", "Root=1-80f198ee-56343ba864fe8b2a57d3eff7", NULL),
		XRAY("C88", "Root=2-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S, NULL),
		XRAY("C88", "Root=1-80f198ee56343ba864fe8b2a57d3eff70;Parent=" S, NULL),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct format_values v = { 0 };
		char id[160];

		snprintf(id, sizeof(id), "%s: %s", rows[i].id, rows[i].value);
		v.of[rows[i].line] = bytes_from_str(rows[i].value);
		assert_parsed(rows[i].format, &v, rows[i].want, id);
	}
}

static void test_b3_in_several_headers(void **state) /* C74, C76, C122 */
{
	static const struct {
		const char *trace, *span, *parent, *sampled, *flags, *want;
	} rows[] = {
		{ T, S, NULL, "1", NULL, T " " S " 1" },
		{ T, S, P, "0", NULL, T " " S " 0" },
		{ T, S, P, "true", NULL, T " " S " 1" },
		{ T, S, P, "false", NULL, T " " S " 0" },
		{ T, S, NULL, NULL, NULL, T " " S " ?" },
		{ T, S, NULL, NULL, "1", T " " S " d" },
		{ T, S, NULL, "1", "0", T " " S " 1" },
		{ T64, S, NULL, "1", NULL, T64_LONG " " S " 1" },
		{ T, S, NULL, "2", NULL, NULL },
		{ T, NULL, NULL, "1", NULL, NULL },
		{ NULL, S, NULL, "1", NULL, NULL },
		{ NULL, NULL, P, "1", NULL, NULL },
		{ T, S, "xyz", "1", NULL, NULL },
	};
	struct format_values v = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		v.of[FORMAT_B3_TRACE] = bytes_from_str(rows[i].trace);
		v.of[FORMAT_B3_SPAN] = bytes_from_str(rows[i].span);
		v.of[FORMAT_B3_PARENT] = bytes_from_str(rows[i].parent);
		v.of[FORMAT_B3_SAMPLED] = bytes_from_str(rows[i].sampled);
		v.of[FORMAT_B3_FLAGS] = bytes_from_str(rows[i].flags);
		assert_parsed(PROPAGATOR_B3MULTI, &v, rows[i].want, "b3multi");
		assert_parsed(PROPAGATOR_B3, &v, rows[i].want, "b3");
	}
	/* The single one wins where it is valid. */
	v.of[FORMAT_B3_PARENT] = (struct bytes){ NULL, 0 };
	v.of[FORMAT_B3] = BYTES(T64 "-" P "-0");
	assert_parsed(PROPAGATOR_B3MULTI, &v, T64_LONG " " P " 0", "both");
	v.of[FORMAT_B3] = BYTES(T64 "-" P "-9");
	assert_parsed(PROPAGATOR_B3MULTI, &v, T " " S " 1", "both, one malformed");
}

static void test_ottrace(void **state) /* C92, C93 */
{
	static const struct {
		const char *trace, *span, *sampled, *want;
	} rows[] = {
		{ T64, S, "true", T64_LONG " " S " 1" },
		{ T, S, "false", T " " S " 0" },
		{ T, S, "1", T " " S " 1" },
		{ T, S, NULL, T " " S " ?" },
		{ T, NULL, "true", NULL },
		{ NULL, S, "true", NULL },
		{ "1", S, "true", NULL },
		{ T, S, "yes", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct format_values v = { 0 };

		v.of[FORMAT_OT_TRACE] = bytes_from_str(rows[i].trace);
		v.of[FORMAT_OT_SPAN] = bytes_from_str(rows[i].span);
		v.of[FORMAT_OT_SAMPLED] = bytes_from_str(rows[i].sampled);
		assert_parsed(PROPAGATOR_OTTRACE, &v, rows[i].want, "ottrace");
	}
}

static void test_format_is_written(void **state) /* C75-C81, C84-C86, C88, C92, C93 */
{
	static const struct {
		enum config_propagator format;
		const char *no, *yes, *debug;
	} rows[] = {
		{ PROPAGATOR_B3, "b3: " T "-" S "-0\r\n", "b3: " T "-" S "-1\r\n",
		  "b3: " T "-" S "-d\r\n" },
		{ PROPAGATOR_B3MULTI,
		  "X-B3-TraceId: " T "\r\nX-B3-SpanId: " S "\r\nX-B3-Sampled: 0\r\n",
		  "X-B3-TraceId: " T "\r\nX-B3-SpanId: " S "\r\nX-B3-Sampled: 1\r\n",
		  "X-B3-TraceId: " T "\r\nX-B3-SpanId: " S "\r\nX-B3-Flags: 1\r\n" },
		{ PROPAGATOR_JAEGER, "uber-trace-id: " T ":" S ":0:0\r\n",
		  "uber-trace-id: " T ":" S ":0:1\r\n", "uber-trace-id: " T ":" S ":0:3\r\n" },
		{ PROPAGATOR_XRAY,
		  "X-Amzn-Trace-Id: Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S
		  ";Sampled=0\r\n",
		  "X-Amzn-Trace-Id: Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S
		  ";Sampled=1\r\n",
		  "X-Amzn-Trace-Id: Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=" S
		  ";Sampled=1\r\n" },
		{ PROPAGATOR_OTTRACE,
		  "ot-tracer-traceid: " T64 "\r\not-tracer-spanid: " S
		  "\r\not-tracer-sampled: false\r\n",
		  "ot-tracer-traceid: " T64 "\r\not-tracer-spanid: " S
		  "\r\not-tracer-sampled: true\r\n",
		  "ot-tracer-traceid: " T64 "\r\not-tracer-spanid: " S
		  "\r\not-tracer-sampled: true\r\n" },
	};
	struct span_context c = { .flags = 0 };

	(void)state;
	assert_true(hex_decode(c.trace.bytes, T, 16) && hex_decode(c.span.bytes, S, 8));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int said = 0; said < 3; said++) {
			const char *want = said == 0 ? rows[i].no :
					   said == 1 ? rows[i].yes :
						       rows[i].debug;
			char to[FORMAT_WRITE_MAX + 1];
			size_t len;

			c.flags = said ? TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM : TRACE_FLAG_RANDOM;
			c.is_debug = said == 2;
			len = format_write(rows[i].format, &c, to);
			assert_true(len <= FORMAT_WRITE_MAX);
			to[len] = '\0';
			assert_string_equal(to, want);
		}
}

static void test_names_are_known_in_any_case(void **state) /* C52 */
{
	(void)state;
	assert_int_equal(format_line_of(BYTES("B3")), FORMAT_B3);
	assert_int_equal(format_line_of(BYTES("x-b3-traceid")), FORMAT_B3_TRACE);
	assert_int_equal(format_line_of(BYTES("X-AMZN-TRACE-ID")), FORMAT_XRAY);
	assert_int_equal(format_line_of(BYTES("x-b3")), FORMAT_LINES);
	assert_int_equal(format_line_of(BYTES("traceparent")), FORMAT_LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_in_one_header),
		cmocka_unit_test(test_b3_in_several_headers),
		cmocka_unit_test(test_ottrace),
		cmocka_unit_test(test_format_is_written),
		cmocka_unit_test(test_names_are_known_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
