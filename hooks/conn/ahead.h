/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AHEAD_H
#define AHEAD_H
/*
 * What the bytes are that an application is about to send on a client's connection: parsed before
 * the call is made, with a copy, since it is not known how many of them will be taken.
 */
#include "conn.h"
#include "inject.h"
#include "tag.h"
#include "write.h"

#define AHEAD_NONE UINT64_MAX

struct ahead {
	struct arrival call; /* all of the application's bytes */
	struct http1 parser;
	struct head head;
	struct written written;
	uint16_t kept;  /* length of the head that is kept, once it has left (repeat.h); 0: none */
	uint64_t seen;  /* to where it could be read, at least */
	uint64_t end;   /* of the last message that ends, in the stream */
	uint64_t limit; /* where a second head begins: that is for another call */
	bool has_closing; /* written.closing is set, for the head under way or else the first */
	bool has_start;   /* of a message; the end of a head; of a message */
	bool has_head;
	bool has_end;
	bool is_plain; /* not more than one of each, in that order, and all there is was seen */
};

/*
 * False: some of that cannot be read, as the kernel will say.  The call's bytes from done on, total
 * in all.  Where the end of a head is among them, decides on its edits, unless some of those have
 * left already.  Under the half.
 */
bool ahead_look(struct ahead *a, struct conn *c, const struct io_call *call, size_t done,
		size_t total);

#endif
