/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of any length, the buffer that is lent for cut ones, and what the owner can ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1_run.h"

static char line[HTTP1_LINE_BYTES];
static char input[3 * 65536];
static struct http1_run run;

static struct bytes repeat(const char *before, char c, size_t n, const char *after)
{
	size_t len = strlen(before);

	memcpy(input, before, len);
	memset(input + len, c, n);
	len += n;
	memcpy(input + len, after, strlen(after));
	return (struct bytes){ input, len + strlen(after) };
}

static enum http1_event step(struct http1 *p, const char *text)
{
	struct bytes in = bytes_from_str(text);

	return http1_step(p, &in);
}

static void test_http1_line_state_is_small_and_has_no_pointer_to_itself(void **state)
{
	(void)state;
	assert_true(sizeof(struct http1) <= 128);
}

/* The views lie in the input, so that a value can be rewritten where it is. */
static void test_http1_line_whole_in_the_input_is_not_copied(void **state)
{
	struct bytes all = BYTES("GET /x HTTP/1.1\r\nHost: h\r\n\r\nZ");
	struct bytes in = all;
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	assert_int_equal(http1_step(&p, &in), HTTP1_START_LINE);
	assert_ptr_equal(p.method.ptr, all.ptr);
	assert_ptr_equal(p.target.ptr, all.ptr + 4);
	assert_ptr_equal(in.ptr, all.ptr + 17);
	assert_int_equal(http1_step(&p, &in), HTTP1_HEADER);
	assert_ptr_equal(p.name.ptr, all.ptr + 17);
	assert_ptr_equal(p.value.ptr, all.ptr + 23);
	assert_int_equal(p.value.len, 1);
	assert_int_equal(http1_step(&p, &in), HTTP1_HEAD_CLOSING);
	assert_ptr_equal(in.ptr, all.ptr + 26);
	assert_int_equal(http1_step(&p, &in), HTTP1_HEAD_END);
	assert_int_equal(http1_step(&p, &in), HTTP1_MESSAGE_END);
	assert_ptr_equal(in.ptr, all.ptr + 28);
}

static void test_http1_line_of_a_whole_head_needs_no_buffer(void **state)
{
	struct bytes head = BYTES("GET /x HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n");

	(void)state;
	http1_run_init(&run, false, NULL, NULL, 0);
	http1_run_feed(&run, head);
	assert_string_equal(run.log, "S GET /x 11\nH Host=h\nH A=b\nC 32\nE 34\nM 34 0\n");
	/* Nor does one that is cut where no line is, nor a body. */
	http1_run_init(&run, false, NULL, NULL, 0);
	http1_run_feed(&run, BYTES("PUT /x HTTP/1.1\r\n"));
	http1_run_feed(&run, BYTES("Content-Length: 3\r\n\r"));
	http1_run_feed(&run, BYTES("\n"));
	http1_run_feed(&run, BYTES("a"));
	http1_run_feed(&run, BYTES("bc"));
	assert_string_equal(run.log, "S PUT /x 11\nH Content-Length=3\nC 36 len=3\nE 38\nM 41 3\n");
}

static void test_http1_line_needs_a_buffer_when_cut_and_takes_nothing_until_lent(void **state)
{
	struct bytes in = BYTES("GET /x HT");
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	assert_int_equal(http1_step(&p, &in), HTTP1_NEED_LINE);
	assert_int_equal(in.len, 9);
	assert_true(http1_is_between(&p));
	assert_int_equal(http1_step(&p, &in), HTTP1_NEED_LINE);
	http1_lend(&p, line, sizeof(line));
	assert_int_equal(http1_step(&p, &in), HTTP1_NEED_MORE);
	assert_int_equal(in.len, 0);
	assert_false(http1_is_between(&p));
	assert_true(http1_holds_line(&p));
	assert_null(http1_unlend(&p));
	assert_int_equal(step(&p, "TP/1.1\r\n"), HTTP1_START_LINE);
	assert_memory_equal(p.target.ptr, "/x", 2);
	assert_false(http1_holds_line(&p));
	assert_ptr_equal(http1_unlend(&p), line);
	assert_null(http1_unlend(&p));
	/* A whole header may be folded by a line to come: it must wait. */
	assert_int_equal(step(&p, "A: b\r\n"), HTTP1_NEED_LINE);
	http1_kill(&p, HTTP1_GIVEN_UP);
	assert_int_equal(step(&p, "A: b\r\n"), HTTP1_DEAD);
	assert_int_equal(p.reason, HTTP1_GIVEN_UP);
}

