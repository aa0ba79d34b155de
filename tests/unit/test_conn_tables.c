/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and recycled memory: an old name never leads to a new connection (design 3). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* Less is mapped at once, and there are as many (but for what does not fill a chunk). */
static void test_pool_of_large_items_has_as_many(void **state)
{
	static struct pool p;
	static char *seen[POOL_CHUNK_ITEMS];
	uint32_t index;
	size_t n = 0;

	(void)state;
	while (n < POOL_CHUNK_ITEMS && (seen[n] = pool_get(&p, 100u << 10, 1, &index))) {
		assert_ptr_equal(seen[n], pool_at(&p, 100u << 10, index));
		memset(seen[n], (int)n + 1, 100u << 10);
		n++;
	}
	assert_int_equal(n, 60);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(seen[i][0], (int)i + 1);
		assert_int_equal(seen[i][(100u << 10) - 1], (int)i + 1);
	}
	assert_int_equal(index / POOL_CHUNK_ITEMS, 11); /* 5 of them in half a MiB */
}

/* One thread moves the hint on while another gives back: then it is wrong, and nothing is lost. */
static void test_pool_finds_what_is_free_before_its_hint(void **state)
{
	static struct pool p;
	uint32_t index;

	(void)state;
	for (uint32_t i = 0; i < POOL_CHUNK_ITEMS; i++)
		assert_non_null(pool_get(&p, 64, 2, &index));
	for (uint32_t i = 0; i < POOL_CHUNK_ITEMS; i++)
		pool_put(&p, i);
	atomic_store(&p.first, 1);
	assert_non_null(pool_get(&p, 64, 2, &index));
	assert_in_range(index, 0, POOL_CHUNK_ITEMS - 1);
	assert_null(pool_at(&p, 64, POOL_CHUNK_ITEMS)); /* no second chunk was mapped for it */
}

/* --- many threads --- */

#define STORM_THREADS 4
#define STORM_ROUNDS 20000
#define STORM_ITEMS (2 * POOL_CHUNK_ITEMS)

static struct pool storm_pool;
static _Atomic uint32_t holders[STORM_ITEMS];
static _Atomic uint32_t shared_items;

/* Each holds up to forty: with four of them all that there is, and more. */
static void *pool_storm(void *arg)
{
	uint32_t held[40];
	size_t n = 0;
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u;

	for (int i = 0; i < STORM_ROUNDS; i++) {
		uint32_t index;

		seed = seed * 1664525u + 1013904223u;
		if (n < 40 && seed >> 31 && pool_get(&storm_pool, 64, 2, &index)) {
			if (index >= STORM_ITEMS || atomic_fetch_add(&holders[index], 1) != 0)
				shared_items++;
			else
				held[n++] = index;
		} else if (n && !(seed >> 31)) {
			index = held[--n];
			atomic_fetch_sub(&holders[index], 1);
			pool_put(&storm_pool, index);
		}
	}
	while (n) {
		atomic_fetch_sub(&holders[held[--n]], 1);
		pool_put(&storm_pool, held[n]);
	}
	return NULL;
}

static void in_threads(void *(*body)(void *))
{
	pthread_t threads[STORM_THREADS];

	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)(i + 1)), 0);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void test_pool_storm_shares_and_loses_nothing(void **state)
{
	uint32_t index;

	(void)state;
	in_threads(pool_storm);
	assert_int_equal(shared_items, 0);
	for (uint32_t i = 0; i < STORM_ITEMS; i++)
		assert_non_null(pool_get(&storm_pool, 64, 2, &index));
	assert_null(pool_get(&storm_pool, 64, 2, &index));
}

static _Atomic uint32_t put_count, take_count;

/*
 * All on the same numbers, which lie on two pages.  An entry is put once, and whoever take_count it
 * has it alone.
 */
static void *fd_storm(void *arg)
{
	uint32_t thread = (uint32_t)(uintptr_t)arg, seed = thread * 2654435761u;

	for (uint32_t i = 0; i < STORM_ROUNDS; i++) {
		int fd = 2046 + (int)((seed = seed * 1664525u + 1013904223u) >> 30);
		uint64_t entry = fd_entry(fd);

		/*
		 * As conn.c: who finds a number free put_count, who knows an entry take_count that
		 * one.
		 */
		if (entry) {
			if (fd_take_if(fd, entry))
				take_count++;
		} else if (fd == 2046 + (int)thread - 1) {
			if (fd_put(fd, (uint64_t)thread << 32 | (i + 1)))
				put_count++;
		}
	}
	return NULL;
}

static void test_fd_table_storm_keeps_map_and_entries_together(void **state)
{
	uint32_t left = 0;

	(void)state;
	in_threads(fd_storm);
	for (int fd = 2046; fd < 2050; fd++) {
		assert_int_equal(fd_is_ours(fd), fd_entry(fd) != 0);
		left += fd_entry(fd) != 0;
		fd_take(fd);
		assert_false(fd_is_ours(fd));
	}
	assert_int_equal(take_count + left, put_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd_table_knows_every_number_below_its_end),
		cmocka_unit_test(test_fd_table_numbers_beyond_are_unknown),
		cmocka_unit_test(test_fd_table_takes_only_the_entry_that_was_meant),
		cmocka_unit_test(test_pool_hands_out_each_item_once_and_ends_at_its_bound),
		cmocka_unit_test(test_pool_of_large_items_has_as_many),
		cmocka_unit_test(test_pool_finds_what_is_free_before_its_hint),
		cmocka_unit_test(test_pool_storm_shares_and_loses_nothing),
		cmocka_unit_test(test_fd_table_storm_keeps_map_and_entries_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
