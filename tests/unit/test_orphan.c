/* SPDX-License-Identifier: Apache-2.0 */
/* Open spans of processes that are no more, and finished ones of an exporter that is no more. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "orphan.h"
#include "stats.h"

#define MANY 16

static struct store *st;
static struct record record;
static uint32_t taken[MANY];

static int setup(void **state)
{
	char *envp[] = { NULL };

	(void)state;
	config_load(envp);
	st = store_open();
	return st ? 0 : -1;
}

static int empty(void **state)
{
	(void)state;
	for (size_t n; (n = store_collect(st, taken, MANY));)
		store_give_back(st, taken, n);
	stats_reset();
	atomic_store(&st->pids_differ, 0);
	atomic_store(&st->in_hand, 0);
	return 0;
}

/* A child with open spans: sampled ones, and one that is not to be told. */
static pid_t child_with(int spans)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL); /* cmocka's */
		for (int i = 0; i < spans; i++)
			span_set_name(span_start(SPAN_SERVER, NULL), BYTES("GET"));
		span_exclude(span_start(SPAN_SERVER, NULL));
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static int reap(pid_t pid, int number)
{
	int status;

	kill(pid, number);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static struct bytes error_of(const struct record *r)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value))
		if (head.type == ITEM_STR && head.key == ATTR_ERROR_TYPE)
			return value;
	return (struct bytes){ NULL, 0 };
}

static void assert_told(size_t n, struct bytes error, pid_t pid)
{
	size_t got = store_collect(st, taken, MANY);

	assert_int_equal(got, n);
	for (size_t i = 0; i < got; i++) {
		assert_true(store_read(st, taken[i], &record));
		assert_int_equal(record.head.pid, pid);
		assert_int_equal(record.head.status, SPAN_STATUS_ERROR);
		assert_true(bytes_equal(error_of(&record), error));
	}
	store_give_back(st, taken, got);
	assert_int_equal(stats_read(STAT_SPANS_ORPHANED), n);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), n ? 1 : 0);
}

static void test_orphan_of_who_was_waited_for(void **state)
{
	pid_t pid = child_with(3);
	int status = reap(pid, SIGSEGV);

	(void)state;
	orphans_of(pid + 1, status);
	assert_told(0, BYTES(""), 0);
	orphans_of(pid, status);
	orphans_of(pid, status);
	assert_told(3, BYTES("SIGSEGV"), pid);
}

static void test_orphan_of_who_has_exited(void **state)
{
	pid_t pid = child_with(1);

	(void)state;
	(void)reap(pid, SIGKILL);
	orphans_of(pid, 0);
	assert_told(1, BYTES("process_exited"), pid);
}

static void test_orphan_is_looked_for_twice(void **state)
{
	pid_t pid = child_with(2);

	(void)state;
	(void)reap(pid, SIGKILL);
	assert_true(orphans_survey(st, false));
	assert_told(0, BYTES(""), 0);
	assert_false(orphans_survey(st, false));
	assert_told(2, BYTES("process_exited"), pid);
}

static void test_orphan_is_ended_at_once_if_nobody_comes_after(void **state)
{
	pid_t pid = child_with(2);

	(void)state;
	(void)reap(pid, SIGKILL);
	assert_false(orphans_survey(st, true));
	assert_told(2, BYTES("process_exited"), pid);
}

/* Whoever waits for it comes first. */
static void test_orphan_not_before_its_process_is_waited_for(void **state)
{
	struct span *own = span_start(SPAN_CLIENT, NULL);
	pid_t pid = child_with(1);
	siginfo_t info;

	(void)state;
	assert_false(orphans_survey(st, true));
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(orphans_survey(st, true));
	assert_told(0, BYTES(""), 0);
	orphans_of(pid, reap(pid, SIGKILL));
	assert_told(1, BYTES("SIGKILL"), pid);
	assert_int_equal(own->state, SLOT_OPEN);
	span_discard(own);
}

/* The same number may be another process, and that one alive. */
static void test_orphan_is_unknown_among_several_namespaces(void **state)
{
	pid_t pid = child_with(1);

	(void)state;
	atomic_store(&st->pids_differ, 1);
	orphans_of(pid, reap(pid, SIGKILL));
	assert_false(orphans_survey(st, true));
	assert_told(0, BYTES(""), 0);
	atomic_store(&st->pids_differ, 0);
	assert_false(orphans_survey(st, true));
	assert_told(1, BYTES("process_exited"), pid);
}

static void test_orphan_claimed_by_another_is_left(void **state)
{
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	s->orphan = 2;
	orphans_of((pid_t)s->pid, 0);
	assert_int_equal(s->state, SLOT_OPEN);
	span_discard(s);
}

/* --- an exporter that was killed --- */

static void test_orphan_records_of_an_exporter(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		span_end(span_start(SPAN_CLIENT, NULL));
	assert_int_equal(store_collect(st, taken, 5), 5);
	store_give_back(st, taken, 2); /* on their way */
	store_inherit(st);
	assert_int_equal(stats_read(STAT_SPANS_FAILED), 2);
	assert_int_equal(atomic_load(&st->in_hand), 0);
	assert_int_equal(atomic_load(&st->done), 3);
	assert_int_equal(store_collect(st, taken, MANY), 3);
	store_give_back(st, taken, 3);
	assert_int_equal(store_account(st, MANY), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_orphan_##name, empty)
	const struct CMUnitTest tests[] = {
		TEST(of_who_was_waited_for),
		TEST(of_who_has_exited),
		TEST(is_looked_for_twice),
		TEST(is_ended_at_once_if_nobody_comes_after),
		TEST(not_before_its_process_is_waited_for),
		TEST(is_unknown_among_several_namespaces),
		TEST(claimed_by_another_is_left),
		TEST(records_of_an_exporter),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
