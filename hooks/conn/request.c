/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "baggage.h"
#include "boundary.h"
#include "clock.h"
#include "config.h"
#include "context.h"
#include "http_attrs.h"
#include "http_side.h"
#include "inherit.h"
#include "origin.h"
#include "rule.h"
#include "said.h"
#include "signature.h"
#include "tag.h"
#include "traceparent.h"
#include "tracestate.h"

/* The same where there are headers of other formats: the first valid one, in their order. */
static NO_INLINE bool header_get_of_many(const struct conn *c, const struct head *head,
					 struct trace_id *ret_trace, struct span_id *ret_span)
{
	const char *text = c->out.scratch->text;
	struct format_values values;
	struct span_context ctx;
	uint8_t flags;

	head_formats(head, text, &values);
	for (uint32_t order = config.propagators.order; order; order >>= 4) {
		enum config_propagator p = order & 15;

		if (p == PROPAGATOR_TRACECONTEXT && head->fields.traceparents == 1 &&
		    traceparent_parse(head_get(head, text, HEAD_TRACEPARENT), ret_trace, ret_span,
				      &flags) != TRACEPARENT_INVALID)
			return true;
		if (p < PROPAGATOR_B3 || !format_parse(p, &values, &ctx))
			continue;
		*ret_trace = ctx.trace;
		*ret_span = ctx.span;
		return true;
	}
	return false;
}

/* The one header that there is, if it is valid. */
static ALWAYS_INLINE bool header_get(const struct conn *c, const struct head *head,
				     struct trace_id *ret_trace, struct span_id *ret_span)
{
	uint8_t flags;

	if (!(head->fields.traceparents | head->others))
		return false;
	if (UNLIKELY(head->others))
		return header_get_of_many(c, head, ret_trace, ret_span);
	return LIKELY(head->fields.traceparents == 1) &&
	       traceparent_parse(head_get(head, c->out.scratch->text, HEAD_TRACEPARENT), ret_trace,
				 ret_span, &flags) != TRACEPARENT_INVALID;
}

/* What the application has written, looked at once. */
struct told {
	bool is_valid;
	struct trace_id trace;
	struct span_id span;
	enum tag tag; /* of what a request brought; what one that has ended left is nobody's */
	struct span_context context; /* TAG_LIVE: of that request's span */
};

/* The request that this one is made for: design 5, steps 1, 4 and 5. */
static struct span_ref cause(const struct conn *c, const struct head *head, struct told *ret)
{
	struct span_ref tagged;

	ret->is_valid = header_get(c, head, &ret->trace, &ret->span);
	ret->tag = TAG_UNKNOWN;
	if (ret->is_valid)
		ret->tag = tag_find_context(&ret->trace, &ret->span, &tagged, &ret->context,
					    c->out.scratch->edit, TRACESTATE_BYTES);
	if (ret->tag == TAG_LIVE)
		return tagged;
	if (UNLIKELY(c->is_fresh) && c->is_connecting && context_waits() != c->connect_waits &&
	    !inherit_has() && !context_is_of_frames())
		return c->connect_context;
	return context_current();
}

/*
 * Is the header that the application wrote a copy of the one that came in with its request?  Then
 * it is ours to rewrite.  Any other belongs to somebody who traces on their own.
 */
static bool is_passed_on(const struct told *t, struct span_ref from)
{
	return !config.sdk_disabled && span_ref_is_called_by(from, &t->trace, &t->span);
}

/* A signature covers what would have to be changed. */
static bool is_signed(const struct head *head)
{
	return UNLIKELY(head->signed_names & SIGNED_TRACEPARENT) ||
	       (UNLIKELY(head->others) && head->signed_names & SIGNED_OTHERS);
}

static enum header classify(const struct head *head, struct span_ref from, const struct told *t)
{
	if (!(head->fields.traceparents | head->others))
		return HEADER_NONE;
	if (is_signed(head))
		return HEADER_FOREIGN;
	if (UNLIKELY(!t->is_valid))
		return HEADER_BAD;
	return LIKELY(t->tag == TAG_LIVE) || is_passed_on(t, from) ? HEADER_OURS : HEADER_FOREIGN;
}

static void set_baggage(struct span *s, struct span_ref from, char *buf)
{
	size_t len = span_baggage(span_get(from), buf, BAGGAGE_BYTES);

	attrs_baggage(s, (struct bytes){ buf, len }, buf + BAGGAGE_BYTES);
}

/*
 * A request that had to open its connection began with that (H7): why did it take 8 s?  Not where
 * the connection lay idle before, as in a pool that is filled in advance.
 */
#define IDLE_NS 50000000u

static uint64_t start_of(const struct conn *c, struct span_ref from, uint64_t now)
{
	const struct span *server;
	uint64_t start = c->connect_ns;
	uint64_t ready;

	if (LIKELY(!c->is_fresh))
		return now;
	server = span_get(from);
	ready = c->tls.established_ns ? c->tls.established_ns : c->opened_ns;
	if (!start || (ready && now - ready > IDLE_NS))
		return now;
	if (server && (start < server->start_ns || !span_is_recording(server)))
		return now;
	return start;
}

bool request_parent(struct span_ref from, struct span_context *ret, char *buf, size_t cap)
{
	return span_ref_context(said_parent(from), ret, buf, cap) || origin_context(ret);
}

