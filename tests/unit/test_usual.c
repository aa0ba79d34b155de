/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request after the other, and their answers, through a connection: what came again is taken in
 * by a short way in a loop, by a longer one elsewhere, and is told in one way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "context.h"
#include "host.h"
#include "keep.h"
#include "sampler.h"
#include "spare.h"
#include "stats.h"

#define FD 710
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define IDS "traceparent: 00-" TRACE "-" PARENT "-01\r\n"
#define UNSAMPLED "traceparent: 00-" TRACE "-" PARENT "-00\r\n"

static int set_up(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(dup2(fd, FD), FD);
	close(fd);
	config_parse(&config, NULL);
	conn_take_settings();
	atomic_store(&span_ended_without_owner, NULL);
	stats_reset();
	conn_accepted(FD);
	return 0;
}

static int set_up_in_a_loop(void **state)
{
	context_assume(RUNTIME_LIGHTTPD);
	context_waited(CONTEXT_MANY, false);
	return set_up(state);
}

static int tear_down(void **state)
{
	(void)state;
	context_assume(0);
	conn_fd_closing(FD);
	close(FD);
	return 0;
}

static void moves(char *buf, bool is_in)
{
	struct iovec iov = { buf, strlen(buf) };
	struct conn_token t = conn_look(FD, is_in);

	assert_non_null(t.conn);
	if (is_in)
		conn_read_done(FD, t, &iov, 1, (ssize_t)iov.iov_len, 4096, 0);
	else
		conn_wrote(FD, t, &iov, 1, (ssize_t)iov.iov_len, 0);
}

static struct span *served(void)
{
	struct conn *c = conn_pin(FD);
	struct span *s = span_get(conn_bound(c));

	conn_unpin(c);
	assert_non_null(s);
	return s;
}

static struct bytes value_of(const struct span *s, enum attr key)
{
	struct bytes found;

	span_find(s, &key, &found, 1);
	return found;
}

/* The same client, one request after the other, with a query, another method, a body between. */
static void test_usual_spans_are_as_ever(void **state)
{
	static const struct {
		const char *method, *target, *path, *query, *body;
	} rows[] = {
		{ "GET", "/one", "/one", "", "" },
		{ "GET", "/two", "/two", "", "" },
		{ "GET", "/three?a=b", "/three", "a=b", "" },
		{ "POST", "/two", "/two", "", "Content-Length: 3\r\n\r\nabc" },
		{ "GET", "/four", "/four", "", "" },
		{ "GET", "/five", "/five", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[512], answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			       id[17] = "";
		struct span *s;
		struct bytes path, query, method;

		snprintf(buf, sizeof(buf),
			 "%s %s HTTP/1.1\r\nHost: h\r\ntraceparent: 00-" TRACE "-%016zx-01\r\n%s",
			 rows[i].method, rows[i].target, i + 1,
			 *rows[i].body ? rows[i].body : "\r\n");
		moves(buf, true);
		s = served();
		assert_int_equal(s->parent.bytes[7], i + 1);
		hex_encode(id, s->id.bytes, sizeof(s->id.bytes));
		assert_non_null(strstr(buf, id)); /* the tag */
		method = value_of(s, ATTR_HTTP_REQUEST_METHOD);
		path = value_of(s, ATTR_URL_PATH);
		query = value_of(s, ATTR_URL_QUERY);
		assert_true(bytes_equal(method, bytes_from_str(rows[i].method)));
		assert_true(bytes_equal(path, bytes_from_str(rows[i].path)));
		assert_true(bytes_equal(query, bytes_from_str(rows[i].query)));
		moves(answer, false);
		assert_int_equal(stats_read(STAT_SPANS_ENDED), i + 1);
	}
	assert_int_equal(stats_read(STAT_TAGGED), sizeof(rows) / sizeof(rows[0]));
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
}

/* An invalid header is counted and begins a trace, as ever (C11). */
static void test_usual_with_ids_that_are_none(void **state)
{
	char good[] = "GET /a HTTP/1.1\r\n" IDS "\r\n", again[] = "GET /a HTTP/1.1\r\n" IDS "\r\n";
	char bad[] = "GET /a HTTP/1.1\r\n" IDS "\r\n", was[sizeof(bad)];
	char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

	(void)state;
	moves(good, true);
	moves(answer, false);
	moves(again, true);
	moves(answer, false);
	strstr(bad, TRACE)[3] = 'X';
	memcpy(was, bad, sizeof(bad));
	moves(bad, true);
	assert_memory_equal(bad, was, sizeof(bad));
	assert_false(served()->has_parent);
	assert_int_equal(stats_read(STAT_INBOUND_INVALID), 1);
}

/* A header that is signed stays as it is, whatever came before it. */
static void test_usual_leaves_signed_ids_alone(void **state)
{
	char plain[] = "GET /k HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";
	char again[] = "GET /k HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";
	char with[] =
		"GET /k?X-Amz-SignedHeaders=host%3Btraceparent HTTP/1.1\r\nHost: h\r\n" IDS "\r\n",
	     was[sizeof(with)];
	char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

	(void)state;
	moves(plain, true);
	moves(answer, false);
	moves(again, true);
	moves(answer, false);
	assert_int_equal(stats_read(STAT_TAGGED), 2);
	memcpy(was, with, sizeof(with));
	moves(with, true);
	assert_string_equal(with, was);
	assert_int_equal(stats_read(STAT_TAGGED), 2);
	assert_int_equal(stats_read(STAT_TAG_SIGNED), 1);
}

/* A body that goes on is no head, whatever is in it. */
static void test_usual_in_a_body(void **state)
{
	char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", answer[] = "HTTP/1.1 200 OK\r\n"
								      "Content-Length: 2\r\n\r\nok";
	char post[] = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 28\r\n\r\n";
	char long_one[] = "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n";

	(void)state;
	for (int i = 0; i < 3; i++) {
		moves(get, true);
		moves(answer, false);
	}
	assert_int_equal(strlen(get), 28);
	assert_int_equal(strlen(answer), 40);
	moves(post, true);
	moves(get, true);
	moves(long_one, false);
	answer[38] = '\0'; /* whose own body is not there */
	moves(answer, false);
	assert_int_equal(stats_read(STAT_SPANS_STARTED), 4);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 4);
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
}

