/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds a half: one call at a time, of this connection, and the last one out ends it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conn.h"
#include "fd_table.h"
#include "stats.h"

#define FD 100

static uint32_t generation_in(struct conn_token t)
{
	return (uint32_t)(t.word >> 32);
}

static struct conn_token accepted(int fd, bool is_in)
{
	conn_accepted(fd);
	return conn_look(fd, is_in);
}

static void test_conn_hold_is_for_one_call(void **state)
{
	struct conn_token t = accepted(FD, true);
	struct conn *c = conn_hold(t, true, true);

	(void)state;
	assert_non_null(c);
	conn_release(c, &c->in);
	/* Another call was taken in since that token was given: the order is not known. */
	assert_null(conn_hold(t, true, true));
	assert_null(conn_look(FD, true).conn); /* blind, and then opaque */
	assert_false(fd_is_ours(FD));
}

static void test_conn_hold_without_a_turn_leaves_the_token_good(void **state)
{
	struct conn_token t = accepted(FD, false);
	struct conn *c = conn_hold(t, false, false);

	(void)state;
	assert_non_null(c);
	conn_release(c, &c->out);
	c = conn_hold(t, false, true);
	assert_non_null(c);
	conn_release(c, &c->out);
	assert_non_null(conn_look(FD, false).conn);
	conn_fd_closing(FD);
}

/* A call that begins while another one's bytes are taken in comes after it. */
static void test_conn_hold_follows_the_one_who_holds(void **state)
{
	struct conn *c = conn_hold(accepted(FD, true), true, true);
	struct conn_token later = conn_look(FD, true);

	(void)state;
	assert_non_null(c);
	assert_non_null(later.conn);
	conn_release(c, &c->in);
	c = conn_hold(later, true, true);
	assert_non_null(c);
	conn_release(c, &c->in);
	conn_fd_closing(FD);
}

static void test_conn_hold_halves_do_not_mind_each_other(void **state)
{
	struct conn_token in = accepted(FD, true), out = conn_look(FD, false);
	struct conn *c = conn_hold(in, true, true);

	(void)state;
	assert_ptr_equal(conn_hold(out, false, true), c);
	conn_release(c, &c->out);
	conn_release(c, &c->in);
	conn_fd_closing(FD);
}

/* Closed by another thread while we are in there: it ends with us, once, and not before. */
static void test_conn_hold_last_one_out_ends_it(void **state)
{
	struct conn_token in = accepted(FD, true), out = conn_look(FD, false);
	struct conn *c = conn_hold(in, true, true);
	uint64_t before = stats_read(STAT_CONNS_BLIND);

	(void)state;
	assert_ptr_equal(conn_hold(out, false, true), c);
	conn_fd_closing(FD);
	assert_int_equal(c->generation, generation_in(in));
	conn_release(c, &c->in);
	assert_int_equal(c->generation, generation_in(in));
	conn_release(c, &c->out);
	assert_int_equal(c->generation, generation_in(in) + 1);
	/* Gone, which is not the same as blind. */
	assert_null(conn_hold(in, true, true));
	assert_int_equal(stats_read(STAT_CONNS_BLIND), before);
	/* Its memory is the next one's, and an old token not good for that. */
	assert_ptr_equal(accepted(FD, true).conn, in.conn);
	assert_null(conn_hold(in, true, true));
	assert_null(conn_hold(out, false, false));
	assert_non_null(conn_look(FD, true).conn);
	conn_fd_closing(FD);
}

/* The count of calls wraps within its bits: the generation beside it stays. */
static void test_conn_hold_turn_wraps(void **state)
{
	struct conn_token t = accepted(FD, true);
	struct conn *c = conn_hold(t, true, true);

	(void)state;
	atomic_fetch_or(&c->in.word, 0xfffffffcu);
	conn_release(c, &c->in);
	t = conn_look(FD, true);
	assert_int_equal((uint32_t)t.word, 0xfffffffcu);
	assert_ptr_equal(conn_hold(t, true, true), c);
	conn_release(c, &c->in);
	t = conn_look(FD, true);
	assert_int_equal(t.word, (uint64_t)generation_in(t) << 32);
	conn_fd_closing(FD);
}

/* --- many threads --- */

#define STORM_FDS 4
#define STORM_ROUNDS 20000

static _Atomic uint32_t overlaps;

static void *storm(void *arg)
{
	int own = (int)(uintptr_t)arg % STORM_FDS;
	uint32_t seed = (uint32_t)own * 2654435761u + 1;

	for (int i = 0; i < STORM_ROUNDS; i++) {
		int fd = (int)((seed = seed * 1664525u + 1013904223u) >> 24) % STORM_FDS;
		bool is_in = seed >> 20 & 1;
		struct conn_token t = conn_look(200 + fd, is_in);
		struct conn *c = t.conn ? conn_hold(t, is_in, true) : NULL;

		/* A number is closed, and given out again, in one thread at a time. */
		if (seed >> 16 & 1)
			conn_fd_closing(200 + own);
		if (c) {
			struct half *h = is_in ? &c->in : &c->out;

			/* The scratch is of who holds the half: two would return it twice. */
			if (half_borrow(h))
				half_return(h);
			overlaps += c->generation != generation_in(t);
			conn_release(c, h);
		}
		if (seed >> 17 & 1)
			conn_accepted(200 + own);
	}
	return NULL;
}

static void test_conn_hold_storm_ends_every_connection(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(overlaps, 0);
	for (int fd = 0; fd < STORM_FDS; fd++)
		conn_fd_closing(200 + fd);
	/* Whatever was not ended would still have its place. */
	for (int fd = 0; fd < 64; fd++)
		assert_in_range(accepted(300 + fd, true).conn->index, 0, 63);
	for (int fd = 0; fd < 64; fd++)
		conn_fd_closing(300 + fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conn_hold_is_for_one_call),
		cmocka_unit_test(test_conn_hold_without_a_turn_leaves_the_token_good),
		cmocka_unit_test(test_conn_hold_follows_the_one_who_holds),
		cmocka_unit_test(test_conn_hold_halves_do_not_mind_each_other),
		cmocka_unit_test(test_conn_hold_last_one_out_ends_it),
		cmocka_unit_test(test_conn_hold_turn_wraps),
		cmocka_unit_test(test_conn_hold_storm_ends_every_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
