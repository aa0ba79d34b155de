/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEW_FIXTURE_H
#define TEST_VIEW_FIXTURE_H
/* Traces made by hand, for the tests of tools/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "trace_store.h"
#include "trace_tree.h"

/* Offsets of the spans below are from here: 2023-11-14 22:13:20 UTC. */
#define BASE_NS 1700000000000000000u

struct made {
	struct otlp_batch batch;
	struct trace_store store;
	struct trace_tree tree;
	uint8_t trace; /* every byte of the trace id */
};

static inline void made_init(struct made *m)
{
	*m = (struct made){ .trace = 0xa1 };
	otlp_batch_init(&m->batch, 0);
	assert_true(trace_store_init(&m->store, trace_waits_default, (size_t)1 << 30));
}

static inline struct otlp_resource *made_service(struct made *m, const char *name)
{
	struct otlp_resource *r = arena_get(&m->batch.arena, sizeof(*r));

	r->attrs.list = arena_get_array(&m->batch.arena, 1, sizeof(*r->attrs.list));
	r->attrs.count = 1;
	r->attrs.list[0] = (struct otlp_attr){ BYTES("service.name"),
					       { OTLP_STRING, .text = bytes_from_str(name) } };
	otlp_resource_name(r);
	return r;
}

static inline void made_attr(struct made *m, struct otlp_span *s, const char *key,
			     struct otlp_value value)
{
	if (!s->attrs.list)
		s->attrs.list = arena_get_array(&m->batch.arena, 8, sizeof(*s->attrs.list));
	s->attrs.list[s->attrs.count++] = (struct otlp_attr){ bytes_from_str(key), value };
}

static inline void made_text(struct made *m, struct otlp_span *s, const char *key, const char *text)
{
	made_attr(m, s, key, (struct otlp_value){ OTLP_STRING, .text = bytes_from_str(text) });
}

/* Ids are counted from 1; parent 0: none. */
static inline struct otlp_span *made_span(struct made *m, const char *service, uint8_t kind,
					  uint32_t id, uint32_t parent, uint64_t start_us,
					  uint64_t took_us)
{
	struct otlp_span *s = arena_get(&m->batch.arena, sizeof(*s));

	memset(s->trace_id, m->trace, sizeof(s->trace_id));
	memcpy(s->span_id, &id, sizeof(id));
	memcpy(s->parent_id, &parent, sizeof(parent));
	s->resource = made_service(m, service);
	s->kind = kind;
	s->flags = OTLP_FLAG_HAS_REMOTE | (kind == OTLP_KIND_SERVER ? OTLP_FLAG_REMOTE : 0) | 1;
	s->start_ns = BASE_NS + start_us * 1000;
	s->end_ns = s->start_ns + took_us * 1000;
	s->name = BYTES("GET");
	s->status_message = BYTES("");
	otlp_batch_add(&m->batch, s);
	return s;
}

static inline struct otlp_span *made_http(struct made *m, struct otlp_span *s, const char *path,
					  int64_t code)
{
	made_text(m, s, "http.request.method", "GET");
	made_text(m, s, s->kind == OTLP_KIND_CLIENT ? "url.full" : "url.path", path);
	made_attr(m, s, "http.response.status_code",
		  (struct otlp_value){ OTLP_INT, .integer = code });
	return s;
}

/* Puts what was made into the store, and forgets it here. */
static inline void made_send(struct made *m, uint64_t now_ms)
{
	trace_store_add(&m->store, &m->batch, now_ms);
	otlp_batch_done(&m->batch);
}

/* Sends all and returns the trace, with m->tree made of it. */
static inline struct trace *made_trace(struct made *m)
{
	struct trace *t;

	made_send(m, 0);
	t = trace_store_next(&m->store, 0, BASE_NS, true);
	assert_non_null(t);
	assert_true(trace_tree_init(&m->tree, t));
	return t;
}

static inline void made_done(struct made *m)
{
	trace_tree_done(&m->tree);
	trace_store_done(&m->store);
	otlp_batch_done(&m->batch);
}

#endif
