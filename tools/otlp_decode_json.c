/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP in JSON (O70-O79), by jansson.  Strict where a lenient reader would show something wrong: a
 * known key with a value of the wrong type makes the request malformed, and the answer names it.
 * Unknown keys are ignored (O79), null is absent (O78).
 */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>

#include "otlp.h"

/*
 * jansson's nodes are large: "[[],[],[]" costs fifty times its length.  What it may take for one
 * request is bounded here; requests are decoded one at a time, by one thread.
 */
static size_t budget;
static size_t budget_used;
static bool is_budget_spent; /* jansson itself does not always say why it failed */

static void *budget_malloc(size_t size)
{
	void *p;

	p = size > budget - budget_used ? NULL : malloc(size);
	if (!p) {
		is_budget_spent = true;
		return NULL;
	}
	budget_used += malloc_usable_size(p);
	if (budget_used > budget)
		budget_used = budget;
	return p;
}

static void budget_free(void *p)
{
	size_t size = p ? malloc_usable_size(p) : 0;

	budget_used -= size < budget_used ? size : budget_used;
	free(p);
}

struct reader {
	struct otlp_batch *batch;
	const char *why; /* what was wrong first; NULL: it was memory */
	bool is_full;
};

static bool wrong(struct reader *r, const char *why)
{
	r->why = why;
	return false;
}

static bool no_memory(struct reader *r)
{
	r->is_full = true;
	return false;
}

static json_t *get(const json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);

	return json_is_null(v) ? NULL : v;
}

/* Into ret; absent is empty. */
static bool get_text(struct reader *r, const json_t *object, const char *key, struct bytes *ret,
		     const char *why)
{
	json_t *v = get(object, key);

	*ret = (struct bytes){ "", 0 };
	if (!v)
		return true;
	if (!json_is_string(v))
		return wrong(r, why);
	*ret = (struct bytes){ json_string_value(v), json_string_length(v) };
	*ret = arena_copy(&r->batch->arena, *ret);
	return ret->ptr ? true : no_memory(r);
}

/* Absent is an empty array: NULL in *ret. */
static bool get_array(struct reader *r, const json_t *object, const char *key, json_t **ret,
		      const char *why)
{
	*ret = get(object, key);
	return !*ret || json_is_array(*ret) ? true : wrong(r, why);
}

/* 64 bit integers are decimal strings, or numbers (O74). */
static bool read_u64(const json_t *v, uint64_t *ret)
{
	const char *s = json_string_value(v);
	char *end;

	if (!v)
		*ret = 0;
	else if (json_is_integer(v) && json_integer_value(v) >= 0)
		*ret = (uint64_t)json_integer_value(v);
	else if (!s || s[0] < '0' || s[0] > '9')
		return false;
	else {
		errno = 0;
		*ret = strtoull(s, &end, 10);
		return *end == '\0' && errno == 0;
	}
	return true;
}

static bool read_i64(const json_t *v, int64_t *ret)
{
	const char *s = json_string_value(v);
	char *end;

	if (json_is_integer(v)) {
		*ret = json_integer_value(v);
		return true;
	}
	if (!s || !((s[0] >= '0' && s[0] <= '9') || (s[0] == '-' && s[1] >= '0' && s[1] <= '9')))
		return false;
	errno = 0;
	*ret = strtoll(s, &end, 10);
	return *end == '\0' && errno == 0;
}

/* O76 */
static bool read_double(const json_t *v, double *ret)
{
	static const struct {
		const char *text;
		double value;
	} special[] = { { "NaN", NAN }, { "Infinity", INFINITY }, { "-Infinity", -INFINITY } };
	const char *s = json_string_value(v);

	if (json_is_number(v)) {
		*ret = json_number_value(v);
		return true;
	}
	for (size_t i = 0; s && i < ARRAY_LEN(special); i++)
		if (strcmp(s, special[i].text) == 0) {
			*ret = special[i].value;
			return true;
		}
	return false;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at;

	/* The URL-safe alphabet is legal in proto3's JSON as well. */
	c = c == '-' ? '+' : c == '_' ? '/' : c;
	at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

static bool read_base64(struct reader *r, const json_t *v, struct bytes *ret)
{
	struct bytes in = { json_string_value(v), json_string_length(v) };
	uint32_t bits = 0;
	size_t n = 0;
	char *out;

	if (!in.ptr)
		return wrong(r, "a bytesValue is not a string");
	while (in.len && in.ptr[in.len - 1] == '=')
		in.len--;
	out = arena_get(&r->batch->arena, in.len * 3 / 4 + 1);
	if (!out)
		return no_memory(r);
	for (size_t i = 0; i < in.len; i++) {
		int digit = base64_digit(in.ptr[i]);

		if (digit < 0)
			return wrong(r, "a bytesValue is not base64");
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)));
	}
	*ret = (struct bytes){ out, n };
	return true;
}

