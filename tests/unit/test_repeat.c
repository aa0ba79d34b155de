/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads that are taken for the last one once more: each byte of a head is changed to each byte that
 * matters, and whatever is taken for the same must be what the parser and head.h say of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "config.h"
#include "repeat.h"
#include "signature.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define IDS "traceparent: 00-" TRACE "-" PARENT "-01\r\n"

static const char changes[] = {
	'\0', '\t', '\n', '\r', ' ', '!', '0', '9', ':', 'a', 'z', 0x7f, -1
};

static const struct bytes requests[] = {
	BYTES("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
	BYTES("GET /a/b?c=d HTTP/1.1\r\nHost: shop:8080\r\nUser-Agent: u 1\r\nAccept: */*\r\n" IDS
	      "\r\n"),
	BYTES("HEAD / HTTP/1.0\r\n" IDS "X-Long: 0123456789abcdef0123456789abcdef\r\n\r\n"),
	BYTES("POST /a HTTP/1.1\r\nuser-agent: u\r\nConnection: close\r\n\r\n"),
};

/* --- the slow way --- */

struct parsed {
	struct http1 p;
	struct head head;
	char text[HEAD_TEXT_BYTES];
	size_t len; /* of its head */
	size_t all; /* of the message */
	bool is_whole;
};

static void parse(struct parsed *ret, struct bytes in, bool is_response)
{
	const char *start = in.ptr;
	enum http1_event e;

	if (is_response)
		http1_init_response(&ret->p);
	else
		http1_init_request(&ret->p);
	if (is_response)
		http1_tell(&ret->p, 0);
	head_init(&ret->head);
	ret->is_whole = false;
	ret->len = ret->all = 0;
	while ((e = http1_step(&ret->p, &in)) != HTTP1_NEED_MORE && e != HTTP1_DEAD &&
	       e != HTTP1_NEED_LINE) {
		if (e == HTTP1_START_LINE && !is_response)
			head_start(&ret->head, ret->text, &ret->p);
		if (e == HTTP1_HEADER && !is_response)
			head_field(&ret->head, ret->text, &ret->p);
		if (e == HTTP1_HEAD_END)
			ret->len = (size_t)(in.ptr - start);
		if (e == HTTP1_HEAD_END && is_response)
			return;
		if (e == HTTP1_MESSAGE_END) {
			ret->all = (size_t)(in.ptr - start);
			ret->is_whole = true;
			return;
		}
	}
}

static void assert_same_facts(const struct http1 *a, const struct http1 *b)
{
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->is_head, b->is_head);
	assert_int_equal(a->is_connect, b->is_connect);
	assert_int_equal(a->is_close, b->is_close);
	assert_int_equal(a->is_chunked, b->is_chunked);
	assert_int_equal(a->has_length, b->has_length);
	assert_int_equal(a->has_upgrade, b->has_upgrade);
}

/* --- requests --- */

static void assert_is(struct repeat *r, struct bytes in, const struct parsed *last)
{
	static struct parsed now;

	parse(&now, in, false);
	assert_true(now.is_whole);
	assert_int_equal(now.all, in.len);
	assert_same_facts(&now.p, &last->p);
	assert_int_equal(now.head.fields.seen, r->now.fields.seen);
	for (unsigned f = 0; f < HEAD_FIELDS; f++) {
		struct bytes want = head_get(&now.head, now.text, (enum head_field)f);
		struct bytes got = head_get(&r->now, in.ptr, (enum head_field)f);

		assert_int_equal(got.len, want.len);
		if (want.len)
			assert_memory_equal(got.ptr, want.ptr, want.len);
	}
}

/* False: it is none that is taken whole. */
static bool offer_request(struct repeat *r, struct bytes in)
{
	static char text[HEAD_TEXT_BYTES];
	struct http1_others others;
	struct bytes rest = in;
	struct http1 p;
	struct head h;

	http1_init_request(&p);
	http1_tell(&p, HEAD_TELL);
	head_init(&h);
	repeat_end(r);
	if (!http1_whole_request(&p, &rest, &h.fields, &others) || rest.len)
		return false;
	head_whole(&h, text, &others);
	repeat_keep_request(r, in, &h, &p);
	return true;
}

