/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_WHOLE_RUN_H
#define HTTP1_WHOLE_RUN_H
/*
 * A head that is taken whole is what it is step by step: asked wherever a message begins, the
 * answer kept, and compared with what the steps say of the same bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http1_whole.h"

struct whole_run {
	bool is_whole; /* the steps are on their way through this head */
	struct http1 p;
	size_t left; /* of the input, behind the head */
	struct head_fields fields;
	struct http1_others others;
	/* What the steps have told so far. */
	unsigned seen, traceparents, lines;
};

static inline void whole_must(bool holds)
{
	if (!holds)
		abort();
}

/* Any message may begin here. */
static inline void whole_run_begin(struct whole_run *w, const struct http1 *p, struct bytes in,
				   char expect)
{
	w->is_whole = false;
	if (!http1_is_fresh(p) || !in.len)
		return;
	w->p = *p;
	w->is_whole = p->is_response ?
			      http1_whole_response(&w->p, &in, expect == 'H', expect == 'C') :
			      http1_whole_request(&w->p, &in, &w->fields, &w->others);
	w->left = in.len;
	w->seen = 1u << HEAD_METHOD | 1u << HEAD_TARGET;
	w->traceparents = w->lines = 0;
	whole_must(w->is_whole || http1_is_fresh(&w->p));
}

static inline void whole_run_is(const struct whole_run *w, enum head_field which,
				struct bytes value)
{
	const struct head_piece *piece = &w->fields.piece[which];

	whole_must(w->fields.seen >> which & 1 && piece->len == value.len);
	whole_must(!value.len || !memcmp(w->fields.base + piece->at, value.ptr, value.len));
}

static inline void whole_run_start(const struct whole_run *w, const struct http1 *p)
{
	if (!w->is_whole || p->is_response)
		return;
	whole_run_is(w, HEAD_METHOD, p->method);
	whole_run_is(w, HEAD_TARGET, p->target);
}

static inline bool whole_run_named(struct bytes name, const char *is)
{
	return name.len == strlen(is) && !strncasecmp(name.ptr, is, name.len);
}

static inline void whole_run_header(struct whole_run *w, const struct http1 *p)
{
	static const char *const fields[HEAD_FIELDS] = {
		[HEAD_HOST] = "Host",
		[HEAD_USER_AGENT] = "User-Agent",
		[HEAD_FORWARDED] = "Forwarded",
		[HEAD_X_FORWARDED_FOR] = "X-Forwarded-For",
		[HEAD_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
		[HEAD_X_FORWARDED_HOST] = "X-Forwarded-Host",
		[HEAD_TRACEPARENT] = "traceparent",
	};
	static const char *const others[] = { "tracestate", "baggage", "authorization", "signature",
					      "signature-input" };

	if (!w->is_whole || p->is_response)
		return;
	for (unsigned i = HEAD_HOST; i < HEAD_FIELDS; i++) {
		if (!whole_run_named(p->name, fields[i]))
			continue;
		w->traceparents += i == HEAD_TRACEPARENT;
		if (!(w->seen >> i & 1))
			whole_run_is(w, (enum head_field)i, p->value);
		w->seen |= 1u << i;
	}
	for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
		const struct http1_other *o = &w->others.line[w->lines];

		if (!whole_run_named(p->name, others[i]))
			continue;
		whole_must(w->lines++ < w->others.count);
		whole_must(bytes_equal(o->name, p->name) && bytes_equal(o->value, p->value));
	}
}

/* left: what is behind the head, of the input that whole_run_begin() was given. */
static inline void whole_run_end(struct whole_run *w, const struct http1 *p, size_t left)
{
	const struct http1 *q = &w->p;

	if (!w->is_whole)
		return;
	w->is_whole = false;
	whole_must(left == w->left && p->state == q->state && p->after == q->after);
	whole_must(p->body_left == q->body_left && p->body_bytes == q->body_bytes);
	whole_must(p->status == q->status && p->version == q->version);
	whole_must(p->is_head == q->is_head && p->is_connect == q->is_connect);
	whole_must(p->is_close == q->is_close && p->is_chunked == q->is_chunked);
	whole_must(p->has_length == q->has_length && p->has_upgrade == q->has_upgrade);
	whole_must(!q->is_cut && !q->has_cr && !q->has_digit && !q->line_len && !q->line_dropped);
	if (p->is_response || p->tell != HTTP1_TELL_ALL)
		return;
	whole_must(w->fields.seen == w->seen && w->fields.traceparents == w->traceparents);
	whole_must(w->others.count == w->lines);
}

#endif
