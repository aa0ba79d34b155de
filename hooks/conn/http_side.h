/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SIDE_H
#define HTTP_SIDE_H
/* What the server and the client side of HTTP/1 share.  Under the half's lock. */
#include "conn.h"
#include "process.h"
#include "stats.h"
#include "store.h"

/* Does the stream that carries requests speak what it should, as far as one can tell? */
static inline bool detect_is(struct conn *c, struct bytes in, enum detect_result wanted)
{
	bool was_open = c->detect.result == DETECT_MORE;
	enum detect_result r = detect_step(&c->detect, in);

	if (UNLIKELY(was_open))
		conn_speaks(c, r);
	return r == wanted || r == DETECT_MORE;
}

/* The part of an event that is about memory and facts; false: the half makes no sense any more. */
static inline bool half_take(struct half *h, enum http1_event e)
{
	switch (e) {
	case HTTP1_NEED_LINE:
		if (!half_borrow(h))
			return false;
		http1_lend(&h->parser, h->scratch->line, sizeof(h->scratch->line));
		return true;
	case HTTP1_START_LINE:
		if (h->parser.is_response)
			return true;
		if (!half_borrow(h))
			return false;
		head_start(&h->head, h->scratch->text, &h->parser);
		return true;
	case HTTP1_HEADER:
		if (!h->parser.is_response)
			head_field(&h->head, h->scratch->text, &h->parser);
		return true;
	case HTTP1_DEAD:
		if (h->parser.reason == HTTP1_SMUGGLING)
			stats_inc(STAT_SMUGGLING);
		return false;
	case HTTP1_TUNNEL:
		return false;
	default:
		return true;
	}
}

/*
 * The next event of a request that is read: where its whole head is there the last one of that, and
 * all others have been dealt with.
 */
static ALWAYS_INLINE enum http1_event half_step_request(struct half *h, struct bytes *in)
{
	struct http1_others others;

	if (!http1_is_fresh(&h->parser) || !in->len || h->parser.tell & HEAD_TELL_MORE ||
	    !http1_whole_request(&h->parser, in, &h->head.fields, &others))
		return http1_step(&h->parser, in);
	if (!half_borrow(h))
		return HTTP1_DEAD;
	head_whole(&h->head, h->scratch->text, &others);
	return HTTP1_HEAD_END;
}

/* The same for a response to x, of whose headers nobody wants to be told; NULL: step by step. */
static ALWAYS_INLINE enum http1_event half_step_response(struct half *h, struct bytes *in,
							 const struct exchange *x, bool *ret_whole)
{
	*ret_whole = x && http1_is_fresh(&h->parser) && !h->parser.tell && in->len &&
		     http1_whole_response(&h->parser, in, x->is_head, x->is_connect);
	return *ret_whole ? HTTP1_HEAD_END : http1_step(&h->parser, in);
}

/* Gives the scratch back where nothing in it is needed any more. */
static inline void half_settle(struct half *h)
{
	if (UNLIKELY(h->scratch != NULL) && !http1_holds_line(&h->parser))
		half_return(h);
}

/* The open span of ref, if this process opened it: a forked child must not end its parent's. */
static inline struct span *span_mine(struct span_ref ref)
{
	struct span *s = store_span(ref);

	return s && s->pid == process_pid() ? s : NULL;
}

/* A request's body is complete: its exchange was pushed last. */
static inline void body_size_keep(struct conn *c, const struct http1 *p)
{
	atomic_store_explicit(&c->request_body.of, 0, memory_order_relaxed);
	atomic_store_explicit(&c->request_body.bytes, p->body_bytes, memory_order_release);
	atomic_store_explicit(&c->request_body.of, exchange_last_number(c), memory_order_release);
}

/* s: its span, as span_mine() says. */
static inline void exchange_end(const struct exchange *x, struct span *s)
{
	if (UNLIKELY(x->is_stand_in))
		span_discard(s);
	else
		span_end(s);
}

#endif
