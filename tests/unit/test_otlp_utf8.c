/* SPDX-License-Identifier: Apache-2.0 */
/* What a protobuf string may hold: the Unicode Standard 15.0, section 3.9, and no NUL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../exporter/utf8.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */

/* Table 3-7, at the ends of each range of the second byte. */
static void test_otlp_utf8_ranges_are_those_of_the_standard(void **state)
{
	static const struct {
		const char *text;
		bool is_valid;
	} rows[] = {
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xc1\xbf", false },
		{ "\xc2\x7f", false },
		{ "\xc2\xc0", false },
		{ "\xe0\xa0\x80", true },
		{ "\xe0\x9f\xbf", false },
		{ "\xe1\x80\x80", true },
		{ "\xe1\x7f\x80", false },
		{ "\xec\xbf\xbf", true },
		{ "\xed\x9f\xbf", true },
		{ "\xed\xa0\x80", false },
		{ "\xee\x80\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf1\x80\x80\x80", true },
		{ "\xf3\xbf\xbf\xbf", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xe1\x80\xc0", false },
		{ "\x80", false },
		{ "\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (otlp_utf8_is_valid(bytes_from_str(rows[i].text)) != rows[i].is_valid)
			fail_msg("row %zu", i);
	}
}

/* Tables 3-8 to 3-11: one U+FFFD for each maximal part that begins a character. */
static void test_otlp_utf8_repair_is_the_standards(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
		  "A",
		  BAD BAD BAD BAD BAD BAD BAD BAD "A" },
		{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
		  "A",
		  BAD BAD BAD BAD BAD BAD BAD BAD "A" },
		{ "\xf4\x91\x92\x93\xff"
		  "A\x80\xbf"
		  "B",
		  BAD BAD BAD BAD BAD "A" BAD BAD "B" },
		{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
		  "A",
		  BAD BAD BAD BAD "A" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "cut \xe2\x82", "cut " BAD },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = otlp_utf8_repair(out, bytes_from_str(rows[i].in));

		assert_string_equal(out, rows[i].want);
		assert_int_equal(len, strlen(rows[i].want));
		assert_true(otlp_utf8_is_valid((struct bytes){ out, len }));
	}
}

/* protobuf-c's strings end at a NUL: what follows would be lost, and nobody told. */
static void test_otlp_utf8_repair_leaves_no_nul(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(otlp_utf8_repair(out, (struct bytes){ "a\0b", 3 }), 5);
	assert_string_equal(out, "a" BAD "b");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_otlp_utf8_ranges_are_those_of_the_standard),
		cmocka_unit_test(test_otlp_utf8_repair_is_the_standards),
		cmocka_unit_test(test_otlp_utf8_repair_leaves_no_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
