/* SPDX-License-Identifier: Apache-2.0 */
/* What spans are made of; how they end: span_end.c; references to them: span_ref.c. */
#include "span.h"

#include <stdatomic.h>

#include "anchor.h"
#include "clock.h"
#include "config.h"
#include "copy.h"
#include "guard.h"
#include "keep.h"
#include "ot_member.h"
#include "sampler.h"
#include "span_items.h"
#include "spare.h"
#include "stats.h"
#include "store.h"

struct anchor anchor;

NO_INLINE uint64_t anchor_take(void)
{
	uint64_t now = clock_monotonic_ns();
	uint64_t difference = clock_realtime_ns() - now;

	atomic_store_explicit(&anchor.difference_ns, difference, memory_order_relaxed);
	atomic_store_explicit(&anchor.taken_ns, now, memory_order_release);
	return difference;
}

/* --- items: what a record holds after its head --- */

/* The end of what is written; false: the numbers of the record do not fit together. */
static bool cursor_at_end(const struct span *s, struct cursor *ret)
{
	size_t used = s->used;
	size_t cap = SPAN_DATA_BYTES;

	*ret = (struct cursor){ span_data(s), cap, s->next, 0 };
	if (s->last) {
		ret->next = s->last;
		if (s->slots < 2 || !cursor_hop(ret))
			return false;
		used -= cap + (s->slots - 2u) * MORE_DATA_BYTES;
		cap = MORE_DATA_BYTES;
	}
	if (used > cap)
		return false;
	ret->at += used;
	ret->room -= used;
	return true;
}

static void cursor_put(struct cursor *c, const void *from, size_t len)
{
	const char *p = from;

	while (len) {
		size_t n = len < c->room ? len : c->room;

		memcpy(c->at, p, n);
		c->at += n;
		c->room -= n;
		p += n;
		len -= n;
		if (len && !cursor_hop(c))
			return;
	}
}

/*
 * Not in the first slot, or not wholly: chains as many as it needs before it writes, so that the
 * item is there whole or not at all.
 */
static NO_INLINE bool item_add_slow(struct span *s, struct item_head head,
				    const struct bytes *pieces, size_t n_pieces)
{
	size_t len = sizeof(head) + head.len;
	struct cursor c;

	if (!cursor_at_end(s, &c))
		return false;
	if (len > c.room) {
		uint32_t last = s->last;
		size_t n = (len - c.room + MORE_DATA_BYTES - 1) / MORE_DATA_BYTES;

		if (!slot_extend(store_get(), s, (uint32_t)n))
			return false;
		c.next = last ? ((struct slot_more *)store_slot(store_get(), last - 1))->next :
				s->next;
		c.hops = 0;
	}
	cursor_put(&c, &head, sizeof(head));
	for (size_t i = 0; i < n_pieces; i++)
		cursor_put(&c, pieces[i].ptr, pieces[i].len);
	return true;
}

/* The head in one store: one that is put together in memory stalls the load which copies it. */
static ALWAYS_INLINE void head_put(unsigned char *to, struct item_head h)
{
	uint64_t word =
		h.type | (uint64_t)h.flags << 8 | (uint64_t)h.key << 16 | (uint64_t)h.len << 32;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as struct item_head lies there");
	memcpy(to, &word, sizeof(word));
}

static ALWAYS_INLINE bool item_add(struct span *s, enum item_type type, unsigned int key,
				   const void *value, size_t len)
{
	struct item_head head = { (uint8_t)type, 0, (uint16_t)key, (uint32_t)len };
	uint32_t used = s->used;

	if (LIKELY(used + sizeof(head) + len <= SPAN_DATA_BYTES && !s->last)) {
		unsigned char *at = span_data(s) + used;

		head_put(at, head);
		if (__builtin_constant_p(len))
			memcpy(at + sizeof(head), value, len);
		else
			copy_short(at + sizeof(head), value, len);
	} else if (!item_add_slow(s, head, &(struct bytes){ value, len }, 1)) {
		return false;
	}
	/* Counted when it is there: who reads the span of a dead process sees whole items. */
	__atomic_store_n(&s->used, used + (uint32_t)(sizeof(head) + len), __ATOMIC_RELEASE);
	return true;
}

static bool items_add(struct span *s, struct item_head head, const struct bytes *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		head.len += (uint32_t)pieces[i].len;
	if (!item_add_slow(s, head, pieces, n))
		return false;
	__atomic_store_n(&s->used, s->used + (uint32_t)sizeof(head) + head.len, __ATOMIC_RELEASE);
	return true;
}

bool span_item_add(struct span *s, enum item_type type, const struct bytes *pieces, size_t n)
{
	return items_add(s, (struct item_head){ .type = (uint8_t)type }, pieces, n);
}

size_t span_text_cut(struct bytes value, size_t max)
{
	size_t n = max;

	if (LIKELY(value.len <= max))
		return value.len;
	/* At most three continuation bytes: more of them is not UTF-8, and any cut is as good. */
	while (n > 0 && n + 3 > max && ((unsigned char)value.ptr[n] & 0xc0) == 0x80)
		n--;
	return ((unsigned char)value.ptr[n] & 0xc0) == 0x80 ? max : n;
}

