/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on in a native loop without touching its descriptor first (loop.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "conn.h"
#include "context.h"
#include "fd_table.h"
#include "guard.h"
#include "loop.h"
#include "runtime.h"
#include "span.h"

#define LONG_MS 60000

static struct span *request;

static bool answers(void)
{
	return context_is(span_ref(request)) && context_current().slot;
}

/* The loop has waited, and has touched the descriptor of the request. */
static void wait_and_touch(const struct epoll_event *events, int n, int timeout_ms)
{
	context_waited(CONTEXT_MANY, false);
	loop_waited(events, n, timeout_ms);
	context_touched(span_ref(request));
}

static int begin(void **state)
{
	(void)state;
	thread_self = (struct thread){ 0 };
	context_assume(RUNTIME_NGINX);
	request = span_start(SPAN_SERVER, NULL);
	assert_non_null(request);
	wait_and_touch(NULL, 0, LONG_MS); /* sets the clock */
	wait_and_touch(NULL, 0, LONG_MS);
	assert_true(answers());
	return 0;
}

static int end(void **state)
{
	(void)state;
	span_discard(request);
	return 0;
}

static struct epoll_event event(uint64_t data)
{
	return (struct epoll_event){ .events = EPOLLIN, .data.u64 = data };
}

static int new_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	assert_true(fd >= 0);
	return fd;
}

static void test_loop_a_timer_may_have_fired(void **state)
{
	(void)state;
	wait_and_touch(NULL, 0, 0);
	assert_false(answers());
	wait_and_touch(NULL, 0, -1); /* woken up by signals? */
	assert_false(answers());
	wait_and_touch(NULL, 0, 100);
	assert_true(answers());
	usleep(110000); /* in a handler: the loop looks at its clock after that, or not */
	assert_false(answers());
	wait_and_touch(NULL, 0, 50); /* reckoned 110 ms ago */
	assert_false(answers());
	wait_and_touch(NULL, 0, LONG_MS);
	assert_true(answers());
}

static void test_loop_a_limit_tells_nothing_of_lighttpds_timers(void **state)
{
	(void)state;
	context_assume(RUNTIME_LIGHTTPD);
	wait_and_touch(NULL, 0, 0);
	assert_true(answers());
}

static void test_loop_an_event_of_another_descriptor(void **state)
{
	int other = eventfd(0, 0), listener = new_socket(SOCK_STREAM);
	struct epoll_event e[] = { event(7), event(8), event(9) };

	(void)state;
	assert_int_equal(listen(listener, 1), 0);
	loop_watched(other, &e[0]);
	loop_watched(listener, &e[1]);
	wait_and_touch(&e[1], 2, LONG_MS);
	assert_true(answers());
	wait_and_touch(e, 3, LONG_MS);
	assert_false(answers());
	wait_and_touch(&e[1], 1, LONG_MS);
	assert_true(answers());
	/* Another probe with the same data, which is closed unseen, takes nothing away. */
	loop_watched(other + 100, &e[0]);
	loop_watched(other + 100, &e[2]);
	wait_and_touch(e, 1, LONG_MS);
	assert_false(answers());
	loop_connected(other);
	loop_connected(other + 100);
	wait_and_touch(e, 3, LONG_MS);
	assert_true(answers());
	close(other);
	close(listener);
}

static void test_loop_others_are_known_until_each_is_forgotten(void **state)
{
	struct epoll_event e[] = { event(90), event(91), event(92) };

	(void)state;
	for (int i = 0; i < 3; i++)
		loop_watched(700 + i, &e[i]);
	loop_connected(701);
	wait_and_touch(&e[1], 1, LONG_MS);
	assert_true(answers());
	wait_and_touch(&e[2], 1, LONG_MS);
	assert_false(answers());
	loop_watched(701, &e[1]); /* in the gap */
	loop_connected(702);
	wait_and_touch(&e[2], 1, LONG_MS);
	assert_true(answers());
	wait_and_touch(&e[1], 1, LONG_MS);
	assert_false(answers());
	loop_connected(701);
	wait_and_touch(&e[0], 1, LONG_MS);
	assert_false(answers());
	loop_connected(700);
	wait_and_touch(e, 3, LONG_MS);
	assert_true(answers());
}

static void test_loop_what_is_watched_before_it_connects(void **state)
{
	int fd = new_socket(SOCK_STREAM);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct epoll_event e = event(77);

	(void)state;
	loop_watched(fd, &e);
	wait_and_touch(&e, 1, LONG_MS);
	assert_false(answers());
	conn_connected(fd, (struct sockaddr *)&to, sizeof(to), true, clock_monotonic_ns());
	wait_and_touch(&e, 1, LONG_MS);
	assert_true(answers());
	conn_fd_closing(fd);
	close(fd);
}

