/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes whose names are the application's (headers, baggage), and events. */
#include <string.h>

#include "otlp_encode_impl.h"

#define EVENT_NAME_MAX 40

static const char event_name[EVENTS][EVENT_NAME_MAX] = {
#define EVENT(name, text) text,
#include "event.def"
#undef EVENT
};

struct named_key {
	uint16_t prefix;
	struct bytes rest;
};

static bool named_key_is(const struct named_key *a, const struct named_key *b)
{
	return a->prefix == b->prefix && bytes_equal(a->rest, b->rest);
}

/* The next item with a name; false: there is none. */
static bool named_next(const struct record *r, size_t *at, struct item_head *head,
		       struct named_key *key, struct bytes *value)
{
	struct bytes packed;

	while (record_next(r, at, head, &packed))
		if (item_is_named(head->type) && item_named_split(packed, &key->rest, value) &&
		    otlp_is_string(key->rest)) {
			key->prefix = head->key;
			return true;
		}
	return false;
}

/* Has an item before this one the same key?  Then it has taken this one in (O39). */
static bool named_is_told(const struct record *r, size_t before, const struct named_key *key)
{
	struct item_head head;
	struct named_key k;
	struct bytes value;
	size_t at = 0;

	while (named_next(r, &at, &head, &k, &value) && at < before)
		if (named_key_is(&k, key))
			return true;
	return false;
}

/* All elements of that key, from this one on. */
static void set_array(struct otlp_encoder *e, struct otlp_named *to, const struct record *r,
		      size_t at, const struct named_key *key, struct bytes value)
{
	struct item_head head = { .type = ITEM_ELEMENT };
	struct named_key k = *key;

	to->array.values = e->element_list + e->n_elements;
	to->array.n_values = 0;
	do {
		if (head.type == ITEM_ELEMENT && named_key_is(&k, key)) {
			otlp_set_text(e, &e->elements[e->n_elements++], value);
			to->array.n_values++;
		}
	} while (e->n_elements < STORE_ATTRS_MAX && named_next(r, &at, &head, &k, &value));
	to->value.value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
	to->value.array_value = &to->array;
}

static void set_value(struct otlp_encoder *e, Otlp__AnyValue *v, uint8_t type, struct bytes value)
{
	if (type == ITEM_NAMED) {
		otlp_set_text(e, v, value);
		return;
	}
	/* Of a damaged one nothing is told: an empty value. */
	v->value_case = value.len != sizeof(v->int_value) ? OTLP__ANY_VALUE__VALUE__NOT_SET :
			type == ITEM_NAMED_INT            ? OTLP__ANY_VALUE__VALUE_INT_VALUE :
							    OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
	if (value.len == sizeof(v->int_value))
		memcpy(&v->int_value, value.ptr, sizeof(v->int_value));
}

static char *keep_key(struct otlp_encoder *e, const struct named_key *key)
{
	char *to = e->text + e->text_len;

	e->text_len += strlen(otlp_attr_key[key->prefix]);
	memcpy(to, otlp_attr_key[key->prefix], strlen(otlp_attr_key[key->prefix]));
	otlp_keep_text(e, key->rest);
	return to;
}

void otlp_set_named(struct otlp_encoder *e, const struct record *r)
{
	struct item_head head;
	struct named_key key;
	struct bytes value;
	size_t at = 0;

	while (named_next(r, &at, &head, &key, &value)) {
		struct otlp_named *to = &e->named[e->n_named];

		if (e->n_named == STORE_ATTRS_MAX || e->n_elements == STORE_ATTRS_MAX)
			return;
		if (named_is_told(r, at, &key))
			continue;
		if (head.type == ITEM_ELEMENT)
			set_array(e, to, r, at, &key, value);
		else
			set_value(e, &to->value, head.type, value);
		to->pair.key = keep_key(e, &key);
		e->list[e->span.n_attributes++] = &to->pair;
		e->n_named++;
	}
}

/* --- events --- */

/* NULL: one too many. */
Otlp__Span__Event *otlp_event_new(struct otlp_encoder *e, const struct span *h, struct bytes value)
{
	Otlp__Span__Event *to = &e->events[e->span.n_events];

	if (e->span.n_events == OTLP_EVENTS_MAX || value.len < sizeof(uint64_t)) {
		e->span.dropped_events_count++;
		return NULL;
	}
	otlp__span__event__init(to);
	e->event_list[e->span.n_events] = to;
	to->time_unix_nano = otlp_event_time(h, value.ptr);
	e->span.n_events++;
	return to;
}

void otlp_add_event(struct otlp_encoder *e, const struct span *h, uint16_t event,
		    struct bytes value)
{
	Otlp__Span__Event *to = otlp_event_new(e, h, value);

	if (to)
		to->name = otlp_as_string(event_name[event]);
}

void otlp_add_own_event(struct otlp_encoder *e, const struct span *h, struct bytes value)
{
	Otlp__Span__Event *to = otlp_event_new(e, h, value);

	if (to)
		to->name = otlp_keep_repaired(e, bytes_skip(value, sizeof(uint64_t)));
}
