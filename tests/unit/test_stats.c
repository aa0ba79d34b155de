/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"
#include "stats.h"

#define THREADS 4
#define EACH 20000

static void test_stats_has_a_text_of_its_own_for_each(void **state)
{
	(void)state;
	assert_string_equal(stats_text(STAT_LOADED), "loaded");
	assert_string_equal(stats_text(STAT_SPANS_NO_SLOT), "spans_dropped_no_slot");
	assert_string_equal(stats_text(STATS), "");
	for (int i = 0; i < STATS; i++) {
		const char *text = stats_text((enum stat_id)i);

		/*
		 * A word that splits no line of the log; an array that is not full ends with NUL.
		 */
		assert_in_range(strlen(text), 1, 31);
		assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789"),
				 strlen(text));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(text, stats_text((enum stat_id)j));
	}
}

static void *count(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		stats_inc(STAT_HOOKS);
		stats_add(STAT_INJECTED, 3);
	}
	return arg;
}

static void test_stats_is_exact_with_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	stats_reset();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stats_read(STAT_HOOKS), THREADS * EACH);
	assert_int_equal(stats_read(STAT_INJECTED), 3 * THREADS * EACH);
}

static _Atomic uint64_t handled; /* the signal is the process's: any thread may take it */

static void on_alarm(int signal)
{
	(void)signal;
	stats_add(STAT_HOOKS, 2);
	handled += 2;
}

/* The thread that counts without locks, beside others, with handlers in its midst. */
static void test_stats_is_exact_with_a_first_thread_and_its_signals(void **state)
{
	struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { { 0, 0 }, { 0, 0 } };
	pthread_t threads[THREADS];
	uint64_t mine = 0;

	(void)state;
	stats_inc(STAT_HOOKS);
	assert_true(thread_self.counts == stats.first);
	stats_reset();
	handled = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &often, NULL);
	while (handled < 1000) {
		stats_inc(STAT_HOOKS);
		mine++;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stats_read(STAT_HOOKS), THREADS * EACH + mine + handled);
	assert_int_equal(stats_read(STAT_INJECTED), 3 * THREADS * EACH);
}

static void test_stats_of_a_forked_child_start_from_zero(void **state)
{
	int status;
	pid_t child;

	(void)state;
	process_epoch();
	stats_inc(STAT_HOOKS);
	child = fork();
	if (child == 0) {
		process_epoch();
		_exit(stats_read(STAT_HOOKS) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(stats_read(STAT_HOOKS) > 0);
}

/* Nobody may have asked who the parent is. */
static void test_stats_start_from_zero_when_the_fork_is_told(void **state)
{
	int status;
	pid_t child;

	(void)state;
	stats_inc(STAT_HOOKS);
	child = fork();
	if (child == 0) {
		process_forked();
		_exit(stats_read(STAT_HOOKS) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stats_start_from_zero_when_the_fork_is_told),
		cmocka_unit_test(test_stats_has_a_text_of_its_own_for_each),
		cmocka_unit_test(test_stats_is_exact_with_threads),
		cmocka_unit_test(test_stats_is_exact_with_a_first_thread_and_its_signals),
		cmocka_unit_test(test_stats_of_a_forked_child_start_from_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
