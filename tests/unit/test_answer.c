/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread writes requests and another reads the answers: an answer may be taken in before the
 * request that it belongs to.  Here the other thread's read happens inside the writing call, which
 * is the latest moment of all: the kernel has the bytes, and nothing has been taken in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "conn.h"
#include "guard.h"
#include "host.h"
#include "stats.h"
#include "write.h"

#define FD 710
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static char request[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
static const char *answer; /* what comes while the request is being written */
static int error;          /* with which the write fails all the same */
static int is_answered;

static uint64_t count_of(enum stat_id which)
{
	return stats_read(which);
}

static void read_all(const char *text)
{
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };

	if (!*text)
		return;
	assert_true(guard_enter());
	conn_read_done(FD, conn_look(FD, true), &iov, 1, (ssize_t)iov.iov_len, iov.iov_len, 0);
	guard_leave();
}

static ssize_t take_all(const struct iovec *iov, size_t count)
{
	ssize_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += (ssize_t)iov[i].iov_len;
	if (!is_answered++)
		read_all(answer);
	errno = error;
	return error ? -1 : n;
}

static ssize_t pass(const struct io_call *call)
{
	return take_all(call->iov, call->count);
}

static ssize_t send_these(const struct io_call *call, const struct iovec *iov, size_t count,
			  bool is_more)
{
	(void)call;
	(void)is_more;
	return take_all(iov, count);
}

static ssize_t write_request(const char *meanwhile, int failure)
{
	struct iovec iov = { request, sizeof(request) - 1 };
	struct io_call call = { .fd = FD,
				.iov = &iov,
				.count = 1,
				.can_edit = true,
				.pass = pass,
				.send = send_these };

	answer = meanwhile;
	error = failure;
	is_answered = 0;
	return conn_write(&call);
}

static int set_up(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(dup2(fd, FD), FD);
	close(fd);
	stats_reset();
	conn_connected(FD, (struct sockaddr *)&to, sizeof(to), false, clock_monotonic_ns());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	conn_fd_closing(FD);
	close(FD);
	assert_int_equal(count_of(STAT_SPANS_STARTED), count_of(STAT_SPANS_ENDED) +
							       count_of(STAT_SPANS_DISCARDED) +
							       count_of(STAT_SPANS_QUEUE_FULL));
	return 0;
}

static void assert_told(uint64_t started, uint64_t ended)
{
	assert_int_equal(count_of(STAT_CONNS_OPAQUE), 0);
	assert_int_equal(count_of(STAT_CONNS_BLIND), 0);
	assert_int_equal(count_of(STAT_SPANS_STARTED), started);
	assert_int_equal(count_of(STAT_SPANS_ENDED), ended);
	assert_int_equal(count_of(STAT_SPANS_DISCARDED), 0);
}

static void test_answer_is_read_ahead_of_its_request(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 5; i++) {
		assert_int_equal(write_request(ANSWER, 0), sizeof(request) - 1);
		assert_told(i, i);
	}
	assert_int_equal(write_request("", 0), sizeof(request) - 1); /* and in order */
	read_all(ANSWER);
	assert_told(6, 6);
}

/* A part of it is: the rest comes when the request has been taken in. */
static void test_answer_begins_ahead_of_its_request(void **state)
{
	static const char whole[] = ANSWER;

	(void)state;
	for (size_t cut = 1; cut < sizeof(whole) - 1; cut++) {
		char part[sizeof(whole)] = { 0 };

		memcpy(part, whole, cut);
		assert_int_equal(write_request(part, 0), sizeof(request) - 1);
		assert_told(cut, cut - 1);
		read_all(whole + cut);
		assert_told(cut, cut);
	}
}

static void test_answer_although_the_write_failed(void **state)
{
	(void)state;
	assert_int_equal(write_request(ANSWER, EPIPE), -1);
	assert_told(1, 1);
}

static void test_answer_that_nobody_asked_for(void **state)
{
	(void)state;
	assert_int_equal(write_request(ANSWER ANSWER, 0), sizeof(request) - 1);
	assert_int_equal(count_of(STAT_CONNS_OPAQUE), 1);
}

static void test_answer_of_who_speaks_first(void **state)
{
	(void)state;
	read_all("220 ready\r\n");
	assert_int_equal(count_of(STAT_CONNS_OPAQUE), 1);
}

/* Nothing left: what was decided is forgotten, and nothing can be taken. */
static void test_answer_to_a_request_that_did_not_leave(void **state)
{
	(void)state;
	assert_int_equal(write_request("", EAGAIN), -1);
	assert_int_equal(count_of(STAT_SPANS_DISCARDED), 1);
	read_all(ANSWER);
	assert_int_equal(count_of(STAT_CONNS_OPAQUE), 1);
}

int main(void)
{
	static const char *const envp[] = { "OTEL_TRACES_EXPORTER=none", NULL };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer_is_read_ahead_of_its_request, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_answer_begins_ahead_of_its_request, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_answer_although_the_write_failed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_answer_that_nobody_asked_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_answer_of_who_speaks_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_answer_to_a_request_that_did_not_leave, set_up,
						tear_down),
	};

	config_load((char *const *)(uintptr_t)envp);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
