/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_encode.h"

#include <string.h>

#include "otlp_encode_impl.h"
#include "utf8.h"
#include "version.h"

/* Arrays, not pointers: those would be relocated in every process that loads us. */
const char otlp_attr_key[ATTRS][OTLP_ATTR_KEY_MAX] = {
#define ATTR(name, key) key,
#include "attr.def"
#undef ATTR
};

/* protobuf-c's strings are not const, though it only reads them. */
char *otlp_as_string(const char *s)
{
	return (char *)(uintptr_t)s;
}

static char empty_string[1];

const char *otlp_text_of(const Otlp__AnyValue *v)
{
	return v->value_case == OTLP__ANY_VALUE__VALUE_STRING_VALUE ? v->string_value :
								      empty_string;
}

void otlp_encoder_init(struct otlp_encoder *e)
{
	otlp__span__init(&e->span);
	otlp__status__init(&e->status);
	for (int i = 0; i < ATTRS; i++) {
		otlp__key_value__init(&e->attrs[i]);
		otlp__any_value__init(&e->values[i]);
		e->attrs[i].key = otlp_as_string(otlp_attr_key[i]);
		e->attrs[i].value = &e->values[i];
	}
	for (uint32_t i = 0; i < STORE_ATTRS_MAX; i++) {
		otlp__key_value__init(&e->named[i].pair);
		otlp__any_value__init(&e->named[i].value);
		otlp__array_value__init(&e->named[i].array);
		otlp__any_value__init(&e->elements[i]);
		e->named[i].pair.value = &e->named[i].value;
		e->element_list[i] = &e->elements[i];
	}
}

/* --- texts --- */

char *otlp_keep_text(struct otlp_encoder *e, struct bytes s)
{
	char *to = e->text + e->text_len;

	memcpy(to, s.ptr, s.len);
	to[s.len] = '\0';
	e->text_len += s.len + 1;
	return to;
}

/* --- attributes --- */

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

/* O40: for names and the trace state, which have no other form. */
char *otlp_keep_repaired(struct otlp_encoder *e, struct bytes s)
{
	char *to = e->text + e->text_len;

	if (LIKELY(is_plain(s)))
		return otlp_keep_text(e, s);
	e->text_len += otlp_utf8_repair(to, s) + 1;
	return to;
}

bool otlp_is_string(struct bytes s)
{
	return LIKELY(is_plain(s)) ||
	       (otlp_utf8_is_valid(s) && !(s.len && memchr(s.ptr, '\0', s.len)));
}

/*
 * O40: what is not valid UTF-8 goes out as bytes.  So does NUL, which would end protobuf-c's
 * string.
 */
void otlp_set_text(struct otlp_encoder *e, Otlp__AnyValue *v, struct bytes s)
{
	if (otlp_is_string(s)) {
		v->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
		v->string_value = otlp_keep_text(e, s);
		return;
	}
	v->value_case = OTLP__ANY_VALUE__VALUE_BYTES_VALUE;
	v->bytes_value.data = (uint8_t *)(uintptr_t)s.ptr;
	v->bytes_value.len = s.len;
}

/* A key that comes again replaces its value and keeps its place (O39). */
static void set_attr(struct otlp_encoder *e, const struct item_head *head, struct bytes value)
{
	Otlp__AnyValue *v = &e->values[head->key];

	if (!e->place[head->key]) {
		e->list[e->span.n_attributes++] = &e->attrs[head->key];
		e->place[head->key] = 1;
	}
	switch (head->type) {
	case ITEM_STR:
		otlp_set_text(e, v, value);
		break;
	case ITEM_INT:
		v->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		memcpy(&v->int_value, value.ptr, sizeof(v->int_value));
		break;
	default:
		v->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
		v->bool_value = value.ptr[0] != 0;
		break;
	}
}

/* --- the span --- */

/* O55: never empty.  Only a producer that was cut short leaves no name. */
static const char *name_by_kind(uint8_t kind)
{
	if (kind == SPAN_SERVER)
		return "server";
	return kind == SPAN_CLIENT ? "client" : "internal";
}

