/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usual call: a proxy asks once more what it asked last on this connection, and copies the
 * header that we have tagged.  What write.c, request.c and inject.c find out in general is known
 * here, and what is left is the state that they would leave; so whatever comes in between is theirs
 * to go on with.
 *
 * Our text lies on the writer's stack: where all of it leaves, as nearly always, nobody else ever
 * needs it.  Otherwise it is moved to where write.c has it.
 */
#include <errno.h>

#include "clock.h"
#include "config.h"
#include "conn_impl.h"
#include "copy.h"
#include "guard.h"
#include "host.h"
#include "http_attrs.h"
#include "http_side.h"
#include "memory.h"
#include "said.h"
#include "sampler.h"
#include "span_put.h"
#include "stats.h"
#include "traceparent.h"
#include "url.h"
#include "usual_impl.h"
#include "write_impl.h"

/* Of a slot, beside what is told as of the last one: an event, and a trace state of ours. */
#define OTHER_ITEMS 80u

/* Nothing is under way there, and nothing is told of its beginning. */
static ALWAYS_INLINE bool is_ready(const struct conn *c)
{
	const struct edits *e = &c->edits;

	return LIKELY(c->request.len) && LIKELY(c->request.ids.len) && LIKELY(!c->wire) &&
	       LIKELY(!(c->is_fresh | c->is_connecting | c->has_pending | c->pending_decided)) &&
	       LIKELY(!atomic_load_explicit(&c->is_never_edited, memory_order_relaxed)) &&
	       LIKELY(!e->count) && LIKELY(!edits_are_under_way(e)) &&
	       LIKELY(http1_is_fresh(&c->out.parser));
}

/* Of what is recorded it must be known what is told, but for the target, and all must fit. */
static ALWAYS_INLINE bool is_known(const struct conn *c, struct bytes target,
				   const struct span_context *cause)
{
	const struct span_block *b = &c->common.block;

	return !sampler_may_record(cause) ||
	       (LIKELY(c->request.is_common) && LIKELY(b->begun) &&
		LIKELY(b->len + b->begun + target.len <= SPAN_DATA_BYTES - OTHER_ITEMS));
}

/* Of which request is this one a part?  *ret: its context; ids: the header's value. */
static ALWAYS_INLINE bool find_cause(const char *ids, struct span_context *ret)
{
	return LIKELY(traceparent_parse((struct bytes){ ids, TRACEPARENT_LEN }, &ret->trace,
					&ret->span, &ret->flags) != TRACEPARENT_INVALID) &&
	       LIKELY(tag_find_plain(ret)) && LIKELY(!said_any());
}

static ALWAYS_INLINE struct span *open_call(struct conn *c, struct bytes target,
					    const struct span_context *cause)
{
	uint8_t flags = cause->flags & TRACE_FLAG_RANDOM; /* C20, C21 */
	uint64_t now = clock_monotonic_ns();
	struct decision d =
		sampler_decide(&(struct sampler_case){ cause, &cause->trace, now, 0 }, &flags);
	struct span *s = span_start_decided(SPAN_CLIENT, cause, now, d, flags);

	if (UNLIKELY(!s))
		return NULL;
	span_put_event(s, EVENT_CONNECTION_REUSED, now);
	/* There is room for it (is_known()). */
	if (span_is_recording(s) && UNLIKELY(!attrs_client_as_last(s, c, target)))
		span_count_dropped(s, 1);
	return s;
}

/* What comes before our value, that, what comes behind. */
static ALWAYS_INLINE void set_pieces(struct write *w, struct bytes in, char *own)
{
	struct segment *g = &w->segment;
	size_t at = w->usual.at, rest = at + TRACEPARENT_LEN;

	g->iov[0] = (struct iovec){ (void *)(uintptr_t)in.ptr, at };
	g->iov[1] = (struct iovec){ own, TRACEPARENT_LEN };
	g->iov[2] = (struct iovec){ (void *)(uintptr_t)(in.ptr + rest), in.len - rest };
	g->count = 3;
}

/*
 * What is sent: a copy of the head with our value in it, which costs us less than three pieces cost
 * the kernel; or, of a long one, those.
 */
static ALWAYS_INLINE void edit(struct write *w, struct conn *c, struct bytes in, const char *ids,
			       const struct span *s)
{
	struct segment *g = &w->segment;
	struct edits *e = &c->edits;
	size_t at = w->usual.at = (size_t)(ids - in.ptr);
	char *own = write_own(w);

	if (LIKELY(in.len <= WRITE_OWN)) {
		copy_short(own, in.ptr, in.len);
		g->iov[0] = (struct iovec){ own, in.len };
		g->count = 1;
		own += at;
	} else {
		set_pieces(w, in, own);
	}
	memcpy(w->usual.theirs, ids, TRACEPARENT_LEN);
	traceparent_format(own, &s->trace, &s->id, s->flags);
	e->list[0] = (struct edit){ c->out.bytes + at, own, w->usual.theirs, TRACEPARENT_LEN };
	e->count = 1;
	e->is_rewrite = true;
	atomic_store_explicit(&e->is_under_way, true, memory_order_release);
	g->vector = g->iov;
	g->marks = 1;
	g->mark[0] = (struct segment_mark){ 1, true };
	g->ours = TRACEPARENT_LEN;
}

