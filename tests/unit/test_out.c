/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for what may be full, gone or read slowly. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "out.h"

#define MS 1000000u
#define LONG 200000u

static struct store store;
static struct exporter x;
static char lines[LONG];
static char got[2 * LONG];

static int setup(void **state)
{
	(void)state;
	x.store = &store;
	memset(lines, 'x', sizeof(lines));
	lines[LONG - 1] = '\n';
	signal(SIGPIPE, SIG_IGN); /* blocked in the exporter's thread */
	return 0;
}

static bool write_to(struct out *o, size_t len, unsigned int ms)
{
	return out_write(o, &x, (struct bytes){ lines + LONG - len, len },
			 clock_monotonic_ns() + ms * MS);
}

/* 64 KiB are room for no more: the rest is given up in time, and what follows begins a line. */
static void test_out_full_pipe_is_given_up(void **state)
{
	uint64_t begin = clock_monotonic_ns();
	struct out o = { .fd = -1 };
	int fd[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	o.fd = fd[1];
	assert_false(write_to(&o, LONG, 60));
	assert_true(clock_monotonic_ns() - begin < 2000u * MS);
	assert_true(o.is_broken);
	assert_int_equal(o.error, 0);
	/* Without having set anything on it. */
	assert_int_equal(fcntl(fd[1], F_GETFL) & O_NONBLOCK, 0);
	n = read(fd[0], got, sizeof(got));
	assert_int_equal(n, 65536);
	assert_true(write_to(&o, 10, 60));
	assert_false(o.is_broken);
	n = read(fd[0], got, sizeof(got));
	assert_int_equal(n, 11);
	assert_memory_equal(got, "\nxxxxxxxxx\n", 11);
	close(fd[0]);
	assert_false(write_to(&o, 10, 60)); /* nobody reads any more */
	assert_false(o.is_broken);
	assert_int_equal(o.error, EPIPE);
	close(fd[1]);
}

static void test_out_deadline_ends_it(void **state)
{
	struct out o = { .fd = -1 };
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	o.fd = fd[1];
	x.deadline_ns = clock_monotonic_ns() + 50u * MS;
	assert_false(out_write(&o, &x, (struct bytes){ lines, LONG }, UINT64_MAX));
	x.deadline_ns = 0;
	close(fd[0]);
	close(fd[1]);
}

static void test_out_file_has_whole_lines(void **state)
{
	char path[] = "/tmp/test_out.XXXXXX";
	struct out o = { .fd = mkstemp(path) };

	(void)state;
	assert_true(write_to(&o, LONG, 0));
	assert_true(write_to(&o, 10, 0));
	assert_int_equal(lseek(o.fd, 0, SEEK_CUR), LONG + 10);
	close(o.fd);
	o.fd = open("/dev/full", O_WRONLY);
	assert_false(write_to(&o, 10, 0));
	assert_false(o.is_broken);
	assert_int_equal(o.error, ENOSPC);
	close(o.fd);
	o.fd = -1;
	assert_false(write_to(&o, 10, 0));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_out_full_pipe_is_given_up, setup),
		cmocka_unit_test_setup(test_out_deadline_ends_it, setup),
		cmocka_unit_test_setup(test_out_file_has_whole_lines, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
