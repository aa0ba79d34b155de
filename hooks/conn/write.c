/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application's write is made as one call as long as there is nothing to change, and otherwise
 * as segments with one edit each:
 *
 *	app[0 .. before) + ours + app[after .. len)
 *
 * after is before, or where it is a replacement, that much later.
 *
 * What the kernel took is translated back.  Ours that it did not take are owed: they go out ahead
 * of the application's next bytes, of which there are some, since an edit never is at the end of a
 * head.
 */
#include "write.h"

#include <errno.h>

#include "conn.h"
#include "context.h"
#include "guard.h"
#include "host.h"
#include "http_side.h"
#include "memory.h"
#include "request.h"
#include "tag.h"
#include "traceparent.h"

#define PIECES \
	16u /* of the application's vector in an edited segment: 2 KiB of stack is all there is */

struct ahead {
	struct arrival call; /* all of the application's bytes */
	struct http1 parser;
	struct head head;
	size_t closing; /* offset in the application's bytes of the first undecided head's end */
	size_t limit;   /* a second one: the segment must end before it */
	bool has_closing;
	bool has_start; /* of a message; the end of a head; of a message */
	bool has_head;
	bool has_end;
	bool is_plain; /* not more than one of each, in that order, and all there is was seen */
};

struct segment {
	struct conn_token token;
	struct ahead ahead;
	struct iovec iov[PIECES + 2];
	size_t count;
	size_t len;    /* application bytes in it */
	size_t before; /* of those, ahead of ours */
	size_t ours;   /* 0: no edit */
	bool is_replace;
	bool is_pass; /* the application's own call */
};

static size_t total_len(const struct io_call *call)
{
	size_t n = 0;

	for (size_t i = 0; i < call->count; i++)
		n += call->iov[i].iov_len;
	return n;
}

/*
 * Position of a header's value.  A line whose end is a piece's end, such as each of apache's, is
 * known for a whole one with the next piece only, and has been gathered until then.
 */
static uint64_t value_at(const struct ahead *a, struct bytes piece, uint64_t piece_at,
			 uint64_t line_end)
{
	struct bytes v = a->parser.value;
	uint64_t at;

	if (v.ptr >= piece.ptr && v.ptr + v.len <= piece.ptr + piece.len)
		return piece_at + (uint64_t)(v.ptr - piece.ptr);
	if (v.len != TRACEPARENT_LEN || !arrival_find(&a->call, line_end, v, &at))
		return UINT64_MAX;
	return at;
}

