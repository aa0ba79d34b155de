/* SPDX-License-Identifier: Apache-2.0 */
#include "usual_impl.h"

#include "calls.h"
#include "clock.h"
#include "config.h"
#include "context.h"
#include "host.h"
#include "http_attrs.h"
#include "http_call.h"
#include "http_side.h"
#include "keep.h"
#include "opt_in.h"
#include "sampler.h"
#include "span_put.h"
#include "spare.h"
#include "stats.h"
#include "traceparent.h"
#include "tracer.h"
#include "url.h"

bool usual_is_default, usual_calls_are_default;

void conn_take_settings(void)
{
	bool is_more = config.excluded_urls.len || config.force_header.len ||
		       config.force_baggage.len || sampler_has_rules || keep_has_rules ||
		       config.sdk_disabled || config.http_routes.len ||
		       opt_in(ATTR_HTTP_REQUEST_BODY_SIZE) || opt_in(ATTR_HTTP_RESPONSE_BODY_SIZE);

	usual_is_default = !is_more && config.trust_inbound && tag_is_allowed();
	usual_calls_are_default = usual_is_default && !config.baggage_keys.len &&
				  !config.propagate_to.len && !config_has_others();
}

/* --- requests --- */

/* Not where another is under way; with what it is asked for known. */
static ALWAYS_INLINE void push(struct conn *c, struct span_ref span)
{
	uint32_t tail = atomic_load_explicit(&c->exchanges.tail, memory_order_relaxed);

	atomic_store_explicit(&c->exchanges.from, tail, memory_order_relaxed);
	c->exchanges.at[0] = (struct exchange){ .span = span, .is_head = c->in.parser.is_head };
	/* As exchange_push() does. */
	atomic_store_explicit(&c->exchanges.tail, tail + 1, memory_order_release);
}

static ALWAYS_INLINE bool is_idle(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.head, memory_order_acquire) ==
	       atomic_load_explicit(&c->exchanges.tail, memory_order_relaxed);
}

/* What of it is told is what was told of the last one, but for its path. */
static ALWAYS_INLINE bool describe_as_last(struct span *s, const struct conn *c, const char *text)
{
	struct bytes target = head_get(&c->request.now, text, HEAD_TARGET);

	return LIKELY(c->request.is_common) && LIKELY(url_is_path(target)) &&
	       LIKELY(span_set_with_block(s, ATTR_URL_PATH, target, &c->common.block));
}

/* What is asked for is in c->request.now, the caller's context in *caller; NULL: it has none. */
static ALWAYS_INLINE struct span *open_span(struct conn *c, int fd, const char *text,
					    const struct span_context *caller,
					    struct span_ref *ret_ref)
{
	struct span *s = NULL;

	if (LIKELY(caller)) {
		uint8_t flags = caller->flags & TRACE_FLAG_RANDOM; /* C20, C21 */
		struct decision d = sampler_decide_below(caller, &flags);

		if (LIKELY(d.verdict == VERDICT_DROP && d.state != STATE_SET)) {
			s = span_start_bare(caller, flags, ret_ref);
			if (LIKELY(s))
				return s;
		}
		if (d.verdict == VERDICT_RECORD && LIKELY(d.state != STATE_SET))
			s = span_start_kept(caller, flags, ret_ref);
		if (!s) {
			s = span_start_decided(SPAN_SERVER, caller, 0, d, flags);
			*ret_ref = LIKELY(s != NULL) ? store_ref(s) : (struct span_ref){ 0, 0 };
		}
	} else {
		s = span_start_by(SPAN_SERVER, NULL, 0, 0);
		*ret_ref = span_ref(s);
	}
	if (LIKELY(span_is_recording(s)) && !describe_as_last(s, c, text))
		attrs_server_request(s, c, fd, &c->request.now, text, &c->in.parser);
	return s;
}

