/* SPDX-License-Identifier: Apache-2.0 */
#include "inject.h"

#include "baggage.h"
#include "compiler.h"
#include "config.h"
#include "format.h"
#include "lines.h"
#include "signature.h"
#include "stats.h"
#include "traceparent.h"
#include "tracestate.h"

/* --- lines of ours --- */

static size_t put(char *to, size_t at, struct bytes b)
{
	memcpy(to + at, b.ptr, b.len);
	return at + b.len;
}

typedef size_t list_fn(const struct span *s, char *to, size_t cap);

/* name with what get knows, if anything. */
static size_t put_list(char *to, size_t at, struct bytes name, list_fn *get, const struct span *s,
		       size_t cap)
{
	size_t from = put(to, at, name);
	size_t got = get(s, to + from, cap);

	return got ? put(to, from + got, BYTES("\r\n")) : at;
}

static void add(struct conn *c, uint64_t at, const char *text, const char *old, size_t len)
{
	struct edits *e = &c->edits;

	e->list[e->count++] = (struct edit){ at, text, old, (uint32_t)len };
}

static size_t put_traceparent(char *to, size_t len, const struct span_context *ctx)
{
	len = put(to, len, BYTES("traceparent: "));
	traceparent_format(to + len, &ctx->trace, &ctx->span, ctx->flags);
	return put(to, len + TRACEPARENT_LEN, BYTES("\r\n"));
}

struct writing {
	struct conn *c;
	const struct head *head;
	const struct carried *what;
	const struct span *server;
	bool has_tracestate; /* the application's stays */
};

static ALWAYS_INLINE size_t put_w3c(const struct writing *w, char *to, size_t len)
{
	const struct span *teller = w->what->own ? w->what->own : w->server;
	bool has_state = w->has_tracestate || w->head->signed_names & SIGNED_TRACESTATE;
	struct bytes state = w->what->ctx->tracestate;

	if (!w->c->edits.is_rewrite)
		len = put_traceparent(to, len, w->what->ctx);
	if (teller && !has_state)
		return put_list(to, len, BYTES("tracestate: "), span_tracestate, teller,
				TRACESTATE_BYTES);
	if (state.len && !has_state)
		len = put(to, put(to, put(to, len, BYTES("tracestate: ")), state), BYTES("\r\n"));
	return len;
}

static ALWAYS_INLINE size_t put_baggage(const struct writing *w, char *to, size_t len)
{
	if (w->c->edits.is_rewrite || !w->server || w->head->baggages ||
	    w->head->signed_names & SIGNED_BAGGAGE)
		return len;
	return put_list(to, len, BYTES("baggage: "), span_baggage, w->server, BAGGAGE_BYTES);
}

/* A header for each item, unless the application has such by itself. */
static size_t put_items(const struct writing *w, enum config_propagator p, char *to, size_t len)
{
	char *list = w->c->out.scratch->edit + HEAD_EDIT_BYTES - BAGGAGE_BYTES;
	struct bytes prefix = format_baggage_prefix(p);
	uint32_t dropped = 0;
	size_t n;

	if (!prefix.len || w->c->edits.is_rewrite || !w->server || w->head->items >> p & 1)
		return len;
	n = span_baggage(w->server, list, BAGGAGE_BYTES);
	len += baggage_write_items((struct bytes){ list, n }, prefix, to + len, HEAD_ITEMS_BYTES,
				   &dropped);
	stats_add(STAT_LIST_LOST, dropped);
	return len;
}

/* Which formats there are, and in which order, is the user's to say (C50). */
static NO_INLINE size_t put_in_order(const struct writing *w, char *to)
{
	struct span_context ctx = *w->what->ctx;
	size_t len = 0;

	ctx.is_debug = span_is_debug(w->server);
	for (uint32_t order = config.propagators.order; order; order >>= 4) {
		enum config_propagator p = order & 15;

		if (p == PROPAGATOR_TRACECONTEXT)
			len = put_w3c(w, to, len);
		else if (p == PROPAGATOR_BAGGAGE)
			len = put_baggage(w, to, len);
		else
			len = put_items(w, p, to, len + format_write(p, &ctx, to + len));
	}
	return len;
}

/* Behind what edit_lines() has put there. */
#define LINES_AT (2 * TRACEPARENT_LEN)

static void add_lines(const struct writing *w, uint64_t closing)
{
	char *to = w->c->out.scratch->edit + LINES_AT;
	size_t len;

	if (LIKELY(config_has_usual()))
		len = put_baggage(w, to, put_w3c(w, to, 0));
	else
		len = put_in_order(w, to);
	if (len)
		add(w->c, closing, to, NULL, len);
}

/* --- what the application has written --- */

/* Names of the same length that nobody reads. */
#define NOT_TRACEPARENT "x-discarded"
#define NOT_TRACESTATE "x-replaced"
#define NOT_OTHER "x-discarded-trace-header"