/*
 * The context that this request belongs to, its trace state in c->out.scratch->edit; NULL: none.
 * What the tag has told of its own request is not asked for once more.
 */
static ALWAYS_INLINE const struct span_context *
parent_of(struct conn *c, struct span_ref from, const struct told *t, struct span_context *buf)
{
	if (LIKELY(t->tag == TAG_LIVE) && LIKELY(!said_any()))
		return &t->context;
	return request_parent(from, buf, c->out.scratch->edit, TRACESTATE_BYTES) ? buf : NULL;
}

static struct span *open_span(struct conn *c, int fd, const struct head *head,
			      const struct http1 *p, struct span_ref from, const struct told *told)
{
	struct span_context buf;
	uint64_t now = clock_monotonic_ns();
	const struct span_context *parent = parent_of(c, from, told, &buf);
	struct span *s;

	if (UNLIKELY(!parent))
		c->edits.facts |= HEAD_ROOT;
	s = span_start_by(SPAN_CLIENT, parent, start_of(c, from, now),
			  rule_of(head, c->out.scratch->text, false));
	if (UNLIKELY(c->is_fresh))
		span_add_event_at(s, EVENT_CONNECTION_OPENED, c->opened_ns ? c->opened_ns : now);
	else
		span_add_event_at(s, EVENT_CONNECTION_REUSED, now);
	if (UNLIKELY(c->is_fresh && c->tls.established_ns))
		span_add_event_at(s, EVENT_TLS_ESTABLISHED, c->tls.established_ns);
	if (LIKELY(s != NULL))
		attrs_client_request(s, c, fd, head, c->out.scratch->text, p);
	keep_rule_of(s, head, c->out.scratch->text);
	if (UNLIKELY(config.baggage_keys.len) && s)
		set_baggage(s, from, c->out.scratch->edit);
	return s;
}

static void edit(struct conn *c, const struct head *head, const struct written *w,
		 enum header header, const struct span *s, struct span_ref from)
{
	struct span_context ctx;
	struct carried what = { &ctx, s, from };

	if (UNLIKELY(!w->can_edit || atomic_load(&c->is_never_edited))) {
		edits_refuse(&c->edits, STAT_INJECT_REFUSED);
	} else if (UNLIKELY(!boundary_has(head, c->out.scratch->text, c->pending.is_connect))) {
		edits_refuse(&c->edits, STAT_INJECT_OUTSIDE);
	} else if (LIKELY(s != NULL)) {
		ctx = span_get_context(s);
		inject_headers(c, head, w, header, &what);
	} else if (config.sdk_disabled && request_parent(from, &ctx, NULL, 0)) {
		inject_headers(c, head, w, header, &what);
	}
}

static void decide(struct conn *c, int fd, const struct head *head, const struct http1 *p,
		   const struct written *w)
{
	struct told told;
	struct span_ref from = cause(c, head, &told);
	enum header header = classify(head, from, &told);
	struct span *s = NULL;

	/*
	 * No request, and nothing of ours in somebody's file.  The loops that we know close by
	 * close(), and the question is a system call, a tenth of all that is ours in a request.
	 */
	if (!context_is_loop() && !conn_is_still(c, fd)) {
		conn_set_blind(c);
		return;
	}
	c->pending = (struct exchange){ .parent = from,
					.is_head = p->is_head,
					.is_connect = p->is_connect };
	c->has_pending = c->pending_decided = true;
	edits_clear(&c->edits);
	c->edits.closing = w->closing;
	c->edits.traceparents = head->fields.traceparents;
	c->edits.tracestates = head->tracestates;
	if (UNLIKELY(head_is_otlp(head, c->out.scratch->text))) {
		conn_is_telemetry(c);
		return;
	}
	if (UNLIKELY(told.tag == TAG_STALE))
		c->edits.facts |= HEAD_STALE;
	else if (UNLIKELY(header == HEADER_FOREIGN) && !is_signed(head))
		c->edits.facts |= span_get(from) ? HEAD_SERVED : HEAD_FOREIGN;
	if (UNLIKELY(header == HEADER_FOREIGN) && is_signed(head))
		edits_refuse(&c->edits, STAT_INJECT_SIGNED);
	/* What comes in is passed on as it is when nothing is told (E18). */
	if (UNLIKELY(header == HEADER_FOREIGN) ||
	    (UNLIKELY(config.sdk_disabled) && (header || head->tracestates)))
		return;
	if (LIKELY(!config.sdk_disabled))
		s = open_span(c, fd, head, p, from, &told);
	c->pending.span = span_ref(s);
	edit(c, head, w, header, s, from);
}

void request_decide(struct conn *c, int fd, const struct head *head, const struct http1 *p,
		    const struct written *w)
{
	decide(c, fd, head, p, w);
	if (LIKELY(c->pending_decided))
		exchange_offer(c);
}

void request_undecide(struct conn *c)
{
	if (exchange_withdraw(c) && c->has_pending)
		span_discard(span_mine(c->pending.span));
	c->has_pending = c->pending_decided = false;
	edits_clear(&c->edits);
}

void request_give_up(struct conn *c)
{
	if (c->edits.done < c->edits.count && !c->edits.sent)
		edits_refuse(&c->edits, STAT_INJECT_REFUSED);
}