static ALWAYS_INLINE bool plan(struct write *w, struct conn *c, struct bytes in)
{
	struct repeat *r = &c->request;
	struct edits *e = &c->edits;
	struct span_context cause = { .is_remote = false };
	struct bytes target;
	const char *ids;
	struct span *s;

	if (UNLIKELY(!is_ready(c)) || UNLIKELY(in.len > REPEAT_MAX) ||
	    UNLIKELY(!memory_is_readable(in.ptr, in.len)))
		return false;
	/* Of a POST it would have to be known whether it brings somebody's telemetry. */
	if (UNLIKELY(*in.ptr == 'P') || UNLIKELY(!repeat_is_request(r, in)))
		return false;
	target = head_get(&r->now, in.ptr, HEAD_TARGET);
	ids = in.ptr + r->now.fields.piece[HEAD_TRACEPARENT].at;
	if (UNLIKELY(!url_is_path(target)) || UNLIKELY(!find_cause(ids, &cause)) ||
	    UNLIKELY(!is_known(c, target, &cause)))
		return false;
	c->pending = (struct exchange){ .parent = cause.local, .is_head = c->out.parser.is_head };
	s = open_call(c, target, &cause);
	c->pending.span = LIKELY(s != NULL) ? store_ref(s) : (struct span_ref){ 0, 0 };
	c->has_pending = c->pending_decided = true;
	edits_clear(e);
	e->closing = c->out.bytes + in.len - 2;
	e->traceparents = 1;
	e->tracestates = 0;
	w->segment.count = w->segment.marks = 0;
	w->segment.len = w->segment.bytes = in.len;
	w->is_pass = !s;
	if (LIKELY(s != NULL))
		edit(w, c, in, ids, s);
	exchange_offer(c);
	return true;
}

/* Apart, as the next one: what they keep on the stack is not the long way's to carry. */
NO_INLINE bool usual_plan(struct write *w, struct conn_token t)
{
	const struct io_call *call = w->call;
	struct conn *c = t.conn;
	int error = errno;
	bool is_planned;

	if (UNLIKELY(!usual_calls_are_default) || UNLIKELY(!is_usual(c, CONN_CLIENT)) ||
	    UNLIKELY(!is_plain_loop()) || UNLIKELY(call->count != 1) || UNLIKELY(!call->can_edit) ||
	    UNLIKELY(call->inside) || UNLIKELY(!host_is_observed()) || UNLIKELY(!guard_enter()))
		return false;
	is_planned = half_hold(&c->out, t, false);
	if (LIKELY(is_planned)) {
		is_planned = plan(w, c, (struct bytes){ call->iov->iov_base, w->total });
		conn_let_go(c, &c->out);
	}
	guard_leave();
	errno = error;
	if (UNLIKELY(!is_planned))
		return false;
	w->token = t;
	w->looked.conn = NULL;
	w->is_more = w->is_kept = w->ahead.is_plain = w->has_lines = false;
	w->is_repeat = true;
	return true;
}

/* --- after it --- */

/* As request_sent(), of such a one. */
static ALWAYS_INLINE bool is_sent(struct conn *c, size_t len)
{
	c->out.bytes += len;
	if (LIKELY(c->edits.count))
		stats_inc(STAT_REWRITTEN);
	c->has_pending = c->pending_decided = false;
	edits_clear(&c->edits);
	atomic_store_explicit(&c->edits.is_under_way, false, memory_order_release);
	half_settle(&c->out);
	if (LIKELY(exchange_sent(c, &c->pending)))
		return true;
	span_discard(span_mine(c->pending.span));
	return false;
}

/* Part of it has left: the rest is for write.c, which needs our text when w is gone. */
static NO_INLINE void keep_text(struct write *w)
{
	struct conn *c = w->token.conn;
	struct edit *e = c->edits.list;

	if (!half_hold(&c->out, w->token, false))
		return;
	if (half_borrow(&c->out)) {
		char *text = c->out.scratch->edit;

		memcpy(text, e->text, TRACEPARENT_LEN);
		memcpy(text + TRACEPARENT_LEN, w->usual.theirs, TRACEPARENT_LEN);
		e->text = text;
		e->old = text + TRACEPARENT_LEN;
		w->lines = c->out.scratch_index;
		w->has_lines = true;
	} else {
		/* No memory: the rest leaves as it is. */
		edits_refuse(&c->edits, STAT_INJECT_REFUSED);
		atomic_store_explicit(&c->edits.is_under_way, false, memory_order_release);
		w->segment.marks = 0;
	}
	conn_let_go(c, &c->out);
}

NO_INLINE bool usual_sent(struct write *w, ssize_t n)
{
	struct conn *c = w->token.conn;
	bool is_all = LIKELY(n == (ssize_t)w->total);
	int error = errno;
	bool is_done = false;

	if (UNLIKELY(!guard_enter()))
		return false;
	if (LIKELY(is_all) && LIKELY(half_hold(&c->out, w->token, true))) {
		conn_finish(c, &c->out, w->call->fd, is_sent(c, w->total));
		is_done = true;
	} else if (n > 0 && !is_all && w->segment.marks) {
		/* For segment_taken(). */
		set_pieces(w, (struct bytes){ w->call->iov->iov_base, w->total }, write_own(w));
		keep_text(w);
	}
	guard_leave();
	errno = error;
	return is_done;
}