static void add_rename(struct conn *c, const struct line_place *line)
{
	if (line->is_other)
		add(c, line->at, NOT_OTHER, format_name(line->other).ptr,
		    format_name(line->other).len);
	else if (line->is_tracestate)
		add(c, line->at, NOT_TRACESTATE, "tracestate", sizeof(NOT_TRACESTATE) - 1);
	else
		add(c, line->at, NOT_TRACEPARENT, "traceparent", sizeof(NOT_TRACEPARENT) - 1);
	c->edits.renames++;
}

/* C36-C39: whoever gets it must drop it as a whole.  The text in buf is of no use afterwards. */
static bool is_void(const struct head *head, const char *text, char *buf)
{
	struct tracestate list;
	uint16_t at = head->tracestate_first;
	struct bytes line;

	tracestate_init(&list, buf, TRACESTATE_BYTES);
	while (head_line(text, &at, &line))
		tracestate_add(&list, line);
	return list.is_void;
}

/* Its value is as long as ours, and not folded. */
static bool is_replaceable(const struct conn *c, const struct head *head, const struct written *w,
			   const struct lines *lines)
{
	struct bytes old = head_get(head, c->out.scratch->text, HEAD_TRACEPARENT);

	for (size_t i = 0; i < lines->count; i++)
		if (!lines->list[i].is_tracestate && !lines->list[i].is_other)
			return old.len == TRACEPARENT_LEN &&
			       lines_is_at(w->bytes, lines->list[i].value, old.ptr, old.len);
	return false;
}

/* All that the parser has told of must still be in front of us. */
static bool find(struct conn *c, const struct head *head, const struct written *w,
		 struct lines *ret)
{
	lines_find(w->bytes, w->lines, w->closing, w->is_line_start, ret);
	if (ret->is_full)
		edits_refuse(&c->edits, STAT_INJECT_REFUSED);
	else if (ret->traceparents != head->fields.traceparents ||
		 ret->tracestates != head->tracestates || ret->others != head->others)
		edits_refuse(&c->edits, STAT_INJECT_LATE);
	return !c->edits.why_not;
}

static void add_value(struct conn *c, uint64_t at, const char *old, const struct span_context *ctx)
{
	char *value = c->out.scratch->edit;

	traceparent_format(value, &ctx->trace, &ctx->span, ctx->flags);
	memcpy(value + TRACEPARENT_LEN, old, TRACEPARENT_LEN);
	add(c, at, value, value + TRACEPARENT_LEN, TRACEPARENT_LEN);
}

static void edit_lines(struct conn *c, const struct head *head, const struct lines *lines,
		       bool is_state_stale, const struct span_context *ctx)
{
	struct bytes old = head_get(head, c->out.scratch->text, HEAD_TRACEPARENT);

	for (size_t i = 0; i < lines->count; i++) {
		const struct line_place *line = &lines->list[i];

		if (!line->is_tracestate && !line->is_other && c->edits.is_rewrite)
			add_value(c, line->value, old.ptr, ctx);
		else if (!line->is_tracestate || is_state_stale)
			add_rename(c, line);
	}
}

/*
 * As nearly always, where there is something to be rewritten: one traceparent, as long as ours, in
 * a head that lies whole in front of us, and nothing else.
 */
static ALWAYS_INLINE bool is_rewritten(struct conn *c, const struct head *head,
				       const struct written *w, const struct span_context *ctx)
{
	struct bytes old = head_get(head, c->out.scratch->text, HEAD_TRACEPARENT);

	if (!head->fields.base || head->fields.traceparents != 1 || head->tracestates ||
	    head->others || old.len != TRACEPARENT_LEN || UNLIKELY(config_has_others()))
		return false;
	c->edits.is_rewrite = true;
	add_value(c, w->lines + (uint64_t)(old.ptr - head->fields.base), old.ptr, ctx);
	return true;
}

/*
 * What a proxy copies is what came in: stale also where only the SERVER span's sampler had a word
 * in it.
 */
static bool is_state_own(const struct carried *what)
{
	return span_state_is_own(what->own) || span_state_is_own(span_get(what->server));
}

void inject_headers(struct conn *c, const struct head *head, const struct written *w,
		    enum header header, const struct carried *what)
{
	const char *text = c->out.scratch->text;
	bool is_stale = head->tracestates && (header != HEADER_OURS || is_state_own(what) ||
					      is_void(head, text, c->out.scratch->edit));
	struct lines lines = { 0 };

	if (head->signed_names & SIGNED_TRACEPARENT ||
	    (is_stale && head->signed_names & SIGNED_TRACESTATE)) {
		edits_refuse(&c->edits, STAT_INJECT_SIGNED);
		return;
	}
	if (header == HEADER_OURS && is_rewritten(c, head, w, what->ctx))
		return;
	if ((header != HEADER_NONE || is_stale) && !find(c, head, w, &lines))
		return;
	c->edits.is_rewrite = header == HEADER_OURS && is_replaceable(c, head, w, &lines);
	edit_lines(c, head, &lines, is_stale, what->ctx);
	if (!c->edits.is_rewrite || UNLIKELY(config_has_others()) ||
	    (is_stale && is_state_own(what)))
		add_lines(&(struct writing){ c, head, what, span_get(what->server),
					     head->tracestates && !is_stale },
			  w->closing);
}
