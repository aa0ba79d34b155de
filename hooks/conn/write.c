/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An application's write is made as it is as long as there is nothing to change, and otherwise as
 * one segment (segment.h); as several where that has no room, or where a second head begins, which
 * is for another call.
 *
 * What the kernel took is translated back.  A line of ours that it did not take to its end is owed:
 * the rest goes ahead of the application's next bytes, of which there are some, since an edit never
 * is at the end of a head.
 *
 * Another thread that writes meanwhile is neither held up nor looked at: its bytes are as they are,
 * and go ahead of the segment or behind it, which is for the kernel to say, as it is without us.
 */
#include "write_impl.h"

#include <errno.h>

#include "conn.h"
#include "conn_impl.h"
#include "context.h"
#include "guard.h"
#include "host.h"
#include "http_side.h"
#include "memory.h"
#include "repeat.h"
#include "request.h"
#include "ticks.h"
#include "usual.h"

static size_t total_len(const struct io_call *call)
{
	size_t n = 0;

	for (size_t i = 0; i < call->count; i++)
		n += call->iov[i].iov_len;
	return n;
}

/* --- before the call --- */

static void set_under_way(struct conn *c, bool is_under_way)
{
	atomic_store_explicit(&c->edits.is_under_way, is_under_way, memory_order_release);
}

/* The segment is what is sent now, unless it is all there is, and as it was. */
static void use_segment(struct write *w, struct conn *c)
{
	const struct segment *s = &w->segment;

	if (s->marks) {
		w->lines = c->out.scratch_index;
		w->has_lines = true;
		set_under_way(c, true);
	}
	w->is_pass = !s->marks && w->done == 0 && s->len == w->total;
	w->is_more = w->done + s->len < w->total;
}

/* One value in place of another: what comes before, ours, what comes behind. */
static ALWAYS_INLINE void segment_replace(struct segment *s, struct bytes in, size_t at,
					  const struct edit *e)
{
	s->iov[0] = (struct iovec){ (void *)(uintptr_t)in.ptr, at };
	s->iov[1] = (struct iovec){ (void *)(uintptr_t)e->text, e->len };
	s->iov[2] =
		(struct iovec){ (void *)(uintptr_t)(in.ptr + at + e->len), in.len - at - e->len };
	s->vector = s->iov;
	s->count = 3;
	s->marks = 1;
	s->mark[0] = (struct segment_mark){ 1, true };
	s->len = s->bytes = in.len;
	s->ours = e->len;
}

/*
 * The request that was sent last, once more (repeat.h), and nothing but that, in one piece: what
 * the parser has found out about that one holds for this one, too, and it is left where it is.
 * False: it is another one, or it cannot be read, or there is no memory for its edits.
 */
static ALWAYS_INLINE bool plan_repeat(struct write *w, struct conn *c)
{
	const struct io_call *call = w->call;
	struct repeat *r = &c->request;
	struct ahead *a = &w->ahead;
	struct edits *e = &c->edits;
	struct bytes in;

	if (!r->len || UNLIKELY(call->count != 1 || !call->can_edit || w->done) ||
	    UNLIKELY(c->pending_decided || !http1_is_fresh(&c->out.parser)))
		return false;
	in = (struct bytes){ call->iov->iov_base, call->iov->iov_len };
	if (UNLIKELY(in.len > REPEAT_MAX) || UNLIKELY(!memory_is_readable(in.ptr, in.len)) ||
	    UNLIKELY(!repeat_is_request(r, in)) || UNLIKELY(!half_borrow(&c->out)))
		return false;
	a->call = (struct arrival){ call->iov, 1, in.len, c->out.bytes };
	a->written = (struct written){ .bytes = &a->call,
				       .lines = c->out.bytes,
				       .closing = c->out.bytes + in.len - 2,
				       .is_line_start = true,
				       .can_edit = true };
	r->now.fields.base = in.ptr;
	c->is_again = w->is_repeat = true;
	request_decide(c, call->fd, &r->now, &c->out.parser, &a->written);
	c->is_again = false;
	r->now.fields.base = NULL;
	if (LIKELY(e->count == 1 && e->list[0].old)) {
		segment_replace(&w->segment, in, (size_t)(e->list[0].at - c->out.bytes),
				&e->list[0]);
	} else if (e->count) {
		a->has_closing = true;
		a->seen = c->out.bytes + in.len;
		segment_fill(&w->segment, c, call, 0, in.len, a);
	} else {
		return true;
	}
	use_segment(w, c);
	return true;
}

