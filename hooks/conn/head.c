/* SPDX-License-Identifier: Apache-2.0 */
#include "head.h"

#include "capture.h"
#include "compiler.h"
#include "copy.h"
#include "force.h"
#include "signature.h"
#include "traceparent.h"
#include "utf8.h"
#include "word.h"

/* Longest that is kept of each; of the target, what a span value may hold. */
#define FIELD_MAX HTTP1_WHOLE_FIELD
#define TARGET_MAX 8192u
#define LINE_MAX 8192u

/* HEAD_FIELDS: not one of those that are only kept. */
static enum head_field field_of(struct bytes name)
{
	switch (name.len) {
	case 4:
		return word_is(name, BYTES("host")) ? HEAD_HOST : HEAD_FIELDS;
	case 9:
		return word_is(name, BYTES("forwarded")) ? HEAD_FORWARDED : HEAD_FIELDS;
	case 10:
		return word_is(name, BYTES("user-agent")) ? HEAD_USER_AGENT : HEAD_FIELDS;
	case 15:
		return word_is(name, BYTES("x-forwarded-for")) ? HEAD_X_FORWARDED_FOR : HEAD_FIELDS;
	case 16:
		return word_is(name, BYTES("x-forwarded-host")) ? HEAD_X_FORWARDED_HOST :
								  HEAD_FIELDS;
	case 17:
		return word_is(name, BYTES("x-forwarded-proto")) ? HEAD_X_FORWARDED_PROTO :
								   HEAD_FIELDS;
	default:
		return HEAD_FIELDS;
	}
}

#define TEXT_AT 8 /* 0 is "no line" */

void head_init(struct head *h)
{
	*h = (struct head){ .used = TEXT_AT };
}

/* Its bytes are there. */
static ALWAYS_INLINE void kept(struct head *h, enum head_field which, size_t len)
{
	h->fields.piece[which] = (struct head_piece){ h->used, (uint16_t)len };
	h->used = (uint16_t)(h->used + len);
	h->fields.seen = (uint16_t)(h->fields.seen | 1u << which);
}

static NO_INLINE void keep_long(struct head *h, char *text, enum head_field which,
				struct bytes value, size_t max)
{
	size_t len = value.len > max ? utf8_cut(value, max) : value.len;

	if (len > HEAD_TEXT_BYTES - h->used)
		len = HEAD_TEXT_BYTES - h->used;
	memcpy(text + h->used, value.ptr, len);
	kept(h, which, len);
}

static void keep(struct head *h, char *text, enum head_field which, struct bytes value, size_t max)
{
	if (head_has(h, which)) /* the first one counts */
		return;
	if (UNLIKELY(value.len > max || value.len >= COPY_LONG ||
		     value.len > HEAD_TEXT_BYTES - h->used)) {
		keep_long(h, text, which, value, max);
		return;
	}
	copy_short(text + h->used, value.ptr, value.len);
	kept(h, which, value.len);
}

void head_start(struct head *h, char *text, const struct http1 *p)
{
	head_init(h);
	keep(h, text, HEAD_METHOD, p->method, 64);
	keep(h, text, HEAD_TARGET, p->target, TARGET_MAX);
	h->signed_names = (uint8_t)signature_in_target(p->target);
}

struct line_head {
	uint16_t next;
	uint16_t len;
};

/* The line's bytes are there, behind the room for its head. */
static void chain(struct head *h, char *text, struct line_head l, uint16_t *first, uint16_t *last)
{
	memcpy(text + h->used, &l, sizeof(l));
	if (*last)
		memcpy(text + *last, &h->used, sizeof(h->used));
	else
		*first = h->used;
	*last = h->used;
	h->used = (uint16_t)(h->used + sizeof(l) + l.len);
}

/* A list: what does not fit loses whole members, never part of one (C44, C66). */
static void keep_line(struct head *h, char *text, struct bytes value, bool is_cut, uint16_t *first,
		      uint16_t *last)
{
	struct line_head l = { 0, 0 };
	size_t room = HEAD_TEXT_BYTES - h->used, len = value.len;

	room = room < sizeof(l) ? 0 : room - sizeof(l);
	room = room < LINE_MAX ? room : LINE_MAX;
	if (is_cut || len > room) {
		h->is_full = true;
		len = len < room ? len : room;
		while (len && value.ptr[len - 1] != ',')
			len--;
	}
	if (!len)
		return;
	l.len = (uint16_t)len;
	memcpy(text + h->used + sizeof(l), value.ptr, len);
	chain(h, text, l, first, last);
}

bool head_line(const char *text, uint16_t *at, struct bytes *ret)
{
	struct line_head l;

	if (!*at)
		return false;
	memcpy(&l, text + *at, sizeof(l));
	*ret = (struct bytes){ text + *at + sizeof(l), l.len };
	*at = l.next;
	return true;
}

static void capture(struct head *h, char *text, const struct http1 *p)
{
	struct line_head l = { 0, 0 };
	char *to = text + h->used + sizeof(l);

	if (!capture_wants(CAPTURE_SERVER_REQUEST, p->name) &&
	    !capture_wants(CAPTURE_CLIENT_REQUEST, p->name))
		return;
	if (sizeof(l) < HEAD_TEXT_BYTES - h->used)
		l.len = (uint16_t)capture_pack(to, HEAD_TEXT_BYTES - h->used - sizeof(l), p->name,
					       p->value);
	if (!l.len) {
		h->captured_lost++;
		return;
	}
	chain(h, text, l, &h->captured_first, &h->captured_last);
}