/* One piece of input; false: there is no more to find out. */
static bool look_ahead(struct conn *c, struct ahead *a, const struct io_call *call, struct bytes in,
		       size_t at, bool is_first_known)
{
	struct half *h = &c->out;
	const struct bytes piece = in;

	for (;;) {
		enum http1_event e = http1_step(&a->parser, &in);
		size_t here = at + (size_t)(in.ptr - piece.ptr);

		switch (e) {
		case HTTP1_NEED_MORE:
			return true;
		case HTTP1_NEED_LINE:
			if (!half_borrow(h))
				return false;
			http1_lend(&a->parser, h->scratch->line, sizeof(h->scratch->line));
			/*
			 * The real parser will come to the same line, and must use the same place.
			 */
			if (!h->parser.line)
				http1_lend(&h->parser, h->scratch->line, sizeof(h->scratch->line));
			break;
		case HTTP1_START_LINE:
			a->is_plain &= !a->has_start && !a->has_end;
			a->has_start = true;
			if (a->has_closing) /* the text belongs to the first head */
				break;
			if (!half_borrow(h))
				return false;
			head_start(&a->head, h->scratch->text, &a->parser);
			break;
		case HTTP1_HEADER:
			if (a->has_closing)
				break;
			head_field(&a->head, h->scratch->text, &a->parser,
				   value_at(a, piece, h->bytes + at, h->bytes + here));
			break;
		case HTTP1_HEAD_CLOSING:
			if (a->has_closing) {
				a->limit = here;
				return false;
			}
			a->has_closing = true;
			a->closing = here;
			if (!is_first_known)
				request_decide(c, call->fd, &a->head, &a->parser,
					       h->bytes + a->closing, call->can_edit);
			break;
		case HTTP1_HEAD_END:
			a->has_head = true;
			break;
		case HTTP1_MESSAGE_END:
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

/* The application's bytes from skip on, at most len, added to the segment's vector. */
static size_t add_app(struct segment *s, const struct io_call *call, size_t skip, size_t len,
		      size_t max)
{
	size_t added = 0;

	for (size_t i = 0; i < call->count && added < len && s->count < max; i++) {
		size_t have = call->iov[i].iov_len;

		if (skip >= have) {
			skip -= have;
			continue;
		}
		have -= skip;
		if (have > len - added)
			have = len - added;
		s->iov[s->count++] = (struct iovec){ (char *)call->iov[i].iov_base + skip, have };
		added += have;
		skip = 0;
	}
	return added;
}

static void lay_out(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
		    size_t len)
{
	struct edit *e = &c->edit;
	/* What is owed goes first, whatever became of the half in the meantime. */
	size_t before = !e->sent && e->at > c->out.bytes ? (size_t)(e->at - c->out.bytes) : 0;
	size_t got = add_app(s, call, done, before, PIECES / 2);

	if (got < before) { /* more pieces than fit: the edit waits for the next segment */
		s->len = got;
		return;
	}
	s->before = before;
	s->ours = e->len - e->sent;
	s->is_replace = e->is_replace;
	s->iov[s->count++] = (struct iovec){ c->out.scratch->edit + e->sent, s->ours };
	e->is_under_way = true;
	got = e->is_replace ? s->ours : 0;
	s->len = before + got;
	if (call->can_edit) /* else what is owed goes alone, and then the call as it is */
		s->len += add_app(s, call, done + s->len, len - s->len, PIECES + 2);
}

/* False: it cannot be read, as the kernel will say. */
static bool plan_client(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
			size_t total)
{
	struct half *h = &c->out;
	struct ahead *a = &s->ahead;
	size_t at = 0, skip = done, len = total - done;

	a->call = (struct arrival){ call->iov, call->count, total, h->bytes - done };
	a->parser = http1_ahead(&h->parser);
	if (!http1_is_between(&h->parser))
		a->head = h->head;
	a->limit = SIZE_MAX;
	a->has_closing = false;
	a->has_start = a->has_head = a->has_end = false;
	a->is_plain = true;
	for (size_t i = 0; i < call->count;) {
		struct bytes in = { call->iov[i].iov_base, call->iov[i].iov_len };

		if (skip >= in.len) {
			skip -= in.len;
			i++;
			continue;
		}
		in = bytes_skip(in, skip);
		in.len = in.len < LOOK_MAX ? in.len : LOOK_MAX;
		skip += in.len;
		if (!can_look(a, in))
			return false;
		if (!look_ahead(c, a, call, in, at, c->pending_decided))
			break;
		at += in.len;
	}
	a->is_plain &= at == len;
	/* What is told of each call, or carried by it, stays with one call. */
	if (a->limit < len && call->can_edit)
		len = a->limit;
	if (!call->can_edit && c->edit.at < h->bytes + len)
		request_give_up(c);
	if (c->edit.is_set && c->edit.sent < c->edit.len && c->edit.at < h->bytes + len)
		lay_out(s, c, call, done, len);
	else if (done == 0 && len == total)
		s->is_pass = true;
	else
		s->len = add_app(s, call, done, len, PIECES + 2);
	return true;
}

/* False: it is blind as of now. */
static bool plan_held(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
		      size_t total)
{
	bool is_known = !c->edit.is_under_way; /* longjmp, cancellation: how much left? */

	s->is_pass = false;
	s->len = 0;
	is_known = is_known && plan_client(s, c, call, done, total);
	if (!is_known) {
		conn_set_blind(c);
		s->is_pass = done == 0;
	}
	if (s->is_pass)
		s->len = total - done;
	return is_known;
}

/* It is blind, perhaps as of now: only what it owes still goes first. */
static void plan_blind(struct segment *s, const struct io_call *call, size_t done, size_t total)
{
	struct conn *c = conn_pin_entry(s->token.entry);
	bool owes = false;

	if (c && half_lock(&c->out)) {
		struct edit *e = &c->edit;

		owes = e->is_set && e->sent && e->sent < e->len && !e->is_under_way;
		if (owes) {
			s->is_pass = false;
			s->len = 0;
			lay_out(s, c, call, done, total - done);
		}
		half_unlock(&c->out);
	}
	if (!owes)
		s->token.entry = 0;
	if (c)
		conn_unpin(c);
}

static void plan(struct segment *s, const struct io_call *call, size_t done, size_t total)
{
	/* Field by field: clearing the vector would cost more than all the rest. */
	s->count = 0;
	s->len = total - done;
	s->before = s->ours = 0;
	s->is_replace = false;
	s->is_pass = done == 0;
	s->ahead.is_plain = false;
	s->token = conn_look(call->fd, false);
	if (s->token.entry && conn_role(s->token) == CONN_CLIENT) {
		struct conn *c = conn_hold(s->token, false, false);

		bool is_planned = c && plan_held(s, c, call, done, total);

		if (c)
			conn_release(c, &c->out);
		if (!is_planned)
			plan_blind(s, call, done, total);
	}
	if (!s->is_pass && !s->count)
		s->len = add_app(s, call, done, total - done, PIECES + 2);
}

/* Of n bytes that the kernel took, how many are ours? */
static size_t ours_of(const struct segment *s, ssize_t n)
{
	size_t took = n > 0 ? (size_t)n : 0;
	size_t ours = took <= s->before ? 0 : took - s->before;

	return ours < s->ours ? ours : s->ours;
}

static void settle(struct conn *c, size_t ours)
{
	c->edit.sent += (uint32_t)ours;
	c->edit.is_under_way = false;
}

/* Blind since the call was made: what is owed is owed all the same. */
static NO_INLINE void settle_blind(const struct segment *s, size_t ours)
{
	struct conn *c = s->ours ? conn_pin_entry(s->token.entry) : NULL;

	if (!c)
		return;
	settle(c, ours);
	conn_unpin(c);
}

/*
 * All that was looked at has left, and it was one message, or part of one: what was found out ahead
 * is how things are.
 */
static bool is_as_foreseen(const struct segment *s, const struct conn *c, size_t app, size_t left)
{
	const struct ahead *a = &s->ahead;

	return a->is_plain && app == left && a->has_start == a->has_head && !a->parser.line &&
	       !c->out.parser.line && c->detect.result == DETECT_HTTP1_REQUEST;
}

/* The bytes of a segment, taken in under the half; false: they are not understood. */
static bool take_in(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
		    size_t app, size_t left)
{
	struct segment view;

	if (is_as_foreseen(s, c, app, left))
		return client_foreseen(c, &s->ahead.parser, app, s->ahead.has_head,
				       s->ahead.has_end);
	if (s->is_pass)
		return conn_took(c, call->fd, call->iov, call->count, app);
	view.count = 0;
	add_app(&view, call, done, app, PIECES + 2);
	return conn_took(c, call->fd, view.iov, view.count, app);
}

/* Takes in what a segment's call did; returns the application's bytes. */
static size_t segment_done(struct segment *s, const struct io_call *call, size_t done, size_t total,
			   ssize_t n, int error)
{
	size_t ours = ours_of(s, n);
	size_t app = n <= 0 ? 0 : s->is_replace ? (size_t)n : (size_t)n - ours;
	bool is_final = n < 0 && error_is_final(error);
	struct conn *c = s->token.entry ? conn_hold(s->token, false, app || is_final) : NULL;
	bool is_understood = true;

	if (!c) {
		settle_blind(s, ours);
		return app;
	}
	if (s->ours)
		settle(c, ours);
	if (app) {
		is_understood = take_in(s, c, call, done, app, total - done);
	} else {
		if (is_final)
			c->error = error;
		/* A head of which nothing left may be replaced by another one: decide anew then. */
		if (c->role == CONN_CLIENT && c->pending_decided && !c->edit.sent)
			request_undecide(c);
	}
	conn_finish(c, &c->out, call->fd, is_understood);
	return app;
}

ssize_t conn_write(const struct io_call *call)
{
	size_t total = total_len(call), done = 0;

	for (;;) {
		struct segment s;
		int error = errno;
		size_t app;
		ssize_t n;

		if (!host_is_observed() || !guard_enter()) {
			conn_make_blind(call->fd);
			return done ? (ssize_t)done : call->pass(call);
		}
		plan(&s, call, done, total);
		guard_leave();
		errno = error;
		n = s.is_pass ? call->pass(call) : call->send(call, s.iov, s.count);
		error = errno;
		app = 0;
		if (guard_enter()) {
			app = segment_done(&s, call, done, total, n, error);
			guard_leave();
		}
		errno = error;
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (s.is_pass)
			return n;
		done += app;
		if ((app < s.len && app) || done >= total || n == 0 || (done && !call->can_edit))
			return (ssize_t)done;
	}
}
