/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USUAL_H
#define USUAL_H
/*
 * The usual request, and the usual answer: each came before on its connection (repeat.h), moves in
 * one call, and no setting asks for more than the defaults do.  Then of all that http_server.c asks
 * itself most is answered beforehand, and what is left is done here, in one piece: where a program
 * waits between its requests our code has left the caches, and costs by the line.
 *
 * All: under the lock of the half.  False: it is not one of those, and nothing was touched: the
 * bytes are for server_read(), client_read(), server_wrote().
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "conn.h"

/* n bytes that the application has read, all of them at buf: a request; in a loop that we know. */
MUST_USE bool usual_read(struct conn *c, int fd, char *buf, size_t n);

/* n bytes that it has read as a client, all of them at buf: an answer, with its body. */
MUST_USE bool usual_answered(struct conn *c, const char *buf, size_t n);

/* n bytes that it has written: an answer, with its body. */
MUST_USE bool usual_wrote(struct conn *c, const struct iovec *iov, size_t n);

#endif
