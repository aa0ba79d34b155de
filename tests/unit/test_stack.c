/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Return addresses that a span keeps.  In a unit test our own object is the program, whose frames
 * are left out: what is left are cmocka's and libc's, which have called it.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "guard.h"
#include "stack.h"
#include "stats.h"
#include "store.h"

static struct record record;

static int setup(void **state)
{
	char *const env[] = { (char[]){ "OTEL_INTERSPAN_STACK_THRESHOLD=1000" }, NULL };

	(void)state;
	config_parse(&config, env);
	stack_set_limit(UINT32_MAX);
	return 0;
}

/* A call that fails, or lasts for ms. */
static void call(bool has_failed, uint64_t ms)
{
	struct span *s;
	uint64_t now = clock_monotonic_ns();

	assert_true(guard_enter());
	s = span_start_at(SPAN_CLIENT, NULL, now - ms * 1000000u);
	if (has_failed)
		span_set_error(s, BYTES("500"));
	stack_end_span(s, now);
	guard_leave();
}

static void drain(void)
{
	struct store *st = store_get();
	uint32_t index[64];
	size_t n;

	while ((n = store_collect(st, index, 64))) {
		for (size_t i = 0; i < n; i++)
			assert_true(store_read(st, index[i], &record));
		store_give_back(st, index, n);
	}
}

/* The stack of the one span that there is; ptr NULL: it has none. */
static struct bytes receive(void)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	memset(&record, 0, sizeof(record));
	drain();
	assert_int_equal(record.head.kind, SPAN_CLIENT);
	while (record_next(&record, &at, &head, &value))
		if (head.type == ITEM_STACK)
			return value;
	return (struct bytes){ NULL, 0 };
}

static void test_stack_of_calls_that_fail_or_last(void **state)
{
	struct bytes stack;

	(void)state;
	call(false, 999);
	assert_null(receive().ptr);
	call(false, 1000);
	assert_non_null(receive().ptr);
	call(true, 0);
	stack = receive();
	assert_non_null(stack.ptr);
	assert_in_range((unsigned char)stack.ptr[0], 2, STACK_FRAMES_MAX);
	assert_non_null(memmem(stack.ptr, stack.len, "libcmocka.so", 12));
	assert_non_null(memmem(stack.ptr, stack.len, "libc.so", 7));
	config.stacks = false;
	call(true, 5000);
	assert_null(receive().ptr);
	config.stacks = true;
}

static void test_stack_of_ten_in_a_second(void **state)
{
	uint64_t taken = stats_read(STAT_STACKS_TAKEN), limited = stats_read(STAT_STACKS_LIMITED);
	uint64_t second = clock_monotonic_ns() / 1000000000u, seconds;

	(void)state;
	stack_set_limit(STACKS_PER_SECOND);
	for (int i = 0; i < 100; i++)
		call(true, 0);
	seconds = clock_monotonic_ns() / 1000000000u - second + 1;
	stack_set_limit(UINT32_MAX);
	drain();
	taken = stats_read(STAT_STACKS_TAKEN) - taken;
	assert_in_range(taken, 10 - 2, 10 * seconds); /* two were taken above */
	assert_int_equal(taken + stats_read(STAT_STACKS_LIMITED) - limited, 100);
}

/* As in a signal handler, which has its own signal blocked. */
static void test_stack_never_where_a_signal_is_blocked(void **state)
{
	uint64_t refused = stats_read(STAT_STACKS_REFUSED);
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	call(true, 0);
	sigprocmask(SIG_SETMASK, NULL, &set);
	assert_int_equal(sigismember(&set, SIGUSR2), 1);
	assert_int_equal(sigismember(&set, SIGUSR1), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_null(receive().ptr);
	assert_int_equal(stats_read(STAT_STACKS_REFUSED), refused + 1);
}

/* Without the guard nobody comes by who would take it: the span ends all the same. */
static void test_stack_outside_of_the_guard(void **state)
{
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	span_set_error(s, BYTES("500"));
	stack_end_span(s, clock_monotonic_ns());
	stack_end_span(NULL, 0);
	assert_null(receive().ptr);
	assert_int_equal(thread_self.stack_due.slot, 0);
}

static int exit_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

/* A child never goes on with what another thread of its parent was in the middle of. */
static void test_stack_in_children(void **state)
{
	pid_t child;

	(void)state;
	assert_true(stack_quiesce());
	child = fork();
	if (child == 0) {
		call(true, 0);
		_exit(receive().ptr || stack_quiesce());
	}
	assert_int_equal(exit_of(child), 0);
	child = fork();
	if (child == 0) {
		stack_resume(); /* as the fork hook does */
		call(true, 0);
		_exit(!receive().ptr);
	}
	assert_int_equal(exit_of(child), 0);
	call(true, 0);
	assert_null(receive().ptr);
	stack_resume();
	call(true, 0);
	assert_non_null(receive().ptr);
}

/* --- all at once --- */

#define THREADS 16
#define CALLS 600
#define CHILDREN 30

static _Atomic bool is_over;

static void *call_often(void *unused)
{
	for (int i = 0; i < CALLS; i++)
		call(true, 0);
	return unused;
}

/* Any that nobody else has loaded will do. */
static void *load_and_unload(void *unused)
{
	static const char names[][24] = { "libresolv.so.2", "libnss_files.so.2",
					  "libBrokenLocale.so.1", "libnss_compat.so.2",
					  "libutil.so.1" };

	for (size_t i = 0; !is_over; i++) {
		void *library = dlopen(names[i % ARRAY_LEN(names)], RTLD_NOW);

		if (library)
			dlclose(library);
	}
	return unused;
}

static void child_make(void)
{
	bool is_held = stack_quiesce();
	pid_t child = fork();

	if (is_held)
		stack_resume();
	if (child == 0) {
		call(true, 0);
		_exit(0);
	}
	assert_int_equal(exit_of(child), 0);
}

static void test_stack_storm(void **state)
{
	uint64_t before = stats_read(STAT_STACKS_TAKEN) + stats_read(STAT_STACKS_REFUSED);
	pthread_t threads[THREADS], loader;

	(void)state;
	assert_int_equal(pthread_create(&loader, NULL, load_and_unload, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, NULL), 0);
	for (int i = 0; i < CHILDREN; i++)
		child_make();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	is_over = true;
	pthread_join(loader, NULL);
	drain();
	assert_int_equal(stats_read(STAT_STACKS_TAKEN) + stats_read(STAT_STACKS_REFUSED) - before,
			 THREADS * CALLS);
	call(true, 0);
	assert_non_null(receive().ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stack_of_calls_that_fail_or_last),
		cmocka_unit_test(test_stack_of_ten_in_a_second),
		cmocka_unit_test(test_stack_never_where_a_signal_is_blocked),
		cmocka_unit_test(test_stack_outside_of_the_guard),
		cmocka_unit_test(test_stack_in_children),
		cmocka_unit_test(test_stack_storm),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
