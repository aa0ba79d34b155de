/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which heads are taken whole, at every length of what is there; that what is taken is what the
 * steps say holds for all rows of all tests of the parser (http1_whole_run.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1_rows.h"

#define GET "GET /a?S=1 HTTP/1.1\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
#define PARENT "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
#define SIXTEEN "X-Sixteen-Bytes-: "
#define LONG_NAME "X-A-Name-That-Is-Longer-Than-Two-Blocks-Are: a\r\n"

static const struct http1_row taken[] = {
	REQUEST("a request of wrk", GET "Host: a\r\n\r\n", ""),
	REQUEST("no header", GET "\r\n", ""),
	REQUEST("as short as can be", "GET / HTTP/1.0\r\n\r\n", ""),
	REQUEST("a later version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", ""),
	REQUEST("a head for a tunnel", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", ""),
	REQUEST("an odd method", "g!t /\x80 HTTP/1.1\r\n\r\n", ""),
	REQUEST("all that is kept",
		GET "HOST:a\r\nUser-Agent:  b\x80 \r\nForwarded: for=c\r\nX-Forwarded-For: d\r\n"
		    "X-Forwarded-Proto: e\r\nX-Forwarded-Host: f\r\n" PARENT
		    "tracestate: a=b\r\nBaggage: c=d\r\nAuthorization: AWS4 SignedHeaders=host\r\n"
		    "Signature: x\r\nSignature-Input: y\r\ntracestate: e=f\r\n\r\n",
		""),
	REQUEST("twice", GET PARENT "Host: a\r\nHost: b\r\n" PARENT "\r\n", ""),
	REQUEST("names of any length",
		GET "A: b\r\n" SIXTEEN "a\r\n" LONG_NAME "Fifteen-Bytes-: a\r\n\r\n", ""),
	REQUEST("nothing in the values", GET "Host:\r\nA: \r\n" SIXTEEN "\r\nB:\r\n\r\n", ""),
	REQUEST("a body", "POST / HTTP/1.1\r\nContent-Length: 000000000000000005\r\n\r\nabcde", ""),
	REQUEST("in chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", ""),
	REQUEST("a protocol to change to", GET "Upgrade: websocket\r\nConnection: close\r\n\r\n",
		""),
	REQUEST("two of them", GET "Host: a\r\n\r\n" GET "Host: b\r\n\r\n", ""),
	RESPONSE("a response of nginx", "G",
		 OK "Server: nginx\r\nDate: Wed, 25 Nov 2026 18:00:31 GMT\r\nContent-Length: 4\r\n"
		    "Connection: keep-alive\r\nETag: \"6745a0cf-400\"\r\n\r\nabcd",
		 ""),
	RESPONSE("no text", "G", "HTTP/1.1 204\r\nA:\r\n\r\n", ""),
	RESPONSE("no text but a blank", "G", "HTTP/1.0 404 \r\nConnection: Keep-Alive\r\n\r\n", ""),
	RESPONSE("until it closes", "G", OK "Server: a\r\n\r\nabc", ""),
	RESPONSE("to HEAD", "H", OK "Content-Length: 4\r\n\r\n", ""),
	RESPONSE("to CONNECT", "C", OK "Server: a\r\n\r\nabc", ""),
	RESPONSE("ahead of the one", "G", "HTTP/1.1 100 Continue\r\n\r\n", ""),
	RESPONSE("a change", "G", "HTTP/1.1 101 Yes\r\nUpgrade: a\r\nConnection: close\r\n\r\n",
		 ""),
};

/* Some of that is well formed: it is for the steps to say. */
static const struct http1_row left_alone[] = {
	REQUEST("a line end ahead of it", "\r\n" GET "Host: a\r\n\r\n", ""),
	REQUEST("a bare LF", GET "Host: a\n\r\n", ""),
	REQUEST("a bare LF at the end", GET "Host: a\r\n\n", ""),
	REQUEST("a bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", ""),
	REQUEST("a fold", GET "Host: a\r\n b\r\n\r\n", ""),
	REQUEST("a fold by a tab", GET "Host: a\r\n\tb\r\n\r\n", ""),
	REQUEST("a fold of nothing", GET " Host: a\r\n\r\n", ""),
	REQUEST("a tab in a value", GET "Host: a\tb\r\n\r\n", ""),
	REQUEST("a NUL in a value", GET "Host: a\0b\r\n\r\n", ""),
	REQUEST("a CR in a value", GET "Host: a\rb\r\n\r\n", ""),
	REQUEST("no colon", GET "Host\r\n\r\n", ""),
	REQUEST("no colon in a long line", GET "Host-and-more-than-sixteen-bytes\r\nA: b\r\n\r\n",
		""),
	REQUEST("no name", GET ": a\r\n\r\n", ""),
	REQUEST("a blank in a name", GET "Content-Length : 5\r\n\r\nabcde", ""),
	REQUEST("a blank in a long name", GET "A-Name-Of-Sixteen And-More: 5\r\n\r\n", ""),
	REQUEST("a high byte in a name", GET "\xa0Host: a\r\n\r\n", ""),
	REQUEST("DEL in a name", GET "Host\x7f: a\r\n\r\n", ""),
	REQUEST("lengths that agree", GET "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", ""),
	REQUEST("lengths that do not", GET "Content-Length: 0\r\nContent-Length: 1\r\n\r\na", ""),
	REQUEST("no length", GET "Content-Length:\r\n\r\n", ""),
	REQUEST("a sign", GET "Content-Length: +1\r\n\r\na", ""),
	REQUEST("many digits", GET "Content-Length: 0000000000000000001\r\n\r\na", ""),
	REQUEST("a length and a coding",
		GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
	REQUEST("two codings", GET "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ""),
	REQUEST("chunked twice",
		GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		""),
	REQUEST("chunks in HTTP/1.0",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
	REQUEST("options", GET "Connection: close, TE\r\n\r\n", ""),
	REQUEST("seven others",
		GET "baggage: a\r\nbaggage: a\r\nbaggage: a\r\nbaggage: a\r\nbaggage: a\r\n"
		    "baggage: a\r\nbaggage: a\r\n\r\n",
		""),
	REQUEST("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
	REQUEST("another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", ""),
	REQUEST("two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
	REQUEST("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", ""),
	REQUEST("no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
	RESPONSE("a status too small", "G", "HTTP/1.1 099 OK\r\nServer: a\r\n\r\n", ""),
	RESPONSE("a status too long", "G", "HTTP/1.1 2000 OK\r\nServer: a\r\n\r\n", ""),
	RESPONSE("no status", "G", "HTTP/1.1  20 OK\r\nServer: a\r\n\r\n", ""),
	RESPONSE("a version of two digits", "G", "HTTP/1.10 200 OK\r\nServer: a\r\n\r\n", ""),
};

static bool is_whole_in(const struct http1_row *row, struct bytes in, size_t *ret_taken)
{
	static struct whole_run w;
	struct http1 p;

	if (row->expect)
		http1_init_response(&p);
	else
		http1_init_request(&p);
	whole_run_begin(&w, &p, in, row->expect ? *row->expect : 0);
	*ret_taken = in.len - w.left;
	return w.is_whole;
}

/* The first n bytes of the row: they end at a guard page, and once more, they begin behind one. */
static bool is_whole(const struct http1_row *row, size_t n, size_t *ret_taken)
{
	static char *end, *begin;
	bool is_so;
	size_t taken_here;

	if (!end) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);

		end = guarded(PIECE_MAX) + PIECE_MAX;
		begin = guarded(PIECE_MAX) + page;
		assert_int_equal(mprotect(begin - page, page, PROT_NONE), 0);
	}
	is_so = is_whole_in(row, (struct bytes){ memcpy(end - n, row->in.ptr, n), n }, ret_taken);
	assert_int_equal(is_so, is_whole_in(row, (struct bytes){ memcpy(begin, row->in.ptr, n), n },
					    &taken_here));
	assert_int_equal(*ret_taken, taken_here);
	return is_so;
}

/* How long is its head? */
static size_t head_len(struct bytes in)
{
	return (size_t)((char *)memmem(in.ptr, in.len, "\r\n\r\n", 4) - in.ptr) + 4;
}

static void test_http1_whole_heads_are_taken_once_they_are_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		const struct http1_row *row = &taken[i];
		size_t len = head_len(row->in), got;

		for (size_t n = 1; n <= row->in.len; n++) {
			bool is_so = is_whole(row, n, &got);

			if (is_so != (n >= len) || got != (is_so ? len : 0))
				fail_msg("%s: %zu of %zu bytes, %zu taken", row->name, n, len, got);
		}
	}
}

static void test_http1_whole_heads_are_what_the_steps_say(void **state)
{
	static struct http1_run r;

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		for (size_t n = 1; n <= taken[i].in.len; n++) {
			struct http1_row row = taken[i];

			row.in.len = n;
			http1_row_run(&r, &row, 0, n); /* aborts where they differ */
		}
	}
}

static void test_http1_whole_leaves_alone_what_is_unusual(void **state)
{
	size_t got;

	(void)state;
	for (size_t i = 0; i < sizeof(left_alone) / sizeof(*left_alone); i++)
		for (size_t n = 1; n <= left_alone[i].in.len; n++)
			if (is_whole(&left_alone[i], n, &got) || got)
				fail_msg("%s: %zu bytes", left_alone[i].name, n);
}

/* A value of n bytes in a head that may be longer than what is looked at. */
static bool is_whole_with(const char *name, size_t n)
{
	static char text[3 * HTTP1_WHOLE_BYTES];
	struct http1_row row = { "", NULL, { text, 0 }, "" };
	size_t got;
	int at = sprintf(text, GET "%s: ", name);

	memset(text + at, 'a', n);
	row.in.len = (size_t)(at + sprintf(text + at + n, "\r\n\r\n")) + n;
	return is_whole(&row, row.in.len, &got);
}

static void test_http1_whole_has_bounds(void **state)
{
	(void)state;
	assert_true(is_whole_with("Host", HTTP1_WHOLE_FIELD));
	assert_false(is_whole_with("Host", HTTP1_WHOLE_FIELD + 1));
	assert_true(
		is_whole_with("Cookie", HTTP1_WHOLE_BYTES - sizeof(GET "Cookie: \r\n\r\n") + 1));
	assert_false(
		is_whole_with("Cookie", HTTP1_WHOLE_BYTES - sizeof(GET "Cookie: \r\n\r\n") + 2));
	assert_false(is_whole_with("Cookie", 2 * HTTP1_WHOLE_BYTES));
}

/* In the middle of something else no head begins. */
static void test_http1_whole_only_where_a_message_begins(void **state)
{
	struct bytes in = BYTES(GET "Host: a\r\n\r\n"), rest = { in.ptr, in.len };
	struct http1_others others;
	struct head_fields fields;
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	rest.len = 1;
	assert_int_equal(http1_step(&p, &rest), HTTP1_NEED_LINE);
	rest = in;
	assert_false(http1_whole_request(&p, &rest, &fields, &others));
	http1_init_request(&p);
	p.has_cr = true;
	assert_false(http1_whole_request(&p, &rest, &fields, &others));
	http1_init_response(&p);
	http1_kill(&p, HTTP1_GIVEN_UP);
	rest = BYTES(OK "\r\n");
	assert_false(http1_whole_response(&p, &rest, false, false));
	assert_int_equal(rest.len, sizeof(OK "\r\n") - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_whole_heads_are_taken_once_they_are_there),
		cmocka_unit_test(test_http1_whole_heads_are_what_the_steps_say),
		cmocka_unit_test(test_http1_whole_leaves_alone_what_is_unusual),
		cmocka_unit_test(test_http1_whole_has_bounds),
		cmocka_unit_test(test_http1_whole_only_where_a_message_begins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
