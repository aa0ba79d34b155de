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
#include "request.h"

#define PIECES \
	16u /* of the application's vector in an edited segment: 2 KiB of stack is all there is */

struct segment {
	struct conn_token token;
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

struct ahead {
	struct http1 parser;
	struct head head;
	size_t closing; /* offset in the application's bytes of the first undecided head's end */
	size_t limit;   /* a second one: the segment must end before it */
	bool has_closing;
};

/* One piece of input; false: there is no more to find out. */
static bool look_ahead(struct conn *c, struct ahead *a, const struct io_call *call, struct bytes in,
		       size_t at, bool is_first_known)
{
	struct half *h = &c->out;
	const char *start = in.ptr;

	for (;;) {
		enum http1_event e = http1_step(&a->parser, &in);
		uint64_t where = UINT64_MAX;

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
			if (a->has_closing) /* the text belongs to the first head */
				break;
			if (!half_borrow(h))
				return false;
			head_start(&a->head, h->scratch->text, &a->parser);
			break;
		case HTTP1_HEADER:
			if (a->has_closing)
				break;
			if (a->parser.value.ptr >= start && a->parser.value.ptr <= in.ptr)
				where = h->bytes + at + (size_t)(a->parser.value.ptr - start);
			head_field(&a->head, h->scratch->text, &a->parser, where);
			break;
		case HTTP1_HEAD_CLOSING:
			if (a->has_closing) {
				a->limit = at + (size_t)(in.ptr - start);
				return false;
			}
			a->has_closing = true;
			a->closing = at + (size_t)(in.ptr - start);
			if (!is_first_known)
				request_decide(c, call->fd, &a->head, &a->parser,
					       h->bytes + a->closing, call->can_edit);
			break;
		case HTTP1_DEAD:
		case HTTP1_TUNNEL:
			return false;
		default:
			break;
		}
	}
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
	s->len += add_app(s, call, done + s->len, len - s->len, PIECES + 2);
}

static void plan_client(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
			size_t total)
{
	struct half *h = &c->out;
	struct ahead a = { .parser = http1_ahead(&h->parser), .head = h->head, .limit = SIZE_MAX };
	size_t at = 0, skip = done, len = total - done;

	for (size_t i = 0; i < call->count; i++) {
		struct bytes in = { call->iov[i].iov_base, call->iov[i].iov_len };

		if (skip >= in.len) {
			skip -= in.len;
			continue;
		}
		in = bytes_skip(in, skip);
		skip = 0;
		if (!look_ahead(c, &a, call, in, at, c->pending_decided))
			break;
		at += in.len;
	}
	if (a.limit < len)
		len = a.limit;
	if (c->edit.is_set && c->edit.sent < c->edit.len && c->edit.at < h->bytes + len)
		lay_out(s, c, call, done, len);
	else if (done == 0 && len == total)
		s->is_pass = true;
	else
		s->len = add_app(s, call, done, len, PIECES + 2);
}

static void plan(struct segment *s, const struct io_call *call, size_t done, size_t total)
{
	struct conn *c;

	/* Field by field: clearing the vector would cost more than all the rest. */
	s->count = 0;
	s->len = total - done;
	s->before = s->ours = 0;
	s->is_replace = false;
	s->is_pass = done == 0;
	s->token = conn_look_out(call->fd);
	c = s->token.entry ? conn_pin_entry(s->token.entry) : NULL;
	if (c && c->role == CONN_CLIENT) {
		if (!half_lock(&c->out)) {
			conn_make_blind(call->fd);
			s->token.entry = 0;
		} else if (c->edit.is_under_way) { /* longjmp, cancellation: how much left? */
			half_unlock(&c->out);
			conn_make_blind(call->fd);
			s->token.entry = 0;
		} else {
			s->is_pass = false;
			s->len = 0;
			if (atomic_load(&c->is_blind))
				lay_out(s, c, call, done, total - done);
			else
				plan_client(s, c, call, done, total);
			if (s->is_pass)
				s->len = total - done;
			half_unlock(&c->out);
		}
	}
	if (!s->is_pass && !s->count)
		s->len = add_app(s, call, done, total - done, PIECES + 2);
	if (c)
		conn_unpin(c);
}

/* Bytes of the application among the n that the kernel took; settles the edit. */
static size_t settle(struct segment *s, ssize_t n)
{
	struct conn *c = s->ours ? conn_pin_entry(s->token.entry) : NULL;
	size_t took = n > 0 ? (size_t)n : 0;
	size_t ours = took <= s->before ? 0 : took - s->before;

	if (ours > s->ours)
		ours = s->ours;
	if (c) {
		c->edit.sent += (uint32_t)ours;
		c->edit.is_under_way = false;
		conn_unpin(c);
	}
	return s->is_replace ? took : took - ours;
}

/* A head of which nothing left may be replaced by another one: decide anew then. */
static void reconsider(struct segment *s)
{
	struct conn *c = s->token.entry ? conn_pin_entry(s->token.entry) : NULL;

	if (!c)
		return;
	if (c->role == CONN_CLIENT && c->pending_decided && !c->edit.sent && half_lock(&c->out)) {
		request_undecide(c);
		half_unlock(&c->out);
	}
	conn_unpin(c);
}

/* Takes in what a segment's call did; returns the application's bytes. */
static size_t segment_done(struct segment *s, const struct io_call *call, size_t done, ssize_t n,
			   int error)
{
	size_t app = settle(s, n);
	struct segment view;

	if (n <= 0 || app == 0) {
		if (n < 0)
			conn_wrote(call->fd, s->token, NULL, 0, n, error);
		reconsider(s);
		return 0;
	}
	if (s->is_pass) {
		conn_wrote(call->fd, s->token, call->iov, call->count, n, 0);
		return app;
	}
	view.count = 0;
	add_app(&view, call, done, app, PIECES + 2);
	conn_wrote(call->fd, s->token, view.iov, view.count, (ssize_t)app, 0);
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
			app = segment_done(&s, call, done, n, error);
			guard_leave();
		}
		errno = error;
		if (n < 0)
			return done ? (ssize_t)done : n;
		if (s.is_pass)
			return n;
		done += app;
		if ((app < s.len && app) || done >= total || n == 0)
			return (ssize_t)done;
	}
}
