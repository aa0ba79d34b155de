/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_H
#define TLS_H
/*
 * Connections whose bytes are ciphertext, and the sessions of TLS libraries that know the
 * plaintext.
 *
 * They find each other by the client's random, 32 bytes that go over the wire in its first message
 * and that the library tells of its session: so it does not matter whether the library moves the
 * bytes by a descriptor, by functions of the application's, or in memory from where the application
 * moves them, nor which thread does it, nor what else is read and written meanwhile.  A random that
 * two connections of one role carry (a proxy that hands ciphertext on to itself) finds neither.
 *
 * Sessions are known by their address.  One that is freed where no hook sees it, and another one
 * that gets its address, has another random, which is looked at with every handshake.
 *
 * All functions: any thread, async-signal-safe, inside the guard, no errno.  A session is used by
 * one thread at a time, which is the library's rule already; two that come at once with a new one
 * find it whole all the same.
 */
#include <stdbool.h>
#include <stdint.h>

#include "conn.h"

enum tls_state {
	TLS_NEW,     /* no connection yet */
	TLS_BOUND,   /* its plaintext is that of a connection */
	TLS_IGNORED, /* nothing to see: not ours, not HTTP/1, not understood */
};

/* What the usual call needs is in one line of the cache. */
struct tls {
	_Alignas(64) uint64_t entry; /* of its connection */
	int fd;                      /* as conn_tls has it */
	uint8_t state;               /* enum tls_state */
	int8_t role;                 /* enum conn_role; -1: not known */
	bool is_established;
	bool is_passed; /* tls_write.h: a record of the application's own bytes is not out yet */
	uint32_t stage_index;
	uint32_t index;       /* of the pool */
	struct stage *stage;  /* bytes that are under way; NULL: none */
	const char *credited; /* the application's buffer, of which so many bytes are out, */
	size_t credit;        /* which it does not know of */
	uint8_t random[TLS_RANDOM];
};

/*
 * The session of that address, a new one if it is not known; NULL: no room, counted, or no session,
 * which OpenSSL from 3.2 on refuses with an error.
 */
struct tls *tls_of(const void *session);
void tls_forget(const void *session);

/*
 * Looks for the connection with that random.  role: what the session's side means for it; -1: not
 * known, then it must be the only one.  True: bound, or it was already.
 */
bool tls_bind(struct tls *t, const uint8_t random[static TLS_RANDOM], int role);

/* Nothing of it will be looked at any more, nor of its connection. */
void tls_ignore(struct tls *t);

/* It says that it will write no more. */
void tls_shut(struct tls *t);

/* For a call that is about to be made; empty: nothing to see. */
struct conn_token tls_look(struct tls *t, bool is_in);

/* What the handshake has come to, as far as it is known. */
struct tls_facts {
	uint16_t version;
	const char *cipher; /* NULL, or a name that is copied */
	bool is_http2;      /* the sides have agreed on it */
	bool is_gnutls;
};
void tls_established(struct tls *t, const struct tls_facts *facts);

/* --- for who sees ciphertext --- */

/* Some library has been used in this process; before that nobody waits for one. */
void tls_seen(void);

/* n bytes of a stream that begins with a TLS record; false: nobody will ever say what is in it. */
bool tls_hello(struct conn *c, int fd, const struct iovec *iov, size_t count, size_t n);

/* A call is about to be made on its descriptor. */
struct conn_token tls_look_outside(struct conn *c, int fd, bool is_in);

#endif