static void test_loop_the_memory_of_another_descriptor_is_a_connections(void **state)
{
	int other = eventfd(0, 0), fd = new_socket(SOCK_STREAM);
	struct epoll_event e = event(78);

	(void)state;
	loop_watched(other, &e);
	conn_accepted(fd);
	loop_watched(fd, &e);
	wait_and_touch(&e, 1, LONG_MS);
	assert_true(answers());
	conn_fd_closing(fd);
	close(fd);
	close(other);
}

static void test_loop_more_others_than_are_remembered(void **state)
{
	struct epoll_event e = event(79), tracked = event(80);

	(void)state;
	for (int fd = 500; fd < 540; fd++)
		loop_watched(fd, &e);
	wait_and_touch(&tracked, 1, LONG_MS);
	assert_false(answers());
}

/* An opaque connection stays known: it works for nobody that we know. */
static void test_loop_an_opaque_connection_touches_none(void **state)
{
	static char junk[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
	struct iovec iov = { junk, 9 };
	int fd = new_socket(SOCK_STREAM);

	(void)state;
	conn_accepted(fd);
	assert_int_equal(context_current().slot, 0);
	conn_read_done(fd, conn_look(fd, true), &iov, 1, 9, 9, 0);
	assert_true(fd_is_ours(fd));
	assert_null(conn_pin(fd));
	context_touched(span_ref(request));
	assert_null(conn_look(fd, true).conn);
	assert_int_equal(context_current().slot, 0);
	/* Its answer leaves: the next request may have been read already. */
	context_touched(span_ref(request));
	assert_true(answers());
	assert_null(conn_look(fd, false).conn);
	context_touched(span_ref(request));
	assert_false(answers());
	wait_and_touch(NULL, 0, LONG_MS);
	assert_true(answers());
	conn_fd_closing(fd);
	assert_false(fd_is_ours(fd));
	close(fd);
}

static void take_in(int fd, char *text)
{
	struct iovec iov = { text, strlen(text) };

	conn_read_done(fd, conn_look(fd, true), &iov, 1, (ssize_t)iov.iov_len, iov.iov_len, 0);
}

/* Which of them the program works for is not known, whatever it does with their connection. */
static void test_loop_pipelined_requests_are_nobodys(void **state)
{
	static char first[] = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n",
		    second[] = "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n", third[] = "GET /3 HT";
	int fd = new_socket(SOCK_STREAM);

	(void)state;
	conn_accepted(fd);
	take_in(fd, first);
	assert_int_not_equal(context_current().slot, 0);
	take_in(fd, second);
	assert_int_equal(context_current().slot, 0);
	take_in(fd, third);
	assert_int_equal(context_current().slot, 0);
	conn_fd_closing(fd);
	close(fd);
}

static void test_loop_an_attempt_to_connect_is_given_up(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct span *other = span_start(SPAN_SERVER, NULL);
	int fd = new_socket(SOCK_STREAM);

	(void)state;
	conn_connected(fd, (struct sockaddr *)&to, sizeof(to), true, clock_monotonic_ns());
	loop_unwatched(fd); /* on behalf of the request that is known: it has been looked at */
	assert_true(answers());
	context_touched(span_ref(other));
	loop_unwatched(fd);
	context_touched(span_ref(request));
	assert_false(answers());
	conn_fd_closing(fd);
	close(fd);
	span_discard(other);
}

static void test_loop_means_nothing_elsewhere(void **state)
{
	struct epoll_event e = event(81);

	(void)state;
	context_assume(0);
	context_request_read(span_ref(request), true);
	loop_watched(600, &e);
	loop_keep(600, CONN_SERVER);
	assert_false(fd_is_ours(600));
	loop_waited(&e, 1, 0);
	context_doubt();
	assert_true(answers());
}

int main(void)
{
	static char *const no_environment[] = { NULL };
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_loop_a_timer_may_have_fired, begin, end),
		cmocka_unit_test_setup_teardown(test_loop_a_limit_tells_nothing_of_lighttpds_timers,
						begin, end),
		cmocka_unit_test_setup_teardown(test_loop_an_event_of_another_descriptor, begin,
						end),
		cmocka_unit_test_setup_teardown(test_loop_others_are_known_until_each_is_forgotten,
						begin, end),
		cmocka_unit_test_setup_teardown(test_loop_what_is_watched_before_it_connects, begin,
						end),
		cmocka_unit_test_setup_teardown(
			test_loop_the_memory_of_another_descriptor_is_a_connections, begin, end),
		cmocka_unit_test_setup_teardown(test_loop_an_opaque_connection_touches_none, begin,
						end),
		cmocka_unit_test_setup_teardown(test_loop_pipelined_requests_are_nobodys, begin,
						end),
		cmocka_unit_test_setup_teardown(test_loop_an_attempt_to_connect_is_given_up, begin,
						end),
		cmocka_unit_test_setup_teardown(test_loop_means_nothing_elsewhere, begin, end),
		cmocka_unit_test_setup_teardown(test_loop_more_others_than_are_remembered, begin,
						end), /* for good: the last one */
	};

	config_load(no_environment);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
