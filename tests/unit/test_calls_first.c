/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "calls_first.h"
#include "config.h"
#include "span.h"

/* The place of the only call: one request's at a time, until it has moved on or is told. */
static void test_calls_first_has_a_place(void **state)
{
	struct call call = { .start_ns = 100, .end_ns = 300 }, got = { 0 };
	struct span *one = span_start(SPAN_SERVER, NULL), *two = span_start(SPAN_SERVER, NULL);
	uint64_t owner = span_ref_word(span_ref(one)), other = span_ref_word(span_ref(two)), hash;
	struct first f = { 0 };

	(void)state;
	assert_true(first_keep(&f, owner, &call, 7));
	assert_false(first_keep(&f, owner, &call, 8));
	assert_false(first_keep(&f, other, &call, 9)); /* while that one lives */
	assert_false(first_take(&f, other, 0, &got, &hash));
	assert_true(first_take(&f, owner, owner | FIRST_MOVED, &got, &hash));
	assert_int_equal(hash, 7);
	assert_int_equal(got.end_ns - got.start_ns, 200);
	assert_false(first_take(&f, owner, 0, &got, &hash));
	assert_false(first_keep(&f, owner, &call, 10)); /* its calls are in its entry */
	first_forget(&f, other);
	assert_int_equal(f.word, owner | FIRST_MOVED);
	first_forget(&f, owner);
	assert_int_equal(f.word, 0);
	assert_true(first_keep(&f, owner, &call, 11));
	f.word |= FIRST_BUSY;
	span_discard(one);
	assert_false(first_keep(&f, other, &call, 12)); /* somebody is at it */
	f.word &= ~FIRST_BUSY;
	assert_true(first_keep(&f, other, &call, 13)); /* nobody's any more */
	assert_true(first_take(&f, other, 0, &got, &hash));
	assert_int_equal(hash, 13);
	span_discard(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_first_has_a_place),
	};

	config_parse(&config, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
