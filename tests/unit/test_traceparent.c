/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "traceparent.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define V(version) version "-" TRACE "-" SPAN "-01"

static const uint8_t trace_bytes[16] = { 0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
					 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36 };
static const uint8_t span_bytes[8] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };

static const struct row {
	const char *name;
	const char *in;
	enum traceparent want;
	uint8_t flags;
} rows[] = {
	{ "C4: version 00", V("00"), TRACEPARENT_VALID, 1 },
	{ "C2: blanks around", "\t " V("00") " \t", TRACEPARENT_VALID, 1 },
	{ "C2: blanks inside", "00 -" TRACE "-" SPAN "-01", TRACEPARENT_INVALID, 0 },
	{ "C2: a line end is no blank", V("00") "\n", TRACEPARENT_INVALID, 0 },
	{ "C3: joined by a proxy", V("00") "," V("00"), TRACEPARENT_INVALID, 0 },
	{ "C4: upper-case trace", "00-4BF92f3577b34da6a3ce929d0e0e4736-" SPAN "-01",
	  TRACEPARENT_INVALID, 0 },
	{ "C4: upper-case span", "00-" TRACE "-00F067aa0ba902b7-01", TRACEPARENT_INVALID, 0 },
	{ "C4: upper-case flags", "00-" TRACE "-" SPAN "-0A", TRACEPARENT_INVALID, 0 },
	{ "C4: not hex in the trace", "00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01",
	  TRACEPARENT_INVALID, 0 },
	{ "C4: not hex in the span", "00-" TRACE "-.0f067aa0ba902b7-01", TRACEPARENT_INVALID, 0 },
	{ "C4: not hex in the flags", "00-" TRACE "-" SPAN "-0x", TRACEPARENT_INVALID, 0 },
	{ "C5: dot behind", V("00") ".", TRACEPARENT_INVALID, 0 },
	{ "C5: dash behind", V("00") "-", TRACEPARENT_INVALID, 0 },
	{ "C5: more behind", V("00") "-extra", TRACEPARENT_INVALID, 0 },
	{ "C5: too short", "00-" TRACE "-" SPAN "-0", TRACEPARENT_INVALID, 0 },
	{ "C6: version ff", V("ff"), TRACEPARENT_INVALID, 0 },
	{ "C7: zero trace", "00-00000000000000000000000000000000-" SPAN "-01", TRACEPARENT_INVALID,
	  0 },
	{ "C7: zero span", "00-" TRACE "-0000000000000000-01", TRACEPARENT_INVALID, 0 },
	{ "C7: long trace", "00-" TRACE "0-" SPAN "-01", TRACEPARENT_INVALID, 0 },
	{ "C7: long span", "00-" TRACE "-" SPAN "0-01", TRACEPARENT_INVALID, 0 },
	{ "C7: short trace, long span", "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
	  TRACEPARENT_INVALID, 0 },

	{ "C8: later", V("01"), TRACEPARENT_LATER, 1 },
	{ "C8: later, longer", V("cc") "-what-the-future-will-be-like", TRACEPARENT_LATER, 1 },
	{ "C8: later, an empty field", V("fe") "-", TRACEPARENT_LATER, 1 },
	{ "C8: later, dot", V("cc") ".what", TRACEPARENT_INVALID, 0 },
	{ "C8: later, too short", "cc-" TRACE "-" SPAN "-0", TRACEPARENT_INVALID, 0 },
	{ "C8: later, long flags", V("cc") "0", TRACEPARENT_INVALID, 0 },
	{ "C10: version not hex", V(".0"), TRACEPARENT_INVALID, 0 },
	{ "C10: version upper case", V("0A"), TRACEPARENT_INVALID, 0 },
	{ "C10: version too long", V("000"), TRACEPARENT_INVALID, 0 },
	{ "C10: version too short", V("0"), TRACEPARENT_INVALID, 0 },
	{ "C10: no dash", "00_" TRACE "-" SPAN "-01", TRACEPARENT_INVALID, 0 },
	{ "C10: second no dash", "00-" TRACE "_" SPAN "-01", TRACEPARENT_INVALID, 0 },
	{ "C10: third no dash", "00-" TRACE "-" SPAN "_01", TRACEPARENT_INVALID, 0 },
	{ "C12: flags 00", "00-" TRACE "-" SPAN "-00", TRACEPARENT_VALID, 0 },
	{ "C12: flags 02", "00-" TRACE "-" SPAN "-02", TRACEPARENT_VALID, 2 },
	{ "C13: flags 03", "00-" TRACE "-" SPAN "-03", TRACEPARENT_VALID, 3 },
	{ "C13: flags fe", "00-" TRACE "-" SPAN "-fe", TRACEPARENT_VALID, 2 },
	{ "C13: flags ff", "00-" TRACE "-" SPAN "-ff", TRACEPARENT_VALID, 3 },
	{ "C13: flags 10", "00-" TRACE "-" SPAN "-10", TRACEPARENT_VALID, 0 },
	{ "nothing", "", TRACEPARENT_INVALID, 0 },
	{ "blanks", "  ", TRACEPARENT_INVALID, 0 },
};

