/* SPDX-License-Identifier: Apache-2.0 */
/* Who started this program: rows C95-C111 of the environment as a carrier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../preload/origin.c"

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

static bool starts_with(const char *first, const char *second, struct span_context *ret)
{
	const char *const envp[] = { "TERM=x", first, second, NULL };

	atomic_store(&origin_state, ORIGIN_NONE);
	origin = (struct span_context){ 0 };
	memset(&named, 0, sizeof(named));
	origin_init((char *const *)(uintptr_t)envp);
	return origin_context(ret);
}

static void test_origin_is_what_the_environment_names(void **state)
{
	static const uint8_t trace[16] = { 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
					   0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c };
	static const uint8_t span[8] = { 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31 };
	struct span_context c;

	(void)state;
	assert_true(starts_with("TRACEPARENT=00-" IDS "-03", "TRACESTATE=a=1, b=2", &c));
	assert_memory_equal(c.trace.bytes, trace, sizeof(trace));
	assert_memory_equal(c.span.bytes, span, sizeof(span));
	assert_int_equal(c.flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM);
	assert_true(c.is_remote); /* C14 */
	assert_true(bytes_equal(c.tracestate, BYTES("a=1,b=2")));
	assert_true(starts_with("TRACESTATE=", "TRACEPARENT=00-" IDS "-00", &c));
	assert_int_equal(c.flags, 0);
	assert_int_equal(c.tracestate.len, 0);
}

static void test_origin_is_none_of_what_is_no_name_or_no_value(void **state)
{
	struct span_context c;

	(void)state;
	assert_false(starts_with("traceparent=00-" IDS "-01", NULL, &c)); /* C96 */
	assert_false(starts_with("XTRACEPARENT=00-" IDS "-01", NULL, &c));
	assert_false(starts_with("TRACEPARENT", NULL, &c));
	assert_false(starts_with("TRACEPARENT=", NULL, &c));               /* C111 */
	assert_false(starts_with("TRACEPARENT=ff-" IDS "-01", NULL, &c));  /* C6 */
	assert_false(starts_with("TRACEPARENT=00-" IDS "-01x", NULL, &c)); /* C5 */
	assert_false(starts_with("TRACESTATE=a=1", NULL, &c));             /* C29 */
}

static void test_origin_takes_the_first_of_two_as_getenv(void **state)
{
	struct span_context c;

	(void)state;
	assert_true(starts_with("TRACEPARENT=00-" IDS "-00", "TRACEPARENT=00-" IDS "-01", &c));
	assert_int_equal(c.flags, 0);
}

static void test_origin_keeps_the_parent_of_a_bad_state(void **state)
{
	struct span_context c;

	(void)state;
	assert_true(starts_with("TRACEPARENT=00-" IDS "-01", "TRACESTATE=A=1", &c)); /* C29, C36 */
	assert_int_equal(c.tracestate.len, 0);
}

static void test_origin_ends_for_good_and_stays_known(void **state)
{
	struct span_context c, later;

	(void)state;
	origin_end();
	assert_true(starts_with("TRACEPARENT=00-" IDS "-01", NULL, &c));
	assert_true(origin_is(&c.trace, &c.span));
	origin_end();
	origin_end();
	assert_false(origin_context(&later));
	assert_true(origin_is(&c.trace, &c.span));
	c.span.bytes[7]++;
	assert_false(origin_is(&c.trace, &c.span));
	assert_false(starts_with("TERM=y", NULL, &later));
	origin_end();
	assert_int_equal(atomic_load(&origin_state), ORIGIN_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origin_is_what_the_environment_names),
		cmocka_unit_test(test_origin_is_none_of_what_is_no_name_or_no_value),
		cmocka_unit_test(test_origin_takes_the_first_of_two_as_getenv),
		cmocka_unit_test(test_origin_keeps_the_parent_of_a_bad_state),
		cmocka_unit_test(test_origin_ends_for_good_and_stays_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
