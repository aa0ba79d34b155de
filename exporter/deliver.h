/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DELIVER_H
#define DELIVER_H
/*
 * Brings one request to the receiver, with patience as the time allows (O17-O29), and counts what
 * became of its spans.  Exporter thread only.
 */
#include "sleep.h"
#include "tally.h"
#include "transport.h"

enum deliver_state { DELIVER_IDLE, DELIVER_SENDING, DELIVER_WAITING };

struct deliver {
	struct exporter *x;
	struct transport *transport; /* NULL: the endpoint cannot be used, everything is dropped */
	struct tally tally;
	uint64_t timeout_ns; /* for one request; 0: no limit */
	uint64_t random;     /* never 0 */
	uint64_t logged_ns;  /* when the log was last told of a loss */
	/* Of the request under way. */
	struct bytes body;
	size_t spans;
	uint64_t began_ns;
	uint64_t ended_ns; /* its last attempt */
	uint64_t until_ns;
	unsigned int attempts; /* that have failed */
	enum deliver_state state;
	bool was_hurried; /* when the wait began */
	struct asked seen;
	enum outcome outcome; /* of the last attempt */
	uint64_t again_ns;
	struct response response;
};

/* Borrows x and transport; timeout_ms: for one request, retries included; 0: no limit. */
void deliver_init(struct deliver *d, struct exporter *x, struct transport *transport,
		  uint32_t timeout_ms, struct tally tally);

/* Begins; body, which stays the caller's, must last until a step says false. */
void deliver_begin(struct deliver *d, struct bytes body, size_t spans);

/* What can be done without waiting.  False: nothing is under way any more. */
bool deliver_step(struct deliver *d);

/* Sleeps until another step may be worth it. */
void deliver_wait(struct deliver *d);

/* All of it at once. */
void deliver_send(struct deliver *d, struct bytes body, size_t spans);

#endif