/* False: it is not to be looked at any more. */
static bool plan_held(struct write *w, struct conn *c)
{
	const struct io_call *call = w->call;
	struct edits *e = &c->edits;
	uint64_t base = c->out.bytes;
	size_t len = w->total - w->done;

	if (UNLIKELY(c->wire)) /* its bytes are what they are */
		return true;
	/* Longjmp, cancellation, another thread: how much left?  Blind: see half_may_owe(). */
	if (UNLIKELY(edits_are_under_way(e) || atomic_load(&c->is_blind)))
		return false;
	if (UNLIKELY(edits_have_begun(e)) && !w->done && !conn_is_still(c, call->fd)) {
		edits_refuse(e, STAT_INJECT_REFUSED);
		return false;
	}
	if (LIKELY(plan_repeat(w, c)))
		return true;
	if (UNLIKELY(!ahead_look(&w->ahead, c, call, w->done, w->total)))
		return false;
	/* What is told of each call, or carried by it, stays with one call. */
	if (UNLIKELY(!call->can_edit) && e->done < e->count && e->list[e->done].at < base + len)
		request_give_up(c);
	if (call->can_edit && UNLIKELY(w->ahead.limit < base + len) && w->ahead.limit > base)
		len = (size_t)(w->ahead.limit - base);
	if (e->done < e->count)
		segment_fill(&w->segment, c, call, w->done, len, &w->ahead);
	else if (w->done || len < w->total)
		segment_plain(&w->segment, call, w->done, len);
	else
		return true;
	use_segment(w, c);
	return true;
}

/* It is blind, perhaps as of now: only what it owes still goes first. */
static void plan_blind(struct write *w)
{
	struct conn *c = conn_pin_token(w->token);
	bool owes = false;

	if (c && half_lock(&c->out)) {
		owes = !edits_are_under_way(&c->edits) && edits_owe(&c->edits) &&
		       conn_is_still(c, w->call->fd);
		if (owes) {
			segment_fill(&w->segment, c, w->call, w->done, w->total - w->done, NULL);
			use_segment(w, c);
		}
		half_unlock(&c->out);
	}
	if (!owes)
		w->token.conn = NULL;
	if (c)
		conn_unpin(c);
}

static void plan(struct write *w)
{
	struct segment *s = &w->segment;

	/* Field by field: clearing the vector would cost more than all the rest. */
	s->count = s->marks = 0;
	s->len = w->total - w->done;
	w->ahead.is_plain = w->is_repeat = false;
	w->is_pass = w->done == 0;
	w->is_more = w->is_kept = w->has_lines = false;
	w->token = LIKELY(w->looked.conn != NULL) ? w->looked :
		   w->call->inside                ? conn_look_inside(w->call->inside, false) :
						    conn_look(w->call->fd, false);
	w->looked.conn = NULL;
	if (LIKELY(w->token.conn && conn_role(w->token) == CONN_CLIENT)) {
		struct conn *c = conn_hold(w->token, false, false);
		bool is_planned = c && plan_held(w, c);

		if (UNLIKELY(c && !is_planned))
			conn_set_blind(c);
		if (LIKELY(c != NULL))
			conn_release(c, &c->out);
		if (UNLIKELY(!is_planned))
			plan_blind(w);
	}
	if (UNLIKELY(!w->is_pass && !s->count))
		segment_plain(s, w->call, w->done, w->total - w->done);
}

/* --- after it --- */

static void settle(const struct write *w, struct conn *c, size_t ours)
{
	if (!w->segment.marks)
		return;
	segment_settle(&c->edits, ours);
	set_under_way(c, false);
}

/*
 * Blind since the call was made: what is owed is owed all the same.  Or closed: its end has left
 * the lines to us.  After a longjmp nobody returns them.
 */
static NO_INLINE void settle_blind(const struct write *w, size_t ours)
{
	struct conn *c = w->segment.marks ? conn_pin_token(w->token) : NULL;

	if (!c) {
		if (w->segment.marks && w->has_lines)
			scratch_return(w->lines);
		return;
	}
	settle(w, c, ours);
	conn_unpin(c);
}

/*
 * All that was looked at has left, and it was one message, or part of one: what was found out ahead
 * is how things are.
 */
static bool is_as_foreseen(const struct write *w, const struct conn *c, size_t app)
{
	const struct ahead *a = &w->ahead;

	return a->is_plain && app == w->total - w->done && a->has_start == a->has_head &&
	       !a->parser.line && !c->out.parser.line && c->detect.result == DETECT_HTTP1_REQUEST;
}

/* Bytes of the application, under the half; false: they are not understood. */
static bool take_in(const struct write *w, struct conn *c, size_t app)
{
	const struct io_call *call = w->call;
	struct cursor at;

	if (LIKELY(w->is_repeat && app == w->total))
		return client_repeated(c, app);
	if (is_as_foreseen(w, c, app))
		return client_foreseen(c, &w->ahead, app);
	if (w->is_pass)
		return conn_took(c, call->fd, call->iov, call->count, app);
	at = cursor_at(call, w->done);
	while (app) {
		struct iovec piece = cursor_next(&at, app);

		if (!conn_took(c, call->fd, &piece, 1, piece.iov_len))
			return false;
		app -= piece.iov_len;
	}
	return true;
}

