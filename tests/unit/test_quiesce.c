/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "quiesce.h"

static _Atomic uint32_t q;

static void test_quiesce_is_taken_once(void **state)
{
	uint64_t begin;

	(void)state;
	assert_true(quiesce_lock(&q, 0));
	begin = clock_monotonic_ns();
	assert_false(quiesce_lock(&q, 30));
	assert_true(clock_monotonic_ns() - begin >= 30000000u);
	assert_true(clock_monotonic_ns() - begin < 500000000u);
	quiesce_unlock(&q);
	assert_true(quiesce_lock(&q, 0));
	quiesce_unlock(&q);
	assert_int_equal(q, 0);
}

#define ROUNDS 20000
static uint64_t guarded; /* not atomic: Q is what guards it */

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		while (!quiesce_lock(&q, 1000))
			;
		guarded++;
		quiesce_unlock(&q);
	}
	return NULL;
}

static void test_quiesce_excludes(void **state)
{
	pthread_t t[4];

	(void)state;
	guarded = 0;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(guarded, 4 * ROUNDS);
	assert_int_equal(q, 0);
}

static _Atomic int released;

static void *release_later(void *arg)
{
	(void)arg;
	usleep(50000);
	atomic_store(&released, 1);
	quiesce_unlock(&q);
	return NULL;
}

static void test_quiesce_wakes_who_waits(void **state)
{
	pthread_t t;
	uint64_t begin;

	(void)state;
	assert_true(quiesce_lock(&q, 0));
	assert_int_equal(pthread_create(&t, NULL, release_later, NULL), 0);
	begin = clock_monotonic_ns();
	assert_true(quiesce_lock(&q, 10000));
	assert_true(clock_monotonic_ns() - begin < 5000000000u);
	assert_int_equal(atomic_load(&released), 1);
	quiesce_unlock(&q);
	pthread_join(t, NULL);
}

/* The exporter's side: held but in pauses. */
static void test_quiesce_pauses(void **state)
{
	(void)state;
	quiesce_pause(); /* nothing is held: nothing happens */
	quiesce_resume();
	quiesce_begin(&q);
	assert_false(quiesce_lock(&q, 0));
	quiesce_pause();
	assert_true(quiesce_lock(&q, 0));
	quiesce_unlock(&q);
	quiesce_resume();
	assert_false(quiesce_lock(&q, 0));
	quiesce_end();
	assert_int_equal(q, 0);
}

static _Atomic int was_let_in;

static void *fork_once(void *arg)
{
	(void)arg;
	atomic_store(&was_let_in, quiesce_lock(&q, 60000) ? 1 : -1);
	quiesce_unlock(&q);
	return NULL;
}

static uint32_t pauses_until_let_in(void)
{
	uint32_t pauses = 0;
	pthread_t t;

	atomic_store(&was_let_in, 0);
	quiesce_begin(&q);
	assert_int_equal(pthread_create(&t, NULL, fork_once, NULL), 0);
	while (atomic_load(&q) != 2) /* until he waits */
		sched_yield();
	for (; !atomic_load(&was_let_in); pauses++) {
		quiesce_pause();
		quiesce_resume();
	}
	quiesce_end();
	pthread_join(t, NULL);
	assert_int_equal(was_let_in, 1);
	return pauses;
}

/*
 * An exporter that only just breathes: whoever waits is in at one of its next pauses.  Each gives
 * him 20 ms; without that it takes the exporter thousands before he is in time once.  Where he has
 * no processor for so long, the pauses meanwhile say nothing: hence once more.
 */
static void test_quiesce_lets_in_who_waits(void **state)
{
	uint32_t pauses = UINT32_MAX;

	(void)state;
	for (int i = 0; i < 10 && pauses > 500; i++)
		pauses = pauses_until_let_in();
	assert_in_range(pauses, 1, 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiesce_is_taken_once),
		cmocka_unit_test(test_quiesce_excludes),
		cmocka_unit_test(test_quiesce_wakes_who_waits),
		cmocka_unit_test(test_quiesce_pauses),
		cmocka_unit_test(test_quiesce_lets_in_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
