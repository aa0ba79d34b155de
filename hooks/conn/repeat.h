/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPEAT_H
#define REPEAT_H
/*
 * The head that came last on a half of a connection.  Who keeps a connection asks for the like
 * again and again: the next head is the same but for what differs each time, in a request the
 * target and the ids of its traceparent, in a response the date and the length of its body.  Then
 * all that the parser and head.h have found out about the last one holds for this one, too, and to
 * compare them takes a tenth of what it takes to parse.
 *
 * Every other byte is compared, and what may differ must be what the parser accepts there: so the
 * parser would have said the same.  It has to be where it was left by the message before, of which
 * this is what came last; whatever else it is given makes what is kept here void (repeat_end()).
 *
 * Whoever holds the half has it.  Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "head.h"
#include "http1.h"

#define REPEAT_BYTES 512u            /* longer heads are parsed each time */
#define REPEAT_MAX (UINT16_MAX / 8u) /* with what their holes may have grown to */

/* In the order in which they lie there; at: where, in the head that is kept. */
struct repeat_hole {
	uint16_t at;
	uint16_t len;
};

struct repeat {
	/* request: where things are in the one that came, from its first byte on */
	_Alignas(64) struct head now;
	uint16_t len;                    /* of the head; 0: nothing is kept */
	bool is_common;                  /* for who has it: c->common is of the same head */
	uint8_t misses;                  /* heads that were another one, since one was the same */
	struct repeat_hole target, ids;  /* request; ids.len 0: without */
	struct repeat_hole date, length; /* response; len 0: without */
	uint64_t length_told;            /* of the head that is kept */
	char head[REPEAT_BYTES];
};

static ALWAYS_INLINE void repeat_end(struct repeat *r)
{
	r->len = 0;
}

/* A connection begins: what was here is another one's. */
static ALWAYS_INLINE void repeat_init(struct repeat *r)
{
	r->len = 0;
	r->misses = 0;
}

/* Is it worth while to keep this one? */
bool repeat_is_due(struct repeat *r);

/*
 * At its HEAD_END, head: all of a request without a body.  Only what http1_whole_request() has
 * taken is kept.
 */
void repeat_keep_request(struct repeat *r, struct bytes head, const struct head *h,
			 const struct http1 *p);

/* Is `in`, all of it, the same?  Then now tells of it. */
bool repeat_is_request(struct repeat *r, struct bytes in);

void repeat_keep_response(struct repeat *r, struct bytes head, const struct http1 *p);

/* Does `in` begin with the same?  Returns how long it is, 0: no; *ret_length: Content-Length. */
size_t repeat_is_response(struct repeat *r, struct bytes in, uint64_t *ret_length);

/*
 * What the parser has told of a response: keeps a head that began at *head, NULL: elsewhere, or
 * knows that another one has come.
 */
static ALWAYS_INLINE void repeat_see(struct repeat *r, const char **head, enum http1_event e,
				     struct bytes in, const struct http1 *p)
{
	if (e == HTTP1_START_LINE || (e == HTTP1_MESSAGE_END && in.len))
		repeat_end(r);
	if (e != HTTP1_HEAD_END)
		return;
	repeat_end(r);
	if (*head && (size_t)(in.ptr - *head) <= REPEAT_BYTES && repeat_is_due(r))
		repeat_keep_response(r, (struct bytes){ *head, (size_t)(in.ptr - *head) }, p);
	*head = NULL;
}

#endif