/* --- opening --- */

static void list_add(struct span *s, enum item_type type, struct bytes list)
{
	if (item_add(s, type, 0, list.ptr, list_cut(list.ptr, list.len, STORE_VALUE_MAX)))
		s->lists |= (uint8_t)LIST_OF(type);
}

/* An id of zeros is no parent, whoever claims it. */
static bool context_is_valid(const struct span_context *c)
{
	return c && LIKELY(!trace_id_is_zero(&c->trace)) && LIKELY(!span_id_is_zero(&c->span));
}

/* First of all items, where span_tracestate() looks; also of an unsampled span (C46). */
static NO_INLINE void tracestate_add(struct span *s, struct bytes list, struct decision d)
{
	if (d.state == STATE_KEEP)
		list_add(s, ITEM_TRACESTATE, list);
	else
		span_state_keep(s, list, d.state == STATE_SET ? d.threshold : OT_ALL);
}

/* What is not recorded has no times. */
static ALWAYS_INLINE void set_start(struct span *s, uint64_t monotonic_ns)
{
	if (!monotonic_ns)
		monotonic_ns = clock_monotonic_ns();
	s->start_ns = monotonic_ns;
	s->start_unix_ns = monotonic_ns + anchor_get(monotonic_ns);
}

/*
 * Always a fresh span id (E44).  In one place: a proxy's request goes through it twice, and to
 * fetch this code once more takes longer than to call it.
 */
static NO_INLINE struct span *open_span(enum span_kind kind, const struct span_context *parent,
					const struct trace_id *trace, uint64_t monotonic_ns,
					struct decision d, uint8_t flags)
{
	struct store *st = store_open();
	struct span *s = st ? slot_get(st) : NULL;

	if (UNLIKELY(!s)) {
		stats_inc(STAT_SPANS_NO_SLOT);
		return NULL;
	}
	s->trace = *trace;
	if (LIKELY(parent != NULL)) {
		s->parent = parent->span;
		s->has_parent = 1;
		s->parent_is_remote = parent->is_remote;
	}
	span_id_new(&s->id);
	s->tid = thread_self.tid; /* known since the id was made */
	s->kind = (uint8_t)kind;
	s->verdict = d.verdict;
	s->flags = flags;
	thread_self.records = d.verdict != VERDICT_DROP;
	if (LIKELY(d.verdict != VERDICT_DROP))
		set_start(s, monotonic_ns);
	if (UNLIKELY(d.state == STATE_SET) || (parent && UNLIKELY(parent->tracestate.len)))
		tracestate_add(s, parent ? parent->tracestate : (struct bytes){ NULL, 0 }, d);
	if (UNLIKELY(d.verdict == VERDICT_RECORD))
		keep_begin(s, parent);
	stats_inc(STAT_SPANS_STARTED);
	return s;
}

/* Ids and flags: the parent's trace or a new one, then the sampler. */
struct span *span_start_by(enum span_kind kind, const struct span_context *parent,
			   uint64_t monotonic_ns, unsigned rule)
{
	struct trace_id fresh;
	uint8_t flags = TRACE_FLAG_RANDOM; /* C19 */
	struct sampler_case c = { parent, &fresh, monotonic_ns, rule };
	struct decision d;

	if (parent && UNLIKELY(!context_is_valid(parent)))
		c.parent = NULL;
	if (LIKELY(c.parent != NULL)) {
		c.trace = &parent->trace;
		flags = parent->flags & TRACE_FLAG_RANDOM; /* C20, C21 */
	} else {
		trace_id_new(&fresh);
	}
	d = sampler_decide(&c, &flags);
	return open_span(kind, c.parent, c.trace, monotonic_ns, d, flags);
}

struct span *span_start_decided(enum span_kind kind, const struct span_context *parent,
				uint64_t monotonic_ns, struct decision d, uint8_t flags)
{
	return open_span(kind, parent, &parent->trace, monotonic_ns, d, flags);
}

struct span *span_start_at(enum span_kind kind, const struct span_context *parent,
			   uint64_t monotonic_ns)
{
	return span_start_by(kind, parent, monotonic_ns, 0);
}

struct span *span_start(enum span_kind kind, const struct span_context *parent)
{
	return span_start_by(kind, parent, 0, 0);
}

/* --- reading --- */

struct span_context span_get_context(const struct span *s)
{
	struct span_context c = { .flags = 0 };

	if (!s)
		return c;
	c.trace = s->trace;
	c.span = s->id;
	c.flags = s->flags;
	return c;
}

enum verdict span_verdict(const struct span *s)
{
	return s ? (enum verdict)s->verdict : VERDICT_DROP;
}

bool span_is_recording(const struct span *s)
{
	return span_verdict(s) != VERDICT_DROP;
}

bool span_has_error(const struct span *s)
{
	return s && s->status == SPAN_STATUS_ERROR;
}

/* --- filling --- */