static void writes(struct iovec *iov, size_t count, size_t n)
{
	struct conn_token t = conn_look(FD, false);

	assert_non_null(t.conn);
	conn_wrote(FD, t, iov, count, (ssize_t)n, 0);
}

static uint64_t written(void)
{
	struct conn *c = conn_pin(FD);
	uint64_t bytes = c->out.bytes;

	conn_unpin(c);
	return bytes;
}

/* Also those that nobody takes. */
static uint64_t over(void)
{
	return stats_read(STAT_SPANS_ENDED) + stats_read(STAT_SPANS_QUEUE_FULL);
}

/* In two pieces, cut anywhere, of which the kernel takes any number, and then the rest. */
static void test_usual_answer_at_every_cut(void **state)
{
	char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200";
	size_t len = strlen(answer);
	uint64_t spans = over(), bytes = 0;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++)
		for (size_t n = 0; n <= len; n++) {
			char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";
			struct iovec iov[] = { { answer, cut }, { answer + cut, len - cut } };
			struct iovec rest = { answer + n, len - n };

			moves(get, true);
			writes(iov, 2, n);
			assert_int_equal(over(), spans + (n == len));
			if (n < len)
				writes(&rest, 1, len - n);
			assert_int_equal(over(), ++spans);
			assert_int_equal(written(), bytes += len);
		}
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
}

/* The end of one answer and the beginning of the next in one call: two. */
static void test_usual_answers_side_by_side(void **state)
{
	char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char both[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		      "HTTP/1.1 404 no\r\nContent-Length: 1\r\n\r\n!";
	char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
	struct iovec iov[] = { { both, 38 }, { both + 38, sizeof(both) - 1 - 38 } };

	(void)state;
	for (int i = 0; i < 3; i++) {
		moves(get, true);
		moves(answer, false);
	}
	moves(get, true);
	moves(get, true);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 3);
	writes(iov, 2, sizeof(both) - 1);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 5);
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
}

/* What is behind an answer in its call is looked at: it may not be all. */
static void test_usual_answer_and_more(void **state)
{
	char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
	char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char more[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nto";
	char rest[] = "be";

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		moves(get, true);
		moves(answer, false);
	}
	moves(get, true);
	moves(more, false);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 4);
	moves(rest, false);
	moves(get, true);
	moves(answer, false);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 5);
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
}