static void test_traceparent_is_parsed_as_specified(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct trace_id trace = { { 0xee } };
		struct span_id span = { { 0xee } };
		uint8_t flags = 0xee;
		enum traceparent got =
			traceparent_parse(bytes_from_str(r->in), &trace, &span, &flags);

		if (got != r->want || flags != (got == TRACEPARENT_INVALID ? 0xee : r->flags))
			fail_msg("%s: %d, flags %02x", r->name, (int)got, flags);
		if (got == TRACEPARENT_INVALID) {
			assert_int_equal(trace.bytes[0], 0xee); /* untouched */
			assert_int_equal(span.bytes[0], 0xee);
		} else {
			assert_memory_equal(trace.bytes, trace_bytes, 16);
			assert_memory_equal(span.bytes, span_bytes, 8);
		}
	}
}

/* C4, C10: one wrong byte, whichever, at whatever place. */
static void test_traceparent_with_any_wrong_byte_is_invalid(void **state)
{
	char text[] = V("00");

	(void)state;
	for (size_t at = 0; at < TRACEPARENT_LEN; at++) {
		for (int c = 0; c < 256; c++) {
			char was = text[at];
			bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
			struct trace_id trace;
			struct span_id span;
			uint8_t flags;
			enum traceparent got;

			text[at] = (char)c;
			got = traceparent_parse((struct bytes){ text, TRACEPARENT_LEN }, &trace,
						&span, &flags);
			assert_int_equal(got == TRACEPARENT_INVALID,
					 was == '-' ? c != '-' : !is_hex);
			text[at] = was;
		}
	}
}

/* C9, C21, C121: what is written is version 00, and reads as what went in. */
static void test_traceparent_format_is_read_back(void **state)
{
	struct trace_id trace, trace_back;
	struct span_id span, span_back;
	char text[TRACEPARENT_LEN + 1];
	uint8_t flags;

	(void)state;
	memcpy(trace.bytes, trace_bytes, 16);
	memcpy(span.bytes, span_bytes, 8);
	for (unsigned int f = 0; f < 256; f++) {
		text[TRACEPARENT_LEN] = '!';
		traceparent_format(text, &trace, &span, (uint8_t)f);
		assert_memory_equal(text, "00-" TRACE "-" SPAN "-0", 54);
		assert_int_equal(text[54], "0123"[f & 3]);
		assert_int_equal(text[55], '!');
		assert_int_equal(traceparent_parse((struct bytes){ text, TRACEPARENT_LEN },
						   &trace_back, &span_back, &flags),
				 TRACEPARENT_VALID);
		assert_memory_equal(&trace, &trace_back, sizeof(trace));
		assert_memory_equal(&span, &span_back, sizeof(span));
		assert_int_equal(flags, f & 3);
	}
}

static void test_traceparent_name_is_one_word_in_any_case(void **state)
{
	(void)state;
	assert_true(traceparent_is_name(BYTES("traceparent"))); /* C1 */
	assert_true(traceparent_is_name(BYTES("TraceParent")));
	assert_false(traceparent_is_name(BYTES("trace-parent")));
	assert_false(traceparent_is_name(BYTES("trace.parent")));
	assert_false(traceparent_is_name(BYTES("traceparents")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traceparent_is_parsed_as_specified),
		cmocka_unit_test(test_traceparent_with_any_wrong_byte_is_invalid),
		cmocka_unit_test(test_traceparent_format_is_read_back),
		cmocka_unit_test(test_traceparent_name_is_one_word_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
