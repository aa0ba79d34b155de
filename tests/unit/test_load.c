/* SPDX-License-Identifier: Apache-2.0 */
/* Who is observed (law 8); what needs a second object or another program is in tests/preload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/auxv.h>

static unsigned long secure;

static unsigned long auxval(unsigned long type)
{
	return type == AT_SECURE ? secure : getauxval(type);
}

#define getauxval auxval
#include "../../preload/load.c"

/* Without an exporter. */
void exporter_wanted(struct store *st)
{
	(void)st;
}

void exporter_flush(enum host_end how)
{
	(void)how;
}

void exporter_main_gone(void)
{
}

static bool is_forbidden;

void exporter_forbid(void)
{
	is_forbidden = true;
}

bool exporter_park(uint32_t timeout_ms)
{
	(void)timeout_ms;
	return true;
}

static char *const no_settings[] = { NULL };

static void test_load_ordinary_program_is_observed(void **state)
{
	(void)state;
	assert_true(host_is_observed()); /* the constructor has run, in this very program */
	assert_int_equal(stats_read(STAT_LOADED), 1);
	assert_true(may_observe(no_settings));
}

static void test_load_secure_program_is_left_alone(void **state)
{
	(void)state;
	secure = 1;
	assert_false(may_observe(no_settings));
	secure = 0;
	assert_true(may_observe(no_settings));
}

static void test_load_disabled_program_is_left_alone(void **state)
{
	(void)state;
	config.enabled = false;
	assert_false(may_observe(no_settings));
	config.enabled = true;
	assert_true(may_observe(no_settings));
}

static void test_load_comes_up_once(void **state)
{
	(void)state;
	host_start();
	come_up(no_settings);
	assert_true(host_is_observed());
	assert_int_equal(stats_read(STAT_LOADED), 1);
}

static void test_load_keeps_errno(void **state)
{
	(void)state;
	errno = EAGAIN;
	host_start();
	host_ends(HOST_EXECS);
	host_thread_ends();
	assert_int_equal(errno, EAGAIN);
}

static void test_load_goes_quiet_for_good(void **state)
{
	(void)state;
	errno = EAGAIN;
	host_goes_quiet();
	assert_int_equal(errno, EAGAIN);
	assert_false(host_is_observed());
	assert_true(is_forbidden);
	host_start();
	assert_false(host_is_observed());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_ordinary_program_is_observed),
		cmocka_unit_test(test_load_secure_program_is_left_alone),
		cmocka_unit_test(test_load_disabled_program_is_left_alone),
		cmocka_unit_test(test_load_comes_up_once),
		cmocka_unit_test(test_load_keeps_errno),
		cmocka_unit_test(test_load_goes_quiet_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
