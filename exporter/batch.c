/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <string.h>

#include "otlp_json.h"
#include "version.h"
#include "zipkin_json.h"

/*
 * Room for the body beside what it is put together from, and for what both waste; compressed, too.
 */
#define MEMORY_LIMIT(bytes_max) (3 * (size_t)(bytes_max) + (1u << 20))

/* Most a span costs beside its own bytes, and a group beside its spans'. */
#define ROOM 8u /* before the body: TRANSPORT_PREFIX */
#define SPAN_OVERHEAD 11u
#define GROUP_OVERHEAD 320u

struct batch_span {
	struct batch_span *next;
	size_t len;
	uint8_t bytes[];
};

struct batch_group {
	struct batch_group *next;
	struct batch_span *first;
	struct batch_span **last;
	size_t bytes; /* of its spans with their prefixes */
	uint32_t pid;
};

void batch_init(struct batch *b, enum batch_format format, struct otlp_encoder *encoder)
{
	*b = (struct batch){ .format = format, .encoder = encoder, .bytes_max = BATCH_BYTES_MAX };
	b->memory.limit = MEMORY_LIMIT(BATCH_BYTES_MAX);
}

static struct batch_group *group_get(struct batch *b, uint32_t pid)
{
	struct batch_group *g = b->groups;

	while (g && g->pid != pid)
		g = g->next;
	if (g)
		return g;
	g = scratch_alloc(&b->memory, sizeof(*g));
	if (!g)
		return NULL;
	*g = (struct batch_group){ .next = b->groups, .pid = pid };
	g->last = &g->first;
	b->groups = g;
	/* The resource is not known here; its texts are bounded. */
	b->bytes +=
		GROUP_OVERHEAD + (b->format == BATCH_JSON ? OTLP_JSON_RESOURCE_MAX :
							    RESOURCE_TEXT + RESOURCE_ATTRS * 32);
	return g;
}

static enum batch_add full(const struct batch *b)
{
	return b->spans ? BATCH_FULL : BATCH_TOO_LONG;
}

static size_t span_bound(const struct batch *b, const struct record *r)
{
	if (b->format == BATCH_ZIPKIN)
		return zipkin_span_bound(r, b->service);
	return b->format == BATCH_JSON ? otlp_json_span_bound(r) : otlp_span_bound(r);
}

static size_t span_encode(struct batch *b, const struct record *r, uint8_t *to)
{
	if (b->format == BATCH_ZIPKIN)
		return zipkin_span(b->encoder, r, b->service, to);
	return b->format == BATCH_JSON ? otlp_json_span(b->encoder, r, to) :
					 otlp_encode_span(b->encoder, r, to);
}

enum batch_add batch_add(struct batch *b, const struct record *r)
{
	struct batch_group *g = group_get(b, r->head.pid);
	struct batch_span *s;

	if (!g)
		return full(b);
	s = scratch_alloc(&b->memory, sizeof(*s) + span_bound(b, r));
	if (!s)
		return full(b);
	s->len = span_encode(b, r, s->bytes);
	if (s->len + SPAN_OVERHEAD > b->bytes_max ||
	    b->bytes > b->bytes_max - s->len - SPAN_OVERHEAD) {
		scratch_shrink(&b->memory, s, 0);
		return full(b);
	}
	scratch_shrink(&b->memory, s, sizeof(*s) + s->len);
	s->next = NULL;
	*g->last = s;
	g->last = &s->next;
	g->bytes += otlp_prefix_len(2, s->len) + s->len;
	b->bytes += s->len + SPAN_OVERHEAD;
	b->spans++;
	return BATCH_ADDED;
}

/* --- putting the request together: field numbers are those of O102, O103 and O110 --- */

