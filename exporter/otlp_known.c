/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of items whose bytes are known from the last time, whatever else differs between spans. */
#include <string.h>

#include "compiler.h"
#include "copy.h"
#include "otlp_encode_impl.h"

#define STRIDE 32u

static ALWAYS_INLINE uint64_t mix(uint64_t h, const unsigned char *eight)
{
	uint64_t w;

	memcpy(&w, eight, sizeof(w));
	h = (h ^ w) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

/* Its value is eight bytes that are put where they belong each time. */
static ALWAYS_INLINE bool is_hole(const struct item_head *head)
{
	return (head->type == ITEM_INT || head->type == ITEM_EVENT) && head->len == OTLP_HOLE_BYTES;
}

/*
 * How long the number that lies there is in protobuf; of an event's time that is always the same.
 */
static ALWAYS_INLINE uint8_t packed_len(const unsigned char *value, bool is_event)
{
	uint64_t number;

	memcpy(&number, value, sizeof(number));
	return (uint8_t)(is_event ? OTLP_HOLE_BYTES : otlp_varint_len(number));
}

/*
 * Of a value its last bytes, of a short one those of its head in front of it, too; its first ones,
 * and of what is long some between.
 */
static ALWAYS_INLINE uint64_t mix_value(uint64_t h, const unsigned char *value, size_t len)
{
	for (size_t at = 0; at + sizeof(h) < len; at += STRIDE)
		h = mix(h, value + at);
	return mix(h, value + len - sizeof(h));
}

/* It tells where to look, never that it is the same. */
static ALWAYS_INLINE uint64_t sum(const struct record *r)
{
	uint64_t h = r->items_len | (uint64_t)r->head.kind << 32;
	struct item_head head;

	for (size_t at = 0; at + sizeof(head) <= r->items_len; at += sizeof(head) + head.len) {
		const unsigned char *value = r->items + at + sizeof(head);

		memcpy(&head, r->items + at, sizeof(head));
		if (head.len > r->items_len - at - sizeof(head))
			break;
		h = mix(h, r->items + at);
		if (is_hole(&head))
			h += packed_len(value, head.type == ITEM_EVENT);
		else
			h = mix_value(h, value, head.len);
	}
	return h * 0x9e3779b97f4a7c15u;
}

/* It fits into its hole.  A time that is none is not told. */
static ALWAYS_INLINE bool fits(const struct otlp_hole *hole, const struct record *r)
{
	const unsigned char *value = r->items + hole->at;

	return packed_len(value, hole->is_event) == hole->len &&
	       (!hole->is_event || otlp_event_time(&r->head, value));
}

/* All but what lies in holes; what says that there are holes is no hole. */
static bool is_same(const struct otlp_known *k, const struct record *r)
{
	size_t at = 0;

	if (k->kind != r->head.kind || k->items_len != r->items_len)
		return false;
	for (uint32_t i = 0; i < k->n_holes; i++) {
		const struct otlp_hole *hole = &k->holes[i];

		if (!copy_is_same(k->items + at, r->items + at, hole->at - at) || !fits(hole, r))
			return false;
		at = hole->at + OTLP_HOLE_BYTES;
	}
	return memcmp(k->items + at, r->items + at, r->items_len - at) == 0;
}

struct otlp_known *otlp_known_find(struct otlp_encoder *e, const struct record *r,
				   uint32_t *ret_tag, bool *ret_is_known)
{
	uint16_t *last = &e->last[r->head.kind % OTLP_KINDS];
	struct otlp_known *k = &e->known[*last];
	uint64_t h;

	*ret_is_known = false;
	if (!r->items_len || r->items_len > OTLP_KNOWN_ITEMS)
		return NULL;
	*ret_is_known = is_same(k, r); /* more often than not it is the one of that kind before */
	if (*ret_is_known)
		return k;
	h = sum(r);
	*last = (uint16_t)((h >> 32) % OTLP_KNOWN_LISTS);
	k = &e->known[*last];
	*ret_tag = (uint32_t)(h >> 38) | 1;
	*ret_is_known = is_same(k, r);
	return k;
}

/* Numbers among the attributes. */
static uint32_t count_ints(const Otlp__Span *s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s->n_attributes; i++)
		n += s->attributes[i]->value->value_case == OTLP__ANY_VALUE__VALUE_INT_VALUE;
	return n;
}

/* Numbers are what they are in this list, and no holes. */
static void forget_ints(struct otlp_known *k)
{
	uint8_t n = 0;

	for (uint32_t i = 0; i < k->n_holes; i++)
		if (k->holes[i].is_event)
			k->holes[n++] = k->holes[i];
	k->n_holes = n;
	k->n_ints = 0;
}

static void hole_at(struct otlp_hole *h, const struct record *r, size_t at, bool is_event)
{
	h->at = (uint16_t)at;
	h->len = packed_len(r->items + at, is_event);
	h->is_event = is_event;
}

/* Where the holes are.  False: there are too many, or an event says more than when it was. */
static bool find_holes(struct otlp_known *k, const struct record *r, const Otlp__Span *s)
{
	size_t at = 0, attrs = 0, events = 0;
	struct item_head head;
	struct bytes value;

	k->n_holes = k->n_ints = 0;
	while (record_next(r, &at, &head, &value)) {
		attrs += head.type < ITEM_NAME;
		if (!is_hole(&head))
			continue;
		if (k->n_holes == OTLP_KNOWN_HOLES)
			return false;
		if (head.type == ITEM_EVENT)
			events++;
		else
			k->n_ints++;
		hole_at(&k->holes[k->n_holes++], r, at - OTLP_HOLE_BYTES, head.type == ITEM_EVENT);
	}
	/*
	 * A key that came again has its first place, and one of the application's is none of ours.
	 */
	if (attrs != s->n_attributes || k->n_ints != count_ints(s))
		forget_ints(k);
	return events == s->n_events;
}

/* What was dropped on the way here, and times that are none, make it another list. */
static bool is_whole(const struct record *r, const Otlp__Span *s)
{
	for (size_t i = 0; i < s->n_events; i++)
		if (!s->events[i]->time_unix_nano)
			return false;
	return s->dropped_events_count == r->dropped_events && !s->n_links &&
	       s->dropped_links_count == r->dropped_links;
}

/* What comes once takes nobody's place. */
void otlp_known_keep(struct otlp_known *k, uint32_t tag, const struct record *r,
		     const Otlp__Span *s, size_t len)
{
	if (k->tag != tag) {
		k->tag = tag;
		return;
	}
	if (len > OTLP_KNOWN_PACKED || !is_whole(r, s))
		return;
	k->kind = 0;
	if (!find_holes(k, r, s))
		return;
	k->kind = r->head.kind;
	k->items_len = r->items_len;
	memcpy(k->items, r->items, r->items_len);
	otlp_pack_known(s, k);
}