/* Takes in what a segment's call did; returns the application's bytes. */
static size_t segment_done(struct write *w, ssize_t n, int error)
{
	size_t ours, app = segment_taken(&w->segment, n > 0 ? (size_t)n : 0, &ours);
	bool is_final = n < 0 && error_is_final(error);
	struct conn *c = w->token.conn ? conn_hold(w->token, false, app || is_final) : NULL;
	bool is_understood = true;

	if (UNLIKELY(!c)) {
		settle_blind(w, ours);
		return app;
	}
	settle(w, c, ours);
	if (LIKELY(app)) {
		is_understood = take_in(w, c, app);
	} else {
		if (is_final)
			c->error = error;
		/* A head of which nothing left may be replaced by another one: decide anew then. */
		if (c->role == CONN_CLIENT && c->pending_decided && !edits_have_begun(&c->edits) &&
		    !w->is_kept && http1_is_between(&c->out.parser))
			request_undecide(c);
	}
	conn_finish(c, &c->out, w->call->fd, is_understood);
	return app;
}

/* --- */

bool write_plan(struct write *w)
{
	int error = errno;

	if (UNLIKELY(!host_is_observed()) || UNLIKELY(!guard_enter())) {
		conn_make_blind(w->call->fd);
		return false;
	}
	plan(w);
	guard_leave();
	errno = error;
	return true;
}

void write_plan_again(struct write *w)
{
	struct segment *s = &w->segment;
	struct conn *c = NULL;

	w->is_pass = w->is_more = w->is_kept = w->is_repeat = w->ahead.is_plain = false;
	s->bytes = SIZE_MAX; /* to be counted when they are out */
	w->token = (struct conn_token){ 0 };
	if (guard_enter()) {
		w->token = conn_look_inside(w->call->inside, false);
		if (w->token.conn)
			c = conn_hold(w->token, false, false);
		if (c && c->pending_decided && !c->edits.sent &&
		    c->edits.count - c->edits.done >= s->marks) {
			w->lines = c->out.scratch_index;
			w->has_lines = true;
			set_under_way(c, true);
		} else {
			w->token.conn = NULL;
		}
		if (c)
			conn_release(c, &c->out);
		guard_leave();
	}
	if (!w->token.conn)
		s->marks = 0;
}

static ssize_t make(const struct write *w)
{
	const struct segment *s = &w->segment;

	return w->is_pass ? w->call->pass(w->call) :
			    w->call->send(w->call, s->vector, s->count, w->is_more);
}

size_t write_done(struct write *w, ssize_t n)
{
	int error = errno;
	size_t app = 0;

	if (guard_enter()) {
		app = segment_done(w, n, error);
		guard_leave();
	}
	errno = error;
	return app;
}

ssize_t conn_write(const struct io_call *call)
{
	return conn_write_looked(call, (struct conn_token){ 0 });
}

ssize_t conn_write_looked(const struct io_call *call, struct conn_token t)
{
	int error = errno;
	struct write w;
	bool is_usual;

	w.call = call;
	w.looked = t;
	w.total = total_len(call);
	w.done = 0;
	is_usual = LIKELY(w.total) && LIKELY(t.conn != NULL) && usual_plan(&w, t);
	for (;; is_usual = false) {
		size_t app;
		ssize_t n;

		if (!is_usual && (UNLIKELY(!w.total) || UNLIKELY(!write_plan(&w))))
			return w.done ? (ssize_t)w.done : call->pass(call);
		TICKS_OUT();
		n = make(&w);
		TICKS_IN();
		if (LIKELY(is_usual) && LIKELY(usual_sent(&w, n)))
			return n;
		app = write_done(&w, n);
		if (UNLIKELY(n < 0 && w.done))
			errno = error; /* part of it is out: no error is told */
		if (UNLIKELY(n < 0))
			return w.done ? (ssize_t)w.done : n;
		if (w.is_pass)
			return n;
		w.done += app;
		if ((app < w.segment.len && app) || w.done >= w.total || n == 0 ||
		    (w.done && !call->can_edit))
			return (ssize_t)w.done;
	}
}

bool conn_pay(const struct io_call *call)
{
	struct write w;

	w.call = call;
	w.looked.conn = NULL;
	w.total = w.done = 0;
	for (;;) {
		ssize_t n;

		if (!write_plan(&w) || !w.segment.marks)
			return true;
		w.is_more = true;
		n = make(&w);
		write_done(&w, n);
		if (n < 0)
			return false;
	}
}
