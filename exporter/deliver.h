/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DELIVER_H
#define DELIVER_H
/*
 * Brings one request to the receiver, with patience as the time allows (O17-O29), and counts what
 * became of its spans.  Exporter thread only.
 */
#include "transport.h"

struct deliver {
	struct exporter *x;
	struct transport *transport; /* NULL: the endpoint cannot be used, everything is dropped */
	uint64_t timeout_ns;         /* for one request; 0: no limit */
	uint64_t random;             /* never 0 */
	uint64_t logged_ns;          /* when the log was last told of a loss */
};

/* Borrows x and transport. */
void deliver_init(struct deliver *d, struct exporter *x, struct transport *transport);
void deliver_send(struct deliver *d, struct bytes body, size_t spans);

#endif
