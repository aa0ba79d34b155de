/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP in protobuf, by protobuf-c.  protobuf-c has no limit of depth and gives every message its
 * own malloc; a request may be hostile.  So the nesting is checked before, and all memory comes
 * from the batch's arena, whose limit protobuf-c meets as a failed allocation.
 */
#include <protobuf-c/protobuf-c.h>

#include "otlp.h"
#include "otlp_trace.pb-c.h"

/* Six levels down to an attribute's value, then at most three for each level of nesting in it. */
#define MESSAGE_DEPTH_MAX (6 + 3 * OTLP_DEPTH_MAX)

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static bool take_varint(struct bytes *in, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < in->len && i < 10; i++) {
		uint8_t byte = (uint8_t)in->ptr[i];

		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*in = bytes_skip(*in, i + 1);
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Takes one field off *in; *ret_body is the contents of a length-delimited one. */
static bool take_field(struct bytes *in, uint64_t *ret_tag, struct bytes *ret_body)
{
	uint64_t len;

	if (!take_varint(in, ret_tag))
		return false;
	switch (*ret_tag & 7) {
	case WIRE_VARINT:
		return take_varint(in, &len);
	case WIRE_64:
		len = 8;
		break;
	case WIRE_32:
		len = 4;
		break;
	case WIRE_BYTES:
		if (!take_varint(in, &len))
			return false;
		break;
	default: /* groups: not in proto3 */
		return false;
	}
	if (len > in->len)
		return false;
	*ret_body = (struct bytes){ in->ptr, (size_t)len };
	*in = bytes_skip(*in, (size_t)len);
	return true;
}

/* Is in a sequence of whole fields, and not nested deeper than depth? */
static enum otlp_verdict check(const ProtobufCMessageDescriptor *type, struct bytes in, int depth,
			       const char **ret_why)
{
	const ProtobufCFieldDescriptor *field;
	enum otlp_verdict verdict;
	struct bytes body;
	uint64_t tag;

	if (depth == 0) {
		*ret_why = "attribute values are nested too deep";
		return OTLP_MALFORMED;
	}
	while (in.len) {
		if (!take_field(&in, &tag, &body)) {
			*ret_why = "not a protobuf message: it ends in the middle of a field";
			return OTLP_MALFORMED;
		}
		if ((tag & 7) != WIRE_BYTES || tag >> 3 > UINT32_MAX)
			continue;
		field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
		if (!field || field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		verdict = check(field->descriptor, body, depth - 1, ret_why);
		if (verdict != OTLP_GOOD)
			return verdict;
	}
	return OTLP_GOOD;
}

static void *arena_alloc_cb(void *arena, size_t size)
{
	return arena_get(arena, size);
}

static void arena_free_cb(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

static struct bytes text_of(const char *s)
{
	return bytes_from_str(s ? s : "");
}

static struct bytes data_of(ProtobufCBinaryData d)
{
	return (struct bytes){ (const char *)d.data, d.len };
}

static bool read_attrs(struct arena *a, struct otlp_attrs *to, Otlp__KeyValue *const *from,
		       size_t n);

static bool read_array(struct arena *a, struct otlp_value *v, const Otlp__ArrayValue *from);

static bool read_value(struct arena *a, struct otlp_value *v, const Otlp__AnyValue *from)
{
	struct otlp_attrs map;

	switch (from ? from->value_case : OTLP__ANY_VALUE__VALUE__NOT_SET) {
	case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
		*v = (struct otlp_value){ OTLP_STRING, .text = text_of(from->string_value) };
		return true;
	case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
		*v = (struct otlp_value){ OTLP_BOOL, .boolean = from->bool_value };
		return true;
	case OTLP__ANY_VALUE__VALUE_INT_VALUE:
		*v = (struct otlp_value){ OTLP_INT, .integer = from->int_value };
		return true;
	case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
		*v = (struct otlp_value){ OTLP_DOUBLE, .number = from->double_value };
		return true;
	case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
		*v = (struct otlp_value){ OTLP_BYTES, .text = data_of(from->bytes_value) };
		return true;
	case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
		return read_array(a, v, from->array_value);
	case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
		if (!read_attrs(a, &map, from->kvlist_value->values, from->kvlist_value->n_values))
			return false;
		*v = (struct otlp_value){ OTLP_MAP, .count = map.count, .map = map.list };
		return true;
	default:
		*v = (struct otlp_value){ .type = OTLP_EMPTY };
		return true;
	}
}

static bool read_array(struct arena *a, struct otlp_value *v, const Otlp__ArrayValue *from)
{
	*v = (struct otlp_value){ OTLP_ARRAY, .count = (uint32_t)from->n_values };
	v->items = arena_get_array(a, from->n_values, sizeof(*v->items));
	for (size_t i = 0; v->items && i < from->n_values; i++)
		if (!read_value(a, &v->items[i], from->values[i]))
			return false;
	return v->items != NULL;
}

static bool read_attrs(struct arena *a, struct otlp_attrs *to, Otlp__KeyValue *const *from,
		       size_t n)
{
	*to = (struct otlp_attrs){ arena_get_array(a, n, sizeof(*to->list)), (uint32_t)n };
	for (size_t i = 0; to->list && i < n; i++) {
		to->list[i].key = text_of(from[i]->key);
		if (!read_value(a, &to->list[i].value, from[i]->value))
			return false;
	}
	return to->list != NULL;
}

/* A wrong length leaves the id zero, so that the span is rejected. */
static void read_id(uint8_t *to, size_t size, ProtobufCBinaryData from)
{
	if (from.len == size)
		memcpy(to, from.data, size);
}

static bool read_span(struct otlp_batch *b, const Otlp__Span *from, struct otlp_resource *resource)
{
	struct otlp_span *s = arena_get(&b->arena, sizeof(*s));

	if (!s || !read_attrs(&b->arena, &s->attrs, from->attributes, from->n_attributes))
		return false;
	read_id(s->trace_id, sizeof(s->trace_id), from->trace_id);
	read_id(s->span_id, sizeof(s->span_id), from->span_id);
	read_id(s->parent_id, sizeof(s->parent_id), from->parent_span_id);
	if (from->parent_span_id.len && from->parent_span_id.len != sizeof(s->parent_id)) {
		otlp_batch_reject(b, "a parent span id has the wrong length");
		return true;
	}
	s->resource = resource;
	s->name = text_of(from->name);
	s->kind = from->kind >= 0 && from->kind <= UINT8_MAX ? (uint8_t)from->kind : UINT8_MAX;
	s->flags = from->flags;
	s->start_ns = from->start_time_unix_nano;
	s->end_ns = from->end_time_unix_nano;
	s->events = (uint32_t)from->n_events;
	s->links = (uint32_t)from->n_links;
	if (from->status) {
		s->status = (uint8_t)(from->status->code & 3);
		s->status_message = text_of(from->status->message);
	}
	otlp_batch_add(b, s);
	return true;
}

static bool read_resource_spans(struct otlp_batch *b, const Otlp__ResourceSpans *from)
{
	struct otlp_resource *resource = arena_get(&b->arena, sizeof(*resource));
	const Otlp__Resource *r = from->resource;

	if (!resource)
		return false;
	if (r && !read_attrs(&b->arena, &resource->attrs, r->attributes, r->n_attributes))
		return false;
	otlp_resource_name(resource);
	for (size_t i = 0; i < from->n_scope_spans; i++)
		for (size_t j = 0; j < from->scope_spans[i]->n_spans; j++)
			if (!read_span(b, from->scope_spans[i]->spans[j], resource))
				return false;
	return true;
}

static enum otlp_verdict refuse(struct otlp_batch *b, enum otlp_verdict verdict)
{
	otlp_batch_done(b);
	return verdict;
}

enum otlp_verdict otlp_decode_pb(struct otlp_batch *b, struct bytes body, const char **ret_why)
{
	ProtobufCAllocator alloc = { arena_alloc_cb, arena_free_cb, &b->arena };
	Otlp__ExportTraceServiceRequest *req;
	enum otlp_verdict verdict = check(&otlp__export_trace_service_request__descriptor, body,
					  MESSAGE_DEPTH_MAX, ret_why);

	if (verdict != OTLP_GOOD)
		return refuse(b, verdict);
	req = otlp__export_trace_service_request__unpack(&alloc, body.len,
							 (const uint8_t *)body.ptr);
	if (!req) {
		/* protobuf-c does not say which it was. */
		bool is_full = b->arena.is_full;

		*ret_why = is_full ? "it needs too much memory when decoded" :
				     "not an ExportTraceServiceRequest in protobuf";
		return refuse(b, is_full ? OTLP_TOO_LARGE : OTLP_MALFORMED);
	}
	for (size_t i = 0; i < req->n_resource_spans; i++)
		if (!read_resource_spans(b, req->resource_spans[i])) {
			*ret_why = "it needs too much memory when decoded";
			return refuse(b, OTLP_TOO_LARGE);
		}
	return OTLP_GOOD;
}
