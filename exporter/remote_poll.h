/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_POLL_H
#define REMOTE_POLL_H
/*
 * Asks a Jaeger how this service is to be sampled (E40), when whoever starts spans wants that
 * (remote.h).  The queue does not wait for the answer; what is no answer is counted, and told once
 * in a while.  Exporter thread only.
 */
#include "resource.h"
#include "sleep.h"
#include "transport.h"

struct remote_poll {
	struct exporter *x;
	struct transport *transport; /* NULL: another sampler, or it cannot be asked */
	bool is_under_way;
	uint32_t seen;      /* of polls_asked */
	uint64_t until_ns;  /* CLOCK_MONOTONIC: the one under way is given up */
	uint64_t logged_ns; /* 0: never */
};

/* Borrows both. */
void remote_poll_begin(struct remote_poll *p, struct exporter *x, const struct resource *resource);
void remote_poll_end(struct remote_poll *p);

/* Is there something to do at once? */
bool remote_poll_is_due(const struct remote_poll *p);

/* Asks if that is due, and takes the answer if it has come. */
void remote_poll_turn(struct remote_poll *p);

/* Waits for up to 20 ms for it; only while is_under_way. */
void remote_poll_wait(struct remote_poll *p);

#endif
