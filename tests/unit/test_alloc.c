/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc.h"

#define BLOCKS 400

/* Sizes of every class, written to the last byte, in an order that mixes them. */
static void test_alloc_pool_blocks_do_not_overlap(void **state)
{
	static unsigned char *at[BLOCKS];
	static size_t len[BLOCKS];
	size_t before = pool_in_use();
	uint32_t rng = 12345;

	(void)state;
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < BLOCKS; i++) {
			rng = rng * 1664525 + 1013904223;
			for (size_t j = 0; j < len[i]; j++)
				if (at[i][j] != (unsigned char)i)
					fail_msg("block %d was overwritten at %zu", i, j);
			pool_free(at[i]);
			len[i] = (rng >> 8) % (i % 40 ? 700 : 60000);
			at[i] = pool_malloc(len[i]);
			assert_non_null(at[i]);
			assert_int_equal((uintptr_t)at[i] % 16, 0);
			memset(at[i], i, len[i]);
		}
	for (int i = 0; i < BLOCKS; i++)
		pool_free(at[i]);
	assert_int_equal(pool_in_use(), before);
}

static void test_alloc_pool_uses_memory_again(void **state)
{
	size_t mapped;

	(void)state;
	pool_free(pool_malloc(100));
	mapped = pool_mapped();
	for (int i = 0; i < 10000; i++)
		pool_free(pool_malloc(100));
	for (int i = 0; i < 100; i++)
		pool_free(pool_malloc(200000)); /* a mapping of its own, given back */
	assert_int_equal(pool_mapped(), mapped);
}

static void test_alloc_pool_keeps_the_contracts(void **state)
{
	char *a = pool_malloc(0);
	char *b;

	(void)state;
	assert_non_null(a);
	pool_free(a);
	pool_free(NULL);
	a = pool_strdup("hello");
	assert_string_equal(a, "hello");
	for (size_t len = 6; len < 300000; len = len * 3) {
		a = pool_realloc(a, len);
		assert_non_null(a);
		assert_string_equal(a, "hello");
	}
	a = pool_realloc(a, 6);
	assert_string_equal(a, "hello");
	b = pool_realloc(NULL, 10);
	assert_non_null(b);
	pool_free(a);
	memset(b, 0xff, 10);
	pool_free(b);
	b = pool_calloc(5, 2);
	for (int i = 0; i < 10; i++)
		assert_int_equal(b[i], 0);
	pool_free(b);
}

static void test_alloc_pool_is_bounded(void **state)
{
	static void *at[64];
	int n = 0;

	(void)state;
	assert_null(pool_malloc(SIZE_MAX));
	assert_null(pool_malloc(SIZE_MAX - 8));
	assert_null(pool_malloc(POOL_LIMIT));
	assert_null(pool_calloc(SIZE_MAX / 2, 4));
	while (n < 64 && (at[n] = pool_malloc(1 << 20)))
		n++;
	assert_in_range(n, 20, 32);
	assert_true(pool_mapped() <= POOL_LIMIT);
	while (n)
		pool_free(at[--n]);
	assert_non_null(at[0] = pool_malloc(1 << 20));
	pool_free(at[0]);
}

/* The buffer of one request is that of the next, and there is one of them. */
static void test_alloc_pool_keeps_one_mapping(void **state)
{
	char *a = pool_malloc(70000);
	char *b = pool_malloc(70000);
	size_t both = pool_mapped();

	(void)state;
	pool_free(a);
	pool_free(b);
	assert_in_range(pool_mapped(), both - 2 * 73728, both - 73728);
	both = pool_mapped();
	assert_ptr_equal(pool_malloc(65000), b);
	assert_int_equal(pool_mapped(), both);
	pool_free(b);
	assert_int_equal(pool_mapped(), both);
	/* Not for what is far shorter, nor for what is longer. */
	a = pool_malloc(33000);
	assert_int_equal(pool_mapped(), both + 36864);
	pool_free(a);
	assert_int_equal(pool_mapped(), both - 73728 + 36864);
	a = pool_malloc(1 << 20);
	pool_free(a);
	assert_int_equal(pool_mapped(), both - 73728 + 36864);
}

/* --- in forked children --- */

#define CHECK(what)                                                        \
	do {                                                               \
		if (!(what)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
			_exit(1);                                          \
		}                                                          \
	} while (0)

