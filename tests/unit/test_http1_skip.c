/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that nobody saw (sendfile, MSG_TRUNC): in a body they are counted, anywhere else not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1.h"

static char line[HTTP1_LINE_BYTES];

/* Feeds text; returns the last event before the parser wants more. */
static enum http1_event feed(struct http1 *p, struct bytes in)
{
	enum http1_event last = HTTP1_NEED_MORE;

	for (;;) {
		enum http1_event e = http1_step(p, &in);

		if (e == HTTP1_NEED_MORE)
			return last;
		if (e == HTTP1_NEED_LINE)
			http1_lend(p, line, sizeof(line));
		last = e;
		if (e == HTTP1_DEAD)
			return e;
	}
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\n"

static void test_http1_skip_not_within_a_head(void **state)
{
	static const char head[] = HEAD;

	(void)state;
	for (size_t cut = 0; cut < sizeof(head) - 1; cut++) {
		struct http1 p;

		http1_init_response(&p);
		feed(&p, (struct bytes){ head, cut });
		if (http1_skip(&p, 1))
			fail_msg("one byte is skipped behind %zu bytes of a head", cut);
		assert_true(http1_skip(&p, 0));
	}
}

static void test_http1_skip_body_of_known_length(void **state)
{
	struct http1 p;

	(void)state;
	http1_init_response(&p);
	assert_int_equal(feed(&p, BYTES(HEAD)), HTTP1_HEAD_END);
	assert_false(http1_skip(&p, 6));
	assert_true(http1_skip(&p, 3));
	assert_int_equal(feed(&p, BYTES("")), HTTP1_NEED_MORE);
	assert_false(http1_skip(&p, 3));
	assert_true(http1_skip(&p, 2));
	assert_int_equal(p.body_bytes, 5);
	assert_int_equal(feed(&p, BYTES("")), HTTP1_MESSAGE_END);
	assert_true(http1_is_between(&p));
	assert_false(http1_skip(&p, 1));
	assert_int_equal(feed(&p, BYTES("HTTP/1.1 204 N\r\n\r\n")), HTTP1_MESSAGE_END);
}

static void test_http1_skip_chunk_but_not_its_frame(void **state)
{
	struct http1 p;

	(void)state;
	http1_init_response(&p);
	feed(&p, BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5"));
	assert_false(http1_skip(&p, 1));
	feed(&p, BYTES("\r\n"));
	assert_false(http1_skip(&p, 6));
	assert_true(http1_skip(&p, 5));
	assert_false(http1_skip(&p, 1));
	assert_int_equal(feed(&p, BYTES("\r\n0\r\n\r\n")), HTTP1_MESSAGE_END);
	assert_int_equal(p.body_bytes, 5);
}

static void test_http1_skip_body_until_close(void **state)
{
	struct http1 p;

	(void)state;
	http1_init_response(&p);
	feed(&p, BYTES("HTTP/1.1 200 OK\r\n\r\nabc"));
	assert_true(http1_skip(&p, 1ull << 40));
	assert_int_equal(p.body_bytes, (1ull << 40) + 3);
	assert_true(http1_eof(&p));
}

static void test_http1_skip_nothing_when_dead_or_in_a_tunnel(void **state)
{
	struct http1 p;

	(void)state;
	http1_init_response(&p);
	http1_kill(&p, HTTP1_GIVEN_UP);
	assert_false(http1_skip(&p, 1));
	http1_init_request(&p);
	http1_tunnel(&p);
	assert_false(http1_skip(&p, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_skip_not_within_a_head),
		cmocka_unit_test(test_http1_skip_body_of_known_length),
		cmocka_unit_test(test_http1_skip_chunk_but_not_its_frame),
		cmocka_unit_test(test_http1_skip_body_until_close),
		cmocka_unit_test(test_http1_skip_nothing_when_dead_or_in_a_tunnel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
