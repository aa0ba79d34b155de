/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and recycled memory: an old name never leads to a new connection (design 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fd_table.h"
#include "pool.h"

static void test_fd_table_knows_every_number_below_its_end(void **state)
{
	static const int fds[] = { 0, 63, 64, 1023, 1024, 65535, FD_TABLE_MAX - 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		assert_false(fd_is_ours(fds[i]));
		assert_true(fd_put(fds[i], 0x100000000ull + i + 1));
		assert_true(fd_is_ours(fds[i]));
		assert_int_equal(fd_entry(fds[i]), 0x100000000ull + i + 1);
	}
	assert_int_equal(fd_highest(), FD_TABLE_MAX - 1);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		assert_int_equal(fd_take(fds[i]), 0x100000000ull + i + 1);
		assert_false(fd_is_ours(fds[i]));
		assert_int_equal(fd_entry(fds[i]), 0);
	}
}

static void test_fd_table_numbers_beyond_are_unknown(void **state)
{
	static const int fds[] = { -1, FD_TABLE_MAX, INT32_MAX, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		assert_false(fd_put(fds[i], 1));
		assert_false(fd_is_ours(fds[i]));
		assert_false(fd_is_own_client(fds[i]));
		assert_int_equal(fd_take(fds[i]), 0);
	}
}

static void test_fd_table_takes_only_the_entry_that_was_meant(void **state)
{
	(void)state;
	assert_true(fd_put(5, 77));
	assert_false(fd_take_if(5, 78));
	assert_true(fd_is_ours(5));
	assert_true(fd_take_if(5, 77));
	assert_false(fd_is_ours(5));
}

static void test_pool_hands_out_each_item_once_and_ends_at_its_bound(void **state)
{
	static struct pool p;
	static unsigned char seen[2 * POOL_CHUNK_ITEMS];
	uint32_t index;

	(void)state;
	assert_null(pool_at(&p, 64, 0));
	for (size_t i = 0; i < sizeof(seen); i++) {
		assert_non_null(pool_get(&p, 64, 2, &index));
		assert_in_range(index, 0, sizeof(seen) - 1);
		assert_int_equal(seen[index], 0);
		seen[index] = 1;
	}
	assert_null(pool_get(&p, 64, 2, &index));
	pool_put(&p, 3);
	assert_non_null(pool_get(&p, 64, 2, &index));
	assert_int_equal(index, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd_table_knows_every_number_below_its_end),
		cmocka_unit_test(test_fd_table_numbers_beyond_are_unknown),
		cmocka_unit_test(test_fd_table_takes_only_the_entry_that_was_meant),
		cmocka_unit_test(test_pool_hands_out_each_item_once_and_ends_at_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
