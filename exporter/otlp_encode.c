/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_encode.h"

#include <string.h>

#include "otlp_encode_impl.h"
#include "utf8.h"
#include "version.h"

/* O109 */
#define FLAG_HAS_IS_REMOTE 0x100u
#define FLAG_IS_REMOTE 0x200u

/* Arrays, not pointers: those would be relocated in every process that loads us. */
const char otlp_attr_key[ATTRS][OTLP_ATTR_KEY_MAX] = {
#define ATTR(name, key) key,
#include "attr.def"
#undef ATTR
};

void otlp_encoder_init(struct otlp_encoder *e)
{
	for (int i = 0; i < ATTRS; i++) {
		struct otlp_key *k = &e->keys[i];
		uint8_t *to = wire_bytes(k->bytes, KEY_VALUE_KEY, bytes_from_str(otlp_attr_key[i]));

		*to++ = KEY_VALUE_VALUE;
		k->len = (uint8_t)(to - k->bytes);
	}
}

/* --- texts --- */

#define EACH(byte) (0x0101010101010101u * (byte))

/* Not 0 if a byte of w is NUL or above 0x7f. */
static ALWAYS_INLINE uint64_t odd_bytes(uint64_t w)
{
	return ((w - EACH(1)) | w) & EACH(0x80u);
}

/* ASCII without NUL: nearly every value is nothing else. */
static ALWAYS_INLINE bool is_plain(struct bytes s)
{
	uint64_t w = EACH('a'), odd = 0;

	if (s.len < sizeof(w)) {
		for (size_t i = 0; i < s.len; i++)
			w = w << 8 | (uint8_t)s.ptr[i];
		return !odd_bytes(w);
	}
	for (size_t i = 0; i + sizeof(w) < s.len; i += sizeof(w)) {
		memcpy(&w, s.ptr + i, sizeof(w));
		odd |= odd_bytes(w);
	}
	memcpy(&w, s.ptr + s.len - sizeof(w), sizeof(w));
	return !(odd | odd_bytes(w));
}

bool otlp_is_string(struct bytes s)
{
	return LIKELY(is_plain(s)) ||
	       (otlp_utf8_is_valid(s) && !(s.len && memchr(s.ptr, '\0', s.len)));
}

/* O40: what is not valid UTF-8 goes out as bytes.  So does NUL, which ends the string to some. */
uint8_t *otlp_put_text(uint8_t *to, struct bytes s)
{
	return wire_bytes(to, otlp_is_string(s) ? ANY_STRING : ANY_BYTES, s);
}

/* O40: for names and the trace state, which have no other form. */
static struct bytes repaired(struct otlp_encoder *e, struct bytes s)
{
	char *to = e->text + e->text_len;
	size_t len;

	if (otlp_is_string(s))
		return s;
	len = otlp_utf8_repair(to, s);
	e->text_len += len + 1;
	return (struct bytes){ to, len };
}

/* --- attributes --- */

/* A key that comes again replaces its value and keeps its place (O39). */
static ALWAYS_INLINE void attr_seen(struct otlp_encoder *e, const struct item_head *head,
				    struct bytes value)
{
	e->attrs[head->key] = (struct otlp_attr){ value, head->type };
	if (e->has[head->key])
		return;
	e->has[head->key] = 1;
	e->list[e->n++] = head->key;
}

static void items_seen(struct otlp_encoder *e, const struct record *r)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_each(r, &at, &head, &value)) {
		if (head.type < ITEM_ELEMENT)
			attr_seen(e, &head, value);
		else if (head.type < ITEM_NAME)
			e->has_named = true;
		else if (head.type == ITEM_NAME)
			e->name = value;
		else if (head.type == ITEM_TRACESTATE)
			e->tracestate = value;
		else if (head.type == ITEM_EVENT)
			e->n_events++;
		/* ITEM_BAGGAGE stays here: it is the application's, and may be secret (C73). */
	}
}

