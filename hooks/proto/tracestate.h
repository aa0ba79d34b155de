/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACESTATE_H
#define TRACESTATE_H
/*
 * W3C Trace Context level 2, the tracestate header (C29-C44): checks the lines as they come and
 * builds the one list that goes out: no blanks around members, no empty ones, in order.
 *
 * One illegal member, or more than 32, and the whole list is void (C36, C38, C39); that never makes
 * traceparent invalid (C29).  Of two members with one key the first stays (C41).  A list that does
 * not fit loses whole members (C44): first all longer than 128, then those at the right end.
 * Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define TRACESTATE_MEMBERS 32u
#define TRACESTATE_BYTES 8192u /* nothing is lost below this (C43) */
#define TRACESTATE_LONG 128u

struct tracestate {
	char *to; /* borrowed until tracestate_list() is done with */
	size_t cap;
	size_t len;
	uint16_t received;  /* members, empty ones not counted */
	uint16_t truncated; /* members lost to C44: count them */
	bool is_void;
	bool is_short; /* of space: long members are refused */
	bool is_full;  /* of space: the right end is cut off here */
};

void tracestate_init(struct tracestate *t, char *to, size_t cap);

/* The value of the next tracestate header line; in their order (C30). */
void tracestate_add(struct tracestate *t, struct bytes line);

/* The list to keep and send; empty: send no header (C31). */
static inline struct bytes tracestate_list(const struct tracestate *t)
{
	return t->is_void ? (struct bytes){ t->to, 0 } : (struct bytes){ t->to, t->len };
}

/*
 * Puts a member of ours, "key=value", at the left end (C42); one of the same key, and the 33rd, go
 * (C40).  False: it is not legal, or longer than the buffer: nothing has changed.
 */
bool tracestate_put(struct tracestate *t, struct bytes member);

#endif