static void child_ends_well(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static bool is_there(const void *at)
{
	unsigned char pages[1];

	return mincore((void *)((uintptr_t)at & ~(uintptr_t)4095), 1, pages) == 0;
}

static void test_alloc_nothing_is_copied_by_a_fork(void **state)
{
	struct scratch s = { .limit = 1 << 20 };
	char *block = pool_malloc(100), *large = pool_malloc(70000);
	char *item = scratch_alloc(&s, 100), *wiped = map_wiped(8192);
	pid_t child;

	(void)state;
	memset(block, 1, 100);
	memset(large, 1, 70000);
	memset(item, 1, 100);
	memset(wiped, 1, 8192);
	child = fork();
	if (child == 0) {
		CHECK(!is_there(block) && !is_there(large) && !is_there(item));
		CHECK(is_there(wiped) && wiped[0] == 0 && wiped[8191] == 0);
		CHECK(pool_forget());
		CHECK(pool_mapped() == 0 && pool_in_use() == 0);
		block = pool_malloc(100);
		CHECK(block);
		memset(block, 2, 100);
		CHECK(pool_mapped() == 65536);
		_exit(0);
	}
	child_ends_well(child);
	assert_int_equal(block[99] + large[69999] + item[99] + wiped[8191], 4);
	pool_free(block);
	pool_free(large);
	scratch_done(&s);
}

/* Whatever was mapped before, or is afterwards. */
static void test_alloc_a_pool_that_stays_is_copied(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		char *at[4];
		int status;

		CHECK(pool_forget());
		at[0] = pool_malloc(100);
		at[1] = pool_malloc(70000);
		pool_free(pool_malloc(90000)); /* kept */
		pool_stay();
		at[2] = pool_malloc(90000);
		at[3] = pool_malloc(1 << 20);
		for (int i = 0; i < 4; i++)
			memset(at[i], i + 1, 100);
		child = fork();
		if (child == 0) {
			CHECK(!pool_forget());
			for (int i = 0; i < 4; i++)
				CHECK(is_there(at[i]) && at[i][99] == i + 1);
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child);
		_exit(status != 0);
	}
	child_ends_well(child);
}

static void test_alloc_scratch_is_given_back_at_once(void **state)
{
	struct scratch s = { .limit = 1 << 20 };
	size_t mapped = 0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		unsigned char *first = scratch_alloc(&s, 10);
		unsigned char *prev = first;

		memset(first, 1, 10);
		for (int i = 0; i < 300; i++) {
			unsigned char *p = scratch_alloc(&s, 1000);

			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 8, 0);
			memset(p, i, 1000);
			assert_true(prev + 10 <= p || p + 1000 <= prev);
			prev = p;
		}
		assert_int_equal(first[9], 1);
		if (round == 0)
			mapped = s.mapped;
		assert_int_equal(s.mapped, mapped);
		scratch_reset(&s);
	}
	/* What a usual batch needs stays; a large one's does not. */
	scratch_trim(&s);
	assert_int_equal(s.mapped, mapped);
	assert_non_null(scratch_alloc(&s, 300000));
	assert_non_null(scratch_alloc(&s, 300000));
	assert_in_range(s.mapped, mapped + 600000, 1 << 20);
	scratch_trim(&s);
	assert_in_range(s.mapped, SCRATCH_CHUNK, SCRATCH_KEPT);
	scratch_done(&s);
	assert_int_equal(s.mapped, 0);
}

static void test_alloc_scratch_shrinks_the_last(void **state)
{
	struct scratch s = { .limit = 1 << 20 };
	char *a = scratch_alloc(&s, 5000);
	char *b;

	(void)state;
	scratch_shrink(&s, a, 9);
	b = scratch_alloc(&s, 8);
	assert_ptr_equal(b, a + 16);
	scratch_shrink(&s, b, 0);
	assert_ptr_equal(scratch_alloc(&s, 8), b);
	scratch_done(&s);
}

static void test_alloc_scratch_is_bounded(void **state)
{
	struct scratch s = { .limit = 256 << 10 };
	int n = 0;

	(void)state;
	assert_null(scratch_alloc(&s, SIZE_MAX));
	assert_null(scratch_alloc(&s, 300000));
	while (n < 1000 && scratch_alloc(&s, 1000))
		n++;
	assert_in_range(n, 200, 262);
	assert_true(s.mapped <= s.limit);
	scratch_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_pool_blocks_do_not_overlap),
		cmocka_unit_test(test_alloc_pool_uses_memory_again),
		cmocka_unit_test(test_alloc_pool_keeps_the_contracts),
		cmocka_unit_test(test_alloc_pool_keeps_one_mapping),
		cmocka_unit_test(test_alloc_nothing_is_copied_by_a_fork),
		cmocka_unit_test(test_alloc_a_pool_that_stays_is_copied),
		cmocka_unit_test(test_alloc_pool_is_bounded),
		cmocka_unit_test(test_alloc_scratch_is_given_back_at_once),
		cmocka_unit_test(test_alloc_scratch_shrinks_the_last),
		cmocka_unit_test(test_alloc_scratch_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