static ALWAYS_INLINE uint64_t int_of(struct bytes value)
{
	uint64_t v;

	memcpy(&v, value.ptr, sizeof(v));
	return v;
}

static ALWAYS_INLINE size_t any_len(const struct otlp_attr *a)
{
	if (a->type == ITEM_STR)
		return otlp_text_len(a->value);
	return a->type == ITEM_INT ? 1 + wire_varint_len(int_of(a->value)) : 2;
}

static ALWAYS_INLINE uint8_t *put_attr(uint8_t *to, const struct otlp_key *k,
				       const struct otlp_attr *a)
{
	size_t len = any_len(a);

	to = wire_uint(to, SPAN_ATTRIBUTE, k->len + wire_varint_len(len) + len);
	to = wire_put(to, k->bytes, k->len);
	to = wire_varint(to, len);
	if (a->type == ITEM_STR)
		return otlp_put_text(to, a->value);
	if (a->type == ITEM_INT)
		return wire_uint(to, ANY_INT, int_of(a->value));
	return wire_uint(to, ANY_BOOL, a->value.ptr[0] != 0);
}

static uint8_t *put_attrs(uint8_t *to, struct otlp_encoder *e)
{
	for (uint32_t i = 0; i < e->n; i++) {
		to = put_attr(to, &e->keys[e->list[i]], &e->attrs[e->list[i]]);
		e->has[e->list[i]] = 0;
	}
	return to;
}

/* --- the span --- */

/* O55: never empty.  Only a producer that was cut short leaves no name. */
static struct bytes name_by_kind(uint8_t kind)
{
	if (kind == SPAN_SERVER)
		return BYTES("server");
	return kind == SPAN_CLIENT ? BYTES("client") : BYTES("internal");
}

/* O52: whether the parent was remote is known, and said, also for roots. */
static uint32_t span_flags(const struct span *h)
{
	return h->flags | FLAG_HAS_IS_REMOTE |
	       (h->has_parent && h->parent_is_remote ? FLAG_IS_REMOTE : 0);
}

/* Fields 1 to 8 of O104; what has the value of a field that is absent is left out. */
static uint8_t *put_head(uint8_t *to, struct otlp_encoder *e, const struct span *h)
{
	struct bytes name = e->name.len ? repaired(e, e->name) : name_by_kind(h->kind);

	*to++ = WIRE_BYTES(1);
	*to++ = sizeof(h->trace.bytes);
	to = wire_put(to, h->trace.bytes, sizeof(h->trace.bytes));
	*to++ = WIRE_BYTES(2);
	*to++ = sizeof(h->id.bytes);
	to = wire_put(to, h->id.bytes, sizeof(h->id.bytes));
	if (UNLIKELY(e->tracestate.len))
		to = wire_bytes(to, WIRE_BYTES(3), repaired(e, e->tracestate));
	if (h->has_parent) { /* O50: a root has no bytes here, not zero bytes */
		*to++ = WIRE_BYTES(4);
		*to++ = sizeof(h->parent.bytes);
		to = wire_put(to, h->parent.bytes, sizeof(h->parent.bytes));
	}
	to = wire_bytes(to, WIRE_BYTES(5), name);
	to = wire_uint(to, WIRE_VARINT(6), h->kind);
	to = wire_fixed64(to, WIRE_FIXED64(7), h->start_unix_ns);
	/* O45: one reading of the clock that may be set, one duration of the one that may not. */
	return wire_fixed64(to, WIRE_FIXED64(8),
			    h->start_unix_ns +
				    (h->end_ns > h->start_ns ? h->end_ns - h->start_ns : 0));
}

/* Fields 15 and 16. */
static uint8_t *put_tail(uint8_t *to, const struct span *h)
{
	uint32_t flags = span_flags(h);

	if (h->status == SPAN_STATUS_ERROR) /* O56: no status is UNSET */
		to = wire_put(to, "\x7a\x02\x18\x02", 4);
	to = wire_put(to, "\x85\x01", 2); /* fixed32 */
	return wire_put(to, &flags, sizeof(flags));
}

