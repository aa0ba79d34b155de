/* SPDX-License-Identifier: Apache-2.0 */
/* What a response is, and where it ends: that depends on the request it answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1_rows.h"

/* The second column: what is answered.  G: any method, H: HEAD, C: CONNECT. */
static const struct http1_row starts[] = {
	RESPONSE("length", "G", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		 "S 200 11\nH Content-Length=5\nC 36 len=5\nE 38\nM 43 5\nbetween\n"),
	RESPONSE("no text, no space", "G", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
		 "S 200 11\nH Content-Length=0\nC 33 len=0\nE 35\nM 35 0\nbetween\n"),
	RESPONSE("no text, a space", "G", "HTTP/1.0 404 \nContent-Length: 0\n\n",
		 "S 404 10\nH Content-Length=0\nC 32 len=0 close\nE 33\nM 33 0\nbetween\n"),
	RESPONSE("text of any byte but two", "G",
		 "HTTP/1.1 999 \t\x01\xff 200\r\nContent-Length: 0\r\n\r\n",
		 "S 999 11\nH Content-Length=0\nC 41 len=0\nE 43\nM 43 0\nbetween\n"),
	RESPONSE("1.0 keep-alive", "G",
		 "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
		 "S 200 10\nH Connection=keep-alive\nH Content-Length=1\nC 60 len=1\nE 62\nM 63 1\n"
		 "between\n"),
	RESPONSE("folded", "G", "HTTP/1.1 204 \r\nA: b\r\n c\r\n\r\n",
		 "S 204 11\nH A=b c\nC 25\nE 27\nM 27 0\nbetween\n"),
};

