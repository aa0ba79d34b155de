/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text: expected ones are the shortest decimals of IEEE 754, of 15 digits or more. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "number.h"

static const struct {
	double d;
	const char *want;
} rows[] = {
	{ 0, "0" },
	{ -0.0, "-0" },
	{ 1, "1" },
	{ -1.5, "-1.5" },
	{ 0.1, "0.1" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ 0.1 + 0.2, "0.30000000000000004" },
	{ 12345678.9, "12345678.9" },
	{ 1e15, "1e+15" },
	{ DBL_MAX, "1.7976931348623157e+308" },
	{ 5e-324, "4.94065645841247e-324" },
	{ NAN, "NaN" },
	{ INFINITY, "Infinity" },
	{ -INFINITY, "-Infinity" },
};

static void assert_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[64];
		struct text t = TEXT_IN(buf);

		number_add(&t, rows[i].d);
		text_add_char(&t, '\0');
		assert_string_equal(buf, rows[i].want);
	}
}

static void test_numbers(void **state)
{
	(void)state;
	assert_rows();
}

/* A program's language is not ours: a comma, or U+066B. */
static void test_numbers_of_another_language(void **state)
{
	static const char *const texts[] = { "-1,5e-07", "-1\xd9\xab"
							 "5e-07" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char buf[64];
		struct text t = TEXT_IN(buf);

		number_add_digits(&t, texts[i]);
		text_add_char(&t, '\0');
		assert_string_equal(buf, "-1.5e-07");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_numbers_of_another_language),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