static void test_http1_line_dead_parser_gives_the_buffer_back(void **state)
{
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	http1_lend(&p, line, sizeof(line));
	assert_int_equal(step(&p, "GET "), HTTP1_NEED_MORE);
	http1_kill(&p, HTTP1_GIVEN_UP);
	http1_kill(&p, HTTP1_MALFORMED);
	assert_int_equal(p.reason, HTTP1_GIVEN_UP);
	assert_ptr_equal(http1_unlend(&p), line);
}

static void test_http1_line_of_any_length_is_whole_if_it_is_not_cut(void **state)
{
	struct bytes head = repeat("GET / HTTP/1.1\r\nCookie: ", 'c', 150000, "\r\nA: b\r\n\r\n");
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	assert_int_equal(http1_step(&p, &head), HTTP1_START_LINE);
	assert_int_equal(http1_step(&p, &head), HTTP1_HEADER);
	assert_int_equal(p.value.len, 150000);
	assert_false(p.is_cut);
	assert_int_equal(http1_step(&p, &head), HTTP1_HEADER);
	assert_int_equal(http1_step(&p, &head), HTTP1_HEAD_CLOSING);
}

/* 64 KiB and more of head, in short lines, at any read size. */
static void test_http1_line_head_of_many_lines_is_understood(void **state)
{
	static const size_t pieces[] = { 1, 7, 1448, 4096, 65536 };
	size_t len = (size_t)sprintf(input, "GET / HTTP/1.1\r\n");

	(void)state;
	for (int i = 0; i < 2500; i++)
		len += (size_t)sprintf(input + len, "X-%04d: %032d\r\n", i, i);
	len += (size_t)sprintf(input + len, "Content-Length: 1\r\n\r\na");
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct http1 p;
		size_t headers = 0;
		enum http1_event last = HTTP1_NEED_MORE;

		http1_init_request(&p);
		http1_lend(&p, line, sizeof(line));
		for (size_t at = 0, n; at < len; at += n) {
			struct bytes in;
			enum http1_event e;

			n = pieces[i] < len - at ? pieces[i] : len - at;
			in = (struct bytes){ input + at, n };
			while ((e = http1_step(&p, &in)) != HTTP1_NEED_MORE) {
				headers += e == HTTP1_HEADER;
				assert_false(p.is_cut);
				last = e;
			}
		}
		assert_int_equal(headers, 2501);
		assert_int_equal(last, HTTP1_MESSAGE_END);
		assert_int_equal(p.body_bytes, 1);
	}
}

static void feed_cut(struct bytes in, size_t at)
{
	http1_run_init(&run, false, NULL, line, sizeof(line));
	http1_run_pieces(&run, in, at, 4000);
	http1_run_end(&run);
}

static void test_http1_line_too_long_header_keeps_its_beginning(void **state)
{
	static const size_t over[] = { 0, 1, 2, 8, 60000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(over); i++) {
		/* "Cookie: " and the value: 8192 bytes fit. */
		struct bytes in = repeat("GET / HTTP/1.1\r\nCookie: ", 'c', 8184 + over[i],
					 "\r\nA: b\r\n\r\n");
		char want[64];
		const char *value;

		feed_cut(in, 30);
		value = strstr(run.log, "H Cookie=");
		assert_non_null(value);
		assert_int_equal(strspn(value + 9, "c"), 8184);
		snprintf(want, sizeof(want), "%s\nH A=b\nC %zu\nE %zu\nM %zu 0\nbetween\n",
			 over[i] ? " cut" : "", in.len - 2, in.len, in.len);
		assert_string_equal(value + 9 + 8184, want);
	}
}