static void keep_request(struct repeat *r, struct bytes in, struct parsed *ret)
{
	parse(ret, in, false);
	assert_true(ret->is_whole);
	assert_true(offer_request(r, in));
}

static void test_repeat_request_each_byte_changed(void **state)
{
	static struct parsed last;
	static struct repeat r;
	char buf[REPEAT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct bytes in = { buf, requests[i].len };

		keep_request(&r, requests[i], &last);
		assert_int_equal(r.len, requests[i].len);
		assert_true(repeat_is_request(&r, requests[i]));
		assert_is(&r, requests[i], &last);
		for (size_t at = 0; at < in.len; at++)
			for (size_t k = 0; k < sizeof(changes); k++) {
				bool in_ids =
					r.ids.len && at >= r.ids.at && at < r.ids.at + r.ids.len;

				memcpy(buf, requests[i].ptr, in.len);
				buf[at] = changes[k];
				/* What the ids are is for traceparent_parse() to say. */
				if (!in_ids && repeat_is_request(&r, in))
					assert_is(&r, in, &last);
			}
	}
}

static void test_repeat_request_with_another_target(void **state)
{
	static const char *const targets[] = { "/",         "/a/much/longer/one?with=a&query=1",
					       "/\xc3\xa9", "*",
					       "/b",        "/Shop?Sort=SignedHeaders" };
	static struct parsed last;
	static struct repeat r;
	char buf[REPEAT_BYTES];

	(void)state;
	keep_request(&r, requests[1], &last);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		int n = snprintf(buf, sizeof(buf), "GET %s%s", targets[i],
				 strstr(requests[1].ptr, " HTTP"));

		assert_true(repeat_is_request(&r, (struct bytes){ buf, (size_t)n }));
		assert_is(&r, (struct bytes){ buf, (size_t)n }, &last);
	}
}

/* Whatever came in between, targets of the same length among it. */
static void test_repeat_request_and_then_the_first_target(void **state)
{
	static const char *const between[] = { "/a/longer/one?c=d&e=f", "/", "/z/y?x=w",
					       "/a/b?c=e" };
	static struct parsed last;
	static struct repeat r;
	char buf[REPEAT_BYTES];

	(void)state;
	keep_request(&r, requests[1], &last);
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		int n = snprintf(buf, sizeof(buf), "GET %s%s", between[i],
				 strstr(requests[1].ptr, " HTTP"));

		assert_true(repeat_is_request(&r, (struct bytes){ buf, (size_t)n }));
		assert_is(&r, (struct bytes){ buf, (size_t)n }, &last);
		assert_true(repeat_is_request(&r, requests[1]));
		assert_is(&r, requests[1], &last);
	}
}

/* A signature in the target may cover what the other one's did not (field-notes A). */
static void test_repeat_request_with_a_signed_target(void **state)
{
	static const char in[] =
		"GET /k?X-Amz-SignedHeaders=host%3Btraceparent HTTP/1.1\r\nHost: h\r\n" IDS "\r\n";
	static struct parsed last;
	static struct repeat r;

	(void)state;
	keep_request(&r, BYTES("GET /k HTTP/1.1\r\nHost: h\r\n" IDS "\r\n"), &last);
	parse(&last, (struct bytes){ in, sizeof(in) - 1 }, false);
	assert_int_equal(last.head.signed_names & SIGNED_TRACEPARENT, SIGNED_TRACEPARENT);
	assert_false(repeat_is_request(&r, (struct bytes){ in, sizeof(in) - 1 }));
}

/* Less of it, more of it, or nothing. */
static void test_repeat_request_of_another_length(void **state)
{
	static struct parsed last;
	static struct repeat r;
	char buf[2 * REPEAT_BYTES];

	(void)state;
	keep_request(&r, requests[1], &last);
	memcpy(buf, requests[1].ptr, requests[1].len);
	for (size_t n = 0; n < requests[1].len; n++)
		assert_false(repeat_is_request(&r, (struct bytes){ buf, n }));
	memcpy(buf + requests[1].len, requests[1].ptr, requests[1].len);
	assert_false(repeat_is_request(&r, (struct bytes){ buf, 2 * requests[1].len }));
	assert_false(repeat_is_request(&r, (struct bytes){ buf, requests[1].len + 1 }));
}

