/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIVER_H
#define RECEIVER_H
/*
 * OTLP/HTTP on the loopback address, by libmicrohttpd, in one thread of its own.  Nothing here
 * waits for anybody: neither a slow client nor a slow screen holds up the others.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "otlp.h"

#define RECEIVER_PORT 4318 /* O2 */

struct MHD_Daemon;

/* Called in the receiver's thread, one at a time. */
struct receiver_calls {
	void (*accepted)(void *data, const struct otlp_batch *b);
	void (*refused)(void *data, unsigned status, const char *why);
	void *data;
};

struct receiver {
	struct MHD_Daemon *daemon;
	int fd; /* listening; the daemon's once it runs */
	uint16_t port;
	_Atomic unsigned answering; /* requests that were judged and whose answer is not yet out */
	struct receiver_calls calls;
};

/* Binds 127.0.0.1:port; 0 is any free one.  0 or -errno. */
MUST_USE int receiver_open(struct receiver *r, uint16_t port);

/* 0 or -errno. */
MUST_USE int receiver_start(struct receiver *r, const struct receiver_calls *calls);

/*
 * Ends the connections and the thread; no call is made after this.  Who has been accepted gets the
 * answer first, or would send the same again.  Safe on a zeroed receiver.
 */
void receiver_close(struct receiver *r);

#endif