/* Wherever the buffer ends: in the target, before, in and behind the version. */
static void test_http1_line_too_long_target_keeps_method_beginning_and_version(void **state)
{
	(void)state;
	for (size_t over = 0; over < 24; over++) {
		/* "GET /" + x + " HTTP/1.0": 8192 bytes fit. */
		size_t x = 8192 - 5 - 9 + over;
		struct bytes in = repeat("GET /", 'x', x, " HTTP/1.0\r\n\r\n");
		size_t kept = over <= 9 ? x : 8192 - 5;
		char want[64];

		feed_cut(in, 10);
		assert_memory_equal(run.log, "S GET /", 7);
		assert_int_equal(strspn(run.log + 7, "x"), kept);
		snprintf(want, sizeof(want), " 10%s\nC %zu close\nE %zu\nM %zu 0\nbetween\n",
			 over ? " cut" : "", in.len - 2, in.len, in.len);
		assert_string_equal(run.log + 7 + kept, want);
	}
}

static void test_http1_line_too_long_and_not_a_request_is_dead(void **state)
{
	(void)state;
	feed_cut(repeat("GET /", 'x', 9000, " HTTP/2.0\r\n\r\n"), 10);
	assert_string_equal(run.log, "D malformed\n");
	feed_cut(repeat("GET /", 'x', 9000, "\r\n\r\n"), 10);
	assert_string_equal(run.log, "D malformed\n");
	feed_cut(repeat("", 'x', 9000, " / HTTP/1.1\r\n\r\n"), 10);
	assert_string_equal(run.log, "D line too long\n");
	feed_cut(repeat("GET / HTTP/1.1\r\n", 'x', 9000, ": a\r\n\r\n"), 20);
	assert_string_equal(run.log, "S GET / 11\nD line too long\n");
	/* What is dropped is looked at, too. */
	feed_cut(repeat("GET / HTTP/1.1\r\nA: ", 'x', 9000, "\r\r\n\r\n"), 20);
	assert_string_equal(run.log, "S GET / 11\nD malformed\n");
}

static void test_http1_line_too_long_status_text_is_no_loss(void **state)
{
	(void)state;
	http1_run_init(&run, true, "G", line, sizeof(line));
	http1_run_pieces(&run, repeat("HTTP/1.1 204 ", 'x', 9000, "\r\n\r\n"), 10, 4000);
	assert_string_equal(run.log, "S 204 11\nC 9015\nE 9017\nM 9017 0\n");
}

/* The same verdict whether it is cut or not, or an attacker could choose. */
static void test_http1_line_too_long_framing_header_is_dead(void **state)
{
	static const char *const names[] = { "Content-Length", "transfer-encoding", "Connection",
					     "UPGRADE" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char before[64];
		size_t fits = 8192 - strlen(names[i]) - 2;

		snprintf(before, sizeof(before), "GET / HTTP/1.1\r\n%s:", names[i]);
		feed_cut(repeat(before, ' ', fits + 1, "1\r\n\r\n"), 20);
		assert_string_equal(run.log, "S GET / 11\nD line too long\n");
		feed_cut(repeat(before, ' ', fits + 1, "1\r\n\r\n"), 50000);
		assert_string_equal(run.log, "S GET / 11\nD line too long\n");
		feed_cut(repeat(before, ' ', fits, "1\r\n\r\n"), 20);
		assert_null(strstr(run.log, "too long"));
	}
}

static void test_http1_line_folds_until_the_buffer_is_full(void **state)
{
	struct bytes in = repeat("GET / HTTP/1.1\r\nA: ", 'x', 8180, "\r\n yyyyyyyyyyyy\r\n\r\n");

	(void)state;
	feed_cut(in, 20);
	assert_non_null(strstr(run.log, "x yyyyyyyy cut\nC "));
	/* With the first part already too long. */
	in = repeat("GET / HTTP/1.1\r\nA: ", 'x', 9000, "\r\n y\r\n\r\n");
	feed_cut(in, 20);
	assert_non_null(strstr(run.log, "xxxx cut\nC "));
}

