/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INJECT_H
#define INJECT_H
/*
 * The edits of a request head (design 4): its trace headers become those of our CLIENT span.
 *
 *   one traceparent, of the request that we serve   its value is overwritten
 *   none                                            lines of ours ahead of the empty line
 *   invalid, several, or of another length          their names become one that nobody reads, and
 *                                                   lines of ours
 *
 * A tracestate that belongs to no traceparent, or is void (C29, C36-C39), loses its name, too.  All
 * of it or nothing: who cannot be told of all is told of none, and that is counted.
 */
#include "conn.h"
#include "tag.h"

/* The application's bytes, in which the end of a head was found. */
struct written {
	const struct arrival *bytes;
	/* Position in the stream from which on they are still in front of us; of a head that is
	 * (head->fields.base) its first byte. */
	uint64_t lines;
	uint64_t closing;
	bool is_line_start; /* at lines */
	bool can_edit;
};

/* What the application has written by way of traceparent. */
enum header {
	HEADER_NONE,
	HEADER_OURS, /* a copy of what came in with the request that is served */
	HEADER_BAD,
	HEADER_FOREIGN, /* signed, or somebody here traces on their own: to be left alone */
};

/* What a head is to tell. */
struct carried {
	const struct span_context *ctx; /* its trace state counts where neither of these is */
	const struct span *own;         /* our CLIENT span; NULL: there is none */
	struct span_ref server; /* the request that this one is made for: it has the baggage */
};

/*
 * Sets c->edits so that the head carries it.  Uses c->out.scratch->edit.  Not for HEADER_FOREIGN.
 */
void inject_headers(struct conn *c, const struct head *head, const struct written *w,
		    enum header header, const struct carried *what);

#endif
