/* SPDX-License-Identifier: Apache-2.0 */
#include "zipkin_json.h"

#include "json.h"
#include "number.h"
#include "otlp_encode_impl.h"
#include "version.h"

#define US_NS 1000u
#define GROWTH 8u /* a byte in an array may become \\u001f */

static void add_comma(struct text *to)
{
	char last = to->len ? to->to[to->len - 1] : '{';

	if (last != '{' && last != '[')
		text_add_char(to, ',');
}

static void add_key(struct text *to, const char *key)
{
	add_comma(to);
	json_add_string(to, bytes_from_str(key));
	text_add_char(to, ':');
}

static void add_string(struct text *to, const char *key, const char *value)
{
	add_key(to, key);
	json_add_string(to, bytes_from_str(value));
}

static void add_number(struct text *to, const char *key, uint64_t n)
{
	add_key(to, key);
	text_add_uint(to, n);
}

/* --- tags: every value is a string --- */

/* One byte of JSON inside of a JSON string. */
static void add_inner(struct text *to, struct bytes json)
{
	for (size_t i = 0; i < json.len; i++) {
		if (json.ptr[i] == '"' || json.ptr[i] == '\\')
			text_add_char(to, '\\');
		text_add_char(to, json.ptr[i]);
	}
}

static void add_inner_string(struct text *to, const char *s)
{
	text_add_str(to, "\\\"");
	for (; *s; s++) {
		char escaped[16];
		struct text one = TEXT_IN(escaped);

		json_add_string(&one, (struct bytes){ s, 1 });
		add_inner(to, (struct bytes){ escaped + 1, one.len - 2 });
	}
	text_add_str(to, "\\\"");
}

/* ["a","b"] as the text of a string. */
static void add_array(struct text *to, const Otlp__ArrayValue *a)
{
	text_add_str(to, "\"[");
	for (size_t i = 0; i < a->n_values; i++) {
		if (i)
			text_add_char(to, ',');
		add_inner_string(to, otlp_text_of(a->values[i]));
	}
	text_add_str(to, "]\"");
}

static void add_value(struct text *to, const Otlp__AnyValue *v)
{
	switch (v->value_case) {
	case OTLP__ANY_VALUE__VALUE_INT_VALUE:
		json_add_int_string(to, v->int_value);
		break;
	case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
		text_add_str(to, v->bool_value ? "\"true\"" : "\"false\"");
		break;
	case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
		text_add_char(to, '"');
		number_add(to, v->double_value);
		text_add_char(to, '"');
		break;
	case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
		json_add_base64(to, v->bytes_value.data, v->bytes_value.len);
		break;
	case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
		add_array(to, v->array_value);
		break;
	default:
		json_add_string(to, bytes_from_str(otlp_text_of(v)));
		break;
	}
}

static void add_dropped(struct text *to, const char *key, uint32_t n)
{
	if (n == 0)
		return;
	add_key(to, key);
	json_add_uint_string(to, n);
}

static void add_tags(struct text *to, const Otlp__Span *s)
{
	add_key(to, "tags");
	text_add_char(to, '{');
	for (size_t i = 0; i < s->n_attributes; i++) {
		add_key(to, s->attributes[i]->key);
		add_value(to, s->attributes[i]->value);
	}
	add_string(to, "otel.scope.name", SCOPE_NAME);
	add_string(to, "otel.scope.version", INTERSPAN_VERSION);
	if (s->status) {
		add_string(to, "otel.status_code", "ERROR");
		add_string(to, "error", "");
	}
	add_dropped(to, "otel.dropped_attributes_count", s->dropped_attributes_count);
	add_dropped(to, "otel.dropped_events_count", s->dropped_events_count);
	/* What a link is in Zipkin nobody has said: only that there were some is told. */
	add_dropped(to, "otel.dropped_links_count", s->dropped_links_count + (uint32_t)s->n_links);
	text_add_char(to, '}');
}

/* --- endpoints --- */

static const Otlp__AnyValue *attr_of(const Otlp__Span *s, const char *key)
{
	for (size_t i = 0; i < s->n_attributes; i++)
		if (strcmp(s->attributes[i]->key, key) == 0)
			return s->attributes[i]->value;
	return NULL;
}

