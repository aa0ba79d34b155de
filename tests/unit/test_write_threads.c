/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads that write whole requests on one connection, each in one call: without us each
 * request arrives in one piece, ahead of the others or behind them, and so it must with us.
 * Whether two calls meet is up to the scheduler; what must hold does not depend on it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "context.h"
#include "host.h"
#include "store.h"
#include "write.h"

#define CONNECTIONS 300
#define REQUESTS 4 /* of each thread */

struct writer {
	pthread_barrier_t *start;
	int fd;
	char name;
};

static ssize_t send_vector(const struct io_call *call, const struct iovec *iov, size_t count,
			   bool is_more)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count };

	(void)is_more;
	return sendmsg(call->fd, &m, 0);
}

static ssize_t pass(const struct io_call *call)
{
	return send_vector(call, call->iov, call->count, false);
}

/* In many pieces, which no stack has room for. */
static void *run(void *arg)
{
	const struct writer *w = arg;
	struct iovec iov[64];
	char text[128];

	pthread_barrier_wait(w->start);
	for (int i = 0; i < REQUESTS; i++) {
		int len =
			snprintf(text, sizeof(text),
				 "PUT /%c%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n%c%c%c",
				 w->name, i, w->name, w->name, w->name);
		struct io_call call = { .fd = w->fd,
					.iov = iov,
					.count = (size_t)len,
					.can_edit = true,
					.pass = pass,
					.send = send_vector };

		assert_true(len < 64);
		for (int k = 0; k < len; k++)
			iov[k] = (struct iovec){ text + k, 1 };
		assert_int_equal(conn_write(&call), len);
	}
	return NULL;
}

/* The next request, whole, with one line of ours or none; which of whose it is. */
static const char *take(const char *at, char *ret_name, int *ret_number)
{
	static const char ours[] = "traceparent: 00-";
	int used = 0;

	assert_int_equal(sscanf(at, "PUT /%c%d HTTP/1.1\r\n%n", ret_name, ret_number, &used), 2);
	at += used;
	assert_memory_equal(at, "Host: h\r\nContent-Length: 3\r\n", 28);
	at += 28;
	if (!memcmp(at, ours, sizeof(ours) - 1))
		at += 70;
	assert_memory_equal(at, "\r\n", 2);
	for (int i = 2; i < 5; i++)
		assert_int_equal(at[i], *ret_name);
	return at + 5;
}

static void one_connection(void)
{
	static const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = 0x5000 };
	static char got[65536];
	pthread_barrier_t start;
	pthread_t thread[2];
	struct writer w[2];
	int fds[2], next[2] = { 0 };
	const char *at = got;
	size_t len = 0;
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn_connected(fds[0], (const void *)&peer, sizeof(peer), false, 1);
	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++) {
		w[i] = (struct writer){ &start, fds[0], (char)('a' + i) };
		assert_int_equal(pthread_create(&thread[i], NULL, run, &w[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	conn_fd_closing(fds[0]);
	close(fds[0]);
	while ((n = read(fds[1], got + len, sizeof(got) - 1 - len)) > 0)
		len += (size_t)n;
	got[len] = 0;
	close(fds[1]);
	pthread_barrier_destroy(&start);
	while (*at) {
		char name;
		int number;

		at = take(at, &name, &number);
		assert_int_equal(number, next[name - 'a']++);
	}
	assert_int_equal(next[0], REQUESTS);
	assert_int_equal(next[1], REQUESTS);
}

static void test_write_threads_keep_requests_whole(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	context_assume(0);
	atomic_store(&span_ended_without_owner, NULL); /* nobody exports */
	atomic_store(&host_observed, true);
	for (int i = 0; i < CONNECTIONS; i++)
		one_connection();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_threads_keep_requests_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