static void set_items(struct otlp_encoder *e, const struct record *r)
{
	struct bytes name = { NULL, 0 };
	struct bytes state = { NULL, 0 };
	struct item_head head;
	struct bytes value;
	bool has_named = false;
	size_t at = 0;

	while (record_next(r, &at, &head, &value)) {
		if (item_is_named(head.type))
			has_named = true;
		else if (head.type < ITEM_NAME)
			set_attr(e, &head, value);
		else if (head.type == ITEM_NAME)
			name = value;
		else if (head.type == ITEM_TRACESTATE)
			state = value;
		else if (head.type == ITEM_EVENT)
			otlp_add_event(e, &r->head, head.key, value);
		else if (head.type == ITEM_OWN_EVENT)
			otlp_add_own_event(e, &r->head, value);
		else if (head.type == ITEM_EVENT_OF)
			otlp_add_event_of(e, &r->head, value);
		else if (head.type == ITEM_LINK)
			otlp_add_link(e, value);
		/* ITEM_BAGGAGE stays here: it is the application's, and may be secret (C73). */
	}
	if (has_named)
		otlp_set_named(e, r);
	e->span.name =
		name.len ? otlp_keep_repaired(e, name) : otlp_as_string(name_by_kind(r->head.kind));
	e->span.trace_state = state.len ? otlp_keep_repaired(e, state) : empty_string;
}

static ProtobufCBinaryData id_data(const uint8_t *bytes, size_t len)
{
	return (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)bytes };
}

/* O52: whether the parent was remote is known, and said, also for roots. */
static uint32_t span_flags(const struct span *h)
{
	return h->flags | OTLP_FLAG_HAS_IS_REMOTE |
	       (h->has_parent && h->parent_is_remote ? OTLP_FLAG_IS_REMOTE : 0);
}

static void set_head(struct otlp_encoder *e, const struct span *h)
{
	Otlp__Span *s = &e->span;

	s->trace_id = id_data(h->trace.bytes, sizeof(h->trace.bytes));
	s->span_id = id_data(h->id.bytes, sizeof(h->id.bytes));
	/* O50: a root has no bytes here, not zero bytes. */
	s->parent_span_id = id_data(h->parent.bytes, h->has_parent ? sizeof(h->parent.bytes) : 0);
	s->kind = (Otlp__Span__SpanKind)h->kind;
	s->start_time_unix_nano = h->start_unix_ns;
	/* O45: one reading of the clock that may be set, one duration of the one that may not. */
	s->end_time_unix_nano =
		h->start_unix_ns + (h->end_ns > h->start_ns ? h->end_ns - h->start_ns : 0);
	s->dropped_attributes_count = h->dropped_attrs;
	s->flags = span_flags(h);
	/* O56: no status is UNSET. */
	e->status.code = OTLP__STATUS__STATUS_CODE__STATUS_CODE_ERROR;
	s->status = h->status == SPAN_STATUS_ERROR ? &e->status : NULL;
}

/* All but its items. */
static void begin(struct otlp_encoder *e, const struct record *r)
{
	e->span.n_attributes = 0;
	e->span.n_events = 0;
	e->span.dropped_events_count = r->dropped_events;
	e->span.n_links = 0;
	e->span.dropped_links_count = r->dropped_links;
	set_head(e, &r->head);
}

const Otlp__Span *otlp_fill_span(struct otlp_encoder *e, const struct record *r)
{
	begin(e, r);
	memset(e->place, 0, sizeof(e->place));
	e->text_len = 0;
	e->span.attributes = e->list;
	e->span.events = e->event_list;
	e->span.links = e->link_list;
	e->n_named = e->n_elements = e->n_pairs = 0;
	set_items(e, r);
	return &e->span;
}

