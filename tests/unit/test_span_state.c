/* SPDX-License-Identifier: Apache-2.0 */
/* The trace state of spans about which the sampler has something to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "config.h"
#include "preload/sampler.h"
#include "span.h"
#include "store.h"

static char list[9000];

static int setup(void **state)
{
	static const char *const envp[] = { "OTEL_TRACES_SAMPLER=probability",
					    "OTEL_TRACES_SAMPLER_ARG=1",
					    "OTEL_INTERSPAN_SAMPLING_RULES=/off=0;/half=0.5",
					    NULL };

	(void)state;
	config_load((char *const *)(uintptr_t)envp);
	sampler_init();
	return store_open() ? 0 : -1;
}

/* What a span of that rule under that parent has; "": nothing. */
static const char *state_of(const char *parent_state, unsigned rule)
{
	static char got[9000];
	struct span_context parent = { .trace = { { 1, [9] = 0xff } },
				       .span = { { 1 } },
				       .tracestate = bytes_from_str(parent_state) };
	struct span *s = span_start_by(SPAN_SERVER, parent_state ? &parent : NULL,
				       clock_monotonic_ns(), rule);

	got[span_tracestate(s, got, sizeof(got) - 1)] = '\0';
	span_discard(s);
	return got;
}

static void test_threshold_goes_to_the_left(void **state) /* C42, E52, E53 */
{
	(void)state;
	assert_string_equal(state_of(NULL, 0), "ot=th:0");
	assert_string_equal(state_of("", 0), "ot=th:0");
	assert_string_equal(state_of("a=1,b=2", 0), "ot=th:0,a=1,b=2");
	assert_string_equal(state_of("ot=th:c", 0), "ot=th:0");
	assert_string_equal(state_of("ot=th:c,a=1", 0), "ot=th:0,a=1");
	assert_string_equal(state_of("a=1,ot=th:c;rv:ffffffffffffff", 2),
			    "ot=th:8;rv:ffffffffffffff,a=1");
	assert_string_equal(state_of("a=1,ot=th:c,b=2", 2), "ot=th:8,a=1,b=2");
}

static void test_threshold_goes_when_dropped(void **state) /* E46, E58 */
{
	(void)state;
	assert_string_equal(state_of("a=1,ot=th:c,b=2", 1), "a=1,b=2");
	assert_string_equal(state_of("ot=th:c,b=2", 1), "b=2");
	assert_string_equal(state_of("ot=th:c;rv:0123456789abcd", 1), "ot=rv:0123456789abcd");
	assert_string_equal(state_of("ot=th:c", 1), "");
	assert_string_equal(state_of("a=1,b=2", 1), "a=1,b=2");
	assert_string_equal(state_of(NULL, 1), "");
}

static void test_last_of_32_members_makes_room(void **state) /* C40 */
{
	char want[400] = "ot=th:0";
	size_t len = 0, at = strlen(want);

	(void)state;
	for (int i = 0; i < 32; i++) {
		len += (size_t)sprintf(list + len, "%sk%d=v", i ? "," : "", i);
		if (i < 31)
			at += (size_t)sprintf(want + at, ",k%d=v", i);
	}
	assert_string_equal(state_of(list, 0), want);
}

static void test_list_of_8_kib_loses_whole_members(void **state) /* C44 */
{
	const char *got;

	(void)state;
	memset(list, 'x', sizeof(list));
	for (size_t i = 0; i < 30; i++)
		memcpy(list + 273 * i, i ? ",k=" : "ak=", 3);
	list[30 * 273] = '\0';
	got = state_of(list, 0);
	assert_int_equal(strlen(got), 8 + 29 * 273);
	assert_memory_equal(got, "ot=th:0,ak=x", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold_goes_to_the_left),
		cmocka_unit_test(test_threshold_goes_when_dropped),
		cmocka_unit_test(test_last_of_32_members_makes_room),
		cmocka_unit_test(test_list_of_8_kib_loses_whole_members),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
