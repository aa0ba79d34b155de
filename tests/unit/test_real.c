/* SPDX-License-Identifier: Apache-2.0 */
/* The slots behind REAL(), with a libc that has few names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../hooks/real.c"

static int asked;
static int started;
static char asked_for[32];

static pid_t some_fork(void)
{
	return 42;
}

void *resolve(const char *name)
{
	asked++;
	strncpy(asked_for, name, sizeof(asked_for) - 1);
	return strcmp(name, "fork") == 0 ? (void *)some_fork : NULL;
}

void host_start(void)
{
	started++;
}

static void test_real_starts_us_up_and_looks_once(void **state)
{
	(void)state;
	stats_reset();
	assert_int_equal(REAL(fork)(), 42);
	assert_int_equal(started, 1);
	assert_string_equal(asked_for, "fork");
	assert_int_equal(REAL(fork)(), 42);
	assert_int_equal(asked, 1);
	assert_int_equal(started, 1);
	assert_int_equal(stats_read(STAT_NAMES), 1);
}

/* Of what constructors call first, before the environment is as it will be. */
static void test_real_early_does_not_start_us_up(void **state)
{
	(void)state;
	started = 0;
	assert_ptr_equal(real_first_early(HOOK_fork), (void *)some_fork);
	assert_ptr_equal(real_first_early(HOOK_pthread_mutex_lock), (void *)real_missing);
	assert_int_equal(started, 0);
}

/* Law 5: no call of NULL, and what a libc that knew the name would answer. */
static void test_real_missing_name_is_enosys(void **state)
{
	(void)state;
	errno = 0;
	assert_int_equal(REAL(epoll_pwait2)(0, NULL, 0, NULL, NULL), -1);
	assert_int_equal(errno, ENOSYS);
	assert_false(REAL_EXISTS(epoll_pwait2));
	assert_true(REAL_EXISTS(fork));
}

static void test_real_rows_have_their_own_names(void **state)
{
	static const char *const want[] = {
#define HOOK(name) #name,
#include "../../hooks/hooks.def"
#undef HOOK
	};

	(void)state;
	for (size_t i = 0; i < HOOKS; i++)
		assert_string_equal(name_of((enum hook)i), want[i]);
}

/* Law 2. */
static void test_real_observe_keeps_errno(void **state)
{
	(void)state;
	atomic_store(&host_observed, true);
	errno = EAGAIN;
	OBSERVE(errno = EINVAL);
	assert_int_equal(errno, EAGAIN);
}

static int calls;

static void observer(void)
{
	calls++;
	OBSERVE(observer()); /* a signal handler in the middle of a hook */
}

static void test_real_observe_passes_through(void **state)
{
	(void)state;
	atomic_store(&host_observed, true);
	OBSERVE(observer());
	assert_int_equal(calls, 1);
	OBSERVE(observer());
	assert_int_equal(calls, 2);
	thread_self.in_vfork = 1;
	OBSERVE(observer());
	thread_self.in_vfork = 0;
	thread_self.ours = 1;
	OBSERVE(observer());
	thread_self.ours = 0;
	atomic_store(&host_observed, false);
	OBSERVE(observer());
	assert_int_equal(calls, 2);
}

_Atomic bool host_observed;

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real_starts_us_up_and_looks_once),
		cmocka_unit_test(test_real_missing_name_is_enosys),
		cmocka_unit_test(test_real_rows_have_their_own_names),
		cmocka_unit_test(test_real_observe_keeps_errno),
		cmocka_unit_test(test_real_observe_passes_through),
		cmocka_unit_test(test_real_early_does_not_start_us_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
