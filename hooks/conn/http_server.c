/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of HTTP/1: requests that are read; responses: http_answer.c. */
#include <fcntl.h>
#include <sys/syscall.h>

#include "baggage.h"
#include "capture.h"
#include "clock.h"
#include "config.h"
#include "conn.h"
#include "conn_impl.h"
#include "context.h"
#include "force.h"
#include "guard.h"
#include "http_attrs.h"
#include "http_side.h"
#include "origin.h"
#include "rawsys.h"
#include "rule.h"
#include "stats.h"
#include "traceparent.h"
#include "tracer.h"
#include "tracestate.h"

/* The caller's context (C1-C14, C29, C30), its trace state in buf.  False: none, or not valid. */
static ALWAYS_INLINE bool inbound_w3c(const struct head *h, const char *text, char *buf,
				      struct span_context *ret)
{
	struct tracestate list;
	uint16_t at = h->tracestate_first;
	struct bytes line;

	if (!h->fields.traceparents)
		return false;
	if (h->fields.traceparents > 1 ||
	    traceparent_parse(head_get(h, text, HEAD_TRACEPARENT), &ret->trace, &ret->span,
			      &ret->flags) == TRACEPARENT_INVALID) {
		stats_inc(STAT_INBOUND_INVALID);
		return false;
	}
	tracestate_init(&list, buf, TRACESTATE_BYTES);
	while (head_line(text, &at, &line))
		tracestate_add(&list, line);
	ret->tracestate = tracestate_list(&list);
	stats_add(STAT_TRACESTATE_INVALID, list.is_void);
	stats_add(STAT_LIST_LOST, list.truncated);
	ret->is_remote = true;
	return true;
}

/* The first valid one, in the order of the setting; what is not valid leaves it as it is (C11). */
static NO_INLINE bool inbound_of_many(const struct head *h, const char *text, char *buf,
				      struct span_context *ret)
{
	struct format_values values;

	head_formats(h, text, &values);
	for (uint32_t order = config.propagators.order; order; order >>= 4) {
		enum config_propagator p = order & 15;

		if (p == PROPAGATOR_TRACECONTEXT && inbound_w3c(h, text, buf, ret))
			return true;
		if (p >= PROPAGATOR_B3 && format_parse(p, &values, ret))
			return true;
	}
	stats_add(STAT_INBOUND_INVALID, h->others != 0);
	return false;
}

static bool inbound(const struct head *h, const char *text, char *buf, struct span_context *ret)
{
	if (UNLIKELY(h->others))
		return inbound_of_many(h, text, buf, ret);
	return inbound_w3c(h, text, buf, ret);
}

/* C93: OpenTracing's counts behind valid ids alone. */
static NO_INLINE void add_items(struct baggage *b, const struct head *h, const char *text)
{
	struct format_values values;
	struct span_context unused;
	uint16_t at = h->others_first;
	bool has_ids;
	struct bytes line;

	head_formats(h, text, &values);
	has_ids = format_parse(PROPAGATOR_OTTRACE, &values, &unused);
	while (head_line(text, &at, &line)) {
		unsigned kind = (unsigned char)*line.ptr;
		struct bytes value = bytes_skip(line, 1), key;

		if (kind <= FORMAT_LINES || (kind == FORMAT_LINES + PROPAGATOR_OTTRACE && !has_ids))
			continue;
		key = bytes_split(&value, '=');
		if (key.len)
			baggage_add_item(b, key, value);
		else
			baggage_add(b, value);
	}
}

static void keep_baggage(struct span *s, const struct head *h, const char *text, char *buf)
{
	struct baggage b;
	uint16_t at = h->baggage_first;
	struct bytes line;

	if (!at && LIKELY(!h->items))
		return;
	baggage_init(&b, buf, BAGGAGE_BYTES);
	while (head_line(text, &at, &line))
		baggage_add(&b, line);
	if (UNLIKELY(h->items))
		add_items(&b, h, text);
	stats_add(STAT_LIST_LOST, b.dropped);
	span_keep_baggage(s, baggage_list(&b));
	attrs_baggage(s, baggage_list(&b), buf + BAGGAGE_BYTES);
}

/*
 * OTEL_SDK_DISABLED, or an excluded URL: not a span of ours but the place where the caller's
 * context waits (E18).
 */