/* A copy that parses ahead through several cut lines leaves alone what the original has kept. */
static void test_http1_line_ahead_leaves_the_kept_line_alone(void **state)
{
	struct http1 p, ahead;

	(void)state;
	http1_init_request(&p);
	http1_lend(&p, line, sizeof(line));
	assert_int_equal(step(&p, "GET /abc"), HTTP1_NEED_MORE);
	ahead = http1_ahead(&p);
	assert_int_equal(step(&ahead, "def HTTP/1.1\r\n"), HTTP1_START_LINE);
	assert_int_equal(ahead.target.len, 7);
	assert_int_equal(step(&ahead, "Host: hhhhhhhhhh"), HTTP1_NEED_MORE);
	assert_int_equal(step(&ahead, "\r\nB"), HTTP1_HEADER);
	assert_int_equal(step(&ahead, "BBBBBBBBBBBBBB"), HTTP1_NEED_MORE);
	assert_memory_equal(line, "GET /abc", 8);
	/* Other bytes after all: what counts is what the kernel took. */
	assert_int_equal(step(&p, "de"), HTTP1_NEED_MORE);
	assert_int_equal(step(&p, "f HTTP/1.1\r\n"), HTTP1_START_LINE);
	assert_memory_equal(p.target.ptr, "/abcdef", 7);
}

static void test_http1_line_copy_can_be_adopted(void **state)
{
	struct http1 p, ahead;

	(void)state;
	http1_init_request(&p);
	http1_lend(&p, line, sizeof(line));
	for (int i = 0; i < 1000; i++) {
		ahead = http1_ahead(&p);
		assert_int_equal(step(&ahead, "GET /"), HTTP1_NEED_MORE);
		p = ahead;
		ahead = http1_ahead(&p);
		assert_int_equal(step(&ahead, "x HTTP/1.1\r\n"), HTTP1_START_LINE);
		p = ahead;
		ahead = http1_ahead(&p);
		assert_int_equal(step(&ahead, "A: b"), HTTP1_NEED_MORE);
		p = ahead;
		ahead = http1_ahead(&p);
		assert_int_equal(step(&ahead, "\r\n\r\n"), HTTP1_HEADER);
		assert_memory_equal(ahead.value.ptr, "b", 1);
		p = ahead;
		assert_int_equal(step(&p, "\r\n"), HTTP1_HEAD_CLOSING);
		assert_int_equal(step(&p, "\r\n"), HTTP1_HEAD_END);
		assert_int_equal(step(&p, ""), HTTP1_MESSAGE_END);
	}
	/* The buffer has not been eaten up by the copies. */
	assert_true(p.line_hold < 16);
}

static void test_http1_line_end_of_stream_is_told_by_what_it_ends(void **state)
{
	struct http1 p;

	(void)state;
	http1_init_response(&p);
	assert_true(http1_is_between(&p));
	assert_false(http1_eof(&p));
	assert_int_equal(step(&p, "HTTP/1.0 200 OK\r\n"), HTTP1_START_LINE);
	assert_false(http1_is_between(&p));
	assert_false(http1_eof(&p));
	assert_int_equal(step(&p, "\n"), HTTP1_HEAD_CLOSING);
	assert_int_equal(step(&p, "\n"), HTTP1_HEAD_END);
	assert_false(http1_is_between(&p));
	assert_int_equal(step(&p, "abc"), HTTP1_NEED_MORE);
	assert_int_equal(p.body_bytes, 3);
	assert_true(http1_eof(&p));
	assert_true(http1_is_between(&p));
	assert_false(http1_eof(&p));
}

static void test_http1_line_tunnel_takes_nothing_and_stays(void **state)
{
	struct bytes in = BYTES("GET / HTTP/1.1\r\n\r\n");
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	http1_tunnel(&p);
	assert_int_equal(http1_step(&p, &in), HTTP1_TUNNEL);
	assert_int_equal(in.len, 18);
	assert_int_equal(http1_step(&p, &in), HTTP1_TUNNEL);
	assert_false(http1_is_between(&p));
	http1_kill(&p, HTTP1_GIVEN_UP);
	assert_int_equal(http1_step(&p, &in), HTTP1_DEAD);
	http1_tunnel(&p);
	assert_int_equal(http1_step(&p, &in), HTTP1_DEAD);
}

static void test_http1_line_empty_input_may_be_null(void **state)
{
	static const char *const stops[] = { "",
					     "\r",
					     "GET",
					     "GET / HTTP/1.1\r\n",
					     "A",
					     ": b\r\n",
					     "Transfer-Encoding: chunked\r\n\r",
					     "\n",
					     "5",
					     ";a\r",
					     "\nhe",
					     "llo\r",
					     "\n0\r\n",
					     "T: ",
					     "u\r\n\r" };
	struct http1 p;

	(void)state;
	http1_init_request(&p);
	http1_lend(&p, line, sizeof(line));
	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		struct bytes in = bytes_from_str(i == 1 ? "" : stops[i]);
		struct bytes none = { NULL, 0 };

		while (http1_step(&p, &in) != HTTP1_NEED_MORE)
			assert_int_equal(p.reason, HTTP1_ALIVE);
		assert_int_equal(http1_step(&p, &none), HTTP1_NEED_MORE);
	}
	assert_false(http1_is_between(&p));
}

