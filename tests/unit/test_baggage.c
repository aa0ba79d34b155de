/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "baggage.h"
#include "compiler.h"

static char list[BAGGAGE_BYTES + 1];
static char text[20000];

static struct baggage add_lines(const char *lines, size_t cap)
{
	struct bytes rest = bytes_from_str(lines);
	struct baggage b;

	baggage_init(&b, list, cap);
	while (rest.ptr)
		baggage_add(&b, bytes_split(&rest, '\n'));
	return b;
}

static const struct row {
	const char *name;
	const char *lines;
	const char *want;
	uint32_t dropped;
} rows[] = {
	{ "C61: lines are joined in order", "a=1\nb=2,c=3\nd=4", "a=1,b=2,c=3,d=4", 0 },
	{ "C62: blanks around members go, those inside stay", " a = 1 ;p \t,\tb=2 ; q = r ",
	  "a = 1 ;p,b=2 ; q = r", 0 },
	{ "C63: all of a token, case kept", "aB1!#$%&'*+-.^_`|~=x", "aB1!#$%&'*+-.^_`|~=x", 0 },
	{ "C64: = in a value, percent kept", "a=b=c%20%E2%82%AC,d=+", "a=b=c%20%E2%82%AC,d=+", 0 },
	{ "C67: duplicates stay", "a=1,a=2", "a=1,a=2", 0 },
	{ "C68: properties stay as they are", "a=1;p1;p2=v;p3=", "a=1;p1;p2=v;p3=", 0 },
	{ "C69: no =", "a,b=1", "b=1", 1 },
	{ "C69: no key", "=1,b=1", "b=1", 1 },
	{ "C69: a key that is no token", "a b=1,c(=2,\xc3\xa9=3,d=4", "d=4", 3 },
	{ "C69: controls and bytes above ASCII", "a=\x01,b=\x7f,c=\xe2\x82\xac,d=4", "d=4", 3 },
	{ "C72: what should have been encoded passes", "a=b c\"d\\e", "a=b c\"d\\e", 0 },
	{ "C71: empty", " ,,\n\n", "", 0 },
	{ "an empty value", "a=,b= ", "a=,b=", 0 },
};

static void test_baggage_passes_as_it_was_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct baggage b = add_lines(rows[i].lines, sizeof(list));
		struct bytes got = baggage_list(&b);

		if (!bytes_equal(got, bytes_from_str(rows[i].want)) || b.dropped != rows[i].dropped)
			fail_msg("%s: \"%.*s\", %u dropped", rows[i].name, (int)got.len, got.ptr,
				 b.dropped);
	}
}

/* C66: 64 members and 8192 bytes must pass; what is over is dropped, never a part of it. */
static void test_baggage_over_the_limits_loses_whole_members(void **state)
{
	struct baggage b;
	char *end = text;

	(void)state;
	for (int i = 0; i < 64; i++)
		end += sprintf(end, "%sk%02d=%0123d", i ? "," : "", i, i);
	strcpy(end, "0");
	assert_int_equal(strlen(text), 8192);
	b = add_lines(text, sizeof(list));
	assert_int_equal(b.members, 64);
	assert_int_equal(b.dropped, 0);
	assert_memory_equal(list, text, 8192);
	strcpy(end, "00");
	list[8192] = '!';
	b = add_lines(text, sizeof(list));
	assert_int_equal(b.members, 63);
	assert_int_equal(b.dropped, 1);
	assert_int_equal(b.len, 8192 - 128 - 1);
	assert_int_equal(list[8192], '!');
	/* A shorter one behind it still fits. */
	b = add_lines("a=1,b=222222,c=3", 8);
	assert_true(bytes_equal(baggage_list(&b), BYTES("a=1,c=3")));
	assert_int_equal(b.dropped, 1);
}

static void test_baggage_of_more_than_180_members_loses_those_behind(void **state)
{
	struct baggage b;
	char *end = text;

	(void)state;
	for (int i = 0; i < 190; i++)
		end = stpcpy(end, "a=1,");
	b = add_lines(text, sizeof(list));
	assert_int_equal(b.members, 180);
	assert_int_equal(b.dropped, 10);
}

/*
 * C87, C92: one header for each; the case of its name means nothing, and its value is one member's.
 */
static void test_items_become_members(void **state)
{
	char buf[64];
	struct baggage b;

	(void)state;
	baggage_init(&b, buf, sizeof(buf));
	baggage_add(&b, BYTES("a=1;p"));
	baggage_add_item(&b, BYTES("User"), BYTES(" al%20ice "));
	baggage_add_item(&b, BYTES("x"), BYTES("1,2;\"\xc3\xa9 \\"));
	baggage_add_item(&b, BYTES("no key"), BYTES("1"));
	baggage_add_item(&b, BYTES(""), BYTES("1"));
	baggage_add_item(&b, BYTES("empty"), BYTES(""));
	baggage_add_item(&b, BYTES("long"), BYTES("12345678901234567890"));
	assert_int_equal(b.dropped, 3);
	assert_int_equal(b.len, 52);
	assert_memory_equal(buf, "a=1;p,user=al%20ice,x=1%2C2%3B%22%C3%A9%20%5C,empty=", 52);
}

static void test_members_become_items(void **state)
{
	char buf[64];
	uint32_t dropped = 0;
	size_t len = baggage_write_items(BYTES("a=1;p=2, user = al%20ice ,c=,dd=12345678901234567"),
					 BYTES("uberctx-"), buf, 52, &dropped);

	(void)state;
	assert_int_equal(dropped, 1);
	assert_int_equal(len, 51);
	assert_memory_equal(buf, "uberctx-a: 1\r\nuberctx-user: al%20ice\r\nuberctx-c: \r\n", 51);
	assert_int_equal(baggage_write_items(BYTES(""), BYTES("x-"), buf, 52, &dropped), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_baggage_passes_as_it_was_written),
		cmocka_unit_test(test_baggage_over_the_limits_loses_whole_members),
		cmocka_unit_test(test_baggage_of_more_than_180_members_loses_those_behind),
		cmocka_unit_test(test_items_become_members),
		cmocka_unit_test(test_members_become_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
