/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_store.h"

#include <stdlib.h>

#include "trace_tree.h"

#define TABLE_MIN 1024u

const struct trace_waits trace_waits_default = {
	.grace_ms = 300,
	.patience_ms = 5500, /* the default OTEL_BSP_SCHEDULE_DELAY, and some */
	.long_ms = 60000,
};

static void list_remove(struct trace_list *l, struct trace *t)
{
	*(t->prev ? &t->prev->next : &l->head) = t->next;
	*(t->next ? &t->next->prev : &l->tail) = t->prev;
}

static void list_append(struct trace_list *l, struct trace *t)
{
	t->next = NULL;
	t->prev = l->tail;
	*(l->tail ? &l->tail->next : &l->head) = t;
	l->tail = t;
}

static struct trace_list *list_of(struct trace_store *st, const struct trace *t)
{
	return t->is_printed && !t->late ? &st->done : &st->pending;
}

/* Trace ids are random (C19), but nobody enforces it: FNV-1a over all of it. */
static uint32_t hash_id(const uint8_t *id)
{
	uint32_t h = 2166136261u;

	for (int i = 0; i < 16; i++)
		h = (h ^ id[i]) * 16777619u;
	return h;
}

static struct trace **table_find(const struct trace_store *st, const uint8_t *id)
{
	struct trace **at = &st->table[hash_id(id) & (st->table_size - 1)];

	while (*at && memcmp((*at)->id, id, sizeof((*at)->id)) != 0)
		at = &(*at)->hash_next;
	return at;
}

/* Without memory the table stays as it is, only slower. */
static void table_grow(struct trace_store *st)
{
	uint32_t size = st->table_size * 2;
	struct trace **table = calloc(size, sizeof(struct trace *));

	if (!table)
		return;
	for (uint32_t i = 0; i < st->table_size; i++)
		while (st->table[i]) {
			struct trace *t = st->table[i];
			uint32_t slot = hash_id(t->id) & (size - 1);

			st->table[i] = t->hash_next;
			t->hash_next = table[slot];
			table[slot] = t;
		}
	free(st->table);
	st->table = table;
	st->table_size = size;
}

bool trace_store_init(struct trace_store *st, struct trace_waits waits, size_t limit)
{
	*st = (struct trace_store){ .waits = waits, .limit = limit, .table_size = TABLE_MIN };
	st->table = calloc(TABLE_MIN, sizeof(struct trace *));
	return st->table != NULL;
}

static void resource_put(struct trace_store *st, struct otlp_resource *r)
{
	if (!r || --r->refs)
		return;
	st->bytes -= r->bytes;
	arena_done(&r->arena);
	free(r);
}

static struct otlp_resource *resource_copy(struct trace_store *st, const struct otlp_resource *from)
{
	struct otlp_resource *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->refs = 1;
	if (!otlp_copy_attrs(&r->arena, &r->attrs, &from->attrs)) {
		arena_done(&r->arena);
		free(r);
		return NULL;
	}
	otlp_resource_name(r);
	r->bytes = sizeof(*r) + r->arena.bytes;
	st->bytes += r->bytes;
	return r;
}

static void trace_free(struct trace_store *st, struct trace *t)
{
	for (struct otlp_span *s = t->first; s; s = s->next)
		resource_put(st, s->resource);
	st->bytes -= t->accounted;
	arena_done(&t->arena);
	free(t);
}

static void trace_account(struct trace_store *st, struct trace *t)
{
	size_t now = sizeof(*t) + t->arena.bytes;

	st->bytes += now - t->accounted;
	t->accounted = now;
}

static void trace_forget(struct trace_store *st, struct trace *t)
{
	struct trace **at = table_find(st, t->id);

	if (!t->is_printed) {
		st->counts.forgotten_traces++;
		st->counts.forgotten_spans += t->count;
	} else {
		st->counts.forgotten_spans += t->late;
	}
	*at = t->hash_next;
	st->traces--;
	list_remove(list_of(st, t), t);
	trace_free(st, t);
}

/* Printed ones first: nobody waits for them any more. */
static void shrink(struct trace_store *st)
{
	while (st->bytes > st->limit) {
		struct trace *t = st->done.head ? st->done.head : st->pending.head;

		if (!t)
			return;
		trace_forget(st, t);
	}
}

void trace_store_done(struct trace_store *st)
{
	for (uint32_t i = 0; st->table && i < st->table_size; i++)
		while (st->table[i]) {
			struct trace *t = st->table[i];

			st->table[i] = t->hash_next;
			trace_free(st, t);
		}
	free(st->table);
	*st = (struct trace_store){ 0 };
}

static struct trace *trace_get(struct trace_store *st, const uint8_t *id)
{
	struct trace **at = table_find(st, id);
	struct trace *t = *at;

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	memcpy(t->id, id, sizeof(t->id));
	t->last = &t->first;
	*at = t;
	list_append(&st->pending, t);
	st->counts.traces++;
	if (++st->traces > st->table_size)
		table_grow(st);
	return t;
}