/* The name for an address of that kind; NULL: it is none, perhaps a path. */
static const char *address_kind(const char *address)
{
	if (strspn(address, "0123456789.") == strlen(address))
		return "ipv4";
	if (strchr(address, ':') && strspn(address, "0123456789abcdefABCDEF:.") == strlen(address))
		return "ipv6";
	return NULL;
}

static void add_remote(struct text *to, const Otlp__Span *s)
{
	const Otlp__AnyValue *name = attr_of(s, "server.address");
	const Otlp__AnyValue *address = attr_of(s, "network.peer.address");
	const Otlp__AnyValue *port = attr_of(s, "network.peer.port");
	const char *kind = address ? address_kind(otlp_text_of(address)) : NULL;

	if (!kind && !name)
		return;
	add_key(to, "remoteEndpoint");
	text_add_char(to, '{');
	if (name)
		add_string(to, "serviceName", otlp_text_of(name));
	if (kind)
		add_string(to, kind, otlp_text_of(address));
	if (kind && port && port->value_case == OTLP__ANY_VALUE__VALUE_INT_VALUE)
		add_number(to, "port", (uint64_t)port->int_value & 0xffff);
	text_add_char(to, '}');
}

/* --- the span --- */

/* "name":{"key":"text"} as the text of a string; a name alone if there is nothing else. */
static void add_event(struct text *to, const Otlp__Span__Event *e)
{
	add_key(to, "value");
	if (e->n_attributes == 0) {
		json_add_string(to, bytes_from_str(e->name));
		return;
	}
	text_add_char(to, '"');
	add_inner_string(to, e->name);
	text_add_str(to, ":{");
	for (size_t i = 0; i < e->n_attributes; i++) {
		if (i)
			text_add_char(to, ',');
		add_inner_string(to, e->attributes[i]->key);
		text_add_char(to, ':');
		add_inner_string(to, otlp_text_of(e->attributes[i]->value));
	}
	text_add_str(to, "}\"");
}

static void add_annotations(struct text *to, const Otlp__Span *s)
{
	if (s->n_events == 0)
		return;
	add_key(to, "annotations");
	text_add_char(to, '[');
	for (size_t i = 0; i < s->n_events; i++) {
		text_add_str(to, i ? ",{" : "{");
		add_number(to, "timestamp", s->events[i]->time_unix_nano / US_NS);
		add_event(to, s->events[i]);
		text_add_char(to, '}');
	}
	text_add_char(to, ']');
}

static void add_id(struct text *to, const char *key, ProtobufCBinaryData id)
{
	if (id.len == 0)
		return;
	add_key(to, key);
	json_add_hex(to, id.data, id.len);
}

static void add_span(struct text *to, const Otlp__Span *s, struct bytes service)
{
	uint64_t us = (s->end_time_unix_nano - s->start_time_unix_nano) / US_NS;

	text_add_char(to, '{');
	add_id(to, "traceId", s->trace_id);
	add_id(to, "id", s->span_id);
	add_id(to, "parentId", s->parent_span_id);
	add_string(to, "name", s->name);
	if (s->kind == OTLP__SPAN__SPAN_KIND__SPAN_KIND_SERVER)
		add_string(to, "kind", "SERVER");
	if (s->kind == OTLP__SPAN__SPAN_KIND__SPAN_KIND_CLIENT)
		add_string(to, "kind", "CLIENT");
	add_number(to, "timestamp", s->start_time_unix_nano / US_NS);
	add_number(to, "duration", us ? us : 1); /* 0 would be unknown */
	add_key(to, "localEndpoint");
	text_add_str(to, "{\"serviceName\":");
	json_add_string(to, service);
	text_add_char(to, '}');
	if (s->kind == OTLP__SPAN__SPAN_KIND__SPAN_KIND_CLIENT)
		add_remote(to, s);
	add_annotations(to, s);
	add_tags(to, s);
	text_add_char(to, '}');
}

/* As otlp_json_span_bound(); texts of the remote endpoint stand there twice. */
size_t zipkin_span_bound(const struct record *r, struct bytes service)
{
	return 1024 + 128 * ((size_t)ATTRS + r->head.attrs + otlp_told_max(r)) +
	       2 * GROWTH * (size_t)r->items_len + GROWTH * service.len;
}

size_t zipkin_span(struct otlp_encoder *e, const struct record *r, struct bytes service,
		   uint8_t *to)
{
	struct text t = { (char *)to, zipkin_span_bound(r, service), 0, false };

	add_span(&t, otlp_fill_span(e, r), service);
	return t.len;
}