static void test_repeat_request_that_is_not_kept(void **state)
{
	static const struct bytes none[] = {
		BYTES("CONNECT h:1 HTTP/1.1\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\n" IDS IDS "\r\n"),
		BYTES("PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\n" IDS "tracestate: a=b\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\nbaggage: a=b\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\nHost: a\n\n"),
		BYTES("\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
		BYTES("GET /a HTTP/1.1\r\ntraceparent: x\r\n\r\n"),
	};
	static struct repeat r;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		(void)offer_request(&r, none[i]);
		assert_int_equal(r.len, 0);
	}
}

/* --- responses --- */

#define DATE "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"

static const struct bytes responses[] = {
	BYTES("HTTP/1.1 200 OK\r\nServer: s\r\n" DATE "Content-Length: 1024\r\nX: 1\r\n\r\n"),
	BYTES("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n" DATE "\r\n"),
	BYTES("HTTP/1.0 500 \r\nConnection: keep-alive\r\ncontent-length:7\r\n\r\n"),
	BYTES("HTTP/1.1 200 OK\r\n" DATE "Transfer-Encoding: chunked\r\n\r\n"),
	BYTES("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
};

static void assert_is_response(struct repeat *r, struct bytes in, const struct http1 *last)
{
	static struct parsed now;
	struct http1 again = *last;
	struct bytes rest[2];
	uint64_t length;
	size_t n = repeat_is_response(r, in, &length);

	if (!n)
		return;
	parse(&now, in, true);
	assert_int_equal(now.len, n);
	http1_repeat(&again, length);
	assert_same_facts(&again, &now.p);
	assert_int_equal(again.state, now.p.state);
	assert_int_equal(again.body_left, now.p.body_left);
	rest[0] = rest[1] = BYTES("5\r\n01234\r\n0\r\n\r\nHTTP/1.1 204 n\r\n\r\n");
	for (int i = 0; i < 8; i++) {
		enum http1_event a = http1_step(&again, &rest[0]), b = http1_step(&now.p, &rest[1]);

		assert_int_equal(a, b);
		assert_int_equal(rest[0].len, rest[1].len);
	}
}

/* With its body at once, and by steps. */
static void assert_is_whole(struct bytes head, const struct http1 *last)
{
	static const char body[1024];
	static struct parsed now;
	struct http1 again = *last;
	enum http1_event e;
	struct bytes in;
	size_t length;

	parse(&now, head, true);
	length = now.p.is_chunked ? 0 : (size_t)now.p.body_left;
	in = (struct bytes){ body, length };
	assert_int_equal(http1_repeat_whole(&again, length), !now.p.is_chunked);
	if (now.p.is_chunked)
		return;
	while ((e = http1_step(&now.p, &in)) != HTTP1_MESSAGE_END)
		assert_int_equal(e, HTTP1_NEED_MORE);
	assert_same_facts(&again, &now.p);
	assert_int_equal(again.state, now.p.state);
	assert_int_equal(again.body_left, now.p.body_left);
	assert_int_equal(again.body_bytes, length);
	assert_int_equal(now.p.body_bytes, length);
	assert_true(http1_is_fresh(&again));
}

static void test_repeat_response_each_byte_changed(void **state)
{
	static struct parsed last;
	static struct repeat r;
	char buf[REPEAT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		struct bytes in = { buf, responses[i].len };
		struct bytes body = BYTES("0\r\n\r\n");
		uint64_t length;

		parse(&last, responses[i], true);
		repeat_keep_response(&r, responses[i], &last.p);
		assert_int_equal(repeat_is_response(&r, responses[i], &length), responses[i].len);
		while (http1_step(&last.p, &body) != HTTP1_MESSAGE_END) /* between two */
			if (!body.len)
				body = BYTES("0123456789");
		assert_is_whole(responses[i], &last.p);
		for (size_t at = 0; at < in.len; at++)
			for (size_t k = 0; k < sizeof(changes); k++) {
				memcpy(buf, responses[i].ptr, in.len);
				buf[at] = changes[k];
				assert_is_response(&r, in, &last.p);
			}
		for (size_t n = 0; n < in.len; n++)
			assert_int_equal(repeat_is_response(&r,
							    (struct bytes){ responses[i].ptr, n },
							    &length),
					 0);
	}
}

static void test_repeat_response_with_another_length(void **state)
{
	static const struct {
		const char *text;
		uint64_t wanted;
		bool is_same;
	} rows[] = {
		{ "0", 0, true },
		{ "9", 9, true },
		{ "0012", 12, true },
		{ "123456789012345678", 123456789012345678u, true },
		{ "1234567890123456789", 0, false }, /* for the parser to judge */
		{ "", 0, false },
		{ "1 ", 0, false },
		{ "1a", 0, false },
		{ "-1", 0, false },
		{ "1, 1", 0, false },
	};
	static struct parsed last;
	static struct repeat r;
	char buf[REPEAT_BYTES];

	(void)state;
	parse(&last, responses[0], true);
	repeat_keep_response(&r, responses[0], &last.p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t length;
		int n = snprintf(buf, sizeof(buf),
				 "HTTP/1.1 200 OK\r\nServer: s\r\n" DATE
				 "Content-Length: %s\r\nX: 1\r\n\r\nbody",
				 rows[i].text);
		size_t got = repeat_is_response(&r, (struct bytes){ buf, (size_t)n }, &length);

		assert_int_equal(got, rows[i].is_same ? (size_t)n - 4 : 0);
		if (rows[i].is_same)
			assert_int_equal(length, rows[i].wanted);
	}
}

#define LATER "Date: Tue, 25 Nov 2025 10:00:01 GMT\r\n"

/* A second later, and as long as another time: what is kept moves on with what came. */
static void test_repeat_response_and_then_another_one(void **state)
{
	static const struct {
		const char *date, *length;
		uint64_t wanted;
	} rows[] = {
		{ DATE, "10", 10 },  { LATER, "10", 10 },  { LATER, "10", 10 }, { LATER, "77", 77 },
		{ LATER, "77", 77 }, { DATE, "123", 123 }, { DATE, "77", 77 },  { LATER, "10", 10 },
		{ LATER, "7", 7 },   { LATER, "10", 10 },
	};
	static const struct bytes first =
		BYTES("HTTP/1.1 200 OK\r\nServer: s\r\n" DATE "Content-Length: 10\r\nX: 1\r\n\r\n");
	static struct parsed last;
	static struct repeat r;
	char buf[REPEAT_BYTES];
	uint64_t length;

	(void)state;
	parse(&last, first, true);
	repeat_keep_response(&r, first, &last.p);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int n = snprintf(
			buf, sizeof(buf),
			"HTTP/1.1 200 OK\r\nServer: s\r\n%sContent-Length: %s\r\nX: 1\r\n\r\nbody",
			rows[i].date, rows[i].length);

		assert_int_equal(repeat_is_response(&r, (struct bytes){ buf, (size_t)n }, &length),
				 (size_t)n - 4);
		assert_int_equal(length, rows[i].wanted);
	}
}

