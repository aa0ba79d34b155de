/* SPDX-License-Identifier: Apache-2.0 */
/* The client side of HTTP/1: requests that have been written, responses that are read. */
#include "ahead.h"
#include "capture.h"
#include "clock.h"
#include "config.h"
#include "conn.h"
#include "http_attrs.h"
#include "http_call.h"
#include "http_side.h"
#include "pgwire.h"
#include "tls_failure.h"
#include "tracer.h"

/* Once for a head, however often it was tried. */
static void count_head(const struct edits *e)
{
	if (UNLIKELY(e->facts & HEAD_ROOT))
		stats_inc(STAT_PARENT_NONE);
	if (UNLIKELY(e->facts & HEAD_STALE))
		stats_inc(STAT_TAG_STALE);
	if (UNLIKELY(e->facts & (HEAD_FOREIGN | HEAD_SERVED)))
		tracer_saw_header(e->facts & HEAD_SERVED);
	if (UNLIKELY(e->renames))
		stats_add(STAT_DISCARDED, e->renames);
	if (UNLIKELY(e->why_not))
		stats_inc((enum stat_id)e->why_not);
	else if (e->count)
		stats_inc(e->is_rewrite ? STAT_REWRITTEN : STAT_INJECTED);
}

static bool request_sent(struct conn *c)
{
	struct half *h = &c->out;
	struct exchange x = c->pending;

	count_head(&c->edits);
	if (UNLIKELY(!c->has_pending)) { /* the head's end left before anything was decided */
		stats_inc(STAT_INJECT_LATE);
		x = (struct exchange){ .is_head = h->parser.is_head,
				       .is_connect = h->parser.is_connect };
	}
	c->has_pending = c->pending_decided = false;
	edits_clear(&c->edits);
	c->is_fresh = c->is_connecting = false;
	if (UNLIKELY(!exchange_sent(c, &x))) {
		span_discard(span_mine(x.span));
		return false;
	}
	half_settle(h);
	return true;
}

bool client_wrote(struct conn *c, struct bytes in)
{
	struct half *h = &c->out;

	repeat_end(&c->request);
	if (!detect_is(c, in, DETECT_HTTP1_REQUEST))
		return false;
	h->bytes += in.len;
	for (;;) {
		enum http1_event e = http1_step(&h->parser, &in);

		if (e == HTTP1_NEED_MORE)
			return true;
		if (e == HTTP1_MESSAGE_END)
			body_size_keep(c, &h->parser);
		if (e == HTTP1_HEAD_END ? !request_sent(c) : !half_take(h, e))
			return false;
	}
}

bool client_foreseen(struct conn *c, const struct ahead *a, size_t len)
{
	c->out.parser = a->parser;
	c->out.bytes += len;
	c->request.len = a->kept;
	if (a->has_head && UNLIKELY(!request_sent(c)))
		return false;
	if (a->has_end)
		body_size_keep(c, &a->parser);
	return true;
}

bool client_repeated(struct conn *c, size_t len)
{
	c->out.bytes += len;
	if (UNLIKELY(!request_sent(c)))
		return false;
	body_size_keep(c, &c->out.parser);
	return true;
}

static void response_begun(struct half *h, struct exchange *x)
{
	http1_expect(&h->parser, x->is_head, x->is_connect);
	if (LIKELY(!x->has_begun)) /* 1xx responses come ahead of the one */
		span_add_event_at(span_mine(x->span), EVENT_FIRST_BYTE, clock_monotonic_ns());
	x->has_begun = true;
}

static void response_over(struct conn *c)
{
	struct exchange *x = exchange_first(c);

	if (UNLIKELY(!x))
		return;
	attrs_body_sizes(span_mine(x->span), c, &c->in.parser);
	http_call_end(c, x, span_mine(x->span));
	exchange_pop(c);
}

/* The peer closes: the proper end of a response without a length, or of nothing, or a cut. */
static bool peer_closed(struct conn *c)
{
	if (http1_eof(&c->in.parser))
		response_over(c);
	return true;
}

/*
 * The head of the last response once more (repeat.h): returns how long it is, 0: it is another one.
 * *ret_whole: the whole message has been taken in, since its body is all that is behind it.
 */
