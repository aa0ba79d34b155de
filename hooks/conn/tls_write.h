/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_WRITE_H
#define TLS_WRITE_H
/*
 * The door for plaintext that an application gives to a TLS library: write.h, under other rules.
 *
 * A library that could not send a record wants to be called again with the same bytes, and with the
 * same pointer to them unless the application has said that they may move; so bytes with lines of
 * ours among them lie where they stay until the library has taken them.  They are one record at
 * most: it takes that as a whole.  How much of the application's was taken is told when all of it
 * is out, or (partial) when any of it is; until then the application calls again, and what is out
 * already is remembered.
 *
 * If it never does, or comes with other bytes, nothing is owed to it: the library says what it
 * thinks of that, and the memory goes back with the session.
 */
#include "tls.h"

enum tls_sent {
	TLS_SENT,
	TLS_AGAIN,   /* nothing was taken */
	TLS_PENDING, /* a record is made, and waits to be sent: the same bytes must come again */
	TLS_FAILED,
};

struct tls_call {
	struct tls *tls;
	const char *buf; /* the application's */
	size_t len;      /* 0: a library that knows its bytes is told to go on */
	bool can_edit;
	bool is_partial; /* a part may be told */
	bool is_moving;  /* the bytes may lie elsewhere when they come again */
	/* The library's function, which may block, be cancelled, longjmp.  errno is its. */
	enum tls_sent (*send)(struct tls_call *call, const char *buf, size_t len, size_t *ret_n);
};

/*
 * Of a session with a connection as client.  TLS_SENT: *ret_n of the application's bytes; all else
 * is what the last call of send has said, and is to be told by what the library returned then.
 * Outside the guard.
 */
enum tls_sent tls_write(struct tls_call *call, size_t *ret_n);

/* Must a call be made by tls_write(), whatever has become of the connection? */
static inline bool tls_is_writing(const struct tls *t)
{
	return t->stage || t->credit;
}

/* The session ends; what is under way is no more. */
void tls_unstage(struct tls *t);

/* The library has made a record of the application's own bytes: they must come as they are. */
void tls_passed(struct tls *t, enum tls_sent how);

#endif