/* Two receivers may disagree about them, or nothing follows from them for the next. */
static void test_repeat_response_that_is_not_kept(void **state)
{
	static const struct bytes none[] = {
		BYTES("HTTP/1.1 204 n\r\nContent-Length: 0\r\n\r\n"),
		BYTES("HTTP/1.1 304 n\r\nContent-Length: 9\r\n\r\n"),
		BYTES("HTTP/1.1 100 Continue\r\n\r\n"),
		BYTES("HTTP/1.1 200 until the end\r\n\r\n"),
		BYTES("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"),
	};
	static struct parsed last;
	static struct repeat r;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		parse(&last, none[i], true);
		repeat_keep_response(&r, none[i], &last.p);
		assert_int_equal(r.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeat_request_each_byte_changed),
		cmocka_unit_test(test_repeat_request_with_another_target),
		cmocka_unit_test(test_repeat_request_and_then_the_first_target),
		cmocka_unit_test(test_repeat_request_with_a_signed_target),
		cmocka_unit_test(test_repeat_request_of_another_length),
		cmocka_unit_test(test_repeat_request_that_is_not_kept),
		cmocka_unit_test(test_repeat_response_each_byte_changed),
		cmocka_unit_test(test_repeat_response_with_another_length),
		cmocka_unit_test(test_repeat_response_and_then_another_one),
		cmocka_unit_test(test_repeat_response_that_is_not_kept),
	};

	config_parse(&config, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
