/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that die in the middle of requests that are only recorded: what they held is told with
 * its root, as an error, and no slot stays taken.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler.h"
#include "config.h"
#include "keep.h"
#include "orphan.h"
#include "preload/sampler.h"
#include "stats.h"
#include "store.h"

static struct store *st;
static struct record records[16];

static void set(const char *keep)
{
	char *env[] = { (char *)(uintptr_t) "OTEL_TRACES_SAMPLER=parentbased_always_off",
			(char *)(uintptr_t)keep, NULL };

	config_parse(&config, env);
	keep_take_mode();
	sampler_init();
	keep_init();
	stats_reset();
	st = store_open();
	assert_non_null(st);
	atomic_store(&st->in_hand, 0);
}

static void assert_nothing_left(void)
{
	const uint64_t *taken = (const uint64_t *)((const char *)st + STORE_TAKEN_MAP);

	store_give_spare();
	assert_int_equal(st->held, 0);
	for (uint32_t i = 0; i < store_slots() / 64; i++)
		assert_int_equal(taken[i], 0);
}

static size_t receive(void)
{
	uint32_t index[ARRAY_LEN(records)];
	size_t n = store_collect(st, index, ARRAY_LEN(index));

	for (size_t i = 0; i < n; i++)
		assert_true(store_read(st, index[i], &records[i]));
	store_give_back(st, index, n);
	assert_nothing_left();
	return n;
}

static struct bytes find(const struct record *r, enum attr key)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value))
		if (head.type < ITEM_NAME && head.key == key)
			return value;
	return (struct bytes){ NULL, 0 };
}

static struct span *start(enum span_kind kind, struct span *below)
{
	struct span_context parent;
	struct span *s;

	if (!below)
		return span_start(kind, NULL);
	parent = span_get_context(below);
	parent.local = span_ref(below);
	s = span_start(kind, &parent);
	assert_non_null(s);
	return s;
}

/* A request with so many calls that are over, and one that is not. */
static struct span *request(int calls)
{
	struct span *root = start(SPAN_SERVER, NULL);

	for (int i = 0; i < calls; i++)
		span_end(start(SPAN_CLIENT, root));
	return root;
}

typedef void last_act(void);

/* What the child did last; it is killed then, and has been waited for. */
static pid_t dies_after(last_act *act, int *ret_status)
{
	pid_t pid = fork();

	if (pid == 0) {
		act();
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	assert_true(WIFSIGNALED(*ret_status));
	return pid;
}

static void in_a_request(void)
{
	(void)start(SPAN_CLIENT, request(4));
}

static void assert_told_as_error(size_t n, struct bytes error)
{
	size_t roots = 0;

	assert_int_equal(receive(), n);
	for (size_t i = 0; i < n; i++) {
		const struct record *r = &records[i];

		assert_memory_equal(&r->head.trace, &records[0].head.trace, 16);
		if (r->head.kind != SPAN_SERVER)
			continue;
		roots++;
		assert_int_equal(r->head.status, SPAN_STATUS_ERROR);
		assert_true(bytes_equal(find(r, ATTR_ERROR_TYPE), error));
		assert_true(bytes_equal(find(r, ATTR_SELECTED), BYTES("error")));
	}
	assert_int_equal(roots, 1);
	assert_int_equal(stats_read(STAT_SELECTED_ERROR), 1);
}

static void test_crashed_request_is_kept_whole(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	set("OTEL_INTERSPAN_KEEP=error");
	pid = dies_after(in_a_request, &status);
	assert_int_equal(st->held, 4);
	orphans_of(pid, status);
	assert_told_as_error(6, BYTES("SIGKILL"));
	set("OTEL_INTERSPAN_KEEP=error");
	(void)dies_after(in_a_request, &status);
	assert_true(orphans_survey(st, false));
	assert_int_equal(st->held, 4);
	(void)orphans_survey(st, false);
	assert_told_as_error(6, BYTES("process_exited"));
}

/* Nobody asked for errors: all of it goes, and is accounted for. */
static void test_crashed_request_that_nobody_wants(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	set("OTEL_INTERSPAN_KEEP=status=404");
	pid = dies_after(in_a_request, &status);
	orphans_of(pid, status);
	assert_int_equal(receive(), 0);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 6);
}

