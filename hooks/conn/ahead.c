/* SPDX-License-Identifier: Apache-2.0 */
#include "ahead.h"

#include "http_side.h"
#include "memory.h"
#include "repeat.h"
#include "request.h"

/* As far as it matters for edits, each of which is compared once more when it is made. */
static bool is_same(const struct ahead *a, const struct edits *e, uint64_t closing)
{
	return e->closing == closing && e->traceparents == a->head.fields.traceparents &&
	       e->tracestates == a->head.tracestates;
}

static void closing(struct ahead *a, struct conn *c, const struct io_call *call, uint64_t here)
{
	a->has_closing = true;
	a->written.closing = here;
	if (UNLIKELY(c->pending_decided) &&
	    (edits_have_begun(&c->edits) || is_same(a, &c->edits, here)))
		return;
	/* Seen before, and not taken; the application has changed what goes ahead of it. */
	if (UNLIKELY(c->pending_decided))
		request_undecide(c);
	request_decide(c, call->fd, &a->head, &a->parser, &a->written);
}

/* A message begins; false: that is for another call. */
static bool start(struct ahead *a, struct half *h, uint64_t here)
{
	a->is_plain &= !a->has_start && !a->has_end;
	a->has_start = true;
	/* The text, and the edits, belong to the head before. */
	if (a->has_closing || a->has_head) {
		a->limit = a->end;
		return false;
	}
	a->written.lines = here;
	a->written.is_line_start = true;
	if (!half_borrow(h))
		return false;
	head_start(&a->head, h->scratch->text, &a->parser);
	return true;
}

/* The parser itself will come to the same line, and must use the same place. */
static bool lend(struct ahead *a, struct half *h)
{
	if (!half_borrow(h))
		return false;
	http1_lend(&a->parser, h->scratch->line, sizeof(h->scratch->line));
	if (!h->parser.line)
		http1_lend(&h->parser, h->scratch->line, sizeof(h->scratch->line));
	return true;
}

/* Does a head lie whole in front of us, and is it the first one? */
static ALWAYS_INLINE bool is_whole(struct ahead *a, struct bytes *in, struct http1_others *ret)
{
	return http1_is_fresh(&a->parser) && in->len &&
	       !(a->has_start || a->has_head || a->has_end || a->parser.tell & HEAD_TELL_MORE) &&
	       http1_whole_request(&a->parser, in, &a->head.fields, ret);
}

/* It does, at that position, up to here. */
static ALWAYS_INLINE void whole(struct ahead *a, struct conn *c, const struct io_call *call,
				uint64_t at, uint64_t here)
{
	a->has_start = true;
	a->written.lines = at;
	a->written.is_line_start = true;
	closing(a, c, call, here - 2);
	a->has_head = true;
}

/*
 * Read now, since another thread may have the answer, and give the bytes back, before the call is
 * over; but what it says is the last one's only when that has left.
 */
static NO_INLINE void keep(struct ahead *a, struct conn *c, struct bytes head)
{
	struct repeat *r = &c->request;

	repeat_end(r);
	if (repeat_is_due(r))
		repeat_keep_request(r, head, &a->head, &a->parser);
	a->kept = r->len;
	repeat_end(r);
}

/* One piece of input, at that position; false: there is no more to find out. */
static bool look(struct ahead *a, struct conn *c, const struct io_call *call, struct bytes in,
		 uint64_t at)
{
	struct half *h = &c->out;
	const char *from = in.ptr;
	struct bytes all = in;
	struct http1_others others;

	if (is_whole(a, &in, &others)) {
		if (!half_borrow(h))
			return false;
		head_whole(&a->head, h->scratch->text, &others);
		whole(a, c, call, at, at + (uint64_t)(in.ptr - from));
		if (!in.len && all.len == a->call.len)
			keep(a, c, all);
	}
	for (;;) {
		enum http1_event e = http1_step(&a->parser, &in);
		uint64_t here = at + (uint64_t)(in.ptr - from);

		switch (e) {
		case HTTP1_NEED_MORE:
			return true;
		case HTTP1_NEED_LINE:
			if (!lend(a, h))
				return false;
			break;
		case HTTP1_START_LINE:
			if (!start(a, h, here))
				return false;
			break;
		case HTTP1_HEADER:
			head_field(&a->head, h->scratch->text, &a->parser);
			break;
		case HTTP1_HEAD_CLOSING:
			closing(a, c, call, here);
			break;
		case HTTP1_HEAD_END:
			a->has_head = true;
			break;
		case HTTP1_MESSAGE_END:
			a->end = here;
			a->is_plain &= !a->has_end;
			a->has_end = true;
			break;
		default:
			return false;
		}
	}
}

/* So much at once: what lies far behind a head may be a file that is not in memory yet. */
#define LOOK_MAX 65536u

/* A body is only counted; all else is read, and must be there. */
static bool can_look(const struct ahead *a, struct bytes in)
{
	struct http1 p = a->parser;

	return http1_skip(&p, in.len) || memory_is_readable(in.ptr, in.len);
}

bool ahead_look(struct ahead *a, struct conn *c, const struct io_call *call, size_t done,
		size_t total)
{
	struct half *h = &c->out;
	uint64_t at = h->bytes;
	size_t skip = done;

	a->call = (struct arrival){ call->iov, call->count, total, h->bytes - done };
	a->parser = http1_ahead(&h->parser);
	if (!http1_is_between(&h->parser))
		a->head = h->head;
	a->written = (struct written){ .bytes = &a->call,
				       .lines = at,
				       .closing = AHEAD_NONE,
				       .is_line_start = http1_is_line_start(&h->parser),
				       .can_edit = call->can_edit };
	a->limit = a->end = AHEAD_NONE;
	a->seen = at;
	a->has_closing = a->has_start = a->has_head = a->has_end = false;
	a->is_plain = true;
	a->kept = 0;
	for (size_t i = 0; i < call->count;) {
		struct bytes in = { call->iov[i].iov_base, call->iov[i].iov_len };

		if (UNLIKELY(skip >= in.len)) {
			skip -= in.len;
			i++;
			continue;
		}
		in = bytes_skip(in, skip);
		in.len = in.len < LOOK_MAX ? in.len : LOOK_MAX;
		skip += in.len;
		if (UNLIKELY(!can_look(a, in)))
			return false;
		a->seen = at + in.len;
		if (UNLIKELY(!look(a, c, call, in, at)))
			break;
		at += in.len;
	}
	a->is_plain &= at == h->bytes + (total - done);
	return true;
}