size_t otlp_encode_span(struct otlp_encoder *e, const struct record *r, uint8_t *to)
{
	uint32_t tag;
	bool is_known;
	struct otlp_known *k = otlp_known_find(e, r, &tag, &is_known);
	size_t len;

	if (is_known) {
		begin(e, r);
		return otlp_pack_again(&e->span, k, r, to);
	}
	len = otlp_pack_span(otlp_fill_span(e, r), to);
	if (k)
		otlp_known_keep(k, tag, r, &e->span, len);
	return len;
}

/*
 * How much items of a record may take that are not its attributes, each of which is 16 bytes at
 * least: events and links, which grow by less than 64 beside their texts; and their attributes, of
 * four bytes at least, by less than 16.
 */
size_t otlp_told_max(const struct record *r)
{
	return r->items_len / sizeof(uint64_t) / 2;
}

/*
 * Fixed fields of a Span take less than 128 bytes; an attribute's key, tags and lengths less than
 * 64 and its value not more than its item or 11 bytes; names may triple in the repair.
 */
size_t otlp_span_bound(const struct record *r)
{
	return 256 + 64 * ((size_t)ATTRS + r->head.attrs + otlp_told_max(r)) +
	       3 * (size_t)r->items_len;
}

/* --- what surrounds spans --- */

static size_t prefix_varint(uint8_t *to, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

size_t otlp_encode_prefix(uint8_t *to, uint32_t field, size_t len)
{
	size_t n = prefix_varint(to, field << 3 | 2); /* wire type 2: length and bytes */

	return n + prefix_varint(to + n, len);
}

size_t otlp_prefix_len(uint32_t field, size_t len)
{
	uint8_t unused[15];

	return otlp_encode_prefix(unused, field, len);
}

size_t otlp_resource_bound(const struct resource *r)
{
	size_t bound = 160; /* process.pid, service.instance.id */

	for (size_t i = 0; i < r->n; i++)
		bound += r->attrs[i].key.len + r->attrs[i].value.len + 32;
	return bound;
}

void otlp_each_resource_attr(const struct resource *r, uint32_t pid,
			     void (*tell)(void *arg, Otlp__KeyValue *kv), void *arg)
{
	Otlp__KeyValue kv = OTLP__KEY_VALUE__INIT;
	Otlp__AnyValue value = OTLP__ANY_VALUE__INIT;
	char instance[RESOURCE_INSTANCE_LEN + 1];

	kv.value = &value;
	value.value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
	for (size_t i = 0; i < r->n; i++) {
		kv.key = otlp_as_string(r->attrs[i].key.ptr);
		value.string_value = otlp_as_string(r->attrs[i].value.ptr);
		tell(arg, &kv);
	}
	if (!r->has_instance && (r->seed[0] | r->seed[1])) {
		resource_instance(r, pid, instance);
		instance[RESOURCE_INSTANCE_LEN] = '\0';
		kv.key = otlp_as_string("service.instance.id");
		value.string_value = instance;
		tell(arg, &kv);
	}
	if (r->has_pid)
		return;
	kv.key = otlp_as_string("process.pid");
	value.value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
	value.int_value = pid;
	tell(arg, &kv);
}

static void attr_pack(void *arg, Otlp__KeyValue *kv)
{
	uint8_t **to = arg;

	*to += otlp_encode_prefix(*to, 1, otlp__key_value__get_packed_size(kv));
	*to += otlp__key_value__pack(kv, *to);
}

/* Attribute by attribute: a Resource is nothing but its field 1, repeated (O100). */
size_t otlp_encode_resource(const struct resource *r, uint32_t pid, uint8_t *to)
{
	uint8_t *end = to;

	otlp_each_resource_attr(r, pid, attr_pack, &end);
	return (size_t)(end - to);
}

size_t otlp_encode_scope(uint8_t *to)
{
	Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;

	scope.name = otlp_as_string(SCOPE_NAME);
	scope.version = otlp_as_string(INTERSPAN_VERSION);
	return otlp__instrumentation_scope__pack(&scope, to);
}
