/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BAGGAGE_H
#define BAGGAGE_H
/*
 * W3C Baggage (C61-C73), passed through: several lines become one, every member stays as it was
 * written (C68, C72), in order, duplicates too (C67).
 *
 * Dropped, whole (C66, C69): a member without a token for a key or without "=", or with a byte that
 * is not printable ASCII; what does not fit.  Octets that should have been percent-encoded pass:
 * the sender and its peer agree on them, and we are between.  Pure, async-signal-safe.
 */
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define BAGGAGE_MEMBERS 180u
#define BAGGAGE_BYTES 8192u

struct baggage {
	char *to; /* borrowed */
	size_t cap;
	size_t len;
	uint32_t members;
	uint32_t dropped; /* members: count them */
};

/* Of cap at most BAGGAGE_BYTES are used. */
void baggage_init(struct baggage *b, char *to, size_t cap);

/* The value of the next baggage header line; in their order (C61). */
void baggage_add(struct baggage *b, struct bytes line);

/* One that has a header of its own (C87, C92): the case of a header's name means nothing. */
void baggage_add_item(struct baggage *b, struct bytes key, struct bytes value);

/*
 * A header line for each member of a list, its name behind prefix, without what is behind the
 * value; returns their length.  *dropped: those that do not fit.
 */
size_t baggage_write_items(struct bytes list, struct bytes prefix, char *to, size_t cap,
			   uint32_t *dropped);

/* Empty: send no header (C71). */
static inline struct bytes baggage_list(const struct baggage *b)
{
	return (struct bytes){ b->to, b->len };
}

#endif
