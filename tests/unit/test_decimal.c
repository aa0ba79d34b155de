/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decimal.h"

#define ALL 0x100000000000000u /* 2^56 */

static void test_decimal_takes_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t unit, want;
	} rows[] = {
		{ "0", ALL, 0 },
		{ "1", ALL, ALL },
		{ "1.0", ALL, ALL },
		{ "0.5", ALL, 0x80000000000000u },
		{ ".5", ALL, 0x80000000000000u },
		{ "5e-1", ALL, 0x80000000000000u },
		{ "0.25", ALL, 0x40000000000000u },
		/* 2^56 / 10 = 7205759403792793.6 */
		{ "0.1", ALL, 7205759403792794u },
		{ "1e-4", ALL, 7205759403793u },
		{ "0.0001", ALL, 7205759403793u },
		{ "2", ALL, 2 * ALL },
		{ "1e-17", ALL, 1 }, /* 0.72 */
		{ "1e-99", ALL, 0 },
		{ "0.333333333333333333333333333333", 3, 1 },
		{ "9000000000000000000", 1, 9000000000000000000u },
		{ "1e3", 1, 1000 },
		{ "1E+3", 1, 1000 },
		{ "0.5", 1, 1 },
		{ "0.4", 1, 0 },
		{ "007", 1, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t got = 0;

		if (!decimal_parse(bytes_from_str(rows[i].text), rows[i].unit, &got) ||
		    got != rows[i].want)
			fail_msg("%s: %llu", rows[i].text, (unsigned long long)got);
	}
}

static void test_decimal_refuses_what_is_none(void **state) /* E4, E5 */
{
	static const char *const texts[] = { "",
					     ".",
					     "-1",
					     "+1",
					     " 1",
					     "1 ",
					     "1,5",
					     "0x1",
					     "1e",
					     "1e-",
					     "e5",
					     "1.2.3",
					     "1e5000",
					     "nan",
					     "inf",
					     "1f",
					     "half",
					     "1e99",
					     "12345678901234567890" };
	uint64_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (decimal_parse(bytes_from_str(texts[i]), ALL, &got))
			fail_msg("%s", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decimal_takes_numbers),
		cmocka_unit_test(test_decimal_refuses_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
