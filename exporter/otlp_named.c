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

	while (record_each(r, at, head, &packed))
		if ((head->type == ITEM_ELEMENT || head->type == ITEM_NAMED) &&
		    item_named_split(packed, &key->rest, value) && otlp_is_string(key->rest)) {
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

/* The elements of that key, from this one on: what their ArrayValue takes, written if to is set. */
static size_t array_len(uint8_t *to, const struct record *r, size_t at, const struct named_key *key,
			struct bytes value)
{
	struct item_head head = { .type = ITEM_ELEMENT };
	struct named_key k = *key;
	size_t len = 0;

	do {
		if (head.type != ITEM_ELEMENT || !named_key_is(&k, key))
			continue;
		len += wire_field_len(otlp_text_len(value));
		if (to)
			to = otlp_put_text(wire_uint(to, WIRE_BYTES(1), otlp_text_len(value)),
					   value);
	} while (named_next(r, &at, &head, &k, &value));
	return len;
}

static uint8_t *put_one(uint8_t *to, const struct record *r, size_t at,
			const struct item_head *head, const struct named_key *key,
			struct bytes value)
{
	struct bytes prefix = bytes_from_str(otlp_attr_key[key->prefix]);
	bool is_array = head->type == ITEM_ELEMENT;
	size_t array = is_array ? array_len(NULL, r, at, key, value) : 0;
	size_t any = is_array ? wire_field_len(array) : otlp_text_len(value);
	size_t name = prefix.len + key->rest.len;

	to = wire_uint(to, SPAN_ATTRIBUTE, wire_field_len(name) + wire_field_len(any));
	to = wire_uint(to, KEY_VALUE_KEY, name);
	to = wire_put(to, prefix.ptr, prefix.len);
	to = wire_put(to, key->rest.ptr, key->rest.len);
	to = wire_uint(to, KEY_VALUE_VALUE, any);
	if (!is_array)
		return otlp_put_text(to, value);
	to = wire_uint(to, ANY_ARRAY, array);
	return to + array_len(to, r, at, key, value);
}

uint8_t *otlp_put_named(uint8_t *to, const struct record *r)
{
	struct item_head head;
	struct named_key key;
	struct bytes value;
	size_t at = 0;

	while (named_next(r, &at, &head, &key, &value))
		if (!named_is_told(r, at, &key))
			to = put_one(to, r, at, &head, &key, value);
	return to;
}

/* --- events --- */

/* Their times lie on the clock of the span's duration, beside its one anchor (O45). */
uint8_t *otlp_put_events(uint8_t *to, const struct record *r)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;
	uint32_t n = 0;

	while (n < OTLP_EVENTS_MAX && record_each(r, &at, &head, &value)) {
		struct bytes name;
		uint64_t ns;

		if (head.type != ITEM_EVENT)
			continue;
		n++;
		name = bytes_from_str(event_name[head.key]);
		memcpy(&ns, value.ptr, sizeof(ns));
		to = wire_uint(to, WIRE_BYTES(11), 1 + sizeof(ns) + wire_field_len(name.len));
		to = wire_fixed64(to, WIRE_FIXED64(1),
				  r->head.start_unix_ns + (ns - r->head.start_ns));
		to = wire_bytes(to, WIRE_BYTES(2), name);
	}
	return to;
}
