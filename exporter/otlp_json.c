/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_json.h"

#include <math.h>

#include "json.h"
#include "number.h"
#include "otlp_encode_impl.h"

static void add_key(struct text *to, const char *key)
{
	text_add_char(to, '"');
	text_add_str(to, key);
	text_add_str(to, "\":");
}

/* What separates members: nothing before the first one. */
static void add_member(struct text *to, const char *key)
{
	if (to->len && to->to[to->len - 1] != '{')
		text_add_char(to, ',');
	add_key(to, key);
}

static void add_value(struct text *to, const Otlp__AnyValue *v);

static void add_array(struct text *to, const Otlp__ArrayValue *a)
{
	text_add_str(to, "{\"values\":[");
	for (size_t i = 0; i < a->n_values; i++) {
		if (i)
			text_add_char(to, ',');
		add_value(to, a->values[i]);
	}
	text_add_str(to, "]}");
}

static void add_double(struct text *to, double d)
{
	if (!isfinite(d))
		text_add_char(to, '"');
	number_add(to, d);
	if (!isfinite(d))
		text_add_char(to, '"');
}

/* O77; we make no other kinds. */
static void add_value(struct text *to, const Otlp__AnyValue *v)
{
	text_add_char(to, '{');
	switch (v->value_case) {
	case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
		add_key(to, "stringValue");
		json_add_string(to, bytes_from_str(v->string_value));
		break;
	case OTLP__ANY_VALUE__VALUE_INT_VALUE:
		add_key(to, "intValue");
		json_add_int_string(to, v->int_value);
		break;
	case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
		add_key(to, "boolValue");
		text_add_str(to, v->bool_value ? "true" : "false");
		break;
	case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
		add_key(to, "doubleValue");
		add_double(to, v->double_value);
		break;
	case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
		add_key(to, "bytesValue");
		json_add_base64(to, v->bytes_value.data, v->bytes_value.len);
		break;
	case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
		add_key(to, "arrayValue");
		add_array(to, v->array_value);
		break;
	default:
		break; /* {}: empty */
	}
	text_add_char(to, '}');
}

static void add_attr(struct text *to, const Otlp__KeyValue *kv)
{
	text_add_str(to, "{\"key\":");
	json_add_string(to, bytes_from_str(kv->key));
	text_add_str(to, ",\"value\":");
	add_value(to, kv->value);
	text_add_char(to, '}');
}

static void add_id(struct text *to, const char *key, ProtobufCBinaryData id)
{
	if (id.len == 0)
		return; /* O50: a root has no parent */
	add_member(to, key);
	json_add_hex(to, id.data, id.len);
}

static void add_count(struct text *to, const char *key, uint32_t n)
{
	if (n == 0)
		return;
	add_member(to, key);
	text_add_uint(to, n);
}

static void add_attrs(struct text *to, Otlp__KeyValue *const *attrs, size_t n, uint32_t dropped)
{
	if (n) {
		add_member(to, "attributes");
		text_add_char(to, '[');
		for (size_t i = 0; i < n; i++) {
			if (i)
				text_add_char(to, ',');
			add_attr(to, attrs[i]);
		}
		text_add_char(to, ']');
	}
	add_count(to, "droppedAttributesCount", dropped);
}

static void add_links(struct text *to, const Otlp__Span *s)
{
	if (s->n_links == 0)
		return;
	add_member(to, "links");
	text_add_char(to, '[');
	for (size_t i = 0; i < s->n_links; i++) {
		const Otlp__Span__Link *l = s->links[i];

		text_add_str(to, i ? ",{" : "{");
		add_id(to, "traceId", l->trace_id);
		add_id(to, "spanId", l->span_id);
		if (l->trace_state[0]) {
			add_member(to, "traceState");
			json_add_string(to, bytes_from_str(l->trace_state));
		}
		add_attrs(to, l->attributes, l->n_attributes, l->dropped_attributes_count);
		add_count(to, "flags", l->flags);
		text_add_char(to, '}');
	}
	text_add_char(to, ']');
}

static void add_events(struct text *to, const Otlp__Span *s)
{
	if (s->n_events == 0)
		return;
	add_member(to, "events");
	text_add_char(to, '[');
	for (size_t i = 0; i < s->n_events; i++) {
		text_add_str(to, i ? ",{" : "{");
		add_member(to, "timeUnixNano");
		json_add_uint_string(to, s->events[i]->time_unix_nano);
		add_member(to, "name");
		json_add_string(to, bytes_from_str(s->events[i]->name));
		add_attrs(to, s->events[i]->attributes, s->events[i]->n_attributes,
			  s->events[i]->dropped_attributes_count);
		text_add_char(to, '}');
	}
	text_add_char(to, ']');
}

static void add_span(struct text *to, const Otlp__Span *s)
{
	text_add_char(to, '{');
	add_id(to, "traceId", s->trace_id);
	add_id(to, "spanId", s->span_id);
	if (s->trace_state[0]) {
		add_member(to, "traceState");
		json_add_string(to, bytes_from_str(s->trace_state));
	}
	add_id(to, "parentSpanId", s->parent_span_id);
	add_count(to, "flags", s->flags);
	add_member(to, "name");
	json_add_string(to, bytes_from_str(s->name));
	add_count(to, "kind", (uint32_t)s->kind);
	add_member(to, "startTimeUnixNano");
	json_add_uint_string(to, s->start_time_unix_nano);
	add_member(to, "endTimeUnixNano");
	json_add_uint_string(to, s->end_time_unix_nano);
	add_attrs(to, s->attributes, s->n_attributes, s->dropped_attributes_count);
	add_events(to, s);
	add_count(to, "droppedEventsCount", s->dropped_events_count);
	add_links(to, s);
	add_count(to, "droppedLinksCount", s->dropped_links_count);
	if (s->status) {
		add_member(to, "status");
		text_add_char(to, '{');
		add_count(to, "code", (uint32_t)s->status->code);
		text_add_char(to, '}');
	}
	text_add_char(to, '}');
}

/*
 * Fixed members take less than 768 bytes; an attribute's key and syntax less than 128 beside what
 * its item grows to; an event or link, or four attributes of theirs, less than 192.
 */
size_t otlp_json_span_bound(const struct record *r)
{
	return 768 + 128 * ((size_t)ATTRS + r->head.attrs) + 192 * otlp_told_max(r) +
	       JSON_GROWTH * (size_t)r->items_len;
}

size_t otlp_json_span(struct otlp_encoder *e, const struct record *r, uint8_t *to)
{
	struct text t = { (char *)to, otlp_json_span_bound(r), 0, false };

	add_span(&t, otlp_fill_span(e, r));
	return t.len;
}

static void add_resource_attr(void *arg, Otlp__KeyValue *kv)
{
	struct text *to = arg;

	if (to->to[to->len - 1] != '[')
		text_add_char(to, ',');
	add_attr(to, kv);
}

size_t otlp_json_resource_bound(const struct resource *r)
{
	size_t bound = 512;

	for (size_t i = 0; i < r->n; i++)
		bound += JSON_GROWTH * (r->attrs[i].key.len + r->attrs[i].value.len) + 64;
	return bound;
}

size_t otlp_json_resource(const struct resource *r, uint32_t pid, uint8_t *to)
{
	struct text t = { (char *)to, otlp_json_resource_bound(r), 0, false };

	text_add_str(&t, "{\"attributes\":[");
	otlp_each_resource_attr(r, pid, add_resource_attr, &t);
	text_add_str(&t, "]}");
	return t.len;
}
