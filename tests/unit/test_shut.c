/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread reads requests and answers them, another shuts the way out meanwhile: each request
 * ends once.  What a shutdown() means by itself: tests/preload/host_shut.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "guard.h"
#include "host.h"
#include "stats.h"

#define FD 710
#define ROUNDS 3000
#define REQUEST "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static pthread_barrier_t turn;

static struct iovec text(const char *what)
{
	return (struct iovec){ (char *)(uintptr_t)what, strlen(what) };
}

static void read_one(const char *what)
{
	struct iovec iov = text(what);

	conn_read_done(FD, conn_look(FD, true), &iov, 1, (ssize_t)iov.iov_len, iov.iov_len, 0);
}

static void write_one(const char *what)
{
	struct iovec iov = text(what);

	conn_wrote(FD, conn_look(FD, false), &iov, 1, (ssize_t)iov.iov_len, 0);
}

/* Some rounds end with a failure of either way, which the end tells. */
static void serve(int round)
{
	struct iovec iov = text(ANSWER);

	read_one(REQUEST);
	if (round % 3 == 0)
		conn_read_done(FD, conn_look(FD, true), &iov, 1, -1, 1, ECONNRESET);
	if (round % 4 == 0)
		conn_wrote(FD, conn_look(FD, false), &iov, 1, -1, EPIPE);
	else
		write_one(ANSWER);
	read_one(REQUEST);
}

static void *server(void *unused)
{
	assert_true(guard_enter());
	for (int i = 0; i < ROUNDS; i++) {
		conn_accepted(FD);
		pthread_barrier_wait(&turn);
		serve(i);
		if (i % 2)
			conn_fd_closing(FD);
		pthread_barrier_wait(&turn);
		conn_fd_closing(FD);
	}
	guard_leave();
	return unused;
}

static void *shutter(void *unused)
{
	assert_true(guard_enter());
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&turn);
		for (int delay = i % 64; delay; delay--)
			__asm__ volatile("" ::: "memory");
		conn_shut(FD, i % 5 ? SHUT_WR : SHUT_RDWR);
		pthread_barrier_wait(&turn);
	}
	guard_leave();
	return unused;
}

static void test_shut_beside_a_thread_that_serves(void **state)
{
	pthread_t threads[2];
	uint64_t started;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(dup2(fd, FD), FD);
	close(fd);
	stats_reset();
	pthread_barrier_init(&turn, NULL, 2);
	assert_int_equal(pthread_create(&threads[0], NULL, server, NULL), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, shutter, NULL), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	started = stats_read(STAT_SPANS_STARTED);
	assert_in_range(started, ROUNDS / 2, 2 * ROUNDS);
	assert_int_equal(started, stats_read(STAT_SPANS_ENDED) + stats_read(STAT_SPANS_DISCARDED) +
					  stats_read(STAT_SPANS_UNSAMPLED) +
					  stats_read(STAT_SPANS_QUEUE_FULL));
	close(FD);
}

int main(void)
{
	static const char *const envp[] = { "OTEL_TRACES_EXPORTER=none", NULL };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shut_beside_a_thread_that_serves),
	};

	config_load((char *const *)(uintptr_t)envp);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