static void stand_for(struct span *s, const struct span_context *caller)
{
	s->id = caller->span;
	s->flags = caller->flags;
}

static void distrust(struct span *s, const struct span_context *caller)
{
	span_keep_caller(s, &caller->trace, &caller->span);
	span_add_link(s, caller, NULL, 0);
	stats_inc(STAT_INBOUND_UNTRUSTED);
}

static bool is_blocking(int fd)
{
	long flags = raw_syscall3(SYS_fcntl, fd, F_GETFL, 0);

	return !raw_is_error(flags) && !(flags & O_NONBLOCK);
}

static bool is_synchronous(const struct conn *c, int fd)
{
	bool is_just_accepted = c->acceptor == &thread_self && c->connect_waits == context_waits();

	return context_is_loop() || context_waited_for(fd) ||
	       context_reads_at_once(is_just_accepted) || is_blocking(fd);
}

/* A request whose head is whole. */
struct asked {
	const struct head *head;
	const char *text;                  /* of head */
	const struct span_context *caller; /* NULL: none */
	char *ids; /* the header of caller in the application's buffer; NULL: to be looked for */
	uint64_t ids_at; /* position in the stream */
};

/* What is known of it but its ids. */
static void describe(struct conn *c, int fd, struct span *s, const struct exchange *x,
		     const struct asked *a)
{
	struct half *h = &c->in;
	const struct span_context *caller = a->caller;
	bool has_parent = caller && config.trust_inbound;

	if (UNLIKELY(x->is_stand_in) && has_parent)
		stand_for(s, caller);
	else if (UNLIKELY(x->is_stand_in))
		span_exclude(s);
	if (UNLIKELY(a->head->baggage_first || a->head->items) && config.trust_inbound)
		keep_baggage(s, a->head, a->text, h->scratch->edit);
	else if (UNLIKELY(!config.trust_inbound) && caller)
		distrust(s, caller);
	if (UNLIKELY(a->head->others) && has_parent && caller->is_debug)
		span_set_debug(s);
	if (UNLIKELY(x->is_stand_in))
		return;
	attrs_server_request(s, c, fd, a->head, a->text, &h->parser);
	keep_rule_of(s, a->head, a->text);
}

/* Known by a tag in what the application reads, if there may be one. */
static ALWAYS_INLINE void make_known(struct conn *c, const struct exchange *x,
				     const struct asked *a, const struct span_context *own,
				     const struct span_context *parent)
{
	const struct span_id *id = &a->caller->span;

	if (UNLIKELY(x->is_stand_in) && parent)
		;
	else if (LIKELY(a->ids))
		id = tag_write(c, a->ids, a->ids_at, own, !parent) ? &own->span : id;
	else
		id = tag_request(c, own, a->caller, parent != NULL);
	tag_remember(x->span, id);
}

static NO_INLINE bool request_begun(struct conn *c, int fd, const struct asked *a)
{
	struct half *h = &c->in;
	struct exchange x = { .is_head = h->parser.is_head, .is_connect = h->parser.is_connect };
	bool is_excluded = head_is_excluded(a->head, a->text);
	bool is_others = tracer_is_here() && config.yield_to_sdk;
	const struct span_context *parent = a->caller && config.trust_inbound ? a->caller : NULL;
	bool is_forced = force_has(a->head, a->text) || (parent && parent->is_debug);
	struct span_context own;
	struct span *s = NULL;

	/* The loops that we know close by close(), and a tenth of a microsecond matters there. */
	if (!context_is_loop() && !conn_is_still(c, fd))
		return false;
	origin_end();
	if (UNLIKELY(a->head->is_full))
		stats_inc(STAT_LIST_LOST);
	if (is_excluded)
		stats_inc(STAT_REQUESTS_EXCLUDED);
	if (is_others)
		stats_inc(STAT_REQUESTS_YIELDED);
	if (UNLIKELY(head_is_otlp(a->head, a->text)))
		conn_is_telemetry(c);
	else if (!(config.sdk_disabled || is_others) || parent)
		s = span_start_by(SPAN_SERVER, parent, 0,
				  is_forced ? SAMPLER_FORCED : rule_of(a->head, a->text, true));
	if (LIKELY(s != NULL)) {
		x.is_stand_in = config.sdk_disabled || is_excluded || is_others;
		describe(c, fd, s, &x, a);
		if (is_forced && !x.is_stand_in)
			span_set_forced(s);
		if (!x.is_stand_in)
			tracer_saw_request();
		x.span = span_ref(s);
		/* All that a tag needs of its context. */
		own.trace = s->trace;
		own.span = s->id;
		own.flags = s->flags;
	}
	if (UNLIKELY(!exchange_push(c, &x))) {
		span_discard(s);
		return false;
	}
	/* From here on who answers may end the span. */
	if (LIKELY(s && a->caller))
		make_known(c, &x, a, &own, parent);
	/* Several at once on one connection: nobody knows which one the program works for. */
	if (UNLIKELY(exchange_count(c) > 1)) {
		x.span = (struct span_ref){ 0 };
		context_request_unseen();
	}
	context_request_read(x.span, s && is_synchronous(c, fd));
	head_forget(&h->head);
	half_settle(h);
	return true;
}

