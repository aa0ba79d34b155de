/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filled Span to its bytes: those that protobuf-c would make of it (O94-O107), whose walk through
 * its descriptors, twice for each message in another, was most of what a span cost the exporter.
 * What a default value has is left out; a value of AnyValue is always there.
 */
#include <string.h>

#include "compiler.h"
#include "copy.h"
#include "otlp_encode_impl.h"

static const uint8_t attr_key_len[ATTRS] = {
#define ATTR(name, key) sizeof(key) - 1,
#include "attr.def"
#undef ATTR
};

/* Wire types */
enum { VARINT, FIXED64, LENGTH, FIXED32 = 5 };
#define TAG(field, wire) ((uint8_t)((field) << 3 | (wire)))

static ALWAYS_INLINE uint8_t *put_varint(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

static ALWAYS_INLINE uint8_t *put_bytes(uint8_t *to, uint8_t tag, const void *from, size_t len)
{
	*to++ = tag;
	to = put_varint(to, len);
	copy_short(to, from, len);
	return to + len;
}

static uint8_t *put_id(uint8_t *to, uint8_t tag, const ProtobufCBinaryData *id)
{
	return id->len ? put_bytes(to, tag, id->data, id->len) : to;
}

static uint8_t *put_string(uint8_t *to, uint8_t tag, const char *s)
{
	return *s ? put_bytes(to, tag, s, strlen(s)) : to;
}

static uint8_t *put_fixed64(uint8_t *to, uint8_t tag, uint64_t value)
{
	if (!value)
		return to;
	*to++ = tag;
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static uint8_t *put_count(uint8_t *to, uint8_t tag, uint32_t value)
{
	if (!value)
		return to;
	*to++ = tag;
	return put_varint(to, value);
}

/* --- attributes --- */

static ALWAYS_INLINE size_t with_head(size_t len)
{
	return 1 + otlp_varint_len(len) + len;
}

/* What of it is no array. */
static ALWAYS_INLINE size_t scalar_len(const Otlp__AnyValue *v)
{
	switch (v->value_case) {
	case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
		return with_head(strlen(v->string_value));
	case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
		return with_head(v->bytes_value.len);
	case OTLP__ANY_VALUE__VALUE_INT_VALUE:
		return 1 + otlp_varint_len((uint64_t)v->int_value);
	case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
		return 2;
	case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
		return 1 + sizeof(v->double_value);
	default:
		return 0;
	}
}

/* len: scalar_len() of it. */
static ALWAYS_INLINE uint8_t *put_scalar(uint8_t *to, const Otlp__AnyValue *v, size_t len)
{
	switch (v->value_case) {
	case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
		/* It is shorter than what it takes by its head of two bytes, or of more. */
		return put_bytes(to, TAG(1, LENGTH), v->string_value,
				 len < 0x82 ? len - 2 : strlen(v->string_value));
	case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
		return put_bytes(to, TAG(7, LENGTH), v->bytes_value.data, v->bytes_value.len);
	case OTLP__ANY_VALUE__VALUE_INT_VALUE:
		*to++ = TAG(3, VARINT);
		return put_varint(to, (uint64_t)v->int_value);
	case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
		*to++ = TAG(2, VARINT);
		*to++ = v->bool_value != 0;
		return to;
	case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
		*to++ = TAG(4, FIXED64);
		memcpy(to, &v->double_value, sizeof(v->double_value));
		return to + sizeof(v->double_value);
	default:
		return to;
	}
}

static size_t elements_len(const Otlp__ArrayValue *a)
{
	size_t len = 0;

	for (size_t i = 0; i < a->n_values; i++)
		len += with_head(scalar_len(a->values[i]));
	return len;
}

static uint8_t *put_elements(uint8_t *to, const Otlp__ArrayValue *a)
{
	to = put_varint(to, elements_len(a));
	for (size_t i = 0; i < a->n_values; i++) {
		size_t len = scalar_len(a->values[i]);

		*to++ = TAG(1, LENGTH);
		to = put_scalar(put_varint(to, len), a->values[i], len);
	}
	return to;
}

/* Most keys are rows of attr.def. */
static ALWAYS_INLINE size_t key_len(const char *key)
{
	size_t at = (size_t)((uintptr_t)key - (uintptr_t)otlp_attr_key);

	return at < sizeof(otlp_attr_key) ? attr_key_len[at / OTLP_ATTR_KEY_MAX] : strlen(key);
}

static ALWAYS_INLINE uint8_t *put_attr(uint8_t *to, uint8_t tag, const Otlp__KeyValue *kv)
{
	const Otlp__AnyValue *v = kv->value;
	bool is_array = v->value_case == OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
	size_t len = is_array ? with_head(elements_len(v->array_value)) : scalar_len(v);
	size_t name = key_len(kv->key);

	*to++ = tag;
	to = put_varint(to, (name ? with_head(name) : 0) + with_head(len));
	if (name)
		to = put_bytes(to, TAG(1, LENGTH), kv->key, name);
	*to++ = TAG(2, LENGTH);
	to = put_varint(to, len);
	if (!is_array)
		return put_scalar(to, v, len);
	*to++ = TAG(5, LENGTH);
	return put_elements(to, v->array_value);
}

/* --- the rest --- */

/* Attributes of events and links, of which none is an array, and how many there was no room for. */
static size_t pairs_len(Otlp__KeyValue *const *pairs, size_t n, uint32_t dropped)
{
	size_t len = dropped ? 1 + otlp_varint_len(dropped) : 0;

	for (size_t i = 0; i < n; i++)
		len += with_head(with_head(strlen(pairs[i]->key)) +
				 with_head(scalar_len(pairs[i]->value)));
	return len;
}

static uint8_t *put_pairs(uint8_t *to, uint8_t field, Otlp__KeyValue *const *pairs, size_t n,
			  uint32_t dropped)
{
	for (size_t i = 0; i < n; i++)
		to = put_attr(to, TAG(field, LENGTH), pairs[i]);
	return put_count(to, TAG(field + 1, VARINT), dropped);
}

static uint8_t *put_event(uint8_t *to, const Otlp__Span__Event *e)
{
	size_t name = strlen(e->name);

	*to++ = TAG(11, LENGTH);
	to = put_varint(
		to, (e->time_unix_nano ? 9 : 0) + (name ? with_head(name) : 0) +
			    pairs_len(e->attributes, e->n_attributes, e->dropped_attributes_count));
	to = put_fixed64(to, TAG(1, FIXED64), e->time_unix_nano);
	if (name)
		to = put_bytes(to, TAG(2, LENGTH), e->name, name);
	return put_pairs(to, 3, e->attributes, e->n_attributes, e->dropped_attributes_count);
}

/* Its ids are there, and its flags. */
static uint8_t *put_link(uint8_t *to, const Otlp__Span__Link *l)
{
	size_t state = strlen(l->trace_state);

	*to++ = TAG(13, LENGTH);
	to = put_varint(
		to, with_head(l->trace_id.len) + with_head(l->span_id.len) +
			    (state ? with_head(state) : 0) +
			    pairs_len(l->attributes, l->n_attributes, l->dropped_attributes_count) +
			    1 + sizeof(l->flags));
	to = put_id(to, TAG(1, LENGTH), &l->trace_id);
	to = put_id(to, TAG(2, LENGTH), &l->span_id);
	if (state)
		to = put_bytes(to, TAG(3, LENGTH), l->trace_state, state);
	to = put_pairs(to, 4, l->attributes, l->n_attributes, l->dropped_attributes_count);
	*to++ = TAG(6, FIXED32);
	memcpy(to, &l->flags, sizeof(l->flags));
	return to + sizeof(l->flags);
}

/* Its code, which is less than 128 and not 0. */
static uint8_t *put_status(uint8_t *to, const Otlp__Status *s)
{
	*to++ = TAG(15, LENGTH);
	*to++ = 2;
	*to++ = TAG(3, VARINT);
	*to++ = (uint8_t)s->code;
	return to;
}

static uint8_t *put_attrs(uint8_t *to, const Otlp__Span *s)
{
	for (size_t i = 0; i < s->n_attributes; i++)
		to = put_attr(to, TAG(9, LENGTH), s->attributes[i]);
	return to;
}

static uint8_t *put_events(uint8_t *to, const Otlp__Span *s)
{
	for (size_t i = 0; i < s->n_events; i++)
		to = put_event(to, s->events[i]);
	return to;
}

/* What comes before its items, and behind them. */

static ALWAYS_INLINE uint8_t *put_ids(uint8_t *to, const Otlp__Span *s)
{
	to = put_id(to, TAG(1, LENGTH), &s->trace_id);
	return put_id(to, TAG(2, LENGTH), &s->span_id);
}

static ALWAYS_INLINE uint8_t *put_times(uint8_t *to, const Otlp__Span *s)
{
	to = put_count(to, TAG(6, VARINT), (uint32_t)s->kind);
	to = put_fixed64(to, TAG(7, FIXED64), s->start_time_unix_nano);
	return put_fixed64(to, TAG(8, FIXED64), s->end_time_unix_nano);
}

static ALWAYS_INLINE uint8_t *put_end(uint8_t *to, const Otlp__Span *s)
{
	to = put_count(to, TAG(12, VARINT), s->dropped_events_count);
	for (size_t i = 0; i < s->n_links; i++)
		to = put_link(to, s->links[i]);
	to = put_count(to, TAG(14, VARINT), s->dropped_links_count);
	if (s->status)
		to = put_status(to, s->status);
	/* 16 takes two bytes; there are flags always (O52). */
	*to++ = 0x85;
	*to++ = 0x01;
	memcpy(to, &s->flags, sizeof(s->flags));
	return to + sizeof(s->flags);
}

size_t otlp_pack_span(const Otlp__Span *s, uint8_t *to)
{
	const uint8_t *from = to;

	to = put_string(put_ids(to, s), TAG(3, LENGTH), s->trace_state);
	to = put_id(to, TAG(4, LENGTH), &s->parent_span_id);
	to = put_times(put_string(to, TAG(5, LENGTH), s->name), s);
	to = put_count(put_attrs(to, s), TAG(10, VARINT), s->dropped_attributes_count);
	return (size_t)(put_end(put_events(to, s), s) - from);
}

/* --- what is known from the last time --- */

static struct otlp_hole *hole_next(struct otlp_known *k, uint32_t *at, bool is_event)
{
	while (k->holes[*at].is_event != is_event)
		++*at;
	return &k->holes[(*at)++];
}

/* A number is what an attribute ends with. */
static uint8_t *keep_attrs(uint8_t *to, const Otlp__Span *s, struct otlp_known *k,
			   const uint8_t *from)
{
	uint32_t at = 0;

	for (size_t i = 0; i < s->n_attributes; i++) {
		const Otlp__AnyValue *v = s->attributes[i]->value;
		struct otlp_hole *hole;

		to = put_attr(to, TAG(9, LENGTH), s->attributes[i]);
		if (!k->n_ints || v->value_case != OTLP__ANY_VALUE__VALUE_INT_VALUE)
			continue;
		hole = hole_next(k, &at, false);
		hole->to = (uint16_t)(to - hole->len - from);
	}
	return to;
}

/* An event begins with its tag, its length, and the tag of its time. */
static uint8_t *keep_events(uint8_t *to, const Otlp__Span *s, struct otlp_known *k,
			    const uint8_t *from)
{
	uint32_t at = 0;

	for (size_t i = 0; i < s->n_events; i++) {
		const uint8_t *len = to + 1;

		to = put_event(to, s->events[i]);
		while (*len++ & 0x80)
			;
		hole_next(k, &at, true)->to = (uint16_t)(len + 1 - from);
	}
	return to;
}

void otlp_pack_known(const Otlp__Span *s, struct otlp_known *to)
{
	uint8_t *state = put_string(to->packed, TAG(3, LENGTH), s->trace_state);
	uint8_t *name = put_string(state, TAG(5, LENGTH), s->name);
	uint8_t *attrs = keep_attrs(name, s, to, name);
	uint8_t *events = keep_events(attrs, s, to, name);

	to->state_len = (uint16_t)(state - to->packed);
	to->name_len = (uint16_t)(name - state);
	to->attrs_len = (uint16_t)(attrs - name);
	to->events_len = (uint16_t)(events - attrs);
}

static ALWAYS_INLINE uint8_t *put_known(uint8_t *to, const uint8_t *from, size_t len)
{
	copy_short(to, from, len);
	return to + len;
}

/* Attributes and events lie behind each other in packed, and not where they are put. */
static ALWAYS_INLINE void fill_holes(const struct otlp_known *k, const struct record *r,
				     uint8_t *attrs, uint8_t *events)
{
	for (uint32_t i = 0; i < k->n_holes; i++) {
		const struct otlp_hole *hole = &k->holes[i];
		uint64_t value;

		if (hole->is_event) {
			value = otlp_event_time(&r->head, r->items + hole->at);
			memcpy(events + hole->to - k->attrs_len, &value, sizeof(value));
		} else {
			memcpy(&value, r->items + hole->at, sizeof(value));
			put_varint(attrs + hole->to, value);
		}
	}
}

size_t otlp_pack_again(const Otlp__Span *s, const struct otlp_known *k, const struct record *r,
		       uint8_t *to)
{
	const uint8_t *from = to, *known = k->packed;
	uint8_t *attrs, *events;

	to = put_known(put_ids(to, s), known, k->state_len);
	to = put_id(to, TAG(4, LENGTH), &s->parent_span_id);
	attrs = put_times(put_known(to, known += k->state_len, k->name_len), s);
	events = put_known(attrs, known += k->name_len, k->attrs_len);
	events = put_count(events, TAG(10, VARINT), s->dropped_attributes_count);
	to = put_known(events, known + k->attrs_len, k->events_len);
	fill_holes(k, r, attrs, events);
	return (size_t)(put_end(to, s) - from);
}
