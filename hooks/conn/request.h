/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REQUEST_H
#define REQUEST_H
/* What happens to a request head that is about to leave: its span, and the edits that carry it. */
#include "conn.h"
#include "inject.h"

/* The head is complete in head (text in c->out.scratch->text).  Sets c->pending and c->edits. */
void request_decide(struct conn *c, int fd, const struct head *head, const struct http1 *p,
		    const struct written *w);

/* Nothing of it left: as if it had not been decided. */
void request_undecide(struct conn *c);

/*
 * What a call belongs to, of whatever request it was made for; its trace state in buf, or for ever.
 * False: to nothing.
 */
MUST_USE bool request_parent(struct span_ref from, struct span_context *ret, char *buf, size_t cap);

/* The rest of it leaves by a call that is not to be changed: no edit, unless part of it is out. */
void request_give_up(struct conn *c);

#endif
