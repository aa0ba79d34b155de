/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen bytes at a time find what one at a time finds, and nothing in front or behind is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1_run.h"
#include "scan.h"

#define LONGEST 40

static bool ends_line(int c)
{
	return c == '\n' || c == '\r' || c == 0;
}

static bool ends_name(int c)
{
	return c <= ' ' || c == ':' || c >= 0x7f;
}

static bool ends_word(int c)
{
	return c <= ' ' || c == 0x7f;
}

static bool is_control(int c)
{
	return c < ' ';
}

/* Every byte at every place of texts of every length, which end at a guard page. */
static void check(const char *(*scan)(const char *s, const char *end), bool (*ends)(int c))
{
	char *end = guarded(LONGEST) + LONGEST;

	for (size_t len = 0; len <= LONGEST; len++) {
		char *s = end - len;

		memset(end - LONGEST, '\n', LONGEST - len);
		memset(s, 'a', len);
		assert_ptr_equal(scan(s, end), end);
		for (size_t at = 0; at < len; at++) {
			for (int c = 0; c < 256; c++) {
				s[at] = (char)c;
				if (scan(s, end) != (ends(c) ? s + at : end))
					fail_msg("%02x at %zu of %zu", c, at, len);
			}
			s[at] = 'a';
		}
	}
}

static const char *line(const char *s, const char *end)
{
	return scan_line(s, end);
}

static const char *name(const char *s, const char *end)
{
	return scan_name(s, end);
}

static const char *word(const char *s, const char *end)
{
	return scan_word(s, end);
}

static const char *name_of_header(const char *s, const char *end)
{
	size_t name_len;

	scan_header(s, end, &name_len);
	return s + name_len;
}

static const char *control_of_header(const char *s, const char *end)
{
	size_t name_len;

	return scan_header(s, end, &name_len);
}

static void test_http1_scan_finds_the_end_of_a_word(void **state)
{
	(void)state;
	check(word, ends_word);
}

static void test_http1_scan_finds_both_ends_in_a_header(void **state)
{
	(void)state;
	check(name_of_header, ends_name);
	check(control_of_header, is_control);
}

static void test_http1_scan_finds_the_end_of_a_line(void **state)
{
	(void)state;
	check(line, ends_line);
}

static void test_http1_scan_finds_the_end_of_a_name(void **state)
{
	(void)state;
	check(name, ends_name);
}

static void test_http1_scan_finds_the_first_of_several(void **state)
{
	static const char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	char s[sizeof(text)];

	(void)state;
	for (size_t a = 0; a < 32; a++) {
		for (size_t b = a + 1; b < 32; b++) {
			memcpy(s, text, sizeof(s));
			s[a] = '\n';
			s[b] = '\r';
			assert_ptr_equal(scan_line(s, s + 32), s + a);
			assert_ptr_equal(control_of_header(s, s + 32), s + a);
			s[b] = ':';
			assert_ptr_equal(scan_name(s, s + 32), s + a);
			s[a] = ':';
			s[b] = '\r';
			assert_ptr_equal(name_of_header(s, s + 32), s + a);
			assert_ptr_equal(control_of_header(s, s + 32), s + b);
			s[a] = '\t';
			assert_ptr_equal(scan_line(s, s + 32), s + b);
		}
	}
}

/* What a processor does in a way of its own is what all others do. */
static void test_http1_scan_is_the_same_everywhere(void **state)
{
	char s[16];

	(void)state;
	for (size_t at = 0; at < 16; at++) {
		assert_int_equal(scan_first(UINT64_C(1) << at | UINT64_C(1) << 40), at);
		assert_int_equal(scan_first(UINT64_C(1) << (at + 48)), at + 48);
		for (int c = 0; c < 256; c++) {
			unsigned int one = 1u << at;

			memset(s, 'a', sizeof(s));
			s[at] = (char)c;
			assert_int_equal(scan_bits_anywhere(scan_is_control(scan_load(s))),
					 is_control(c) ? one : 0);
			assert_int_equal(scan_bits(scan_is_control(scan_load(s))),
					 is_control(c) ? one : 0);
			assert_int_equal(scan_plain(s), is_control(c) ? 0xffff ^ one : 0xffff);
			assert_int_equal(scan_name_ends(s), ends_name(c) ? one : 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_scan_finds_the_end_of_a_line),
		cmocka_unit_test(test_http1_scan_finds_the_end_of_a_name),
		cmocka_unit_test(test_http1_scan_finds_the_end_of_a_word),
		cmocka_unit_test(test_http1_scan_finds_both_ends_in_a_header),
		cmocka_unit_test(test_http1_scan_finds_the_first_of_several),
		cmocka_unit_test(test_http1_scan_is_the_same_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
