/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook tells, and what becomes of a connection that it cannot tell of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conn.h"
#include "hook.h"

#define FD 700

static int told;

static int set_up(void **state)
{
	(void)state;
	atomic_store(&host_observed, true);
	told = 0;
	conn_accepted(FD);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	conn_fd_closing(FD);
	return 0;
}

static bool is_blind(void)
{
	struct conn *c = conn_pin(FD);
	bool blind;

	assert_non_null(c);
	blind = atomic_load(&c->is_blind);
	conn_unpin(c);
	return blind;
}

static void test_hook_observes_and_keeps_errno(void **state)
{
	(void)state;
	errno = 17;
	OBSERVE(errno = told++);
	OBSERVE_OR_BLIND(FD, errno = told++);
	assert_int_equal(told, 2);
	assert_int_equal(errno, 17);
	assert_false(is_blind());
}

/* A signal handler that came while we were at work (law 3). */
static void test_hook_in_our_own_code_makes_blind(void **state)
{
	(void)state;
	errno = 17;
	assert_true(guard_enter());
	OBSERVE(told++);
	assert_false(is_blind());
	OBSERVE_OR_BLIND(FD, told++);
	guard_leave();
	assert_int_equal(told, 0);
	assert_int_equal(errno, 17);
	assert_true(is_blind());
}

/* Law 9: a vfork child shares our memory, and owns nothing in it. */
static void test_hook_in_a_vfork_child_leaves_all_alone(void **state)
{
	(void)state;
	thread_self.in_vfork = 1;
	OBSERVE_OR_BLIND(FD, told++);
	thread_self.in_vfork = 0;
	assert_int_equal(told, 0);
	assert_false(is_blind());
}

static void test_hook_tells_nothing_where_we_stand_down(void **state)
{
	(void)state;
	atomic_store(&host_observed, false);
	OBSERVE(told++);
	OBSERVE_OR_BLIND(FD, told++);
	assert_int_equal(told, 0);
	assert_false(is_blind());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hook_observes_and_keeps_errno),
		TEST(test_hook_in_our_own_code_makes_blind),
		TEST(test_hook_in_a_vfork_child_leaves_all_alone),
		TEST(test_hook_tells_nothing_where_we_stand_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