void span_keep_caller(struct span *s, const struct trace_id *trace, const struct span_id *id)
{
	char kept[sizeof(*trace) + sizeof(*id)];

	memcpy(kept, trace, sizeof(*trace));
	memcpy(kept + sizeof(*trace), id, sizeof(*id));
	if (s && item_add(s, ITEM_CALLER, 0, kept, sizeof(kept)))
		s->lists |= (uint8_t)LIST_OF(ITEM_CALLER);
}

void span_keep_baggage(struct span *s, struct bytes raw)
{
	if (s && raw.len)
		list_add(s, ITEM_BAGGAGE, raw);
}

void span_set_name(struct span *s, struct bytes name)
{
	if (span_is_recording(s))
		item_add(s, ITEM_NAME, 0, name.ptr, span_text_cut(name, STORE_VALUE_MAX));
}

static ALWAYS_INLINE void attr_count(struct span *s, bool is_there)
{
	if (LIKELY(is_there))
		s->attrs++;
	else if (s->dropped_attrs < UINT16_MAX)
		s->dropped_attrs++;
}

static ALWAYS_INLINE void attr_add(struct span *s, enum item_type type, enum attr key,
				   const void *value, size_t len)
{
	attr_count(s, LIKELY(s->attrs < STORE_ATTRS_MAX) && item_add(s, type, key, value, len));
}

void span_set_str(struct span *s, enum attr key, struct bytes value)
{
	if (span_is_recording(s))
		attr_add(s, ITEM_STR, key, value.ptr, span_text_cut(value, STORE_VALUE_MAX));
}

void span_set_int(struct span *s, enum attr key, int64_t value)
{
	if (!span_is_recording(s))
		return;
	if (key == ATTR_HTTP_RESPONSE_STATUS_CODE)
		s->http_status = (uint16_t)value;
	attr_add(s, ITEM_INT, key, &value, sizeof(value));
}

void span_set_bool(struct span *s, enum attr key, bool value)
{
	uint8_t byte = value;

	if (span_is_recording(s))
		attr_add(s, ITEM_BOOL, key, &byte, sizeof(byte));
}

static void named_add(struct span *s, enum item_type type, enum attr prefix, struct bytes packed)
{
	if (span_is_recording(s))
		attr_add(s, type, prefix, packed.ptr, span_text_cut(packed, STORE_VALUE_MAX));
}

void span_add_element(struct span *s, enum attr prefix, struct bytes packed)
{
	named_add(s, ITEM_ELEMENT, prefix, packed);
}

void span_set_named(struct span *s, enum attr prefix, struct bytes packed)
{
	named_add(s, ITEM_NAMED, prefix, packed);
}

static void own_add(struct span *s, enum item_type type, struct bytes key, struct bytes value)
{
	struct item_head head = { (uint8_t)type, 0, ATTR_BAGGAGE_KEY, 0 };
	char len = (char)key.len;
	struct bytes pieces[] = { { &len, 1 }, key, value };

	if (span_is_recording(s))
		attr_count(s, s->attrs < STORE_ATTRS_MAX && items_add(s, head, pieces, 3));
}

void span_set_own(struct span *s, struct bytes key, struct bytes value)
{
	value.len = span_text_cut(value, STORE_VALUE_MAX - 1 - key.len);
	own_add(s, ITEM_NAMED, key, value);
}

void span_set_own_int(struct span *s, struct bytes key, int64_t value)
{
	own_add(s, ITEM_NAMED_INT, key, (struct bytes){ (const char *)&value, sizeof(value) });
}

void span_set_own_double(struct span *s, struct bytes key, double value)
{
	own_add(s, ITEM_NAMED_DOUBLE, key, (struct bytes){ (const char *)&value, sizeof(value) });
}

void span_add_own_event(struct span *s, struct bytes name, uint64_t monotonic_ns)
{
	struct bytes pieces[] = { { (const char *)&monotonic_ns, sizeof(monotonic_ns) }, name };

	pieces[1].len = span_text_cut(name, STORE_VALUE_MAX - sizeof(monotonic_ns));
	if (span_is_recording(s) && !span_item_add(s, ITEM_OWN_EVENT, pieces, 2))
		stats_inc(STAT_SPAN_PARTS_LOST);
}

void span_count_dropped(struct span *s, uint32_t n)
{
	uint32_t room = s ? UINT16_MAX - (uint32_t)s->dropped_attrs : 0;

	if (s)
		s->dropped_attrs = (uint16_t)(s->dropped_attrs + (n < room ? n : room));
}

void span_add_event_at(struct span *s, enum span_event event, uint64_t monotonic_ns)
{
	if (span_is_recording(s))
		item_add(s, ITEM_EVENT, event, &monotonic_ns, sizeof(monotonic_ns));
}

void span_set_error(struct span *s, struct bytes type)
{
	if (!s || s->status == SPAN_STATUS_ERROR)
		return;
	s->status = SPAN_STATUS_ERROR;
	span_set_str(s, ATTR_ERROR_TYPE, type);
}

void span_exclude(struct span *s)
{
	if (!s)
		return;
	s->verdict = VERDICT_DROP;
	s->flags = (uint8_t)(s->flags & ~TRACE_FLAG_SAMPLED);
}
