/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGMENT_H
#define SEGMENT_H
/*
 * What goes to the kernel at once: pieces of the application's bytes, and ours between them or in
 * place of some.
 *
 *	app[0 .. at) + ours + app[at .. len)
 *	app[0 .. at) + ours + app[at + len of ours .. len)
 *
 * A write is one segment if it can be, so that another thread's bytes come ahead of it or behind it
 * as they do without us.  Only a vector that has no room left for our pieces makes it two.
 */
#include <sys/uio.h>

#include "ahead.h"

#define SEGMENT_PIECES 24u /* on the stack; more than that lie in the scratch */

struct segment_mark {
	uint16_t at;     /* index of a piece that is ours */
	bool is_instead; /* of as many bytes of the application */
};

struct segment {
	const struct iovec *vector; /* iov, or the scratch's, or part of the application's own */
	size_t count;
	size_t len;   /* of the application, those included that ours stand for */
	size_t ours;  /* bytes; bytes in all */
	size_t bytes; /* set where there are marks */
	uint8_t marks;
	struct segment_mark mark[EDITS_MAX];
	struct iovec iov[SEGMENT_PIECES];
};

/* Where in the application's vector we are. */
struct cursor {
	const struct io_call *call;
	size_t i;
	size_t skip; /* of piece i */
};

struct cursor cursor_at(const struct io_call *call, size_t offset);

/* At most len bytes that lie in one piece; empty: the end. */
struct iovec cursor_next(struct cursor *at, size_t len);

/*
 * The next segment of a call whose bytes from done on, len of them, are to be sent now; under the
 * half.  Edits that the bytes do not bear out are given up.  a NULL: not looked at; then only what
 * is owed is put in front.  No marks: nothing of ours is in it.
 */
void segment_fill(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
		  size_t len, const struct ahead *a);

/* The same without a connection. */
void segment_plain(struct segment *s, const struct io_call *call, size_t done, size_t len);

/*
 * Of n bytes that the kernel took, how many are the application's, and (*ret_ours) how many ours?
 * Those that stand for some of the application's are both.
 */
size_t segment_taken(const struct segment *s, size_t n, size_t *ret_ours);

/* So many bytes of ours are out. */
void segment_settle(struct edits *e, size_t ours);

#endif