static const struct http1_row bodyless[] = {
	RESPONSE("HEAD with length", "HG",
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n"
		 "Content-Length: 1\r\n\r\na",
		 "S 200 11\nH Content-Length=5\nC 36 len=0\nE 38\nM 38 0\n"
		 "S 200 11\nH Content-Length=1\nC 74 len=1\nE 76\nM 77 1\nbetween\n"),
	RESPONSE("HEAD, chunked", "HG",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		 "S 200 11\nH Transfer-Encoding=chunked\nC 45 chunked\nE 47\nM 47 0\n"
		 "S 204 11\nC 64\nE 66\nM 66 0\nbetween\n"),
	RESPONSE("HEAD without either", "HG", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		 "S 200 11\nC 17\nE 19\nM 19 0\nS 204 11\nC 36\nE 38\nM 38 0\nbetween\n"),
	RESPONSE("304 with length", "GG",
		 "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 N\r\n\r\n",
		 "S 304 11\nH Content-Length=5\nC 35 len=0\nE 37\nM 37 0\n"
		 "S 304 11\nC 53\nE 55\nM 55 0\nbetween\n"),
	RESPONSE("304, chunked", "G", "HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "S 304 11\nH Transfer-Encoding=chunked\nC 44 chunked\nE 46\nM 46 0\nbetween\n"),
	RESPONSE("204", "GG", "HTTP/1.1 204 N\r\n\r\nHTTP/1.1 204 N\r\n\r\n",
		 "S 204 11\nC 16\nE 18\nM 18 0\nS 204 11\nC 34\nE 36\nM 36 0\nbetween\n"),
	RESPONSE("204 with a body all the same", "G",
		 "HTTP/1.1 204 N\r\nContent-Length: 2\r\n\r\n{}",
		 "S 204 11\nH Content-Length=2\nC 35 len=0\nE 37\nM 37 0\nD malformed\n"),
	RESPONSE("HEAD with both: neither frames", "H",
		 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "S 200 11\nH Content-Length=5\nH Transfer-Encoding=chunked\nC 64 len=0 chunked\n"
		 "E 66\nM 66 0\nbetween\n"),
};

static const struct http1_row interim[] = {
	RESPONSE("100, then the answer", "G",
		 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
		 "S 100 11\nC 23\nE 25\nS 200 11\nH Content-Length=1\nC 61 len=1\nE 63\nM 64 1\n"
		 "between\n"),
	RESPONSE("103 with headers, 102, then HEAD's answer", "H",
		 "HTTP/1.1 103 E\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\nContent-Length: 7\r\n\r\n"
		 "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
		 "S 103 11\nH Link=</a>\nC 28\nE 30\nS 102 11\nH Content-Length=7\nC 65 len=0\nE "
		 "67\n"
		 "S 200 11\nH Content-Length=7\nC 103 len=0\nE 105\nM 105 0\nbetween\n"),
	RESPONSE("an interim one before CONNECT's", "C",
		 "HTTP/1.1 199 X\r\n\r\nHTTP/1.1 200 OK\r\n\r\n\x16\x03\x01",
		 "S 199 11\nC 16\nE 18\nS 200 11\nC 35\nE 37\nT 37\n"),
	RESPONSE("upgraded", "G",
		 "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x05hello",
		 "S 101 11\nH Upgrade=websocket\nH Connection=upgrade\nC 57 up\nE 59\nT 59\n"),
	RESPONSE("upgrade refused stays HTTP", "GG",
		 "HTTP/1.1 426 U\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\naHTTP/1.1 204 "
		 "N\r\n\r\n",
		 "S 426 11\nH Upgrade=h2c\nH Content-Length=1\nC 49 len=1 up\nE 51\nM 52 1\n"
		 "S 204 11\nC 68\nE 70\nM 70 0\nbetween\n"),
	RESPONSE("CONNECT granted: headers frame nothing", "C",
		 "HTTP/1.1 299 X\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
		 "S 299 11\nH Content-Length=3\nH Transfer-Encoding=chunked\nC 63 len=0 chunked\n"
		 "E 65\nT 65\n"),
	RESPONSE("CONNECT refused", "CG",
		 "HTTP/1.1 407 P\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 204 N\r\n\r\n",
		 "S 407 11\nH Content-Length=2\nC 35 len=2\nE 37\nM 39 2\n"
		 "S 204 11\nC 55\nE 57\nM 57 0\nbetween\n"),
};

static const struct http1_row bodies[] = {
	RESPONSE("until close", "G", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		 "S 200 11\nH A=b\nC 23 close\nE 25\nclosed\n"),
	RESPONSE("until close, nothing comes", "G", "HTTP/1.0 200 OK\n\n",
		 "S 200 10\nC 16 close\nE 17\nclosed\n"),
	RESPONSE("coded but not chunked: until close", "G",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz",
		 "S 200 11\nH Transfer-Encoding=gzip\nC 42 close\nE 44\nclosed\n"),
	RESPONSE("cut in a chunk", "G",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "fFf\r\n" /* 4095 bytes would follow */,
		 "S 200 11\nH Transfer-Encoding=chunked\nC 45 chunked\nE 47\ncut\n"),
	RESPONSE("cut in trailers", "G",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
		 "S 200 11\nH Transfer-Encoding=chunked\nC 45 chunked\nE 47\ncut\n"),
};

static const struct http1_row sequences[] = {
	RESPONSE("five in one read", "GHGGG",
		 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
		 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: u\r\n\r\n"
		 "HTTP/1.1 304 N\r\n\r\n"
		 "HTTP/1.1 500 E\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
		 "S 200 11\nH Content-Length=2\nC 36 len=2\nE 38\nM 40 2\n"
		 "S 200 11\nH Content-Length=2\nC 76 len=0\nE 78\nM 78 0\n"
		 "S 200 11\nH Transfer-Encoding=chunked\nC 123 chunked\nE 125\nM 142 1\n"
		 "S 304 11\nC 158\nE 160\nM 160 0\n"
		 "S 500 11\nH Connection=close\nH Content-Length=1\nC 214 len=1 close\nE 216\nM "
		 "217 1\n"
		 "between\n"),
	RESPONSE("a line end too many between", "GG",
		 "HTTP/1.1 204 N\r\n\r\n\r\n\nHTTP/1.1 204 N\r\n\r\n",
		 "S 204 11\nC 16\nE 18\nM 18 0\nS 204 11\nC 37\nE 39\nM 39 0\nbetween\n"),
};

static const struct http1_row dead[] = {
	RESPONSE("not HTTP", "G", "220 smtp\r\n", "D malformed\n"),
	RESPONSE("lower case", "G", "http/1.1 200 OK\r\n", "D malformed\n"),
	RESPONSE("HTTP/2", "G", "HTTP/2.0 200 OK\r\n", "D malformed\n"),
	RESPONSE("two digits of version", "G", "HTTP/1.11 200 OK\r\n", "D malformed\n"),
	RESPONSE("two digits of status", "G", "HTTP/1.1 20 OK\r\n", "D malformed\n"),
	RESPONSE("four digits of status", "G", "HTTP/1.1 2000 OK\r\n", "D malformed\n"),
	RESPONSE("status below 100", "G", "HTTP/1.1 099 OK\r\n", "D malformed\n"),
	RESPONSE("no status", "G", "HTTP/1.1\r\n\r\n", "D malformed\n"),
	RESPONSE("two spaces", "G", "HTTP/1.1  200 OK\r\n", "D malformed\n"),
	RESPONSE("NUL in the text", "G", "HTTP/1.1 200 O\0K\r\n", "D malformed\n"),
	RESPONSE("both", "G",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		 "S 200 11\nH Transfer-Encoding=chunked\nH Content-Length=5\nD smuggling\n"),
	RESPONSE("coded in 1.0", "G", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		 "S 200 10\nH Transfer-Encoding=chunked\nD smuggling\n"),
	RESPONSE("chunked is not last", "G",
		 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
		 "S 200 11\nH Transfer-Encoding=chunked, gzip\nD smuggling\n"),
	RESPONSE("bytes behind the last response that are none", "G",
		 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
		 "S 200 11\nH Content-Length=1\nC 36 len=1\nE 38\nM 39 1\nD malformed\n"),
};

static const struct table {
	const struct http1_row *rows;
	size_t n;
} tables[] = {
	{ starts, ARRAY_LEN(starts) },       { bodyless, ARRAY_LEN(bodyless) },
	{ interim, ARRAY_LEN(interim) },     { bodies, ARRAY_LEN(bodies) },
	{ sequences, ARRAY_LEN(sequences) }, { dead, ARRAY_LEN(dead) },
};

static void for_all(void (*check)(const struct http1_row *row))
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++)
			check(&tables[t].rows[i]);
}

static void test_http1_response_is_same_at_every_split(void **state)
{
	(void)state;
	for_all(http1_row_check);
}

static void test_http1_response_can_be_parsed_ahead(void **state)
{
	(void)state;
	for_all(http1_row_check_ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_response_is_same_at_every_split),
		cmocka_unit_test(test_http1_response_can_be_parsed_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
