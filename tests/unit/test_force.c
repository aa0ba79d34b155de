/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler.h"
#include "force.h"

static struct head h;
static char text[HEAD_TEXT_BYTES];

static void field(const char *name, const char *value)
{
	struct http1 p = { .name = bytes_from_str(name),
			   .value = bytes_from_str(value),
			   .tell = HEAD_TELL_MORE };

	head_field(&h, text, &p);
}

static bool is_forced_by(const char *setting, const char *name, const char *value)
{
	char *const envp[] = { (char *)(uintptr_t)setting, NULL };

	config_parse(&config, envp);
	head_init(&h);
	field("Accept", "*/*");
	field(name, value);
	field("Host", "x");
	return force_has(&h, text);
}

static void test_force_by_header(void **state)
{
	static const struct {
		const char *rule, *name, *value;
		bool is_forced;
	} rows[] = {
		{ "X=", "X-Trace-Me", "1", false },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me", "x-trace-me", "", true },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me", "X-Trace-Me", "no", true },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me", "X-Trace-Me2", "1", false },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me: se:cret ", "X-Trace-Me", "se:cret",
		  true },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me: secret", "X-Trace-Me", "secre", false },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me: secret", "X-Trace-Me", "secrets",
		  false },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me: secret", "X-Trace-Me", "Secret", false },
		{ "OTEL_INTERSPAN_FORCE_HEADER=X-Trace-Me:", "X-Trace-Me", "x", false },
		{ "OTEL_INTERSPAN_FORCE_HEADER=:", "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (is_forced_by(rows[i].rule, rows[i].name, rows[i].value) != rows[i].is_forced)
			fail_msg("%s: %s", rows[i].rule, rows[i].value);
}

static void test_force_by_baggage(void **state) /* C61, C63: keys are case-sensitive */
{
	static const struct {
		const char *rule, *value;
		bool is_forced;
	} rows[] = {
		{ "X=", "trace=1", false },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace", "trace=1", true },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace", "a=b, trace =;p=q ,c=d", true },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace", "Trace=1", false },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace", "a=trace", false },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace", "trace", false },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace=1", "trace=1;x=y", true },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace=1", "trace=10", false },
		{ "OTEL_INTERSPAN_FORCE_BAGGAGE=trace=1", "trace=0,trace=1", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (is_forced_by(rows[i].rule, "baggage", rows[i].value) != rows[i].is_forced)
			fail_msg("%s: %s", rows[i].rule, rows[i].value);
}

static void test_stranger_has_no_say_by_baggage(void **state)
{
	(void)state;
	assert_true(is_forced_by("OTEL_INTERSPAN_FORCE_BAGGAGE=t", "baggage", "t=1"));
	config.trust_inbound = false;
	assert_false(force_has(&h, text));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_force_by_header),
		cmocka_unit_test(test_force_by_baggage),
		cmocka_unit_test(test_stranger_has_no_say_by_baggage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