static void closed_with(bool is_freed)
{
	struct span *root = request(4);
	uint64_t word = atomic_fetch_or(&root->held, HELD_CLOSED);
	struct span *first = store_slot(st, (uint32_t)(word & HELD_NUMBER) - 1);

	/* As keep_settle() does, until it is killed. */
	atomic_store(&root->held, (word & ~(uint64_t)HELD_NUMBER) | HELD_CLOSED | first->held);
	if (is_freed) {
		atomic_fetch_sub(&st->held, first->slots);
		slot_free(st, first);
	}
}

static void after_one_was_forgotten(void)
{
	closed_with(true);
}

static void with_one_in_hand(void)
{
	closed_with(false);
}

static void test_death_while_it_is_decided(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	set("OTEL_INTERSPAN_KEEP=error");
	pid = dies_after(after_one_was_forgotten, &status);
	orphans_of(pid, status);
	assert_told_as_error(4, BYTES("SIGKILL"));
	set("OTEL_INTERSPAN_KEEP=error");
	pid = dies_after(with_one_in_hand, &status);
	orphans_of(pid, status);
	assert_told_as_error(4, BYTES("SIGKILL"));
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 1);
	set("OTEL_INTERSPAN_KEEP=error");
	(void)dies_after(with_one_in_hand, &status);
	for (int i = 0; i < 3; i++)
		(void)orphans_survey(st, false);
	assert_told_as_error(4, BYTES("process_exited"));
}

/* The list is in order at each step: one by one they leave it. */
static void test_list_of_a_root_that_has_ended_is_empty(void **state)
{
	struct span *root;

	(void)state;
	set("OTEL_INTERSPAN_KEEP=error");
	root = request(3);
	span_end(root);
	assert_int_equal(receive(), 0);
	assert_int_equal(root->held & HELD_NUMBER, 0);
	root = request(3);
	span_set_error(root, BYTES("x"));
	span_end(root);
	assert_int_equal(root->held & HELD_NUMBER, 0);
	assert_int_equal(receive(), 4);
}

/* A child's calls hang from its parent's request: they are the parent's, whoever dies first. */
static void test_child_of_a_request_dies(void **state)
{
	struct span *root;
	int status;
	pid_t pid;

	(void)state;
	set("OTEL_INTERSPAN_KEEP=error");
	root = request(1);
	pid = fork();
	if (pid == 0) {
		span_end(start(SPAN_CLIENT, root));
		(void)start(SPAN_CLIENT, root);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	orphans_of(pid, status);
	for (int i = 0; i < 3; i++)
		(void)orphans_survey(st, false);
	assert_int_equal(st->held, 3); /* a request that goes on */
	span_end(root);
	assert_int_equal(receive(), 4); /* since one of its calls has failed */
	assert_int_equal(stats_read(STAT_SELECTED_ERROR), 1);
}

static void starts_and_ends(void)
{
	for (int i = 0; i < 5; i++)
		(void)request(3);
}

/* More of them than the store has slots. */
static void test_many_deaths_leave_no_slot(void **state)
{
	uint32_t deaths;

	(void)state;
	set("OTEL_INTERSPAN_KEEP=slow>1h");
	deaths = store_slots() / 20 + 10;
	for (uint32_t i = 0; i < deaths; i++) {
		int status;
		pid_t pid = dies_after(starts_and_ends, &status);

		orphans_of(pid, status);
	}
	assert_nothing_left();
	assert_int_equal(stats_read(STAT_SPANS_NO_SLOT), 0);
	assert_int_equal(stats_read(STAT_KEEP_FULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crashed_request_is_kept_whole),
		cmocka_unit_test(test_crashed_request_that_nobody_wants),
		cmocka_unit_test(test_death_while_it_is_decided),
		cmocka_unit_test(test_list_of_a_root_that_has_ended_is_empty),
		cmocka_unit_test(test_child_of_a_request_dies),
		cmocka_unit_test(test_many_deaths_leave_no_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
