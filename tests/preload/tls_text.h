/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_TEXT_H
#define TLS_TEXT_H
/* Requests that hosts write by TLS, and what may have become of them on the way. */
#include "http_ends.h"

static const char simple[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
static const char two[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: b\r\n\r\n";

static const char line[] = "traceparent: 00-";
#define LINE (13 + 55 + 2)

/* What came is the beginning of text, and whole lines of ours, each ahead of a head's end. */
static inline size_t compare(const char *got, size_t len, const char *text, size_t want,
			     unsigned *ret_lines)
{
	size_t at = 0;

	*ret_lines = 0;
	for (size_t i = 0; i < len;) {
		if (len - i >= LINE + 2 && memcmp(got + i, line, sizeof(line) - 1) == 0 &&
		    memcmp(got + i + LINE - 2, "\r\n\r\n", 4) == 0) {
			i += LINE;
			++*ret_lines;
			continue;
		}
		if (len - i < LINE + 2 && at < want && got[i] != text[at])
			return at; /* part of a line */
		CHECK(at < want && got[i] == text[at]);
		i++;
		at++;
	}
	return at;
}

#endif
