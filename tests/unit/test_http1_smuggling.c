/* SPDX-License-Identifier: Apache-2.0 */
/* What two servers could read differently, or what none has to understand, is never guessed at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1_rows.h"

#define POST "POST / HTTP/1.1\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define SAYS_POST "S POST / 11\n"
#define SAYS_CHUNKED SAYS_POST "H Transfer-Encoding=chunked\nC 45 chunked\nE 47\n"

static const struct http1_row start_lines[] = {
	REQUEST("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "D HTTP/2\n"),
	REQUEST("HTTP/2 with another method", "GET / HTTP/2.0\r\n", "D malformed\n"),
	REQUEST("HTTP/0.9", "GET /\r\n", "D malformed\n"),
	REQUEST("one word", "PING\r\n", "D malformed\n"),
	REQUEST("TLS", "\x16\x03\x01\x02", "D malformed\n"),
	REQUEST("begins with a blank", " GET / HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("no token", "G(T / HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("two spaces", "GET  / HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("a tab", "GET\t/ HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("a space in the target", "GET /a b HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("a control in the target", "GET /aaaaaaaaaaaaaaa\x7f HTTP/1.1\r\n",
		"D malformed\n"),
	REQUEST("a NUL in the target", "GET /\0 HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("no target", "GET HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("an empty target", "GET  HTTP/1.1\r\n", "D malformed\n"),
	REQUEST("a space at the end", "GET / HTTP/1.1 \r\n", "D malformed\n"),
	REQUEST("two digits of version", "GET / HTTP/1.11\r\n", "D malformed\n"),
	REQUEST("lower case", "GET / http/1.1\r\n", "D malformed\n"),
	REQUEST("a CR without LF", "GET / HTTP/1.1\rHost: a\r\n", "D malformed\n"),
	REQUEST("two CR", "GET / HTTP/1.1\r\r\n", "D malformed\n"),
	REQUEST("a CR before the line, without LF", "\rGET / HTTP/1.1\r\n", "D malformed\n"),
};

static const struct http1_row headers[] = {
	REQUEST("a blank before the colon", POST "Content-Length : 5\r\n\r\n",
		SAYS_POST "D malformed\n"),
	REQUEST("a tab before the colon", POST "Host\t: 5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("a blank in the name", POST "A B: 5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("a control in the name", POST "Transfer-Encoding\x0b: chunked\r\n\r\n",
		SAYS_POST "D malformed\n"),
	REQUEST("a NUL in the name", POST "Host\0: a\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("a high byte in the name", POST "Content-Length\xa0: 5\r\n\r\n",
		SAYS_POST "D malformed\n"),
	REQUEST("no name", POST ": 5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("no colon", POST "Host\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("a NUL in a value", POST "Host: a\0b\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("a NUL at the end of a long value", POST "Host: 0123456789abcdef\0\r\n\r\n",
		SAYS_POST "D malformed\n"),
	REQUEST("a CR in a value", POST "Host: a\rContent-Length: 5\r\n\r\n",
		SAYS_POST "D malformed\n"),
	REQUEST("two CR at the end", POST "Host: a\r\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("a CR without LF ends the head", POST "A: b\r\n\rx",
		SAYS_POST "H A=b\nC 23\nD malformed\n"),
};

static const struct http1_row lengths[] = {
	REQUEST("different", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
		SAYS_POST "H Content-Length=5\nD smuggling\n"),
	REQUEST("different in a list", POST "Content-Length: 5, 6\r\n\r\n",
		SAYS_POST "D smuggling\n"),
	REQUEST("0 and 1", POST "Content-Length: 0\r\nContent-Length: 1\r\n\r\n",
		SAYS_POST "H Content-Length=0\nD smuggling\n"),
	REQUEST("plus", POST "Content-Length: +5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("minus", POST "Content-Length: -5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("hexadecimal", POST "Content-Length: 0x5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("two numbers", POST "Content-Length: 5 5\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("empty", POST "Content-Length:\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("empty in a list", POST "Content-Length: 5,\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("quoted", POST "Content-Length: \"5\"\r\n\r\n", SAYS_POST "D malformed\n"),
	REQUEST("2^63 - 1 is the last", POST "Content-Length: 9223372036854775807\r\n\r\n",
		SAYS_POST "H Content-Length=9223372036854775807\nC 54 len=9223372036854775807\n"
			  "E 56\ncut\n"),
	REQUEST("2^63", POST "Content-Length: 9223372036854775808\r\n\r\n",
		SAYS_POST "D malformed\n"),
	REQUEST("2^64 + 5", POST "Content-Length: 18446744073709551621\r\n\r\n",
		SAYS_POST "D malformed\n"),
};

static const struct http1_row codings[] = {
	REQUEST("length, then coding",
		POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		SAYS_POST "H Content-Length=5\nH Transfer-Encoding=chunked\nD smuggling\n"),
	REQUEST("coding, then length",
		POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=chunked\nH Content-Length=0\nD smuggling\n"),
	REQUEST("not chunked", POST "Transfer-Encoding: gzip\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=gzip\nD smuggling\n"),
	REQUEST("identity", POST "Transfer-Encoding: identity\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=identity\nD smuggling\n"),
	REQUEST("chunked is not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=chunked, gzip\nD smuggling\n"),
	REQUEST("twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=chunked, chunked\nD smuggling\n"),
	REQUEST("twice, on two lines",
		POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
		SAYS_POST
		"H Transfer-Encoding=chunked\nH Transfer-Encoding=identity\nD smuggling\n"),
	REQUEST("with a parameter", POST "Transfer-Encoding: chunked;a=b\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=chunked;a=b\nD smuggling\n"),
	REQUEST("in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=\"chunked\"\nD smuggling\n"),
	REQUEST("in a quoted parameter", POST "Transfer-Encoding: a;b=\"c,chunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=a;b=\"c,chunked\nD smuggling\n"),
	REQUEST("behind a control",
		POST "Transfer-Encoding: \x0b"
		     "chunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=\x0b"
			  "chunked\nD smuggling\n"),
	REQUEST("behind a blank", POST "Transfer-Encoding: x chunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=x chunked\nD smuggling\n"),
	REQUEST("nearly", POST "Transfer-Encoding: xchunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=xchunked\nD smuggling\n"),
	REQUEST("a parameter of nothing", POST "Transfer-Encoding: ;a=b, chunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=;a=b, chunked\nD smuggling\n"),
	REQUEST("empty", POST "Transfer-Encoding:\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=\nD smuggling\n"),
	REQUEST("empty before chunked",
		POST "Transfer-Encoding: ,\r\nTransfer-Encoding: chunked\r\n\r\n",
		SAYS_POST "H Transfer-Encoding=,\nH Transfer-Encoding=chunked\nD smuggling\n"),
	REQUEST("in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		"S POST / 10\nH Transfer-Encoding=chunked\nD smuggling\n"),
	REQUEST("CONNECT with a body", "CONNECT h:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\na",
		"S CONNECT h:1 11\nH Content-Length=1\nD smuggling\n"),
	REQUEST("CONNECT with a length of 0", "CONNECT h:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"S CONNECT h:1 11\nH Content-Length=0\nC 41 len=0 connect\nE 43\nM 43 "
		"0\nbetween\n"),
};

static const struct http1_row chunks[] = {
	REQUEST("no size", CHUNKED "\r\nhello", SAYS_CHUNKED "D malformed\n"),
	REQUEST("no second size", CHUNKED "1\r\na\r\n\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("no digit", CHUNKED "g\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("minus", CHUNKED "-1\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("0x", CHUNKED "0x1\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("an extension alone", CHUNKED ";a\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("a blank before", CHUNKED " 1\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("2^63 - 1 is the last", CHUNKED "07fffffffffffffff\r\na", SAYS_CHUNKED "cut\n"),
	REQUEST("2^63", CHUNKED "8000000000000000\r\n", SAYS_CHUNKED "D smuggling\n"),
	REQUEST("2^64 + 1", CHUNKED "10000000000000001\r\n", SAYS_CHUNKED "D smuggling\n"),
	REQUEST("a CR without LF behind the size", CHUNKED "1\ra\r\n",
		SAYS_CHUNKED "D malformed\n"),
	REQUEST("a bare LF ends an extension", CHUNKED "1;a\nb\r\n", SAYS_CHUNKED "D smuggling\n"),
	REQUEST("a bare LF behind a blank", CHUNKED "1 \na\r\n", SAYS_CHUNKED "D smuggling\n"),
	REQUEST("a CR in an extension", CHUNKED "1;a\rb\r\n", SAYS_CHUNKED "D smuggling\n"),
	REQUEST("a bare LF ends the data", CHUNKED "1\r\na\n0\r\n\r\n",
		SAYS_CHUNKED "D smuggling\n"),
	REQUEST("data longer than its size", CHUNKED "1\r\nab\r\n", SAYS_CHUNKED "D smuggling\n"),
	REQUEST("a CR without LF behind the data", CHUNKED "1\r\na\r0\r\n",
		SAYS_CHUNKED "D smuggling\n"),
	REQUEST("a CR in a trailer", CHUNKED "0\r\na\rb\r\n\r\n", SAYS_CHUNKED "D malformed\n"),
	REQUEST("a CR without LF ends the trailers", CHUNKED "0\r\n\rx",
		SAYS_CHUNKED "D malformed\n"),
};

static const struct table {
	const struct http1_row *rows;
	size_t n;
} tables[] = {
	{ start_lines, ARRAY_LEN(start_lines) }, { headers, ARRAY_LEN(headers) },
	{ lengths, ARRAY_LEN(lengths) },         { codings, ARRAY_LEN(codings) },
	{ chunks, ARRAY_LEN(chunks) },
};

static void for_all(void (*check)(const struct http1_row *row))
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++)
			check(&tables[t].rows[i]);
}

static void test_http1_smuggling_is_same_at_every_split(void **state)
{
	(void)state;
	for_all(http1_row_check);
}

static void test_http1_smuggling_can_be_parsed_ahead(void **state)
{
	(void)state;
	for_all(http1_row_check_ahead);
}

/* Death comes before the empty line is told: nothing was inserted into what is ambiguous. */
static void test_http1_smuggling_is_seen_before_the_head_closes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codings); i++)
		if (strstr(codings[i].want, "D smuggling"))
			assert_null(strstr(codings[i].want, "\nC "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_smuggling_is_same_at_every_split),
		cmocka_unit_test(test_http1_smuggling_can_be_parsed_ahead),
		cmocka_unit_test(test_http1_smuggling_is_seen_before_the_head_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
