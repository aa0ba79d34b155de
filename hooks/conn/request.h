/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REQUEST_H
#define REQUEST_H
/* What happens to a request head that is about to leave: its span, and the edit that carries it. */
#include "conn.h"

/*
 * The head is complete in head (text in c->out.scratch->text), closing at position at of the
 * stream.  Sets c->pending and c->edit.
 */
void request_decide(struct conn *c, int fd, const struct head *head, const struct http1 *p,
		    uint64_t at, bool can_edit);

/* Nothing of it left: as if it had not been decided. */
void request_undecide(struct conn *c);

/* The rest of it leaves by a call that is not to be changed: no edit, unless part of it is out. */
void request_give_up(struct conn *c);

#endif
