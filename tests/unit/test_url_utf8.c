/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "utf8.h"

#define FFFD "\xef\xbf\xbd"

static const struct row {
	const char *name;
	const char *in;
	const char *repaired; /* NULL: valid as it is */
} rows[] = {
	{ "nothing", "", NULL },
	{ "ASCII, longer than a word", "abcdefghijklmnopqrstuvwxyz \x01\x7f", NULL },
	{ "first and last of two", "\xc2\x80\xdf\xbf", NULL },
	{ "first and last of three", "\xe0\xa0\x80\xef\xbf\xbf", NULL },
	{ "around the surrogates", "\xed\x9f\xbf\xee\x80\x80", NULL },
	{ "first and last of four", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", NULL },
	{ "behind eight of ASCII", "12345678\xe2\x82\xac", NULL },
	{ "a continuation alone", "a\x80", "a" FFFD },
	{ "overlong /", "\xc0\xaf", FFFD FFFD },
	{ "overlong of three", "\xe0\x9f\xbf", FFFD FFFD FFFD },
	{ "overlong of four", "\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD },
	{ "a surrogate", "\xed\xa0\x80", FFFD FFFD FFFD },
	{ "above U+10FFFF", "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD },
	{ "never a byte", "\xf5\xfe\xff", FFFD FFFD FFFD },
	{ "cut at the end", "a\xe2\x82", "a" FFFD },
	{ "cut of four", "\xf0\x9f\x98", FFFD },
	{ "cut by another",
	  "\xe2\x82"
	  "a\xc3\xa9",
	  FFFD "a\xc3\xa9" },
	{ "cut by a beginning", "\xe2\xe2\x82\xac", FFFD "\xe2\x82\xac" },
	{ "Unicode's own example (table 3-8)",
	  "a\xf1\x80\x80\xe1\x80\xc2"
	  "b\x80"
	  "c\x80\xbf"
	  "d",
	  "a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d" },
};

static void test_url_utf8_is_told_and_repaired(void **state)
{
	char out[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes in = bytes_from_str(rows[i].in);
		const char *want = rows[i].repaired ? rows[i].repaired : rows[i].in;
		size_t n = utf8_repair(out, sizeof(out), in);

		if (utf8_is_valid(in) != (rows[i].repaired == NULL) || n != strlen(want) ||
		    memcmp(out, want, n) != 0)
			fail_msg("%s: \"%.*s\"", rows[i].name, (int)n, out);
		assert_true(utf8_is_valid((struct bytes){ out, n })); /* O40 */
	}
}

static void test_url_utf8_repair_stops_before_what_does_not_fit(void **state)
{
	char out[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t cap = 0; cap < 40; cap++) {
			size_t n;

			out[cap] = '!';
			n = utf8_repair(out, cap, bytes_from_str(rows[i].in));
			assert_true(n <= cap);
			assert_true(utf8_is_valid((struct bytes){ out, n }));
			assert_int_equal(out[cap], '!');
		}
	}
}

/* The byte behind the text is somebody else's. */
static void test_url_utf8_does_not_look_behind_the_end(void **state)
{
	(void)state;
	assert_false(utf8_is_valid((struct bytes){ "\xe2\x82\xac", 2 }));
	assert_false(utf8_is_valid((struct bytes){ "12345678\xc3\xa9", 9 }));
	assert_int_equal(utf8_cut((struct bytes){ "\xe2\x82\xac", 2 }, 1), 1);
}

/* The longest beginning of whole characters. */
static void test_url_utf8_is_cut_between_characters(void **state)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1 2 3 4 1 */
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

	(void)state;
	for (size_t max = 0; max < ARRAY_LEN(want); max++)
		assert_int_equal(utf8_cut(bytes_from_str(text), max), want[max]);
}

/* What is no character may be cut anywhere, so that a cut loses three bytes at most. */
static void test_url_utf8_cut_lets_raw_bytes_pass(void **state)
{
	(void)state;
	assert_int_equal(utf8_cut(BYTES("\x80\x80\x80\x80\x80\x80"), 4), 4);
	assert_int_equal(utf8_cut(BYTES("\xff\xff\xff"), 2), 2);
	assert_int_equal(utf8_cut(BYTES("a\xe2\x82z"), 2), 2);
	assert_int_equal(utf8_cut(BYTES("a\xe2\x82"), 2), 2);
	assert_int_equal(utf8_cut(BYTES("\xc3\xa9\xa9\xa9"), 3), 3);
	assert_int_equal(utf8_cut(BYTES("abc"), 3), 3);
	assert_int_equal(utf8_cut((struct bytes){ NULL, 0 }, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_utf8_is_told_and_repaired),
		cmocka_unit_test(test_url_utf8_repair_stops_before_what_does_not_fit),
		cmocka_unit_test(test_url_utf8_does_not_look_behind_the_end),
		cmocka_unit_test(test_url_utf8_is_cut_between_characters),
		cmocka_unit_test(test_url_utf8_cut_lets_raw_bytes_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
