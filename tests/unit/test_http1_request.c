/* SPDX-License-Identifier: Apache-2.0 */
/* What a request is, and where it ends, at every split of the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http1_rows.h"

static const struct http1_row starts[] = {
	REQUEST("get", "GET / HTTP/1.1\r\n\r\n", "S GET / 11\nC 16\nE 18\nM 18 0\nbetween\n"),
	REQUEST("headers", "GET /a?b=c HTTP/1.1\r\nHost: h:8080\r\nX-Empty:\r\nX:\t v  \t\r\n\r\n",
		"S GET /a?b=c 11\nH Host=h:8080\nH X-Empty=\nH X=v\nC 55\nE 57\nM 57 0\nbetween\n"),
	REQUEST("any token is a method (H53)", "M-SEARCH!#$%&'*+.^_`|~9 * HTTP/1.1\r\n\r\n",
		"S M-SEARCH!#$%&'*+.^_`|~9 * 11\nC 36\nE 38\nM 38 0\nbetween\n"),
	REQUEST("methods are case-sensitive (H54)",
		"head /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
		"S head /x 11\nH Content-Length=2\nC 37 len=2\nE 39\nM 41 2\nbetween\n"),
	REQUEST("absolute form", "GET http://u:p@h:1/x?y HTTP/1.1\r\nHost: other\r\n\r\n",
		"S GET http://u:p@h:1/x?y 11\nH Host=other\nC 46\nE 48\nM 48 0\nbetween\n"),
	REQUEST("asterisk form", "OPTIONS * HTTP/1.1\r\n\r\n",
		"S OPTIONS * 11\nC 20\nE 22\nM 22 0\nbetween\n"),
	REQUEST("authority form", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
		"S CONNECT h:443 11\nH Host=h:443\nC 37 connect\nE 39\nM 39 0\nbetween\n"),
	REQUEST("bytes above 0x7f in the target", "GET /\xc3\xa9\xff HTTP/1.1\r\n\r\n",
		"S GET /\xc3\xa9\xff 11\nC 19\nE 21\nM 21 0\nbetween\n"),
	REQUEST("blank lines before", "\r\n\n\r\nGET / HTTP/1.1\r\n\r\n",
		"S GET / 11\nC 21\nE 23\nM 23 0\nbetween\n"),
	REQUEST("blank lines alone", "\r\n\r\n", "between\n"),
	REQUEST("a CR alone is not between", "\r", "cut\n"),
	REQUEST("bare LF", "GET / HTTP/1.1\nHost: h\nX: y\n\n",
		"S GET / 11\nH Host=h\nH X=y\nC 28\nE 29\nM 29 0\nbetween\n"),
	REQUEST("mixed line ends", "GET / HTTP/1.1\nHost: h\r\nX: y\n\r\n",
		"S GET / 11\nH Host=h\nH X=y\nC 29\nE 31\nM 31 0\nbetween\n"),
	REQUEST("1.0", "GET / HTTP/1.0\r\n\r\n", "S GET / 10\nC 16 close\nE 18\nM 18 0\nbetween\n"),
	REQUEST("1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n",
		"S GET / 10\nH Connection=x, Keep-Alive\nC 43\nE 45\nM 45 0\nbetween\n"),
	REQUEST("1.9 is read as 1.1", "GET / HTTP/1.9\r\n\r\n",
		"S GET / 19\nC 16\nE 18\nM 18 0\nbetween\n"),
	REQUEST("close", "GET / HTTP/1.1\r\ncOnnection: a , CLOSE\r\n\r\n",
		"S GET / 11\nH cOnnection=a , CLOSE\nC 39 close\nE 41\nM 41 0\nbetween\n"),
	REQUEST("close beats keep-alive",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
		"S GET / 10\nH Connection=keep-alive\nH Connection=close\nC 59 close\nE 61\nM 61 "
		"0\n"
		"between\n"),
	REQUEST("closed is not close", "GET / HTTP/1.1\r\nConnection: closed\r\n\r\n",
		"S GET / 11\nH Connection=closed\nC 36\nE 38\nM 38 0\nbetween\n"),
	REQUEST("header names that are sloppy but plain", "GET / HTTP/1.1\r\nX[1](a)@b: c\r\n\r\n",
		"S GET / 11\nH X[1](a)@b=c\nC 30\nE 32\nM 32 0\nbetween\n"),
	REQUEST("names and options that are nearly those that frame",
		"GET / HTTP/1.0\r\nXontent-Length: 5\r\nContent-Lengti: 5\r\nContentXLength: 5\r\n"
		"Xransfer-Encoding: chunked\r\nConnection: Xeep-alive, keep-alivX, clos\r\n\r\n",
		"S GET / 10\nH Xontent-Length=5\nH Content-Lengti=5\nH ContentXLength=5\n"
		"H Xransfer-Encoding=chunked\nH Connection=Xeep-alive, keep-alivX, clos\n"
		"C 143 close\nE 145\nM 145 0\nbetween\n"),
	REQUEST("values of any byte but two", "GET / HTTP/1.1\r\nX: \x01\x7f\x80\xff:\r\n\r\n",
		"S GET / 11\nH X=\x01\x7f\x80\xff:\nC 26\nE 28\nM 28 0\nbetween\n"),
};

static const struct http1_row bodies[] = {
	REQUEST("length", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		"S POST / 11\nH Content-Length=5\nC 36 len=5\nE 38\nM 43 5\nbetween\n"),
	REQUEST("length 0", "POST / HTTP/1.1\r\ncontent-length:0\r\n\r\n",
		"S POST / 11\nH content-length=0\nC 35 len=0\nE 37\nM 37 0\nbetween\n"),
	REQUEST("equal lengths",
		"PUT / HTTP/1.1\r\nContent-Length: 3, 03\r\nContent-Length: 3\r\n\r\nabc",
		"S PUT / 11\nH Content-Length=3, 03\nH Content-Length=3\nC 58 len=3\nE 60\nM 63 3\n"
		"between\n"),
	REQUEST("GET with a body", "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\r\n",
		"S GET / 11\nH Content-Length=2\nC 35 len=2\nE 37\nM 39 2\nbetween\n"),
	REQUEST("a body that looks like a request",
		"POST / HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"S POST / 11\nH Content-Length=18\nC 37 len=18\nE 39\nM 57 18\nbetween\n"),
	REQUEST("cut body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell",
		"S POST / 11\nH Content-Length=5\nC 36 len=5\nE 38\ncut\n"),
	REQUEST("cut head", "POST / HTTP/1.1\r\nContent-Len", "S POST / 11\ncut\n"),
	REQUEST("head cut behind a whole header", "GET / HTTP/1.1\r\nA: b\r\n",
		"S GET / 11\ncut\n"),
	REQUEST("head cut in its last line end", "GET / HTTP/1.1\r\n\r", "S GET / 11\nC 16\ncut\n"),
	REQUEST("chunked",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n",
		"S POST / 11\nH Transfer-Encoding=chunked\nC 45 chunked\nE 47\nM 79 15\nbetween\n"),
	REQUEST("chunks with extensions",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
		"2;a=b;c=\"d;e\"\r\nab\r\n1 \t;x\r\nc\r\n0;end\r\n\r\n",
		"S POST / 11\nH Transfer-Encoding=gzip, Chunked\nC 51 chunked\nE 53\nM 91 "
		"3\nbetween\n"),
	REQUEST("trailers",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"1\r\na\r\n0\r\nX: y\r\nContent-Length: 9\r\n z\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"S POST / 11\nH Transfer-Encoding=chunked\nC 45 chunked\nE 47\nM 87 1\n"
		"S GET / 11\nC 103\nE 105\nM 105 0\nbetween\n"),
	REQUEST("trailers with bare LF",
		"POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n"
		"1\na\r\n0\nX: y\n\n",
		"S POST / 11\nH Transfer-Encoding=chunked\nC 43 chunked\nE 44\nM 57 1\nbetween\n"),
	REQUEST("codings on two lines, empty elements",
		"POST / HTTP/1.1\r\nTransfer-Encoding: ,gzip;q=\t1,\r\nTransfer-Encoding: , "
		"chunked\r\n\r\n"
		"0\r\n\r\n",
		"S POST / 11\nH Transfer-Encoding=,gzip;q=\t1,\nH Transfer-Encoding=, chunked\n"
		"C 79 chunked\nE 81\nM 86 0\nbetween\n"),
	REQUEST("cut chunk", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
		"S POST / 11\nH Transfer-Encoding=chunked\nC 45 chunked\nE 47\ncut\n"),
	REQUEST("expect: the parser of requests does not wait",
		"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
		"S PUT / 11\nH Expect=100-continue\nH Content-Length=2\nC 57 len=2\nE 59\nM 61 2\n"
		"between\n"),
	REQUEST("upgrade is asked for, not decided",
		"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET / "
		"HTTP/1.1\r\n\r\n",
		"S GET / 11\nH Connection=Upgrade\nH Upgrade=websocket\nC 57 up\nE 59\nM 59 0\n"
		"S GET / 11\nC 75\nE 77\nM 77 0\nbetween\n"),
};

static const struct http1_row sequences[] = {
	REQUEST("five in one write",
		"GET /1 HTTP/1.1\r\n\r\n"
		"POST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
		"HEAD /3 HTTP/1.1\r\nA: b\r\n\r\n"
		"POST /4 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
		"GET /5 HTTP/1.0\r\n\r\n",
		"S GET /1 11\nC 17\nE 19\nM 19 0\n"
		"S POST /2 11\nH Content-Length=3\nC 56 len=3\nE 58\nM 61 3\n"
		"S HEAD /3 11\nH A=b\nC 85\nE 87\nM 87 0\n"
		"S POST /4 11\nH Transfer-Encoding=chunked\nC 133 chunked\nE 135\nM 147 2\n"
		"S GET /5 10\nC 164 close\nE 166\nM 166 0\nbetween\n"),
	REQUEST("a line end too many between",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na\r\n"
		"GET / HTTP/1.1\r\n\r\n",
		"S POST / 11\nH Content-Length=1\nC 36 len=1\nE 38\nM 39 1\n"
		"S GET / 11\nC 57\nE 59\nM 59 0\nbetween\n"),
	REQUEST("facts do not leak into the next message",
		"CONNECT h:1 HTTP/1.0\r\nUpgrade: a\r\nConnection: close\r\n\r\nGET / "
		"HTTP/1.1\r\n\r\n",
		"S CONNECT h:1 10\nH Upgrade=a\nH Connection=close\nC 53 close connect up\nE 55\nM "
		"55 0\n"
		"S GET / 11\nC 71\nE 73\nM 73 0\nbetween\n"),
};

static const struct http1_row folds[] = {
	REQUEST("folded", "GET / HTTP/1.1\r\nA: b\r\n  c\r\n\td \r\nE: f\r\n\r\n",
		"S GET / 11\nH A=b  c d\nH E=f\nC 38\nE 40\nM 40 0\nbetween\n"),
	REQUEST("folded last", "GET / HTTP/1.1\nA:\n b\n\n",
		"S GET / 11\nH A=b\nC 21\nE 22\nM 22 0\nbetween\n"),
	REQUEST("folded empty", "GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n",
		"S GET / 11\nH A=b\nC 25\nE 27\nM 27 0\nbetween\n"),
	REQUEST("folded before the colon", "GET / HTTP/1.1\r\nA\r\n : b\r\n\r\n",
		"S GET / 11\nD malformed\n"),
	REQUEST("folded length", "POST / HTTP/1.1\r\nContent-Length:\r\n 5\r\n\r\nhello",
		"S POST / 11\nD smuggling\n"),
	REQUEST("folded coding",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n \r\n\r\n0\r\n\r\n",
		"S POST / 11\nD smuggling\n"),
	REQUEST("folded connection", "GET / HTTP/1.1\r\nConnection: a,\r\n close\r\n\r\n",
		"S GET / 11\nD smuggling\n"),
	REQUEST("blank behind the start line", "GET / HTTP/1.1\r\n A: b\r\n\r\n",
		"S GET / 11\nD smuggling\n"),
};

static const struct table {
	const struct http1_row *rows;
	size_t n;
} tables[] = {
	{ starts, ARRAY_LEN(starts) },
	{ bodies, ARRAY_LEN(bodies) },
	{ sequences, ARRAY_LEN(sequences) },
	{ folds, ARRAY_LEN(folds) },
};

static void for_all(void (*check)(const struct http1_row *row))
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t].n; i++)
			check(&tables[t].rows[i]);
}

static void test_http1_request_is_same_at_every_split(void **state)
{
	(void)state;
	for_all(http1_row_check);
}

static void test_http1_request_can_be_parsed_ahead(void **state)
{
	(void)state;
	for_all(http1_row_check_ahead);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http1_request_is_same_at_every_split),
		cmocka_unit_test(test_http1_request_can_be_parsed_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
