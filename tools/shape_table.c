/* SPDX-License-Identifier: Apache-2.0 */
#include "shape_table.h"

#include <stdio.h>
#include <stdlib.h>

#include "call_name.h"
#include "json_out.h"

#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u

static uint64_t hash_more(uint64_t h, struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.ptr[i]) * FNV_PRIME;
	return (h ^ 0xff) * FNV_PRIME;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0x9e3779b97f4a7c15u;
	return a ^ a >> 32;
}

static int compare_u64(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

static uint64_t hash_span(const struct otlp_span *s, struct text *scratch)
{
	uint64_t h = hash_more(FNV_BASIS, s->resource->service);

	text_clear(scratch);
	call_shape(scratch, s);
	h = hash_more(h, (struct bytes){ scratch->ptr, scratch->len });
	return mix(h, s->kind);
}

/* Over the set of all pairs of parent and child: repetition and order do not count. */
uint64_t shape_hash(const struct trace_report *r)
{
	uint32_t n = r->tree.count;
	uint64_t *own = calloc(n + 1, sizeof(*own)), *pairs = calloc(n + 1, sizeof(*pairs));
	uint64_t h = FNV_BASIS;
	struct text scratch = { 0 };

	for (uint32_t i = 0; own && pairs && i < n; i++) {
		uint32_t node = r->tree.order[i], parent = r->tree.nodes[node].parent;

		own[node] = hash_span(r->tree.nodes[node].span, &scratch);
		pairs[i] = mix(parent == TREE_NONE ? 0 : own[parent], own[node]);
	}
	if (pairs)
		qsort(pairs, n, sizeof(*pairs), compare_u64);
	for (uint32_t i = 0; pairs && i < n; i++)
		if (!i || pairs[i] != pairs[i - 1])
			h = mix(h, pairs[i]);
	text_done(&scratch);
	free(own);
	free(pairs);
	return h;
}

bool shape_table_init(struct shape_table *t)
{
	*t = (struct shape_table){ .list = calloc(SHAPES_MAX, sizeof(*t->list)) };
	return t->list != NULL;
}

void shape_table_done(struct shape_table *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		samples_done(&t->list[i].took);
	free(t->list);
	arena_done(&t->names);
	*t = (struct shape_table){ 0 };
}

/* The root that began first names the trace. */
static struct bytes name_of(struct shape_table *t, const struct trace_report *r)
{
	const struct otlp_span *s = r->tree.nodes[r->tree.order[0]].span;
	struct text name = { 0 };
	struct bytes copy;

	text_add(&name, s->resource->service);
	text_add_char(&name, ' ');
	call_shape(&name, s);
	copy = arena_copy(&t->names, (struct bytes){ name.ptr, name.len });
	text_done(&name);
	return copy;
}

static struct shape *shape_get(struct shape_table *t, const struct trace_report *r)
{
	uint64_t hash = shape_hash(r);

	for (uint32_t i = 0; i < t->count; i++)
		if (t->list[i].hash == hash)
			return &t->list[i];
	if (t->count == SHAPES_MAX) {
		t->refused++;
		return NULL;
	}
	t->list[t->count] = (struct shape){ .hash = hash, .name = name_of(t, r) };
	return &t->list[t->count++];
}

static bool is_failed(const struct trace_tree *tree)
{
	for (uint32_t i = tree->top; i != TREE_NONE; i = tree->nodes[i].next)
		if (tree->nodes[i].span->status == OTLP_STATUS_ERROR)
			return true;
	return false;
}

void shape_table_add(struct shape_table *t, const struct trace *trace, const struct trace_report *r)
{
	uint64_t ns = r->times.end_ns - r->times.start_ns;
	struct shape *s = r->tree.count ? shape_get(t, r) : NULL;

	if (!s)
		return;
	if (!s->took.count || ns > s->took.max) {
		memcpy(s->slowest, trace->id, sizeof(s->slowest));
		s->spans = r->tree.count;
		s->services = trace_tree_services(&r->tree);
	}
	s->errors += is_failed(&r->tree);
	samples_add(&s->took, ns);
}

static int compare_shape(const void *pa, const void *pb)
{
	const struct shape *a = pa, *b = pb;

	if (a->took.sum != b->took.sum)
		return a->took.sum < b->took.sum ? 1 : -1;
	return compare_u64(&a->hash, &b->hash);
}

static void put_row(struct text *to, const struct style *st, struct shape *s)
{
	static const unsigned percents[] = { 50, 95, 99 };
	char took[16];

	text_printf(to, "%7llu", (unsigned long long)s->took.count);
	term_color(to, st, s->errors ? COLOR_RED : COLOR_PLAIN);
	text_printf(to, " %4u %%", samples_share(&s->took, s->errors));
	term_color(to, st, COLOR_PLAIN);
	for (size_t i = 0; i < ARRAY_LEN(percents); i++) {
		term_duration(took, sizeof(took), samples_percentile(&s->took, percents[i]));
		text_printf(to, " %7s", took);
	}
	text_printf(to, " %5u  ", s->spans);
	text_add_hex(to, s->slowest, 4);
	text_add_str(to, "  ");
	term_add(to, st, s->name, st->width - 56);
	text_add_char(to, '\n');
}

static void put_json(struct text *to, struct shape *s)
{
	text_printf(to, "{\"shape\":\"%016llx\",\"name\":", (unsigned long long)s->hash);
	json_out_string(to, s->name);
	text_printf(to, ",\"count\":%llu,\"errors\":%llu", (unsigned long long)s->took.count,
		    (unsigned long long)s->errors);
	text_printf(to, ",\"p50Nano\":%llu,\"p95Nano\":%llu",
		    (unsigned long long)samples_percentile(&s->took, 50),
		    (unsigned long long)samples_percentile(&s->took, 95));
	text_printf(to, ",\"p99Nano\":%llu,\"maxNano\":%llu,\"spans\":%u,\"services\":%u",
		    (unsigned long long)samples_percentile(&s->took, 99),
		    (unsigned long long)s->took.max, s->spans, s->services);
	text_add_str(to, ",\"slowestTraceId\":\"");
	text_add_hex(to, s->slowest, sizeof(s->slowest));
	text_add_str(to, "\"}\n");
}

void shape_table_print_top(struct text *to, const struct style *st, struct shape_table *t,
			   unsigned max)
{
	qsort(t->list, t->count, sizeof(*t->list), compare_shape);
	term_color(to, st, COLOR_DIM);
	text_add_str(to, " traces errors     p50     p95     p99 spans  slowest   root\n");
	term_color(to, st, COLOR_PLAIN);
	for (uint32_t i = 0; i < t->count && i < max; i++)
		put_row(to, st, &t->list[i]);
	if (t->count > max)
		text_printf(to, "%7u more shapes\n", t->count - max);
	if (t->refused)
		text_printf(to, "%llu traces of further shapes\n", (unsigned long long)t->refused);
}

void shape_table_print(struct text *to, const struct style *st, struct shape_table *t, bool is_json)
{
	if (!is_json) {
		shape_table_print_top(to, st, t, SHAPES_MAX);
		return;
	}
	qsort(t->list, t->count, sizeof(*t->list), compare_shape);
	for (uint32_t i = 0; i < t->count; i++)
		put_json(to, &t->list[i]);
}