static ALWAYS_INLINE size_t head_again(struct conn *c, struct bytes in, bool *ret_whole)
{
	struct half *h = &c->in;
	struct exchange *x = exchange_first(c);
	uint64_t length;
	size_t n;

	*ret_whole = false;
	if (UNLIKELY(!x || x->is_head || x->is_connect))
		return 0;
	n = repeat_is_response(&c->response, in, &length);
	if (UNLIKELY(!n))
		return 0;
	response_begun(h, x);
	*ret_whole = in.len - n == length && http1_repeat_whole(&h->parser, length);
	if (!*ret_whole)
		http1_repeat(&h->parser, length);
	attrs_response(span_mine(x->span), false, &h->parser);
	return n;
}

/* Step by step.  head: it begins there, NULL: elsewhere. */
static NO_INLINE bool response_steps(struct conn *c, struct bytes in, const char *head)
{
	struct half *h = &c->in;

	for (;;) {
		struct exchange *x = exchange_first(c);
		bool is_whole;
		enum http1_event e = half_step_response(h, &in, x, &is_whole);

		if (e == HTTP1_NEED_MORE)
			return true;
		repeat_see(&c->response, &head, e, in, &h->parser);
		if (is_whole)
			response_begun(h, x);
		if (e == HTTP1_START_LINE && !x && exchange_take(c))
			x = exchange_first(c);
		if (e == HTTP1_START_LINE && !x) /* an answer that nobody asked for */
			return false;
		if (e == HTTP1_START_LINE)
			response_begun(h, x);
		if (e == HTTP1_HEADER && UNLIKELY(capture_any(CAPTURE_CLIENT_RESPONSE)) && x &&
		    half_borrow(h))
			attrs_response_header(span_mine(x->span), false, &h->parser,
					      h->scratch->edit);
		if (e == HTTP1_HEAD_END && (h->parser.status >= 200 || h->parser.status == 101))
			attrs_response(x ? span_mine(x->span) : NULL, false, &h->parser);
		if (e == HTTP1_MESSAGE_END || e == HTTP1_TUNNEL)
			response_over(c);
		if (!half_take(h, e))
			return false;
		if (e == HTTP1_HEAD_END)
			half_settle(h);
	}
}

bool client_read(struct conn *c, struct bytes in)
{
	struct half *h = &c->in;
	const char *head = NULL;
	bool is_whole = false;
	size_t n = 0;

	if (UNLIKELY(!in.ptr))
		return peer_closed(c);
	if (UNLIKELY(!c->out.bytes) && !exchange_first(c) && !exchange_take(c))
		return false; /* the server speaks first: not HTTP */
	h->bytes += in.len;
	if (http1_is_fresh(&h->parser)) {
		n = LIKELY(c->response.len) ? head_again(c, in, &is_whole) : 0;
		if (LIKELY(is_whole)) {
			response_over(c);
			return true;
		}
		if (!n) {
			head = in.ptr;
			repeat_end(&c->response);
		}
	}
	return response_steps(c, bytes_skip(in, n), head);
}

void client_over(struct conn *c, bool is_forked)
{
	struct exchange *x;

	if (c->wire)
		pgwire_over(c, is_forked);
	if (UNLIKELY(c->tls.seen) && !is_forked)
		tls_over(c);
	if (exchange_withdraw(c) && c->has_pending)
		span_discard(span_mine(c->pending.span)); /* its request never left as a whole */
	c->has_pending = false;
	while ((x = exchange_first(c))) {
		struct span *s = span_mine(x->span);

		if (is_forked) {
			span_discard(s);
		} else {
			/*
			 * A local close before the answer is a cancellation, not an error (H18,
			 * H22), unless the last wait for it had timed out (H16).
			 */
			if (c->error)
				span_set_error(s, error_name(c->error));
			else if (c->is_eof)
				span_set_error(s, BYTES("closed_by_peer"));
			else if (atomic_load(&c->is_timed_out))
				span_set_error(s, BYTES("timeout"));
			http_call_end(c, x, s);
		}
		exchange_pop(c);
	}
}
