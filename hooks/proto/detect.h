/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DETECT_H
#define DETECT_H
/*
 * What do the first bytes of a stream speak?  Decided within DETECT_MAX bytes.
 *
 * It is a filter, not a proof: "GET x" of memcached passes for a request, and http1.c kills it at
 * the end of its line.  Any thread, async-signal-safe.
 */
#include <stdint.h>

#include "bytes.h"

#define DETECT_MAX 32 /* blank lines, the longest method that we believe in (24), a space */

enum detect_result {
	DETECT_MORE, /* every byte so far fits more than one answer, or one that is not complete */
	DETECT_HTTP1_REQUEST,  /* a token and a space */
	DETECT_HTTP1_RESPONSE, /* "HTTP/1." */
	DETECT_HTTP2,          /* "PRI * HTTP/2", the connection preface: by the client only */
	DETECT_TLS,            /* a handshake or alert record */
	DETECT_OPAQUE,
};

/* Zeroed: nothing seen yet. */
struct detect {
	uint8_t seen;      /* bytes */
	uint8_t blank;     /* CR and LF before the first other byte */
	uint8_t ruled_out; /* bits 1 << enum detect_result */
	uint8_t result;    /* enum detect_result */
};

/* Goes on with the next bytes of the stream.  The answer, once given, stays. */
enum detect_result detect_step(struct detect *d, struct bytes in);

/* For those who have the first bytes in one piece. */
static inline enum detect_result detect_bytes(struct bytes first)
{
	struct detect d = { 0 };

	return detect_step(&d, first);
}

#endif
