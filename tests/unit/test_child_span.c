/* SPDX-License-Identifier: Apache-2.0 */
/* CLIENT spans of programs that are started: who ends them, and when (D112). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../preload/child_span.c"

static uint64_t ended_before, discarded_before;
static char state_buf[64];

static int set_up(void **state)
{
	(void)state;
	config.process_spans = true;
	config.bsp_queue_size = 1024;
	atomic_store(&span_ended_without_owner, NULL); /* no thread that reads the settings */
	context_assume(0);
	children_leave();
	atomic_store(&owner, 0);
	born_as.shared = NULL;
	ended_before = stats_read(STAT_SPANS_ENDED);
	discarded_before = stats_read(STAT_SPANS_DISCARDED);
	return 0;
}

static uint64_t ended(void)
{
	return stats_read(STAT_SPANS_ENDED) - ended_before;
}

static struct span_ref start_program(pid_t pid)
{
	struct span_ref client = child_span_open("/bin/x", false, state_buf, sizeof(state_buf));

	assert_non_null(span_get(client));
	child_span_runs(client, (uint64_t)pid);
	return client;
}

static void test_child_span_ends_with_its_wait(void **state)
{
	struct span_ref one = start_program(101), two = start_program(102);

	(void)state;
	assert_true(child_any());
	child_over(103, 0);
	assert_int_equal(ended(), 0);
	child_over(102, 0);
	assert_int_equal(ended(), 1);
	assert_null(span_get(two));
	assert_non_null(span_get(one));
	child_over(101, 0);
	child_over(101, 0);
	assert_int_equal(ended(), 2);
	assert_false(child_any());
}

static void test_child_span_that_fails_never_was(void **state)
{
	struct span_ref client = child_span_open("x", false, state_buf, sizeof(state_buf));

	(void)state;
	child_span_fail(client);
	assert_null(span_get(client));
	assert_int_equal(stats_read(STAT_SPANS_DISCARDED) - discarded_before, 1);
	assert_false(child_any());
}

static void test_child_span_ends_when_its_caller_does(void **state)
{
	(void)state;
	start_program(101);
	start_program(102);
	children_leave();
	assert_int_equal(ended(), 2);
	assert_false(child_any());
}

static void test_child_span_ends_at_once_if_there_are_too_many(void **state)
{
	(void)state;
	for (int i = 0; i < (int)CHILDREN; i++)
		start_program(1000 + i);
	assert_int_equal(ended(), 0);
	start_program(9);
	assert_int_equal(ended(), 1);
	children_leave();
	assert_int_equal(ended(), CHILDREN + 1);
}

/* What a forked child does, in one process: the words are the same. */
static void test_child_span_of_a_forked_child_is_told(void **state)
{
	uint32_t place = child_reserve(), unused = child_reserve();
	struct span_ref client;

	(void)state;
	assert_int_not_equal(place, 0);
	child_forked(unused, -1);
	assert_false(child_is_born());
	child_born(place);
	assert_true(child_is_born());
	client = child_span_open("/bin/x", true, state_buf, sizeof(state_buf));
	child_span_fail(client); /* one directory of $PATH */
	client = child_span_open("/usr/bin/x", true, state_buf, sizeof(state_buf));
	child_forked(place, 101);
	assert_int_equal(ended(), 0);
	child_over(101, 0);
	assert_int_equal(ended(), 1);
	assert_null(span_get(client));
	assert_false(child_any());
}

static void test_child_span_of_a_child_that_is_no_program_is_none(void **state)
{
	uint32_t place = child_reserve();

	(void)state;
	child_forked(place, 101);
	child_over(101, 0);
	assert_int_equal(ended(), 0);
	assert_false(child_any());
}

static void test_child_span_of_who_comes_too_late_ends_at_once(void **state)
{
	uint32_t place = child_reserve();
	struct span_ref client;

	(void)state;
	child_born(place);
	children_leave();
	client = child_span_open("/bin/x", true, state_buf, sizeof(state_buf));
	assert_null(span_get(client));
	assert_int_equal(ended(), 1);
	child_forked(place, -1);
}

static void test_child_span_is_none_without_the_setting(void **state)
{
	(void)state;
	config.process_spans = false;
	assert_int_equal(child_reserve(), 0);
	child_forked(0, 101);
	child_born(0);
	assert_false(child_is_born());
}

static void test_child_span_names(void **state)
{
	(void)state;
	assert_true(bytes_equal(base_name("/usr/bin/env"), BYTES("env")));
	assert_true(bytes_equal(base_name("env"), BYTES("env")));
	assert_int_equal(base_name("/usr/").len, 0);
	assert_int_equal(base_name(NULL).len, 0);
	assert_int_equal(base_name((const char *)8).len, 0);
	assert_true(bytes_equal(signal_name(SIGKILL), BYTES("SIGKILL")));
	assert_true(bytes_equal(signal_name(SIGHUP), BYTES("SIGHUP")));
	assert_true(bytes_equal(signal_name(SIGSEGV), BYTES("SIGSEGV")));
	assert_true(bytes_equal(signal_name(SIGTERM), BYTES("SIGTERM")));
	assert_true(bytes_equal(signal_name(SIGXCPU), BYTES("SIGXCPU")));
	assert_true(bytes_equal(signal_name(SIGSYS), BYTES("SIGSYS")));
	assert_true(bytes_equal(signal_name(SIGSYS + 1), BYTES("_OTHER")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_child_span_##name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(ends_with_its_wait),
		TEST(that_fails_never_was),
		TEST(ends_when_its_caller_does),
		TEST(ends_at_once_if_there_are_too_many),
		TEST(of_a_forked_child_is_told),
		TEST(of_a_child_that_is_no_program_is_none),
		TEST(of_who_comes_too_late_ends_at_once),
		TEST(is_none_without_the_setting),
		TEST(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
