/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PGWIRE_H
#define PGWIRE_H
/*
 * PostgreSQL's protocol on a connection that this process has opened, where no libpq that we know
 * does it (pq.h): asyncpg, JDBC, node-pg, pgbouncer's side to the server.
 *
 * The half that writes makes a span of what is run, the half that reads ends it; in between lies a
 * queue with one at either end.  Both under their half's lock.  False: the bytes are not
 * understood, or not for us, and the connection is looked at no more.
 */
#include "conn.h"

/* May a client that begins with this byte speak it?  HTTP's and TLS's begin otherwise. */
static ALWAYS_INLINE bool pgwire_is_first(char byte)
{
	return byte == '\0';
}

/* The first bytes of c are about to be told of. */
bool pgwire_open(struct conn *c);
bool pgwire_wrote(struct conn *c, int fd, struct bytes in);
bool pgwire_read(struct conn *c, struct bytes in);
void pgwire_over(struct conn *c, bool is_forked);

#endif
