/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "term.h"

static void test_view_text_takes_only_well_formed_utf8(void **state)
{
	static const struct {
		const char *name;
		struct bytes in;
		uint32_t want;
		size_t left;
	} rows[] = {
		{ "ascii", { "ab", 2 }, 'a', 1 },
		{ "nul", { "\0b", 2 }, 0, 1 },
		{ "two", { "\xc3\xa9x", 3 }, 0xe9, 1 },
		{ "three", { "\xe2\x82\xac", 3 }, 0x20ac, 0 },
		{ "four", { "\xf0\x9f\x98\x80", 4 }, 0x1f600, 0 },
		{ "lone continuation", { "\x80x", 2 }, UTF8_INVALID, 1 },
		{ "overlong slash", { "\xc0\xaf", 2 }, UTF8_INVALID, 1 },
		{ "overlong three", { "\xe0\x80\xaf", 3 }, UTF8_INVALID, 2 },
		{ "surrogate", { "\xed\xa0\x80", 3 }, UTF8_INVALID, 2 },
		{ "beyond Unicode", { "\xf4\x90\x80\x80", 4 }, UTF8_INVALID, 3 },
		{ "five", { "\xf8\x88\x80\x80\x80", 5 }, UTF8_INVALID, 4 },
		{ "cut off", { "\xe2\x82", 2 }, UTF8_INVALID, 1 },
		{ "broken", { "\xe2\x82x", 3 }, UTF8_INVALID, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes in = rows[i].in;
		uint32_t got = utf8_take(&in);

		if (got != rows[i].want || in.len != rows[i].left)
			fail_msg("%s: U+%04X, %zu bytes left", rows[i].name, got, in.len);
	}
}

static void test_view_term_add_cuts_between_characters(void **state)
{
	static const struct {
		const char *name;
		const char *in;
		unsigned columns;
		bool has_utf8;
		const char *want;
		unsigned took;
	} rows[] = {
		{ "fits", "abc", 3, true, "abc", 3 },
		{ "cut", "abcd", 3, true, "ab\xe2\x80\xa6", 3 },
		{ "cut in ascii", "abcd", 3, false, "a..", 3 },
		{ "two bytes", "\xc3\xa9\xc3\xa9\xc3\xa9", 2, true, "\xc3\xa9\xe2\x80\xa6", 2 },
		{ "two bytes in ascii", "\xc3\xa9z", 2, false, "?z", 2 },
		{ "wide does not fit", "\xe4\xb8\xad\xe4\xb8\xad", 3, true,
		  "\xe4\xb8\xad\xe2\x80\xa6", 3 },
		{ "wide leaves a gap", "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad", 4, true,
		  "\xe4\xb8\xad\xe2\x80\xa6", 3 },
		{ "combining takes none", "e\xcc\x81x", 2, true, "e\xcc\x81x", 2 },
		{ "no room", "abc", 0, true, "", 0 },
		{ "one column in ascii", "abc", 1, false, "", 0 },
		{ "escape", "\033[31m", 9, true, "\xef\xbf\xbd[31m", 5 },
		{ "escape in ascii", "\033[31m", 9, false, "?[31m", 5 },
		{ "8 bit CSI",
		  "\xc2\x9b"
		  "1m",
		  9, true,
		  "\xef\xbf\xbd"
		  "1m",
		  3 },
		{ "right to left",
		  "\xe2\x80\xae"
		  "x",
		  9, true, "\xef\xbf\xbdx", 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct style st = { .width = 80, .has_utf8 = rows[i].has_utf8 };
		struct text t = { 0 };
		unsigned took = term_add(&t, &st, bytes_from_str(rows[i].in), rows[i].columns);

		text_add_char(&t, '\0');
		if (took != rows[i].took || strcmp(t.ptr, rows[i].want) != 0)
			fail_msg("%s: %u columns, \"%s\"", rows[i].name, took, t.ptr);
		text_done(&t);
	}
}

static void test_view_term_limits_marks_on_one_character(void **state)
{
	static const struct style st = { .width = 80, .has_utf8 = true };
	char in[1 + 2 * 100 + 1] = "e";
	struct text t = { 0 };

	(void)state;
	for (size_t i = 0; i < 100; i++)
		memcpy(in + 1 + 2 * i, "\xcc\x81", 2);
	assert_int_equal(term_add(&t, &st, bytes_from_str(in), 10), 10);
	text_done(&t);
}

static void test_view_term_durations_fit_seven_columns(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "0 us" },
		{ 999, "0 us" },
		{ 999999, "999 us" },
		{ 1000000, "1.00 ms" },
		{ 9999999, "9.99 ms" },
		{ 10000000, "10.0 ms" },
		{ 99999999, "99.9 ms" },
		{ 100000000, "100 ms" },
		{ 999999999, "999 ms" },
		{ 1000000000, "1.00 s" },
		{ 99999000000, "99.9 s" },
		{ 100000000000, "1m40s" },
		{ 5999000000000, "99m59s" },
		{ 6000000000000, "1h40m" },
		{ 359999000000000, "99h59m" },
		{ 360000000000000, "4 d" },
		{ 863999999999999999, "9999 d" },
		{ 864000000000000000, "27 y" },
		{ UINT64_MAX, "584 y" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[16];

		term_duration(got, sizeof(got), rows[i].ns);
		assert_string_equal(got, rows[i].want);
		assert_true(strlen(got) <= TERM_DURATION_COLUMNS);
	}
}

static void assert_width(const char *columns, unsigned want)
{
	struct style st;

	setenv("COLUMNS", columns, 1);
	style_detect(&st, -1);
	assert_int_equal(st.width, want);
	assert_false(st.has_color);
}

static void test_view_term_width_without_terminal_is_that_of_columns(void **state)
{
	(void)state;
	assert_width("120", 120);
	assert_width("40", 80);
	assert_width("", 80);
	assert_width("x", 80);
	assert_width("999999", 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_text_takes_only_well_formed_utf8),
		cmocka_unit_test(test_view_term_add_cuts_between_characters),
		cmocka_unit_test(test_view_term_limits_marks_on_one_character),
		cmocka_unit_test(test_view_term_durations_fit_seven_columns),
		cmocka_unit_test(test_view_term_width_without_terminal_is_that_of_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
