/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp.h"

void otlp_batch_init(struct otlp_batch *b, size_t memory_limit)
{
	*b = (struct otlp_batch){ .arena.limit = memory_limit };
}

void otlp_batch_done(struct otlp_batch *b)
{
	arena_done(&b->arena);
	*b = (struct otlp_batch){ .arena.limit = b->arena.limit };
}

static bool is_zero(const uint8_t *id, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id[i])
			return false;
	return true;
}

void otlp_batch_reject(struct otlp_batch *b, const char *why)
{
	b->rejected++;
	if (!b->reason)
		b->reason = why;
}

void otlp_batch_add(struct otlp_batch *b, struct otlp_span *s)
{
	if (is_zero(s->trace_id, sizeof(s->trace_id)) || is_zero(s->span_id, sizeof(s->span_id))) {
		otlp_batch_reject(b, "a trace id or span id is missing or all zero");
		return;
	}
	/* Some SDKs write eight zero bytes where they mean "no parent". */
	s->has_parent = !is_zero(s->parent_id, sizeof(s->parent_id));
	s->next = NULL;
	*(b->last ? b->last : &b->first) = s;
	b->last = &s->next;
	b->count++;
}

const struct otlp_value *otlp_find(const struct otlp_attrs *attrs, const char *key)
{
	struct bytes want = bytes_from_str(key);

	for (uint32_t i = attrs->count; i-- > 0;)
		if (bytes_equal(attrs->list[i].key, want))
			return &attrs->list[i].value;
	return NULL;
}

struct bytes otlp_find_text(const struct otlp_attrs *attrs, const char *key)
{
	const struct otlp_value *v = otlp_find(attrs, key);

	return v && v->type == OTLP_STRING ? v->text : (struct bytes){ NULL, 0 };
}

void otlp_resource_name(struct otlp_resource *r)
{
	r->service = otlp_find_text(&r->attrs, "service.name");
	if (!r->service.len)
		r->service = BYTES("unknown_service");
}

static bool copy_value(struct arena *a, struct otlp_value *to, const struct otlp_value *from)
{
	struct otlp_attrs map;

	*to = *from;
	switch (from->type) {
	case OTLP_STRING:
	case OTLP_BYTES:
		to->text = arena_copy(a, from->text);
		return to->text.ptr != NULL;
	case OTLP_ARRAY:
		to->items = arena_get_array(a, from->count, sizeof(*to->items));
		for (uint32_t i = 0; to->items && i < from->count; i++)
			if (!copy_value(a, &to->items[i], &from->items[i]))
				return false;
		return to->items != NULL;
	case OTLP_MAP:
		if (!otlp_copy_attrs(a, &map, &(struct otlp_attrs){ from->map, from->count }))
			return false;
		to->map = map.list;
		return true;
	default:
		return true;
	}
}

bool otlp_copy_attrs(struct arena *a, struct otlp_attrs *to, const struct otlp_attrs *from)
{
	to->count = from->count;
	to->list = arena_get_array(a, from->count, sizeof(*to->list));
	if (!to->list)
		return false;
	for (uint32_t i = 0; i < from->count; i++) {
		to->list[i].key = arena_copy(a, from->list[i].key);
		if (!to->list[i].key.ptr)
			return false;
		if (!copy_value(a, &to->list[i].value, &from->list[i].value))
			return false;
	}
	return true;
}

struct otlp_span *otlp_copy_span(struct arena *a, const struct otlp_span *from)
{
	struct otlp_span *s = arena_get(a, sizeof(*s));

	if (!s)
		return NULL;
	*s = *from;
	s->next = NULL;
	s->name = arena_copy(a, from->name);
	s->status_message = arena_copy(a, from->status_message);
	if (!s->name.ptr || !s->status_message.ptr)
		return NULL;
	return otlp_copy_attrs(a, &s->attrs, &from->attrs) ? s : NULL;
}

const char *otlp_kind_name(uint8_t kind)
{
	static const char *const names[] = {
		[OTLP_KIND_UNSPECIFIED] = "UNSPECIFIED", [OTLP_KIND_INTERNAL] = "INTERNAL",
		[OTLP_KIND_SERVER] = "SERVER",           [OTLP_KIND_CLIENT] = "CLIENT",
		[OTLP_KIND_PRODUCER] = "PRODUCER",       [OTLP_KIND_CONSUMER] = "CONSUMER",
	};

	return kind < ARRAY_LEN(names) ? names[kind] : "UNKNOWN";
}