/* What the settings ask for is asked of the like of the last request, too. */
static void test_usual_heeds_the_settings(void **state)
{
	char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

	(void)state;
	for (int i = 0; i < 5; i++) {
		char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";

		if (i == 3)
			config.excluded_urls = BYTES("/a");
		if (i == 4)
			config.excluded_urls = BYTES("/b");
		conn_take_settings();
		moves(get, true);
		moves(answer, false);
		assert_int_equal(stats_read(STAT_SPANS_ENDED), i < 3 ? i + 1 : i);
	}
	assert_int_equal(stats_read(STAT_REQUESTS_EXCLUDED), 1);
	config.trust_inbound = false;
	conn_take_settings();
	{
		char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";

		moves(get, true);
		assert_false(served()->has_parent);
		assert_null(strstr(get, TRACE));
	}
}

/* --- what is not recorded --- */

static void answers(const char *status)
{
	char answer[64];

	snprintf(answer, sizeof(answer), "HTTP/1.1 %s OK\r\nContent-Length: 2\r\n\r\nok", status);
	moves(answer, false);
}

static void warm(void)
{
	for (int i = 0; i < 3; i++) {
		char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";

		moves(get, true);
		answers("200");
	}
}

static bool hook_counts(uint64_t started, uint64_t unsampled)
{
	return stats_read(STAT_SPANS_STARTED) == started &&
	       stats_read(STAT_SPANS_UNSAMPLED) == unsampled;
}

/* It is what a child's context is made of, it has an id of its own, and it ends (E44, C20). */
static void test_usual_unsampled_is_passed_on(void **state)
{
	struct span_ref before = { 0 };

	(void)state;
	warm();
	for (unsigned i = 3; i < 8; i++) {
		char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n", hex[33] = "";
		struct span_context c;
		struct span_ref now;

		moves(get, true);
		now = context_current();
		assert_int_equal(now.slot, span_ref(served()).slot);
		assert_true(span_ref_context(now, &c, NULL, 0));
		hex_encode(hex, c.trace.bytes, 16);
		assert_string_equal(hex, TRACE);
		assert_int_equal(c.flags, 0);
		hex_encode(hex, c.span.bytes, 8);
		hex[16] = '\0';
		assert_string_not_equal(hex, PARENT);
		assert_null(strstr(get, PARENT));
		assert_non_null(strstr(get, hex));
		assert_null(span_get(before));
		before = now;
		if (i > 3) /* in the same slot */
			assert_true(atomic_load(&spare) == 0);
		answers("200");
		assert_true(atomic_load(&spare) & SPARE_BARE); /* by the short way */
		assert_null(span_get(now));
		assert_int_equal(context_current().slot, 0);
		assert_true(hook_counts(i + 1, i + 1));
	}
	assert_int_equal(stats_read(STAT_TAGGED), 8);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 0);
}

/* Nothing of one is seen in the next, recorded or not. */
static void test_usual_unsampled_leaves_nothing(void **state)
{
	(void)state;
	warm();
	for (int i = 0; i < 3; i++) {
		char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";
		char told[] = "GET /b HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";

		moves(get, true);
		if (i == 1)
			span_set_error(served(), BYTES("x"));
		if (i == 2)
			span_count_dropped(served(), 3);
		answers("503");
		moves(told, true);
		assert_true(span_is_recording(served()));
		assert_false(span_has_error(served()));
		assert_int_equal(served()->dropped_attrs, 0);
		assert_int_equal(served()->flags, TRACE_FLAG_SAMPLED);
		answers("200");
		assert_int_equal(stats_read(STAT_SPANS_ENDED), i + 1);
		moves(get, true);
		assert_false(span_is_recording(served()));
		assert_false(span_has_error(served()));
		assert_int_equal(served()->http_status, 0);
		assert_int_equal(served()->start_ns, 0);
		answers("200");
	}
}

/* Who keeps by outcome records what is not sampled; the answer decides. */
static void test_usual_unsampled_is_kept(void **state)
{
	(void)state;
	warm();
	config.keep = BYTES("error");
	keep_init();
	conn_take_settings();
	for (int i = 0; i < 4; i++) {
		char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";

		moves(get, true);
		assert_int_equal(span_verdict(served()), VERDICT_RECORD);
		answers(i == 3 ? "500" : "200");
		assert_int_equal(stats_read(STAT_SPANS_ENDED), i == 3);
	}
	config.keep = BYTES("none");
	keep_init();
}