/* An item is as a member of the list, or the list itself. */
static void keep_item(struct head *h, char *text, const struct http1 *p)
{
	struct bytes key;
	uint32_t format = format_baggage_of(p->name, &key);
	struct line_head l = { 0, (uint16_t)(1 + key.len + 1 + p->value.len) };
	char *to = text + h->used + sizeof(l);

	if (!format)
		return;
	h->items |= (uint8_t)(1u << format);
	if (p->is_cut || key.len + p->value.len > LINE_MAX ||
	    sizeof(l) + l.len > HEAD_TEXT_BYTES - h->used) {
		h->is_full = true;
		return;
	}
	*to++ = (char)(FORMAT_LINES + format);
	memcpy(to, key.ptr ? key.ptr : "", key.len);
	to += key.len;
	*to++ = '=';
	memcpy(to, p->value.ptr, p->value.len);
	chain(h, text, l, &h->others_first, &h->others_last);
}

/* Counted even where there is no room for it, or it is longer than any: then it is not valid. */
static void keep_other(struct head *h, char *text, const struct http1 *p)
{
	enum format_line which = format_line_of(p->name);
	struct line_head l = { 0, 1 };
	char *to = text + h->used + sizeof(l);
	bool is_kept = p->value.len <= FIELD_MAX &&
		       sizeof(l) + 1 + p->value.len <= HEAD_TEXT_BYTES - h->used;

	if (which == FORMAT_LINES)
		keep_item(h, text, p);
	if (!format_is_wanted(which))
		return;
	h->others = (uint8_t)(h->others + (h->others < 255));
	if (sizeof(l) + 1 > HEAD_TEXT_BYTES - h->used)
		return;
	*to = (char)which;
	if (is_kept) {
		memcpy(to + 1, p->value.ptr, p->value.len);
		l.len = (uint16_t)(1 + p->value.len);
	}
	chain(h, text, l, &h->others_first, &h->others_last);
}

/* What few want to know. */
static NO_INLINE void more(struct head *h, char *text, const struct http1 *p)
{
	if (capture_any(CAPTURE_SERVER_REQUEST) || capture_any(CAPTURE_CLIENT_REQUEST))
		capture(h, text, p);
	if (config_has_others())
		keep_other(h, text, p);
	if (config.force_header.len && !p->is_cut)
		h->is_forced |= force_by_header(p->name, p->value);
}

void head_formats(const struct head *h, const char *text, struct format_values *ret)
{
	uint16_t at = h->others_first;
	struct bytes line;

	memset(ret, 0, sizeof(*ret));
	while (head_line(text, &at, &line)) {
		unsigned which = (unsigned char)*line.ptr;

		if (which < FORMAT_LINES && !ret->of[which].ptr)
			ret->of[which] = bytes_trim(bytes_skip(line, 1));
	}
}

static uint8_t count(uint8_t n)
{
	return n < 255 ? n + 1 : n;
}

/* What is neither kept in a place of its own nor counted as a traceparent. */
static void line_field(struct head *h, char *text, struct bytes name, struct bytes value,
		       bool is_cut)
{
	if (word_is(name, BYTES("tracestate"))) {
		if (UNLIKELY(!config_propagates(PROPAGATOR_TRACECONTEXT)))
			return;
		h->tracestates = count(h->tracestates);
		keep_line(h, text, value, is_cut, &h->tracestate_first, &h->tracestate_last);
	} else if (word_is(name, BYTES("baggage"))) {
		if (UNLIKELY(!config_propagates(PROPAGATOR_BAGGAGE)))
			return;
		h->baggages = 1;
		keep_line(h, text, value, is_cut, &h->baggage_first, &h->baggage_last);
	} else if (signature_is_name(name)) {
		h->signed_names |= (uint8_t)(is_cut ? SIGNED_ALL : signature_in_value(value));
	}
}

void head_field(struct head *h, char *text, const struct http1 *p)
{
	struct bytes name = p->name;
	enum head_field field = field_of(name);

	if (UNLIKELY(p->tell & HEAD_TELL_MORE))
		more(h, text, p);
	if (field != HEAD_FIELDS) {
		keep(h, text, field, p->value, FIELD_MAX);
	} else if (traceparent_is_name(name)) {
		if (UNLIKELY(!config_propagates(PROPAGATOR_TRACECONTEXT)))
			return;
		h->fields.traceparents = count(h->fields.traceparents);
		keep(h, text, HEAD_TRACEPARENT, p->value, FIELD_MAX);
	} else {
		line_field(h, text, name, p->value, p->is_cut);
	}
}

void head_whole(struct head *h, char *text, const struct http1_others *others)
{
	memset((char *)h + offsetof(struct head, used), 0,
	       sizeof(*h) - offsetof(struct head, used));
	h->used = TEXT_AT;
	if (UNLIKELY(!config_propagates(PROPAGATOR_TRACECONTEXT))) {
		h->fields.traceparents = 0;
		h->fields.seen &= (uint16_t) ~(1u << HEAD_TRACEPARENT);
	}
	if (UNLIKELY(others->has_s))
		h->signed_names = (uint8_t)signature_in_target(head_get(h, text, HEAD_TARGET));
	for (unsigned i = 0; i < others->count; i++)
		line_field(h, text, others->line[i].name, others->line[i].value, false);
}