static uint8_t *put(uint8_t *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

static uint8_t *put_field(uint8_t *to, uint32_t field, const void *from, size_t len)
{
	to += otlp_encode_prefix(to, field, len);
	return put(to, from, len);
}

static size_t field_len(uint32_t field, size_t len)
{
	return otlp_prefix_len(field, len) + len;
}

struct envelope {
	uint8_t scope[OTLP_SCOPE_BOUND];
	size_t scope_len;
	uint8_t *resource;
	size_t resource_len;
};

static size_t scope_spans_len(const struct batch_group *g, const struct envelope *e)
{
	return field_len(1, e->scope_len) + g->bytes + field_len(3, sizeof(SCHEMA_URL) - 1);
}

static uint8_t *put_group(uint8_t *to, const struct batch_group *g, const struct envelope *e)
{
	size_t inner = scope_spans_len(g, e), url = sizeof(SCHEMA_URL) - 1;

	to += otlp_encode_prefix(
		to, 1, field_len(1, e->resource_len) + field_len(2, inner) + field_len(3, url));
	to = put_field(to, 1, e->resource, e->resource_len);
	to += otlp_encode_prefix(to, 2, inner);
	to = put_field(to, 1, e->scope, e->scope_len);
	for (const struct batch_span *s = g->first; s; s = s->next)
		to = put_field(to, 2, s->bytes, s->len);
	to = put_field(to, 3, SCHEMA_URL, url);
	return put_field(to, 3, SCHEMA_URL, url); /* the first one is the scope's (O47) */
}

static uint8_t *put_protobuf(uint8_t *to, const struct batch *b, const struct resource *resource,
			     struct envelope *e)
{
	e->scope_len = otlp_encode_scope(e->scope);
	for (const struct batch_group *g = b->groups; g; g = g->next) {
		if (!g->first)
			continue; /* its only span did not fit */
		e->resource_len = otlp_encode_resource(resource, g->pid, e->resource);
		to = put_group(to, g, e);
	}
	return to;
}

/* --- the same as JSON (O71) --- */

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static uint8_t *put_json_group(uint8_t *to, const struct batch_group *g,
			       const struct resource *resource)
{
	to = PUT(to, "{\"resource\":");
	to += otlp_json_resource(resource, g->pid, to);
	to = PUT(to, ",\"scopeSpans\":[{\"scope\":{\"name\":\"" SCOPE_NAME
		     "\",\"version\":\"" INTERSPAN_VERSION "\"},\"spans\":[");
	for (const struct batch_span *s = g->first; s; s = s->next) {
		if (s != g->first)
			to = PUT(to, ",");
		to = put(to, s->bytes, s->len);
	}
	return PUT(to, "],\"schemaUrl\":\"" SCHEMA_URL "\"}],\"schemaUrl\":\"" SCHEMA_URL "\"}");
}

static uint8_t *put_json(uint8_t *to, const struct batch *b, const struct resource *resource)
{
	const char *separator = "";

	to = PUT(to, "{\"resourceSpans\":[");
	for (const struct batch_group *g = b->groups; g; g = g->next) {
		if (!g->first)
			continue;
		to = put(to, separator, strlen(separator));
		separator = ",";
		to = put_json_group(to, g, resource);
	}
	return PUT(to, "]}");
}

/* A list of spans: of which process they are does not show. */
static uint8_t *put_zipkin(uint8_t *to, const struct batch *b)
{
	const char *separator = "[";

	for (const struct batch_group *g = b->groups; g; g = g->next)
		for (const struct batch_span *s = g->first; s; s = s->next) {
			to = put(to, separator, 1);
			separator = ",";
			to = put(to, s->bytes, s->len);
		}
	return PUT(to, "]");
}

struct bytes batch_finish(struct batch *b, const struct resource *resource)
{
	struct envelope e = { .resource_len = 0 };
	/* b->bytes counts a resource that is as long as can be, for every group. */
	uint8_t *at =
		scratch_alloc(&b->memory, ROOM + b->bytes + sizeof("{\"resourceSpans\":[]}\n"));
	uint8_t *body = at + ROOM;
	uint8_t *end;

	if (!at)
		return (struct bytes){ NULL, 0 };
	if (b->format != BATCH_PROTOBUF) {
		end = b->format == BATCH_ZIPKIN ? put_zipkin(body, b) : put_json(body, b, resource);
		scratch_shrink(&b->memory, at, (size_t)(end - at) + 1);
		return (struct bytes){ (const char *)body, (size_t)(end - body) };
	}
	e.resource = scratch_alloc(&b->memory, otlp_resource_bound(resource));
	if (!e.resource)
		return (struct bytes){ NULL, 0 };
	end = put_protobuf(body, b, resource, &e);
	return (struct bytes){ (const char *)body, (size_t)(end - body) };
}

void batch_reset(struct batch *b)
{
	scratch_reset(&b->memory);
	b->groups = NULL;
	b->spans = 0;
	b->bytes = 0;
}

void batch_done(struct batch *b)
{
	scratch_done(&b->memory);
	b->groups = NULL;
	b->spans = 0;
	b->bytes = 0;
}
