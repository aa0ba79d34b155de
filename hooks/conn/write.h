/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITE_H
#define WRITE_H
/*
 * The one door for bytes that an application writes: decides the edits of a request head (design
 * 4), makes the application's call, translates the count back into the application's bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "conn.h"

struct io_call {
	int fd;
	uint64_t inside;         /* plaintext of the connection with that entry; 0: not of TLS */
	const struct iovec *iov; /* the application's bytes */
	size_t count;
	bool has_vector; /* iov itself is the application's, and may be anywhere */
	bool can_edit;   /* no flags or control data that would make another call of it */
	int flags;       /* for send */
	const void *arg;
	const void *caller; /* who calls, for jvm.h; NULL: not told */
	/* The application's call exactly as it was made. */
	ssize_t (*pass)(const struct io_call *call);
	/* The same kind of call with these vectors; is_more: another one follows at once. */
	ssize_t (*send)(const struct io_call *call, const struct iovec *iov, size_t count,
			bool is_more);
};

/*
 * The vector can be read, its bytes may be anywhere.  Outside the guard; may block, be cancelled,
 * longjmp.  errno is the real call's.
 */
ssize_t conn_write(const struct io_call *call);
/* t: of its descriptor, by who has looked for it just now. */
ssize_t conn_write_looked(const struct io_call *call, struct conn_token t);

/*
 * Ahead of bytes that leave without being seen: what is owed of a line of ours.  A call without a
 * vector, of which only send is used.  False: not all of it would go; errno is the kernel's.
 */
bool conn_pay(const struct io_call *call);

#endif
