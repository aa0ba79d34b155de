/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USUAL_H
#define USUAL_H
/*
 * The usual request, and the usual answer: each came before on its connection (repeat.h), moves in
 * one call, and no setting asks for more than the defaults do.  Then of all that http_server.c asks
 * itself most is answered beforehand, and what is left is done here, in one piece: where a program
 * waits between its requests our code has left the caches, and costs by the line.
 *
 * False: it is not one of those, and nothing was touched: the bytes are for server_read(),
 * client_read(), server_wrote().  Under the lock of the half, but for what is around a call of the
 * program's own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "conn.h"

struct write;

/* n bytes that the application has read, all of them at buf: a request; in a loop that we know. */
MUST_USE bool usual_read(struct conn *c, int fd, char *buf, size_t n);

/* n bytes that it has read as a client, all of them at buf: an answer, with its body. */
MUST_USE bool usual_answered(struct conn *c, const char *buf, size_t n);

/*
 * write_plan() of a request of the program's own: the last one once more, and all of it, for the
 * request whose tag it carries.  t: of its half, which is not held yet; outside the guard; errno is
 * kept.  False: it is for write_plan().
 *
 * Then it has left: as write_done().  False: not all of it has, or something has happened to the
 * connection meanwhile, and it is for write_done().
 */
MUST_USE bool usual_plan(struct write *w, struct conn_token t);
MUST_USE bool usual_sent(struct write *w, ssize_t n);

/* n bytes that it has written: an answer, with its body. */
MUST_USE bool usual_wrote(struct conn *c, const struct iovec *iov, size_t n);

#endif
