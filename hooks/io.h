/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IO_H
#define IO_H
/*
 * What the files with hooks that move bytes share: an observer before the application's call, one
 * after it.  Outside the guard, which they enter; any thread, signal-safe, errno is kept.
 */
#include "conn.h"
#include "write.h"

/* What these return is not taken off the stream.  MSG_TRUNC takes off, and returns nothing. */
#define IO_UNSEEN (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)
/* A send with others is more than bytes, and is made as it is. */
#define IO_EDITABLE (MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE | MSG_EOR)

/* Who called a hook, in the hook itself, or in a function that it jumps to. */
#define CALLER() __builtin_return_address(0)

struct conn_token io_look_in(int fd);
/* iov NULL: n bytes went by unseen.  wanted: room in the application's buffer. */
void io_saw(int fd, struct conn_token t, const struct iovec *iov, size_t count, ssize_t n,
	    size_t wanted);

/* Around a read with MSG_PEEK, which is not taken in; that it was made matters. */
struct conn_token io_peek_begin(int fd, int flags);
void io_peek_done(int fd, struct conn_token t, ssize_t n);

struct conn_token io_look_out(int fd);
void io_sent_unseen(int fd, struct conn_token t, ssize_t n);

/* conn_write(), for pointers that may be anything. */
ssize_t io_write(const struct io_call *call);
/* By sendmsg(). */
ssize_t io_again(const struct io_call *c, const struct iovec *iov, size_t count, bool is_more);

/* A byte that the peer reads beside the stream: what is in the stream is no longer known. */
bool io_is_unordered(int fd, int flags);

size_t io_vector_len(const struct iovec *iov, size_t count);

#endif