static bool read_attrs(struct reader *r, const json_t *from, struct otlp_attrs *to, int depth);

static bool read_value(struct reader *r, const json_t *from, struct otlp_value *v, int depth);

static bool read_array(struct reader *r, const json_t *from, struct otlp_value *v, int depth)
{
	json_t *list;

	if (!json_is_object(from))
		return wrong(r, "an arrayValue is not an object");
	if (!get_array(r, from, "values", &list, "values of an arrayValue is not an array"))
		return false;
	*v = (struct otlp_value){ OTLP_ARRAY, .count = (uint32_t)json_array_size(list) };
	v->items = arena_get_array(&r->batch->arena, v->count, sizeof(*v->items));
	if (!v->items)
		return no_memory(r);
	for (uint32_t i = 0; i < v->count; i++)
		if (!read_value(r, json_array_get(list, i), &v->items[i], depth - 1))
			return false;
	return true;
}

static bool read_map(struct reader *r, const json_t *from, struct otlp_value *v, int depth)
{
	struct otlp_attrs map;
	json_t *list;

	if (!json_is_object(from))
		return wrong(r, "a kvlistValue is not an object");
	if (!get_array(r, from, "values", &list, "values of a kvlistValue is not an array"))
		return false;
	if (!read_attrs(r, list, &map, depth - 1))
		return false;
	*v = (struct otlp_value){ OTLP_MAP, .count = map.count, .map = map.list };
	return true;
}

/* O77 */
static bool read_value(struct reader *r, const json_t *from, struct otlp_value *v, int depth)
{
	json_t *x;

	*v = (struct otlp_value){ .type = OTLP_EMPTY };
	if (depth == 0)
		return wrong(r, "attribute values are nested too deep");
	if (!from || json_is_null(from))
		return true;
	if (!json_is_object(from))
		return wrong(r, "an attribute's value is not an object");
	if ((x = get(from, "stringValue"))) {
		v->type = OTLP_STRING;
		return get_text(r, from, "stringValue", &v->text, "a stringValue is not a string");
	}
	if ((x = get(from, "intValue"))) {
		v->type = OTLP_INT;
		return read_i64(x, &v->integer) ? true : wrong(r, "an intValue is not an integer");
	}
	if ((x = get(from, "boolValue"))) {
		*v = (struct otlp_value){ OTLP_BOOL, .boolean = json_is_true(x) };
		return json_is_boolean(x) ? true : wrong(r, "a boolValue is not a boolean");
	}
	if ((x = get(from, "doubleValue"))) {
		v->type = OTLP_DOUBLE;
		return read_double(x, &v->number) ? true :
						    wrong(r, "a doubleValue is not a number");
	}
	if ((x = get(from, "arrayValue")))
		return read_array(r, x, v, depth);
	if ((x = get(from, "kvlistValue")))
		return read_map(r, x, v, depth);
	if ((x = get(from, "bytesValue"))) {
		v->type = OTLP_BYTES;
		return read_base64(r, x, &v->text);
	}
	return true;
}

static bool read_attrs(struct reader *r, const json_t *from, struct otlp_attrs *to, int depth)
{
	to->count = (uint32_t)json_array_size(from);
	to->list = arena_get_array(&r->batch->arena, to->count, sizeof(*to->list));
	if (!to->list)
		return no_memory(r);
	for (uint32_t i = 0; i < to->count; i++) {
		const json_t *kv = json_array_get(from, i);

		if (!json_is_object(kv))
			return wrong(r, "an attribute is not an object");
		if (!get_text(r, kv, "key", &to->list[i].key, "an attribute's key is not a string"))
			return false;
		if (!read_value(r, json_object_get(kv, "value"), &to->list[i].value, depth))
			return false;
	}
	return true;
}

