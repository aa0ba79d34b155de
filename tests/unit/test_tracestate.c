/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "tracestate.h"

static char list[TRACESTATE_BYTES];
static char text[40000];

/* Lines are separated by LF. */
static struct tracestate add_lines(const char *lines, size_t cap)
{
	struct bytes rest = bytes_from_str(lines);
	struct tracestate t;

	tracestate_init(&t, list, cap);
	while (rest.ptr)
		tracestate_add(&t, bytes_split(&rest, '\n'));
	return t;
}

static void assert_list(const char *name, const struct tracestate *t, const char *want)
{
	struct bytes got = tracestate_list(t);

	if (!bytes_equal(got, bytes_from_str(want)))
		fail_msg("%s: \"%.*s\"", name, (int)got.len, got.ptr);
}

static char *repeat(char *to, char c, size_t n)
{
	memset(to, c, n);
	to[n] = 0;
	return to + n;
}

static const struct row {
	const char *name;
	const char *lines;
	const char *want; /* "" is void or empty */
} rows[] = {
	{ "one", "foo=1", "foo=1" },
	{ "C30: lines are joined in order", "foo=1,a=2\nbar=3\nb=4", "foo=1,a=2,bar=3,b=4" },
	{ "C31: nothing", "", "" },
	{ "C31: empty members", ",foo=1,, ,\t,bar=2,", "foo=1,bar=2" },
	{ "C31: empty lines", "\n \nfoo=1\n\n,\n", "foo=1" },
	{ "C32: blanks around members", " foo=1 \t,\t bar=2\t", "foo=1,bar=2" },
	{ "C33: a second =", "foo=1,bar=2=3", "" },
	{ "C34: characters of keys", "0a_-*/@z=1", "0a_-*/@z=1" },
	{ "C34: @ at the end", "foo@=1", "foo@=1" },
	{ "C34: @ twice", "foo@@bar=1,a@b@c=2", "foo@@bar=1,a@b@c=2" },
	{ "C34: a vendor of 15", "t@vvvvvvvvvvvvvvv=1", "t@vvvvvvvvvvvvvvv=1" },
	{ "C36: begins with @", "foo=1,@foo=1,bar=2", "" },
	{ "C36: begins with -", "-foo=1", "" },
	{ "C36: upper case", "FOO=1", "" },
	{ "C36: dot", "foo.bar=1", "" },
	{ "C36: a blank before =", "foo =1", "" },
	{ "C36: no key", "=1", "" },
	{ "C36: on a later line", "foo=1\nFOO=1", "" },
	{ "C36: stays void", "FOO=1\nfoo=1", "" },
	{ "C37: leading spaces are the value's", "foo=  bar", "foo=  bar" },
	{ "C37: all that is printable", "foo=!\"#$%&'()*+-./0:;<>?@A[\\]^_`a{|}~",
	  "foo=!\"#$%&'()*+-./0:;<>?@A[\\]^_`a{|}~" },
	{ "C37: a tab inside", "foo=b\tar", "" },
	{ "C37: a control", "foo=b\x01r", "" },
	{ "C37: DEL", "foo=b\x7fr", "" },
	{ "C37: not ASCII", "foo=\xc3\xa9", "" },
	{ "C38: empty value", "foo=1,bar=", "" },
	{ "C38: blank value", "foo=1,bar=  ", "" },
	{ "C38: no =", "foo=1,bar", "" },
	{ "C41: of one key the first stays", "a=1,b=2,a=3\nb=4,c=5", "a=1,b=2,c=5" },
	{ "C41: a key is not the beginning of another", "a=1,ab=2,a@=3", "a=1,ab=2,a@=3" },
};

static void test_tracestate_is_checked_and_normalised(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tracestate t = add_lines(rows[i].lines, sizeof(list));

		assert_list(rows[i].name, &t, rows[i].want);
		assert_int_equal(t.truncated, 0);
	}
}

static void test_tracestate_lengths_of_key_and_value_are_limited(void **state)
{
	struct tracestate t;
	char *end;

	(void)state;
	strcpy(repeat(text, 'k', 256), "=v"); /* C34 */
	t = add_lines(text, sizeof(list));
	assert_list("key of 256", &t, text);
	strcpy(repeat(text, 't', 242), "@v=1");
	t = add_lines(text, sizeof(list));
	assert_list("242 and a vendor", &t, text);
	strcpy(repeat(text, 'k', 257), "=v,a=b"); /* C36 */
	t = add_lines(text, sizeof(list));
	assert_list("key of 257", &t, "");
	end = stpcpy(text, "k=");
	repeat(end, 'v', 256); /* C37 */
	t = add_lines(text, sizeof(list));
	assert_list("value of 256", &t, text);
	repeat(end, 'v', 257);
	t = add_lines(text, sizeof(list));
	assert_list("value of 257", &t, "");
}

/* "k00=v...,k01=v...": n members of len bytes each. */
static void members(char *to, int n, size_t len)
{
	for (int i = 0; i < n; i++) {
		to += sprintf(to, "%sk%02d=", i ? "," : "", i);
		to = repeat(to, 'v', len - 4);
	}
}