static bool head_over(struct conn *c, int fd)
{
	struct half *h = &c->in;
	const char *text = h->scratch->text;
	struct span_context caller = { 0 };
	bool has_caller = inbound(&h->head, text, h->scratch->edit, &caller);

	return request_begun(c, fd,
			     &(struct asked){ .head = &h->head,
					      .text = text,
					      .caller = has_caller ? &caller : NULL });
}

/* The same request once more (repeat.h), and nothing but that.  False: it is another one. */
static bool read_again(struct conn *c, int fd, struct bytes in, bool *ret_ok)
{
	struct half *h = &c->in;
	struct repeat *r = &c->request;
	struct span_context caller = { .is_remote = true };
	struct asked a = { .head = &r->now, .text = in.ptr };
	struct bytes ids;

	if (UNLIKELY(!http1_is_fresh(&h->parser) || !c->arrival || c->arrival->len != in.len) ||
	    UNLIKELY(!repeat_is_request(r, in)))
		return false;
	if (LIKELY(r->ids.len)) {
		ids = head_get(&r->now, in.ptr, HEAD_TRACEPARENT);
		if (UNLIKELY(traceparent_parse(ids, &caller.trace, &caller.span, &caller.flags) ==
			     TRACEPARENT_INVALID))
			return false;
		a.caller = &caller;
		a.ids = (char *)(uintptr_t)ids.ptr;
		a.ids_at = h->bytes + r->now.fields.piece[HEAD_TRACEPARENT].at;
	}
	h->bytes += in.len;
	*ret_ok = request_begun(c, fd, &a);
	body_size_keep(c, &h->parser);
	return true;
}

bool server_read(struct conn *c, int fd, struct bytes in)
{
	struct half *h = &c->in;
	const char *start = in.ptr;
	uint64_t base = h->bytes;
	struct bytes whole = in;
	bool ok;

	if (LIKELY(c->request.len) && LIKELY(read_again(c, fd, in, &ok)))
		return ok;
	if (!detect_is(c, in, DETECT_HTTP1_REQUEST))
		return false;
	/* Whoever looks for a head in vain may leave nothing of the last one's facts. */
	if (http1_is_fresh(&h->parser))
		repeat_end(&c->request);
	else
		whole.len = 0;
	h->bytes += in.len;
	for (;;) {
		enum http1_event e = half_step_request(h, &in);

		if (e == HTTP1_NEED_MORE)
			return true;
		if (e == HTTP1_START_LINE)
			repeat_end(&c->request);
		if (e == HTTP1_MESSAGE_END) {
			body_size_keep(c, &h->parser);
			if (!in.len)
				return true;
			whole.len = 0;
		}
		if (e == HTTP1_HEAD_END) {
			repeat_end(&c->request);
			if (whole.len && !in.len && repeat_is_due(&c->request))
				repeat_keep_request(&c->request, whole, &h->head, &h->parser);
		}
		if (e == HTTP1_HEAD_END ? !head_over(c, fd) : !half_take(h, e))
			return false;
		if (e == HTTP1_HEADER && traceparent_is_name(h->parser.name))
			h->head.traceparent_end = base + (uint64_t)(in.ptr - start);
	}
}
