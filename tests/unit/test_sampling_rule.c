/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ot_member.h"
#include "sampling_rule.h"

static void assert_text(struct bytes got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	if (got.len)
		assert_memory_equal(got.ptr, want, got.len);
}

static void test_rule_is_read(void **state)
{
	static const struct {
		const char *text, *service, *method, *path;
		uint64_t threshold, interval_ns;
	} rows[] = {
		{ "GET /health*=0", "", "GET", "/health*", OT_ALL, 0 },
		{ "POST /orders/{id} = 0.5", "", "POST", "/orders/{id}", OT_ALL / 2, 0 },
		{ "/x=1", "", "", "/x", 0, 0 },
		{ "*=0.25", "", "", "", OT_ALL / 4 * 3, 0 },
		{ "* /a=b=1", "", "", "/a=b", 0, 0 },
		{ "PURGE=10/s", "", "PURGE", "", 0, 100000000 },
		{ "shop: GET /x=100 /s", "shop", "GET", "/x", 0, 10000000 },
		{ "batch*:=0", "batch*", "", "", OT_ALL, 0 },
		{ "*:  DELETE   *=0.2/s", "", "DELETE", "", 0, 5000000000 },
		{ "a: *.css=0", "a", "", "*.css", OT_ALL, 0 },
		{ "/x=2000000000/s", "", "", "/x", 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sampling_rule r;

		if (!sampling_rule_parse(bytes_from_str(rows[i].text), &r))
			fail_msg("%s", rows[i].text);
		assert_text(r.service, rows[i].service);
		assert_text(r.method, rows[i].method);
		assert_text(r.path, rows[i].path);
		assert_int_equal(r.interval_ns, rows[i].interval_ns);
		if (!r.interval_ns)
			assert_int_equal(r.threshold, rows[i].threshold);
	}
}

static void test_rule_that_makes_no_sense(void **state)
{
	static const char *const texts[] = {
		"",           "GET /x", "=0.5",      "GET=",      "GET /x=2",
		"GET /x=-1",  "/x=on",  "GET x=0.5", "/x /y=0.5", "GET /x y=.5",
		"G(T /x=0.5", "/x=0/s", "/x=/s",     "/x=1/m",
	};
	struct sampling_rule r;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (sampling_rule_parse(bytes_from_str(texts[i]), &r))
			fail_msg("%s", texts[i]);
}

static void test_rule_fits(void **state)
{
	static const struct {
		const char *rule, *method, *path;
		bool want;
	} rows[] = {
		{ "GET /health*=0", "GET", "/healthz", true },
		{ "GET /health*=0", "GET", "/", false },
		{ "GET /health*=0", "get", "/healthz", false },
		{ "GET /health*=0", "POST", "/healthz", false },
		{ "/orders/{id}=0", "POST", "/orders/7", true },
		{ "/orders/{id}=0", "POST", "/orders/7/items", false },
		{ "/orders/*=0", "POST", "/orders/7/items", true },
		{ "*.css=0", "GET", "/a/b.css", true },
		{ "*=0", "OPTIONS", "*", true },
		{ "POST=0", "POST", "/any", true },
		{ "POST=0", "GET", "/any", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sampling_rule r;

		assert_true(sampling_rule_parse(bytes_from_str(rows[i].rule), &r));
		if (sampling_rule_fits(&r, bytes_from_str(rows[i].method),
				       bytes_from_str(rows[i].path)) != rows[i].want)
			fail_msg("%s: %s %s", rows[i].rule, rows[i].method, rows[i].path);
	}
}

static void test_rule_is_for_a_service(void **state)
{
	struct sampling_rule r;

	(void)state;
	assert_true(sampling_rule_parse(BYTES("batch*: /x=0"), &r));
	assert_true(sampling_rule_is_for(&r, BYTES("batch-1")));
	assert_false(sampling_rule_is_for(&r, BYTES("shop")));
	assert_true(sampling_rule_parse(BYTES("/x=0"), &r));
	assert_true(sampling_rule_is_for(&r, BYTES("shop")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_is_read),
		cmocka_unit_test(test_rule_that_makes_no_sense),
		cmocka_unit_test(test_rule_fits),
		cmocka_unit_test(test_rule_is_for_a_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