bool usual_read(struct conn *c, int fd, char *buf, size_t n)
{
	struct half *h = &c->in;
	struct repeat *r = &c->request;
	struct span_context caller = { .is_remote = true };
	struct span *s;
	struct span_ref ref;
	char *ids = NULL;

	if (UNLIKELY(!is_usual(c, CONN_SERVER)) || UNLIKELY(!r->len) ||
	    UNLIKELY(!is_plain_loop()) || UNLIKELY(!is_idle(c)) ||
	    UNLIKELY(!http1_is_fresh(&h->parser)) ||
	    UNLIKELY(atomic_load_explicit(&c->is_timed_out, memory_order_relaxed)))
		return false;
	/* Of a POST it would have to be known whether it brings somebody's telemetry. */
	if (UNLIKELY(*buf == 'P') || UNLIKELY(!repeat_is_request(r, (struct bytes){ buf, n })))
		return false;
	if (LIKELY(r->ids.len)) {
		ids = buf + r->now.fields.piece[HEAD_TRACEPARENT].at;
		if (UNLIKELY(conn_is_peeked(c, h->bytes + (size_t)(ids - buf))) ||
		    UNLIKELY(traceparent_parse((struct bytes){ ids, TRACEPARENT_LEN },
					       &caller.trace, &caller.span,
					       &caller.flags) == TRACEPARENT_INVALID))
			return false;
	}
	h->bytes += n;
	s = open_span(c, fd, buf, LIKELY(ids) ? &caller : NULL, &ref);
	if (LIKELY(s && ids)) {
		tag_write_id(ids, &s->id);
		tag_remember(ref, &s->id);
	}
	/* From here on who answers may end the span. */
	push(c, ref);
	thread_self.inherited = (struct span_ref){ 0, 0 };
	thread_self.current = ref;
	return true;
}

/* --- answers --- */

/* The only request under way; NULL: there is none, or there are several. */
static ALWAYS_INLINE struct exchange *only(struct conn *c)
{
	uint32_t head = atomic_load_explicit(&c->exchanges.head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&c->exchanges.tail, memory_order_acquire);

	if (UNLIKELY(tail - head != 1))
		return NULL;
	head -= atomic_load_explicit(&c->exchanges.from, memory_order_relaxed);
	return &c->exchanges.at[head % CONN_EXCHANGES];
}

/* The last answer once more to x, in n bytes that begin with these, and nothing but that. */
static ALWAYS_INLINE bool is_last_again(struct conn *c, struct half *h, const struct exchange *x,
					struct bytes first, size_t n)
{
	uint64_t length;
	size_t head;

	if (UNLIKELY(!c->response.len) || UNLIKELY(x->is_head | x->is_connect | x->is_stand_in) ||
	    UNLIKELY(!http1_is_fresh(&h->parser)))
		return false;
	head = repeat_is_response(&c->response, first, &length);
	return LIKELY(head) && LIKELY(n - head == length) &&
	       LIKELY(http1_repeat_whole(&h->parser, length));
}

/* attrs_response() */
static ALWAYS_INLINE void answered(struct span *s, bool is_server, const struct http1 *p)
{
	if (LIKELY(p->status < 400))
		span_put_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, p->status);
	else
		attrs_response(s, is_server, p);
}

static ALWAYS_INLINE void end_span(struct span_ref ref, const struct http1 *p)
{
	struct span *s = span_mine(ref);

	if (UNLIKELY(!s))
		return;
	if (LIKELY(s->has_parent))
		tag_ended(ref, &s->id);
	if (s->verdict == VERDICT_DROP) {
		calls_close(s, false);
		if (LIKELY(span_end_bare(s, ref)))
			return;
	} else if (s->verdict == VERDICT_RECORD && LIKELY(p->status < 500)) {
		if (LIKELY(span_end_kept(s, ref)))
			return;
	}
	answered(s, true, p);
	span_end(s);
}

bool usual_wrote(struct conn *c, const struct iovec *iov, size_t n)
{
	struct half *h = &c->out;
	struct exchange *x = only(c);
	struct bytes first = { iov->iov_base, iov->iov_len < n ? iov->iov_len : n };

	if (UNLIKELY(!is_usual(c, CONN_SERVER)) || UNLIKELY(!x) || UNLIKELY(c->first_byte_ns) ||
	    UNLIKELY(!is_last_again(c, h, x, first, n)))
		return false;
	h->bytes += n;
	end_span(x->span, &h->parser);
	exchange_pop(c);
	context_touched((struct span_ref){ 0, 0 });
	return true;
}

bool usual_answered(struct conn *c, const char *buf, size_t n)
{
	struct half *h = &c->in;
	struct exchange *x = only(c);
	struct span *s;

	if (UNLIKELY(!is_usual(c, CONN_CLIENT)) || UNLIKELY(!x) || UNLIKELY(x->has_begun) ||
	    UNLIKELY(c->wire != NULL) ||
	    UNLIKELY(atomic_load_explicit(&c->is_timed_out, memory_order_relaxed)) ||
	    UNLIKELY(!is_last_again(c, h, x, (struct bytes){ buf, n }, n)))
		return false;
	h->bytes += n;
	c->is_read_again = false;
	context_touched(x->parent);
	s = span_mine(x->span);
	if (LIKELY(s)) {
		uint64_t now = clock_monotonic_ns();

		span_put_event(s, EVENT_FIRST_BYTE, now);
		answered(s, false, &h->parser);
		http_call_end_at(c, x, s, now);
	}
	exchange_pop(c);
	return true;
}
