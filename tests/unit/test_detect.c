/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "detect.h"

#define ROW(name, in, want, bytes)                        \
	{                                                 \
		name, { in, sizeof(in) - 1 }, want, bytes \
	}

/* bytes: how many are needed for the answer; 0: all of them are not enough. */
static const struct row {
	const char *name;
	struct bytes in;
	enum detect_result want;
	size_t bytes;
} rows[] = {
	ROW("nothing", "", DETECT_MORE, 0),
	ROW("get", "GET / HTTP/1.1\r\n", DETECT_HTTP1_REQUEST, 4),
	ROW("a method of 24", "ABCDEFGHIJKLMNOPQRSTUVWX /", DETECT_HTTP1_REQUEST, 25),
	ROW("a method of 25", "ABCDEFGHIJKLMNOPQRSTUVWXY /", DETECT_OPAQUE, 25),
	ROW("any token", "m-search'!#$%&*+.^_`|~9 *", DETECT_HTTP1_REQUEST, 24),
	ROW("not yet", "GET", DETECT_MORE, 0),
	ROW("blank lines before", "\r\n\nPUT /", DETECT_HTTP1_REQUEST, 7),
	ROW("blank lines without end", "\r\n\r\n\r\n\r\n", DETECT_OPAQUE, 7),
	ROW("P", "P /", DETECT_HTTP1_REQUEST, 2),
	ROW("PR", "PR /", DETECT_HTTP1_REQUEST, 3),
	ROW("PRI alone is nothing", "PRI /x HTTP/1.1", DETECT_OPAQUE, 5),
	ROW("PRIX", "PRIX / HTTP/1.1", DETECT_HTTP1_REQUEST, 5),
	ROW("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", DETECT_HTTP2, 12),
	ROW("nearly", "PRI * HTTP/1.1\r\n", DETECT_OPAQUE, 12),
	ROW("response", "HTTP/1.1 200 OK\r\n", DETECT_HTTP1_RESPONSE, 7),
	ROW("response of 2", "HTTP/2 200 OK\r\n", DETECT_OPAQUE, 6),
	ROW("HTTP as a method", "HTTP / HTTP/1.1", DETECT_HTTP1_REQUEST, 5),
	ROW("TLS 1.0 record", "\x16\x03\x01\x02\x00\x01", DETECT_TLS, 3),
	ROW("TLS 1.2 record", "\x16\x03\x03", DETECT_TLS, 3),
	ROW("TLS alert", "\x15\x03\x03", DETECT_TLS, 3),
	ROW("not TLS", "\x16\x02\x03", DETECT_OPAQUE, 2),
	ROW("not TLS either", "\x16\x03\x05", DETECT_OPAQUE, 3),
	ROW("TLS not yet", "\x16\x03", DETECT_MORE, 0),
	ROW("PostgreSQL start-up", "\0\0\0\x08\x04\xd2\x16\x2f", DETECT_OPAQUE, 1),
	ROW("redis", "*1\r\n$4\r\nPING\r\n", DETECT_OPAQUE, 3),
	ROW("ssh", "SSH-2.0-OpenSSH_9.2\r\n", DETECT_OPAQUE, 20),
	ROW("a space first", " GET /", DETECT_OPAQUE, 1),
	ROW("one word and a line end", "PING\r\n", DETECT_OPAQUE, 5),
	ROW("a colon", "Host: x", DETECT_OPAQUE, 5),
	ROW("smtp's greeting is nothing that http1.c would not kill", "220 mail",
	    DETECT_HTTP1_REQUEST, 4),
};

static void test_detect_decides_within_few_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		for (size_t n = 0; n <= r->in.len; n++) {
			enum detect_result got = detect_bytes((struct bytes){ r->in.ptr, n });
			enum detect_result want = r->bytes && n >= r->bytes ? r->want : DETECT_MORE;

			if (got != want)
				fail_msg("%s, %zu bytes: %d", r->name, n, (int)got);
		}
	}
}

static void test_detect_is_same_however_the_bytes_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t piece = 1; piece <= rows[i].in.len; piece++) {
			struct detect d = { 0 };
			enum detect_result got = DETECT_MORE;
			struct bytes rest = rows[i].in;

			while (rest.len) {
				struct bytes in = { rest.ptr, piece < rest.len ? piece : rest.len };

				got = detect_step(&d, in);
				rest = bytes_skip(rest, in.len);
			}
			if (got != rows[i].want)
				fail_msg("%s, pieces of %zu: %d", rows[i].name, piece, (int)got);
		}
	}
}

static void test_detect_never_needs_more_than_it_says(void **state)
{
	static const char begins[] = "\r\nGPRI \x16\x03*HTTP/2.1";
	char in[DETECT_MAX];

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		for (size_t k = 0; k < sizeof(in); k++)
			in[k] = begins[(size_t)rand() % (sizeof(begins) - 1)];
		assert_int_not_equal(detect_bytes((struct bytes){ in, sizeof(in) }), DETECT_MORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detect_decides_within_few_bytes),
		cmocka_unit_test(test_detect_is_same_however_the_bytes_come),
		cmocka_unit_test(test_detect_never_needs_more_than_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