/* E36: whatever the caller has decided, the last seven bytes of the id are asked. */
static void test_usual_asks_the_sampler(void **state)
{
	static const struct {
		const char *trace;
		bool is_sampled;
	} rows[] = {
		{ "4bf92f3577b34da6a380000000000000", true },
		{ "4bf92f3577b34da6a37fffffffffffff", false },
		{ "4bf92f3577b34da6ffffffffffffffff", true },
		{ "4bf92f3577b34da6ff00000000000000", false },
	};

	(void)state;
	warm();
	config.traces_sampler = SAMPLER_TRACEIDRATIO;
	config.traces_sampler_arg = BYTES("0.5");
	sampler_init();
	conn_take_settings();
	for (size_t i = 0; i < 8; i++) {
		bool is_sampled = rows[i % 4].is_sampled;
		char get[200];

		snprintf(get, sizeof(get),
			 "GET /a HTTP/1.1\r\nHost: h\r\ntraceparent: 00-%s-" PARENT "-%s\r\n\r\n",
			 rows[i % 4].trace, is_sampled ? "00" : "01");
		moves(get, true);
		assert_int_equal(span_verdict(served()),
				 is_sampled ? VERDICT_SAMPLE : VERDICT_DROP);
		assert_int_equal(served()->flags, is_sampled ? TRACE_FLAG_SAMPLED : 0);
		answers("200");
	}
	config_parse(&config, NULL);
	sampler_init();
}

/* What has been shown is never another one (MSG_PEEK). */
static void test_usual_leaves_what_was_peeked(void **state)
{
	char get[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";
	char again[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";
	struct conn_token t;

	(void)state;
	warm();
	t = conn_peek_begin(FD);
	conn_peek_done(FD, t, (ssize_t)strlen(get));
	moves(get, true);
	assert_non_null(strstr(get, PARENT));
	assert_int_equal(stats_read(STAT_TAG_PEEKED), 1);
	answers("200");
	moves(again, true);
	assert_null(strstr(again, PARENT));
	answers("200");
	assert_true(hook_counts(5, 5));
}

/* One that comes while the last one is not answered is served by nobody we know. */
static void test_usual_side_by_side(void **state)
{
	char one[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";
	char two[] = "GET /a HTTP/1.1\r\nHost: h\r\n" UNSAMPLED "\r\n";

	(void)state;
	warm();
	moves(one, true);
	assert_int_not_equal(context_current().slot, 0);
	moves(two, true);
	assert_int_equal(context_current().slot, 0);
	answers("200");
	answers("200");
	assert_true(hook_counts(5, 5));
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
}

#define IN_A_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up_in_a_loop, tear_down)
#define ELSEWHERE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ELSEWHERE(test_usual_spans_are_as_ever),
		ELSEWHERE(test_usual_with_ids_that_are_none),
		ELSEWHERE(test_usual_leaves_signed_ids_alone),
		ELSEWHERE(test_usual_in_a_body),
		ELSEWHERE(test_usual_answers_side_by_side),
		ELSEWHERE(test_usual_answer_and_more),
		IN_A_LOOP(test_usual_spans_are_as_ever),
		IN_A_LOOP(test_usual_with_ids_that_are_none),
		IN_A_LOOP(test_usual_leaves_signed_ids_alone),
		IN_A_LOOP(test_usual_in_a_body),
		IN_A_LOOP(test_usual_answers_side_by_side),
		IN_A_LOOP(test_usual_answer_and_more),
		IN_A_LOOP(test_usual_heeds_the_settings),
		IN_A_LOOP(test_usual_unsampled_is_passed_on),
		IN_A_LOOP(test_usual_unsampled_leaves_nothing),
		IN_A_LOOP(test_usual_unsampled_is_kept),
		IN_A_LOOP(test_usual_asks_the_sampler),
		IN_A_LOOP(test_usual_leaves_what_was_peeked),
		IN_A_LOOP(test_usual_side_by_side),
		/* Last, since nobody takes what they fill the store with. */
		ELSEWHERE(test_usual_answer_at_every_cut),
		IN_A_LOOP(test_usual_answer_at_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
