/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "preload/log.h"
#include "stats.h"

static char dir[] = "/tmp/test_log.XXXXXX";
static char path[64];
static char got[16384];

static void configure(const char *target)
{
	static char entry[128];
	char *envp[] = { entry, NULL };

	snprintf(entry, sizeof(entry), "OTEL_INTERSPAN_LOG=%s", target);
	config_parse(&config, envp);
}

static const char *slurp(const char *file)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return got;
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void test_log_writes_nothing_unasked(void **state)
{
	(void)state;
	configure("");
	LOG(BYTES("a word"));
	log_stats();
	assert_int_equal(access(path, F_OK), -1);
}

static void test_log_stats_names_what_is_not_zero(void **state)
{
	char want[256];
	char exe[128];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	configure(path);
	stats_reset();
	stats_inc(STAT_LOADED);
	stats_add(STAT_SPANS_STARTED, 12);
	stats_add(STAT_SPANS_FAILED, UINT64_MAX);
	log_stats();
	stats_reset(); /* a forked child: loaded all the same */
	log_stats();
	snprintf(want, sizeof(want),
		 "interspan pid=%d exe=%s loaded=1 spans_started=12 "
		 "spans_dropped_export_failed=18446744073709551615\n"
		 "interspan pid=%d exe=%s loaded=1\n",
		 getpid(), strrchr(exe, '/') + 1, getpid(), strrchr(exe, '/') + 1);
	assert_string_equal(slurp(path), want);
	unlink(path);
}

static void test_log_stats_fits_when_every_counter_is_high(void **state)
{
	(void)state;
	configure(path);
	for (int i = 0; i < STATS; i++)
		stats_add((enum stat_id)i, 1000000000000000000u);
	log_stats();
	slurp(path);
	assert_non_null(strstr(got, " traceparent_invalid=1000000000000000000\n"));
	stats_reset();
	unlink(path);
}

static void test_log_line_stays_one_line(void **state)
{
	static char big[4000];
	char want[64];

	(void)state;
	configure(path);
	snprintf(want, sizeof(want), "interspan pid=%d a?b?c\n", getpid());
	LOG(BYTES("a\nb"), BYTES("\x1b"), BYTES("c"));
	assert_string_equal(slurp(path), want);
	unlink(path);

	memset(big, 'x', sizeof(big));
	LOG((struct bytes){ big, sizeof(big) });
	slurp(path);
	assert_in_range(strlen(got), 100, 2048);
	assert_int_equal(got[strlen(got) - 1], '\n');
	unlink(path);
}

static void test_log_line_is_limited(void **state)
{
	size_t lines = 0;

	(void)state;
	configure(path);
	sleep(1);
	for (int i = 0; i < 1000; i++)
		LOG(BYTES("again"));
	for (const char *p = slurp(path); (p = strchr(p, '\n')); p++)
		lines++;
	/* One second may have passed in between. */
	assert_in_range(lines, LOG_LINES_PER_SECOND, 2 * LOG_LINES_PER_SECOND);
	unlink(path);
}

static void test_log_goes_to_standard_error_when_told(void **state)
{
	int saved = dup(2);
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)state;
	assert_true(saved >= 0 && fd >= 0);
	dup2(fd, 2);
	configure("stderr");
	log_stats();
	dup2(saved, 2);
	close(saved);
	close(fd);
	assert_non_null(strstr(slurp(path), " loaded=1"));
	unlink(path);
}

static void test_log_leaves_no_descriptor_and_creates_0644(void **state)
{
	struct stat st;
	int before = dup(0);
	mode_t mask = umask(0);

	(void)state;
	close(before);
	configure(path);
	log_stats();
	umask(mask);
	assert_int_equal(dup(0), before);
	close(before);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	unlink(path);
}

static void test_log_never_waits_for_a_reader(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	configure(path);
	alarm(5);
	log_stats();
	alarm(0);
	unlink(path);
	configure("/nonexistent/directory/log");
	log_stats();
}

static void test_log_stats_is_for_info(void **state) /* E22 */
{
	char entry[128];
	char *envp[] = { entry, (char *)(uintptr_t) "OTEL_LOG_LEVEL=warn", NULL };

	(void)state;
	snprintf(entry, sizeof(entry), "OTEL_INTERSPAN_LOG=%s", path);
	config_parse(&config, envp);
	log_stats();
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_writes_nothing_unasked),
		cmocka_unit_test(test_log_stats_names_what_is_not_zero),
		cmocka_unit_test(test_log_stats_fits_when_every_counter_is_high),
		cmocka_unit_test(test_log_line_stays_one_line),
		cmocka_unit_test(test_log_line_is_limited),
		cmocka_unit_test(test_log_stats_is_for_info),
		cmocka_unit_test(test_log_goes_to_standard_error_when_told),
		cmocka_unit_test(test_log_leaves_no_descriptor_and_creates_0644),
		cmocka_unit_test(test_log_never_waits_for_a_reader),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