static bool span_add(struct trace_store *st, const struct otlp_span *from,
		     struct otlp_resource *resource, uint64_t now_ms)
{
	struct trace *t = trace_get(st, from->trace_id);
	struct otlp_span *s = t ? otlp_copy_span(&t->arena, from) : NULL;

	if (t)
		trace_account(st, t);
	if (!s)
		return false;
	s->resource = resource;
	resource->refs++;
	list_remove(list_of(st, t), t);
	*t->last = s;
	t->last = &s->next;
	t->count++;
	st->counts.spans++;
	if (t->is_printed) {
		s->is_late = true;
		t->late++;
		st->counts.late++;
	}
	t->arrived_ms = now_ms;
	t->due_ms = now_ms + st->waits.grace_ms;
	t->is_assessed = t->is_printed;
	list_append(&st->pending, t);
	return true;
}

void trace_store_add(struct trace_store *st, const struct otlp_batch *b, uint64_t now_ms)
{
	const struct otlp_resource *of = NULL;
	struct otlp_resource *resource = NULL;

	for (const struct otlp_span *s = b->first; s; s = s->next) {
		if (s->resource != of) {
			resource_put(st, resource);
			resource = resource_copy(st, s->resource);
			of = s->resource;
		}
		if (!resource || !span_add(st, s, resource, now_ms))
			st->counts.forgotten_spans++;
		shrink(st);
	}
	resource_put(st, resource);
}

static bool is_call(const struct otlp_span *s)
{
	return s->kind == OTLP_KIND_CLIENT || s->kind == OTLP_KIND_PRODUCER;
}

/* The latest end of a span if something in another process is missing, UINT64_MAX for here, or 0.
 */
static uint64_t wait_for(const struct trace_tree *tree)
{
	bool is_open = false;

	for (uint32_t i = 0; i < tree->count; i++) {
		const struct tree_node *node = &tree->nodes[i];
		uint32_t flags = node->span->flags;

		if (node->is_orphan && (flags & OTLP_FLAG_HAS_REMOTE) &&
		    !(flags & OTLP_FLAG_REMOTE))
			return UINT64_MAX;
		if (node->is_orphan || (is_call(node->span) && node->first_child == TREE_NONE))
			is_open = true;
	}
	return is_open ? tree->end_ns : 0;
}

/* Nothing came for the grace time: decides how much longer is worth waiting. */
static void assess(struct trace_store *st, struct trace *t, uint64_t now_ms, uint64_t unix_ns)
{
	const struct trace_waits *w = &st->waits;
	struct trace_tree tree;
	uint64_t end_ns, age_ms, wait_ms = w->grace_ms;
	uint64_t arrived_ns = unix_ns - (now_ms - t->arrived_ms) * 1000000;

	t->is_assessed = true;
	if (!trace_tree_init(&tree, t))
		return;
	end_ns = wait_for(&tree);
	trace_tree_done(&tree);
	if (end_ns == UINT64_MAX) {
		wait_ms = w->long_ms;
	} else if (end_ns) {
		/* How long the work was over when the last span of it came. */
		age_ms = arrived_ns > end_ns ? (arrived_ns - end_ns) / 1000000 : 0;
		wait_ms = w->patience_ms > age_ms ? w->patience_ms - age_ms : 0;
	}
	if (wait_ms > w->grace_ms)
		t->due_ms = t->arrived_ms + wait_ms;
}

struct trace *trace_store_next(struct trace_store *st, uint64_t now_ms, uint64_t unix_ns, bool all)
{
	if (all)
		return st->pending.head;
	for (struct trace *t = st->pending.head; t; t = t->next) {
		/* In order of arrival: behind this one none is due either. */
		if (now_ms < t->arrived_ms + st->waits.grace_ms)
			return NULL;
		if (now_ms < t->due_ms)
			continue;
		if (!t->is_assessed)
			assess(st, t, now_ms, unix_ns);
		if (now_ms >= t->due_ms)
			return t;
	}
	return NULL;
}

void trace_store_printed(struct trace_store *st, struct trace *t)
{
	list_remove(list_of(st, t), t);
	for (struct otlp_span *s = t->first; t->late && s; s = s->next)
		s->is_late = false;
	if (!t->is_printed)
		st->counts.printed++;
	t->is_printed = true;
	t->late = 0;
	list_append(&st->done, t);
}

void trace_store_forget_printed(struct trace_store *st)
{
	while (st->done.head)
		trace_forget(st, st->done.head);
}

uint64_t trace_store_due(const struct trace_store *st)
{
	uint64_t due = UINT64_MAX;

	for (const struct trace *t = st->pending.head; t; t = t->next)
		if (t->due_ms < due)
			due = t->due_ms;
	return due;
}