size_t otlp_encode_span(struct otlp_encoder *e, const struct record *r, uint8_t *to)
{
	const struct span *h = &r->head;
	uint8_t *begin = to;

	e->n = e->n_events = 0;
	e->has_named = false;
	e->name = e->tracestate = (struct bytes){ NULL, 0 };
	e->text_len = 0;
	items_seen(e, r);
	to = put_head(to, e, h);
	to = put_attrs(to, e);
	if (UNLIKELY(e->has_named))
		to = otlp_put_named(to, r);
	if (UNLIKELY(h->dropped_attrs))
		to = wire_uint(to, WIRE_VARINT(10), h->dropped_attrs);
	if (e->n_events)
		to = otlp_put_events(to, r);
	if (UNLIKELY(e->n_events > OTLP_EVENTS_MAX))
		to = wire_uint(to, WIRE_VARINT(12), e->n_events - OTLP_EVENTS_MAX);
	return (size_t)(put_tail(to, h) - begin);
}

/*
 * Fixed fields of a Span take less than 128 bytes; an attribute's key, tags and lengths less than
 * 64 and its value not more than its item or 11 bytes; names may triple in the repair; an event
 * takes less than 64.
 */
size_t otlp_span_bound(const struct record *r)
{
	return 256 + 64 * ((size_t)ATTRS + r->head.attrs + OTLP_EVENTS_MAX) +
	       3 * (size_t)r->items_len;
}

/* --- what surrounds spans --- */

/* protobuf-c's strings are not const, though it only reads them. */
static char *as_string(const char *s)
{
	return (char *)(uintptr_t)s;
}

size_t otlp_encode_prefix(uint8_t *to, uint32_t field, size_t len)
{
	uint8_t *end = wire_varint(to, field << 3 | 2); /* wire type 2: length and bytes */

	return (size_t)(wire_varint(end, len) - to);
}

size_t otlp_prefix_len(uint32_t field, size_t len)
{
	return wire_varint_len(field << 3 | 2) + wire_varint_len(len);
}

size_t otlp_resource_bound(const struct resource *r)
{
	size_t bound = 64; /* process.pid */

	for (size_t i = 0; i < r->n; i++)
		bound += r->attrs[i].key.len + r->attrs[i].value.len + 32;
	return bound;
}

static size_t attr_pack(Otlp__KeyValue *kv, uint8_t *to)
{
	uint8_t prefix[15];
	size_t len = otlp__key_value__get_packed_size(kv);
	size_t n = otlp_encode_prefix(prefix, 1, len);

	memcpy(to, prefix, n);
	return n + otlp__key_value__pack(kv, to + n);
}

/* Attribute by attribute: a Resource is nothing but its field 1, repeated (O100). */
size_t otlp_encode_resource(const struct resource *r, uint32_t pid, uint8_t *to)
{
	Otlp__KeyValue kv = OTLP__KEY_VALUE__INIT;
	Otlp__AnyValue value = OTLP__ANY_VALUE__INIT;
	size_t len = 0;

	kv.value = &value;
	value.value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	for (size_t i = 0; i < r->n; i++) {
		kv.key = as_string(r->attrs[i].key.ptr);
		value.string_value = as_string(r->attrs[i].value.ptr);
		len += attr_pack(&kv, to + len);
	}
	if (r->has_pid)
		return len;
	kv.key = as_string("process.pid");
	value.value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	value.int_value = pid;
	return len + attr_pack(&kv, to + len);
}

size_t otlp_encode_scope(uint8_t *to)
{
	Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;

	scope.name = as_string(SCOPE_NAME);
	scope.version = as_string(INTERSPAN_VERSION);
	return otlp__instrumentation_scope__pack(&scope, to);
}
