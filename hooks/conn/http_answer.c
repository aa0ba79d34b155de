/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of HTTP/1: responses that are written; requests: http_server.c. */
#include "capture.h"
#include "clock.h"
#include "conn.h"
#include "conn_impl.h"
#include "context.h"
#include "http_attrs.h"
#include "http_side.h"

static void response_over(struct conn *c)
{
	struct exchange *x = exchange_first(c);
	struct span *s;

	if (!x)
		return;
	s = span_mine(x->span);
	attrs_body_sizes(s, c, &c->out.parser);
	if (UNLIKELY(c->first_byte_ns))
		span_add_event_at(s, EVENT_FIRST_BYTE, c->first_byte_ns);
	c->first_byte_ns = 0;
	c->is_first_byte = false;
	if (LIKELY(s && s->has_parent))
		tag_ended(x->span, &s->id);
	exchange_end(x, s);
	exchange_pop(c);
	if (UNLIKELY(exchange_count(c))) /* the next one has been read already */
		context_doubt();
}

static void response_begun(struct conn *c)
{
	const struct exchange *x = exchange_first(c);

	if (!x)
		return;
	http1_expect(&c->out.parser, x->is_head, x->is_connect);
	c->is_first_byte = !c->first_byte_ns;
}

static void response_header(struct conn *c)
{
	const struct exchange *x = exchange_first(c);

	if (x && UNLIKELY(capture_any(CAPTURE_SERVER_RESPONSE)) && half_borrow(&c->out))
		attrs_response_header(span_mine(x->span), true, &c->out.parser,
				      c->out.scratch->edit);
}

static void response_head_over(struct conn *c)
{
	const struct http1 *p = &c->out.parser;
	const struct exchange *x = exchange_first(c);

	if (x && (p->status >= 200 || p->status == 101))
		attrs_response(span_mine(x->span), true, p);
	half_settle(&c->out);
}

/* False: the half makes no sense any more. */
static ALWAYS_INLINE bool response_event(struct conn *c, enum http1_event e)
{
	switch (e) {
	case HTTP1_START_LINE:
		response_begun(c);
		return true;
	case HTTP1_HEADER:
		response_header(c);
		return true;
	case HTTP1_HEAD_END:
		response_head_over(c);
		return true;
	case HTTP1_MESSAGE_END:
		response_over(c);
		return true;
	case HTTP1_TUNNEL:
		response_over(c);
		return false;
	default:
		return half_take(&c->out, e);
	}
}

/* Told only where it is not the end: a response that streams. */
void server_goes_on(struct conn *c)
{
	c->first_byte_ns = clock_monotonic_ns();
	c->is_first_byte = false;
}

/*
 * The head of the last response once more: returns how long it is, 0: it is another one.
 * *ret_whole: the whole message has been taken in, since its body is what is left of the call.
 */
static ALWAYS_INLINE size_t head_again(struct conn *c, struct bytes in, size_t rest,
				       bool *ret_whole)
{
	struct http1 *p = &c->out.parser;
	const struct exchange *x = exchange_first(c);
	uint64_t length;
	size_t n;

	*ret_whole = false;
	if (!x || x->is_head || x->is_connect || !http1_is_fresh(p))
		return 0;
	n = repeat_is_response(&c->response, in, &length);
	if (UNLIKELY(!n))
		return 0;
	c->is_first_byte = !c->first_byte_ns;
	*ret_whole = LIKELY(in.len - n + rest == length) && http1_repeat_whole(p, length);
	if (UNLIKELY(!*ret_whole))
		http1_repeat(p, length);
	attrs_response(span_mine(x->span), true, p);
	return n;
}

/* Step by step.  head: it begins there, NULL: elsewhere. */
static NO_INLINE bool response_steps(struct conn *c, struct bytes in, const char *head)
{
	for (;;) {
		bool is_whole;
		enum http1_event e = half_step_response(&c->out, &in, exchange_first(c), &is_whole);

		if (e == HTTP1_NEED_MORE)
			return true;
		if (is_whole)
			response_begun(c);
		repeat_see(&c->response, &head, e, in, &c->out.parser);
		if (!response_event(c, e))
			return false;
		if (e == HTTP1_MESSAGE_END && !in.len)
			return true;
	}
}

bool server_wrote(struct conn *c, struct bytes in, size_t *rest)
{
	struct half *h = &c->out;
	const char *head = NULL;
	bool is_whole = false;
	size_t n;

	if (UNLIKELY(!c->in.bytes)) /* who speaks first does not speak HTTP */
		return false;
	h->bytes += in.len;
	n = LIKELY(c->response.len) ? head_again(c, in, *rest, &is_whole) : 0;
	if (LIKELY(is_whole)) {
		h->bytes += *rest;
		*rest = 0;
		response_over(c);
		return true;
	}
	if (!n && http1_is_fresh(&h->parser)) {
		head = in.ptr;
		repeat_end(&c->response);
	}
	return response_steps(c, bytes_skip(in, n), head);
}

void server_over(struct conn *c, bool is_forked)
{
	bool process_is_over = atomic_load(&conn_process_is_over);
	struct exchange *x;

	if (!is_forked && http1_eof(&c->out.parser))
		response_over(c);
	while ((x = exchange_first(c))) {
		struct span *s = span_mine(x->span);

		if (is_forked || x->is_stand_in) {
			span_discard(s);
		} else {
			if (!atomic_load(&c->is_opaque) && !atomic_load(&c->is_blind))
				span_set_error(s, c->error        ? error_name(c->error) :
						  c->is_eof       ? BYTES("client_disconnected") :
						  process_is_over ? BYTES("process_exited") :
								    BYTES("no_response"));
			span_end(s);
		}
		exchange_pop(c);
	}
}

void server_shut(struct conn *c, bool is_known)
{
	if (is_known)
		server_over(c, false);
	else if (http1_eof(&c->out.parser))
		response_over(c);
}
