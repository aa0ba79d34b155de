/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PG3_H
#define PG3_H
/*
 * Messages of PostgreSQL's protocol, version 3, in one direction, however the bytes are cut.
 *
 * Only what is wanted of a message is kept: its beginning, in one piece.  Where it does not come in
 * one piece, the caller lends memory for it, until the message is over.  Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

enum pg3_event {
	PG3_NEED_MORE, /* all input is taken */
	PG3_NEED_ROOM, /* pg3_lend(), and go on */
	PG3_MESSAGE,   /* type, and the beginning of its body */
	PG3_DEAD,      /* that is something else */
};

/* A first message has no type: what its number says. */
enum pg3_first {
	PG3_STARTUP = 1,
	PG3_ASKS_TLS,
	PG3_ASKS_GSS,
	PG3_CANCEL,
};

#define PG3_BODY_MAX 32768u

struct pg3 {
	bool is_server;
	bool is_first; /* the next message is one without a type */
	bool in_body;
	uint8_t have; /* bytes of its head */
	uint8_t head[8];
	uint8_t type;    /* as it is sent, or enum pg3_first */
	uint32_t left;   /* of the body, but for what was kept when it was told */
	uint32_t wanted; /* of the body: told when these are there */
	uint32_t kept;
	char *room;        /* lent */
	struct bytes body; /* of a message: borrowed until the next step */
};

static inline struct pg3 pg3_client(void)
{
	return (struct pg3){ .is_first = true };
}

static inline struct pg3 pg3_server(void)
{
	return (struct pg3){ .is_server = true };
}

enum pg3_event pg3_step(struct pg3 *p, struct bytes *in);

/* PG3_BODY_MAX bytes; NULL takes them back, when they are not held. */
static inline void pg3_lend(struct pg3 *p, char *room)
{
	p->room = room;
}

/* Is the memory still needed? */
static inline bool pg3_holds_room(const struct pg3 *p)
{
	return p->room && p->in_body && p->kept;
}

/* --- what is in a message --- */

/* Takes a text that NUL ends off the body; false: there is none. */
bool pg3_text(struct bytes *body, struct bytes *ret);

/* The field of an error or a notice with that letter; empty: none. */
struct bytes pg3_field(struct bytes body, char which);

/* The value of a startup message's parameter; empty: none. */
struct bytes pg3_parameter(struct bytes body, struct bytes name);

#endif
