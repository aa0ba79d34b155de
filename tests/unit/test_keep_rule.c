/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler.h"
#include "keep_rule.h"

static void test_term_is_read(void **state)
{
	static const struct {
		const char *text;
		uint8_t kind, is;
		uint64_t number;
		const char *rest;
	} rows[] = {
		{ "error", KEEP_ERROR, 0, 0, "" },
		{ "ERROR", KEEP_ERROR, 0, 0, "" },
		{ "slow>1s", KEEP_SLOW, KEEP_IS_MORE, 1000000000, "" },
		{ "slow >= 1.5 s", KEEP_SLOW, KEEP_IS_MORE | KEEP_IS_EQUAL, 1500000000, "" },
		{ "slow>250ms", KEEP_SLOW, KEEP_IS_MORE, 250000000, "" },
		{ "slow>7us", KEEP_SLOW, KEEP_IS_MORE, 7000, "" },
		{ "slow>9ns", KEEP_SLOW, KEEP_IS_MORE, 9, "" },
		{ "slow>2m", KEEP_SLOW, KEEP_IS_MORE, 120000000000, "" },
		{ "slow>1h", KEEP_SLOW, KEEP_IS_MORE, 3600000000000, "" },
		{ "status>=500", KEEP_STATUS, KEEP_IS_MORE | KEEP_IS_EQUAL, 500, "" },
		{ "status=404", KEEP_STATUS, KEEP_IS_EQUAL, 404, "" },
		{ "status<200", KEEP_STATUS, KEEP_IS_LESS, 200, "" },
		{ "method=POST", KEEP_METHOD, 0, 0, "POST" },
		{ "route=/checkout/*", KEEP_ROUTE, 0, 0, "/checkout/*" },
		{ "route = /orders/{id}", KEEP_ROUTE, 0, 0, "/orders/{id}" },
		{ "forced", KEEP_FORCED, 0, 0, "" },
		{ "all", KEEP_ALL, 0, 0, "" },
		{ "none", KEEP_NONE, 0, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct keep_rule r;

		if (!keep_rule_parse(bytes_from_str(rows[i].text), &r))
			fail_msg("%s", rows[i].text);
		assert_int_equal(r.kind, rows[i].kind);
		assert_int_equal(r.is, rows[i].is);
		assert_int_equal(r.number, rows[i].number);
		assert_true(bytes_equal(r.text, bytes_from_str(rows[i].rest)));
	}
}

static void test_term_that_makes_no_sense(void **state)
{
	static const char *const texts[] = {
		"",         "errors",     "error=1",     "slow",     "slow>",    "slow>1",
		"slow>s",   "slow=1s",    "slow<1s",     "slow>-1s", "slow>1 d", "status",
		"status>=", "status=on",  "status=1000", "route",    "route=",   "route=orders",
		"method=",  "method=A B", "all=1",       "5xx",      "=",        ">1s",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct keep_rule r;

		if (keep_rule_parse(bytes_from_str(texts[i]), &r))
			fail_msg("%s", texts[i]);
	}
}

static bool holds(const char *text, uint64_t value)
{
	struct keep_rule r;

	assert_true(keep_rule_parse(bytes_from_str(text), &r));
	return keep_rule_compares(&r, value);
}

static void test_comparison(void **state)
{
	(void)state;
	assert_false(holds("slow>1us", 1000));
	assert_true(holds("slow>1us", 1001));
	assert_true(holds("slow>=1us", 1000));
	assert_false(holds("slow>=1us", 999));
	assert_true(holds("status=404", 404));
	assert_false(holds("status=404", 405));
	assert_false(holds("status>499", 499));
	assert_true(holds("status>499", 500));
	assert_true(holds("status<=200", 200));
	assert_true(holds("status<=200", 100));
	assert_false(holds("status<=200", 201));
	assert_false(holds("status<200", 200));
}

static bool fits(const char *text, const char *method, const char *path)
{
	struct keep_rule r;

	assert_true(keep_rule_parse(bytes_from_str(text), &r));
	return keep_rule_fits(&r, bytes_from_str(method), bytes_from_str(path));
}

static void test_request_that_fits(void **state)
{
	(void)state;
	assert_true(fits("method=POST", "POST", "/"));
	assert_false(fits("method=POST", "post", "/")); /* RFC 9110, 9.1 */
	assert_true(fits("route=/a/*", "GET", "/a/b/c"));
	assert_false(fits("route=/a/*", "GET", "/b"));
	assert_true(fits("route=/a/{id}", "GET", "/a/7"));
	assert_false(fits("route=/a/{id}", "GET", "/a/7/b"));
	assert_false(fits("all", "GET", "/"));
	assert_false(fits("error", "GET", "/"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_term_is_read),
		cmocka_unit_test(test_term_that_makes_no_sense),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_request_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
