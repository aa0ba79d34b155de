/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that move into the store: nothing is lost on the way, and each process has its own. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "counts.h"
#include "fate.h"
#include "process.h"

#define THREADS 4
#define EACH 50000

static struct store *st;

static int begin(void **state)
{
	(void)state;
	st = store_open();
	return st ? 0 : -1;
}

static struct counts *mine(void)
{
	for (uint32_t i = 1; i < STORE_COUNTS; i++)
		if (atomic_load(&counts_of(st, i)->pid) == (uint32_t)getpid())
			return counts_of(st, i);
	return NULL;
}

static uint64_t shown(struct counts *c, enum stat_id which)
{
	return c->before[which] + stats_sum(&c->now, which);
}

/* In a child of its own, since this happens once in a process. */
static void in_child(int (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		process_forked();
		_exit(body());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int moves(void)
{
	struct counts *c;

	stats_add(STAT_HOOKS, 5);
	if (mine())
		return 1;
	counts_settle(st);
	c = mine();
	if (!c || shown(c, STAT_HOOKS) != 5 || stats_read(STAT_HOOKS) != 5)
		return 2;
	stats_add(STAT_HOOKS, 2);
	stats_add_shared(STAT_HOOKS, 1);
	if (shown(c, STAT_HOOKS) != 8 || stats_read(STAT_HOOKS) != 8)
		return 3;
	counts_settle(st);
	if (mine() != c || shown(c, STAT_HOOKS) != 8)
		return 4;
	stats_reset();
	return stats_read(STAT_HOOKS) == 0 ? 0 : 5;
}

static void test_counts_move_into_the_store(void **state)
{
	(void)state;
	in_child(moves);
}

/* What was made of descriptors goes along, and what is changed later follows. */
static int fates_move_along(void)
{
	struct counts *c;

	fate_set(5, FATE_HTTP2);
	fate_set(6, FATE_HTTP1);
	fate_set(6, FATE_NONE);
	counts_settle(st);
	c = mine();
	if (!c || c->fates[5] != FATE_HTTP2 || c->fates[6] != FATE_NONE)
		return 1;
	fate_set(5, FATE_NONE);
	fate_set(1023, FATE_OPAQUE);
	if (c->fates[5] != FATE_NONE || c->fates[1023] != FATE_OPAQUE || fate_of(5) != FATE_NONE)
		return 2;
	counts_bury(st, (uint32_t)(((char *)c - (char *)counts_of(st, 0)) / STORE_COUNT_BYTES));
	return c->fates[1023] == FATE_NONE && fate_of(1023) == FATE_OPAQUE ? 0 : 3;
}

/* A child's descriptors are its parent's, until it closes them: so is what was made of them. */
static int fates_of_a_child(void)
{
	int status = 0;
	pid_t child;

	fate_set(5, FATE_HTTP2);
	fate_set(6, FATE_HTTP2);
	counts_settle(st);
	child = fork();
	if (child == 0) {
		struct counts *c;

		process_forked();
		fate_set(5, FATE_NONE);
		counts_settle(st);
		c = mine();
		_exit(c && c->fates[5] == FATE_NONE && c->fates[6] == FATE_HTTP2 ? 0 : 1);
	}
	waitpid(child, &status, 0);
	return status == 0 && mine()->fates[5] == FATE_HTTP2 ? 0 : 2;
}

static void test_counts_take_the_fates_along(void **state)
{
	(void)state;
	in_child(fates_move_along);
	in_child(fates_of_a_child);
}

static _Atomic bool go_on;

/* Changed all the time while the counters move: in the end both places say the same. */
static void *change(void *arg)
{
	while (!go_on)
		;
	for (int i = 0; i < EACH; i++)
		fate_set(7, (uint8_t)(FATE_QUIET + i % 7));
	return arg;
}

static int fates_under_way(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, change, NULL) != 0)
			return 1;
	go_on = true;
	counts_settle(st);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return mine() && mine()->fates[7] == fate_of(7) && fate_of(7) ? 0 : 2;
}

static void test_counts_move_while_fates_change(void **state)
{
	(void)state;
	in_child(fates_under_way);
}

static void *count(void *arg)
{
	while (!go_on)
		;
	for (int i = 0; i < EACH; i++)
		stats_inc(STAT_HOOKS);
	return arg;
}

static int moves_under_way(void)
{
	pthread_t threads[THREADS];

	stats_inc(STAT_HOOKS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, count, NULL) != 0)
			return 1;
	go_on = true;
	for (int i = 0; i < EACH; i++) {
		stats_inc(STAT_HOOKS);
		if (i == EACH / 2)
			counts_settle(st);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return stats_read(STAT_HOOKS) == 1 + (THREADS + 1) * EACH ? 0 : 2;
}

/* Law 4: what is logged is exact, whenever it moves. */
static void test_counts_move_while_others_count(void **state)
{
	(void)state;
	in_child(moves_under_way);
}

static int of_a_child(void)
{
	struct counts *c;
	int status;
	pid_t child;

	stats_add(STAT_HOOKS, 5);
	counts_settle(st);
	c = mine();
	child = fork();
	if (child == 0) {
		process_forked();
		stats_add(STAT_HOOKS, 3);
		counts_settle(st);
		_exit(mine() && mine() != c && shown(mine(), STAT_HOOKS) == 3 ? 0 : 1);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return 1;
	return shown(c, STAT_HOOKS) == 5 && stats_read(STAT_HOOKS) == 5 ? 0 : 2;
}

static void test_counts_of_a_child_are_its_own(void **state)
{
	(void)state;
	in_child(of_a_child);
}

static int full(void)
{
	for (uint32_t i = 1; i < STORE_COUNTS; i++)
		if (!atomic_load(&counts_of(st, i)->pid))
			atomic_store(&counts_of(st, i)->pid, 1);
	stats_add(STAT_HOOKS, 5);
	counts_settle(st);
	counts_settle(st);
	stats_add(STAT_HOOKS, 2);
	stats_add_shared(STAT_HOOKS, 1);
	return !mine() && stats_read(STAT_HOOKS) == 8 ? 0 : 1;
}

static void test_counts_stay_where_they_are_when_all_places_are_taken(void **state)
{
	(void)state;
	in_child(full);
	for (uint32_t i = 1; i < STORE_COUNTS; i++)
		atomic_store(&counts_of(st, i)->pid, 0);
}

static void test_counts_of_the_dead_are_kept(void **state)
{
	struct counts *c;
	uint64_t before = shown(counts_of(st, COUNTS_ENDED), STAT_HOOKS);

	(void)state;
	c = counts_of(st, 7);
	atomic_store(&c->pid, 12345);
	c->before[STAT_HOOKS] = 2;
	c->now.first[STAT_HOOKS] = 3;
	c->now.count[STAT_HOOKS] = 4;
	counts_bury(st, 7);
	assert_int_equal(c->pid, 0);
	assert_int_equal(shown(c, STAT_HOOKS), 0);
	assert_int_equal(shown(counts_of(st, COUNTS_ENDED), STAT_HOOKS), before + 9);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_move_into_the_store),
		cmocka_unit_test(test_counts_take_the_fates_along),
		cmocka_unit_test(test_counts_move_while_fates_change),
		cmocka_unit_test(test_counts_move_while_others_count),
		cmocka_unit_test(test_counts_of_a_child_are_its_own),
		cmocka_unit_test(test_counts_stay_where_they_are_when_all_places_are_taken),
		cmocka_unit_test(test_counts_of_the_dead_are_kept),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