static void test_tracestate_of_33_members_is_void(void **state)
{
	struct tracestate t;

	(void)state;
	members(text, 32, 6); /* C39 */
	t = add_lines(text, sizeof(list));
	assert_list("32", &t, text);
	strcat(text, ",,, ,");
	t = add_lines(text, sizeof(list));
	assert_int_equal(tracestate_list(&t).len, 32 * 6 + 31);
	members(text, 33, 6);
	t = add_lines(text, sizeof(list));
	assert_list("33", &t, "");
	/* Over lines, and with a key that is there already. */
	members(text, 32, 6);
	strcat(text, "\nk00=x");
	t = add_lines(text, sizeof(list));
	assert_list("32 and one on another line", &t, "");
}

/* C43: 8 KiB are 32 members of 255 and the commas: nothing is lost. */
static void test_tracestate_loses_nothing_below_8_kib(void **state)
{
	struct tracestate t;

	(void)state;
	members(text, 32, 255);
	assert_int_equal(strlen(text), 8191);
	t = add_lines(text, sizeof(list));
	assert_list("8191 bytes", &t, text);
}

/* C44: members longer than 128 go first, wherever they are, then the right end; never a part. */
static void test_tracestate_that_does_not_fit_loses_whole_members(void **state)
{
	char long_one[140], *end;
	struct tracestate t;

	(void)state;
	/* 20 bytes do not hold three of 8. */
	t = add_lines("a=111111,b=222222,c=333333", 20);
	assert_list("right end", &t, "a=111111,b=222222");
	assert_int_equal(t.truncated, 1);
	/* What would fit behind the gap is not let in: the right end is cut off. */
	t = add_lines("a=111111,b=222222,c=333333,d=1", 22);
	assert_list("gap", &t, "a=111111,b=222222");
	assert_int_equal(t.truncated, 2);
	/* 129 are long, 128 are not. */
	end = stpcpy(long_one, "l=");
	repeat(end, 'x', 127);
	sprintf(text, "%s,a=1,b=2", long_one);
	t = add_lines(text, 134);
	assert_list("long first", &t, "a=1,b=2");
	assert_int_equal(t.truncated, 1);
	sprintf(text, "a=1,b=2,%s,c=3", long_one);
	t = add_lines(text, 130);
	assert_list("long last", &t, "a=1,b=2,c=3");
	assert_int_equal(t.truncated, 1);
	repeat(end, 'x', 126);
	sprintf(text, "%s,a=1,b=2", long_one);
	t = add_lines(text, 134);
	sprintf(text, "%s,a=1", long_one);
	assert_list("128 is not long", &t, text);
	/* What was lost is checked all the same. */
	t = add_lines("a=111111,b=222222,c=333333,D=1", 20);
	assert_list("void", &t, "");
	t = add_lines("a=1", 0);
	assert_list("no room at all", &t, "");
}

static void test_tracestate_never_writes_behind_its_room(void **state)
{
	(void)state;
	members(text, 32, 200);
	strcat(text, "\nz=1");
	text[31 * 201] = 0;
	for (size_t cap = 0; cap < 1000; cap++) {
		struct tracestate t;

		memset(list, '!', sizeof(list));
		t = add_lines(text, cap);
		assert_true(t.len <= cap);
		assert_int_equal(list[cap], '!');
	}
}

static void test_tracestate_own_member_goes_to_the_left(void **state)
{
	struct tracestate t = add_lines("a=1,ot=old,b=2", sizeof(list));

	(void)state;
	assert_true(tracestate_put(&t, BYTES("ot=th:8"))); /* C42 */
	assert_list("replaced", &t, "ot=th:8,a=1,b=2");
	assert_false(tracestate_put(&t, BYTES("OT=x")));
	assert_false(tracestate_put(&t, BYTES("ot=")));
	assert_list("untouched", &t, "ot=th:8,a=1,b=2");
	members(text, 32, 6);
	t = add_lines(text, sizeof(list));
	assert_true(tracestate_put(&t, BYTES("ot=1"))); /* C40 */
	members(text, 31, 6);
	assert_int_equal(t.len, 5 + strlen(text));
	assert_memory_equal(t.to, "ot=1,k00=", 9);
	assert_memory_equal(t.to + 5, text, strlen(text));
	t = add_lines("FOO=1", sizeof(list));
	assert_true(tracestate_put(&t, BYTES("ot=1")));
	assert_list("in place of a void one", &t, "ot=1");
	t = add_lines("a=111111,b=222222", 17);
	assert_true(tracestate_put(&t, BYTES("ot=1")));
	assert_list("no room for all", &t, "ot=1,a=111111");
	assert_int_equal(t.truncated, 1);
	assert_false(tracestate_put(&t, BYTES("ot=123456789012345")));
	assert_list("longer than the room", &t, "ot=1,a=111111");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tracestate_is_checked_and_normalised),
		cmocka_unit_test(test_tracestate_lengths_of_key_and_value_are_limited),
		cmocka_unit_test(test_tracestate_of_33_members_is_void),
		cmocka_unit_test(test_tracestate_loses_nothing_below_8_kib),
		cmocka_unit_test(test_tracestate_that_does_not_fit_loses_whole_members),
		cmocka_unit_test(test_tracestate_never_writes_behind_its_room),
		cmocka_unit_test(test_tracestate_own_member_goes_to_the_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