/* By the lengths of their names; what frames is heard all the same. */
static void test_http1_line_tells_the_headers_that_are_asked_for(void **state)
{
	struct bytes in = BYTES("POST / HTTP/1.1\r\nHost: a\r\nAccept: b\r\nContent-Length: 1\r\n"
				"X-A-Name-Of-Thirty-One-Letters-: c\r\n\r\n!");

	(void)state;
	http1_run_init(&run, false, NULL, NULL, 0);
	http1_tell(&run.p, HTTP1_TELL(4) | HTTP1_TELL(40) | HTTP1_TELL_CLOSING);
	http1_run_pieces(&run, in, 0, in.len);
	assert_string_equal(run.log, "S POST / 11\n"
				     "H Host=a\n"
				     "H X-A-Name-Of-Thirty-One-Letters-=c\n"
				     "C 92 len=1\n"
				     "E 94\n"
				     "M 95 1\n");
}

static void test_http1_line_tells_of_the_closing_who_asks(void **state)
{
	struct bytes in = BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n");

	(void)state;
	for (size_t piece = 1; piece <= in.len; piece++) {
		http1_run_init(&run, false, NULL, line, sizeof(line));
		http1_tell(&run.p, HTTP1_TELL(4));
		http1_run_pieces(&run, in, 0, piece);
		assert_string_equal(run.log, "S GET / 11\nH Host=a\nE 27\nM 27 0\n"
					     "S GET /b 11\nE 46\nM 46 0\n");
	}
}

/* That a target was cut says nothing of the headers behind it. */
static void test_http1_line_cut_target_does_not_cut_headers(void **state)
{
	struct bytes in = repeat("GET /", 'a', 100, " HTTP/1.1\r\nContent-Length: 0\r\n\r\n");

	(void)state;
	http1_run_init(&run, false, NULL, line, HTTP1_LINE_MIN);
	http1_run_pieces(&run, in, 100, in.len);
	assert_non_null(strstr(run.log, "cut\nH Content-Length=0\nC "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_line_tells_the_headers_that_are_asked_for),
		cmocka_unit_test(test_http1_line_tells_of_the_closing_who_asks),
		cmocka_unit_test(test_http1_line_cut_target_does_not_cut_headers),
		cmocka_unit_test(test_http1_line_state_is_small_and_has_no_pointer_to_itself),
		cmocka_unit_test(test_http1_line_whole_in_the_input_is_not_copied),
		cmocka_unit_test(test_http1_line_of_a_whole_head_needs_no_buffer),
		cmocka_unit_test(
			test_http1_line_needs_a_buffer_when_cut_and_takes_nothing_until_lent),
		cmocka_unit_test(test_http1_line_dead_parser_gives_the_buffer_back),
		cmocka_unit_test(test_http1_line_of_any_length_is_whole_if_it_is_not_cut),
		cmocka_unit_test(test_http1_line_head_of_many_lines_is_understood),
		cmocka_unit_test(test_http1_line_too_long_header_keeps_its_beginning),
		cmocka_unit_test(
			test_http1_line_too_long_target_keeps_method_beginning_and_version),
		cmocka_unit_test(test_http1_line_too_long_and_not_a_request_is_dead),
		cmocka_unit_test(test_http1_line_too_long_status_text_is_no_loss),
		cmocka_unit_test(test_http1_line_too_long_framing_header_is_dead),
		cmocka_unit_test(test_http1_line_folds_until_the_buffer_is_full),
		cmocka_unit_test(test_http1_line_ahead_leaves_the_kept_line_alone),
		cmocka_unit_test(test_http1_line_copy_can_be_adopted),
		cmocka_unit_test(test_http1_line_end_of_stream_is_told_by_what_it_ends),
		cmocka_unit_test(test_http1_line_tunnel_takes_nothing_and_stays),
		cmocka_unit_test(test_http1_line_empty_input_may_be_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