static int hex_digit(char c)
{
	c = ascii_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* O72: hex in any case.  False: present, but not an id. */
static bool read_id(const json_t *v, uint8_t *to, size_t size)
{
	const char *s = json_string_value(v);

	if (!v || (s && !*s))
		return true;
	if (!s || json_string_length(v) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);

		if (high < 0 || low < 0) {
			memset(to, 0, size);
			return false;
		}
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool read_status(struct reader *r, const json_t *from, struct otlp_span *s)
{
	uint64_t code;

	s->status_message = (struct bytes){ "", 0 };
	if (!from)
		return true;
	if (!json_is_object(from))
		return wrong(r, "status is not an object");
	if (!read_u64(get(from, "code"), &code) || json_is_string(get(from, "code")))
		return wrong(r, "status.code is not an integer");
	s->status = (uint8_t)(code & 3);
	return get_text(r, from, "message", &s->status_message, "status.message is not a string");
}

static bool read_numbers(struct reader *r, const json_t *from, struct otlp_span *s)
{
	uint64_t kind, flags;
	json_t *list;

	if (!read_u64(get(from, "kind"), &kind) || json_is_string(get(from, "kind")))
		return wrong(r, "kind is not an integer");
	s->kind = kind <= UINT8_MAX ? (uint8_t)kind : UINT8_MAX;
	if (!read_u64(get(from, "flags"), &flags) || flags > UINT32_MAX)
		return wrong(r, "flags is not a 32 bit number");
	s->flags = (uint32_t)flags;
	if (!read_u64(get(from, "startTimeUnixNano"), &s->start_ns))
		return wrong(r, "startTimeUnixNano is not a number or decimal string");
	if (!read_u64(get(from, "endTimeUnixNano"), &s->end_ns))
		return wrong(r, "endTimeUnixNano is not a number or decimal string");
	if (!get_array(r, from, "events", &list, "events is not an array"))
		return false;
	s->events = (uint32_t)json_array_size(list);
	if (!get_array(r, from, "links", &list, "links is not an array"))
		return false;
	s->links = (uint32_t)json_array_size(list);
	return true;
}

static bool read_span(struct reader *r, const json_t *from, struct otlp_resource *resource)
{
	struct otlp_span *s;
	json_t *attrs;

	if (!json_is_object(from))
		return wrong(r, "a span is not an object");
	s = arena_get(&r->batch->arena, sizeof(*s));
	if (!s)
		return no_memory(r);
	s->resource = resource;
	if (!read_numbers(r, from, s) || !read_status(r, get(from, "status"), s) ||
	    !get_text(r, from, "name", &s->name, "a span's name is not a string") ||
	    !get_array(r, from, "attributes", &attrs, "attributes of a span is not an array") ||
	    !read_attrs(r, attrs, &s->attrs, OTLP_DEPTH_MAX))
		return false;
	if (!read_id(get(from, "traceId"), s->trace_id, sizeof(s->trace_id)) ||
	    !read_id(get(from, "spanId"), s->span_id, sizeof(s->span_id)) ||
	    !read_id(get(from, "parentSpanId"), s->parent_id, sizeof(s->parent_id)))
		otlp_batch_reject(r->batch, "an id is not hex of the right length");
	else
		otlp_batch_add(r->batch, s);
	return true;
}

static bool read_resource(struct reader *r, const json_t *from, struct otlp_resource *to)
{
	const json_t *resource = get(from, "resource");
	json_t *attrs;

	if (resource && !json_is_object(resource))
		return wrong(r, "resource is not an object");
	if (!get_array(r, resource, "attributes", &attrs,
		       "attributes of a resource is not an array"))
		return false;
	if (!read_attrs(r, attrs, &to->attrs, OTLP_DEPTH_MAX))
		return false;
	otlp_resource_name(to);
	return true;
}

static bool read_resource_spans(struct reader *r, const json_t *from)
{
	struct otlp_resource *resource = arena_get(&r->batch->arena, sizeof(*resource));
	json_t *scopes, *spans;

	if (!resource)
		return no_memory(r);
	if (!json_is_object(from))
		return wrong(r, "an element of resourceSpans is not an object");
	if (!read_resource(r, from, resource) ||
	    !get_array(r, from, "scopeSpans", &scopes, "scopeSpans is not an array"))
		return false;
	for (size_t i = 0; i < json_array_size(scopes); i++) {
		const json_t *scope = json_array_get(scopes, i);

		if (!json_is_object(scope))
			return wrong(r, "an element of scopeSpans is not an object");
		if (!get_array(r, scope, "spans", &spans, "spans is not an array"))
			return false;
		for (size_t j = 0; j < json_array_size(spans); j++)
			if (!read_span(r, json_array_get(spans, j), resource))
				return false;
	}
	return true;
}

static bool read_request(struct reader *r, const json_t *root)
{
	json_t *list;

	if (!json_is_object(root))
		return wrong(r, "the request is not an object");
	if (!get_array(r, root, "resourceSpans", &list, "resourceSpans is not an array"))
		return false;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!read_resource_spans(r, json_array_get(list, i)))
			return false;
	return true;
}

enum otlp_verdict otlp_decode_json(struct otlp_batch *b, struct bytes body, const char **ret_why)
{
	struct reader r = { .batch = b };
	json_error_t error;
	json_t *root;
	bool is_good;

	json_set_alloc_funcs(budget_malloc, budget_free);
	budget = b->arena.limit ? b->arena.limit : SIZE_MAX;
	budget_used = 0;
	is_budget_spent = false;
	root = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, &error);
	is_good = root && read_request(&r, root);
	if (!root && is_budget_spent)
		r.is_full = true;
	else if (!root)
		r.why = "not JSON in UTF-8";
	json_decref(root);
	if (is_good)
		return OTLP_GOOD;
	*ret_why = r.is_full ? "it needs too much memory when decoded" : r.why;
	otlp_batch_done(b);
	return r.is_full ? OTLP_TOO_LARGE : OTLP_MALFORMED;
}
