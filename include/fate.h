/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FATE_H
#define FATE_H
/*
 * What was made of each connection of this process, by the number of its descriptor: for `interspan
 * doctor`, to be shown and never to be relied on.  Written when that changes, a few times in the
 * life of a connection, and never where bytes go by.
 *
 * It is kept in memory of our own, which a forked child gets a copy of, as it does of the
 * descriptors.  Where this process counts in the store (counts.h), the same lies there, too, so
 * that the exporter can tell it, whichever process of the tree that is in.  Any thread,
 * async-signal-safe.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "compiler.h"

#define FATE_FDS 1024u /* of higher numbers nothing is told */

enum fate {
	FATE_NONE,       /* no descriptor of a connection that we have seen begin */
	FATE_QUIET,      /* nothing that tells what it speaks */
	FATE_HTTP1,      /* traced */
	FATE_HTTP2,      /* passed through */
	FATE_POSTGRES,   /* traced by its bytes */
	FATE_LIBPQ,      /* traced by the calls of libpq */
	FATE_OPAQUE,     /* nothing that we know */
	FATE_LEFT,       /* began as HTTP/1 and went on as something else */
	FATE_TLS_WAITS,  /* a handshake; whose session it is is not known yet */
	FATE_TLS_UNREAD, /* nobody's whose plaintext is seen */
	FATE_BLIND,      /* given up */
	FATE_TELEMETRY,  /* never traced */
	FATE_UNTRACKED,  /* no memory */
	FATES
};

/* The byte: an enum fate, and these. */
#define FATE_WHAT 0x0fu
#define FATE_IN_TLS 0x10u /* of its plaintext */
#define FATE_GNUTLS 0x20u /* which GnuTLS brings, and not OpenSSL */
#define FATE_CLIENT 0x40u
#define FATE_UNEDITED 0x80u /* no line of ours goes into it */

_Static_assert(FATES <= FATE_WHAT + 1, "it fits");

extern _Atomic uint8_t fates[FATE_FDS];

static ALWAYS_INLINE uint8_t fate_of(int fd)
{
	return (unsigned)fd < FATE_FDS ? atomic_load_explicit(&fates[fd], memory_order_relaxed) : 0;
}

/* Out of line part of fate_set(). */
void fate_change(int fd, uint8_t fate);

static ALWAYS_INLINE void fate_set(int fd, uint8_t fate)
{
	if ((unsigned)fd < FATE_FDS && fate_of(fd) != fate)
		fate_change(fd, fate);
}

/* This process counts in the store from now on. */
void fates_move(void);

#endif
