/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <stdlib.h>

#include "call_name.h"
#include "waterfall.h"

/* So that it is one screen of 24 lines. */
#define SHAPES_SHOWN 5u
#define EDGES_SHOWN 6u
#define TALLIED_SHOWN 2u

bool summary_init(struct summary *s)
{
	return shape_table_init(&s->shapes) && service_map_init(&s->map) &&
	       tally_init(&s->culprits) && tally_init(&s->errors) && tally_init(&s->n_plus_1);
}

void summary_done(struct summary *s)
{
	for (uint32_t i = 0; i < s->kept_count; i++)
		text_done(&s->kept[i].picture);
	shape_table_done(&s->shapes);
	service_map_done(&s->map);
	tally_done(&s->culprits);
	tally_done(&s->errors);
	tally_done(&s->n_plus_1);
}

/* A failed one before all that did not fail, then the slower one. */
static uint64_t rank_of(const struct trace_report *r)
{
	uint64_t ns = r->times.end_ns - r->times.start_ns;

	return ns >> 1 | (r->tree.errors ? (uint64_t)1 << 63 : 0);
}

static void keep(struct summary *s, const struct trace *t, const struct trace_report *r)
{
	uint64_t rank = rank_of(r);
	struct kept *k = &s->kept[0];

	if (s->kept_count < SUMMARY_WATERFALLS) {
		k = &s->kept[s->kept_count++];
	} else {
		for (uint32_t i = 1; i < s->kept_count; i++)
			if (s->kept[i].rank < k->rank)
				k = &s->kept[i];
		if (k->rank >= rank)
			return;
	}
	k->rank = rank;
	k->seq = s->traces;
	text_clear(&k->picture);
	waterfall_print(&k->picture, &s->style, t, r);
}

static void count(struct tally *tally, const struct trace_report *r, const struct finding *f)
{
	struct text name = { 0 };
	const struct otlp_span *s = r->tree.nodes[f->node].span;

	text_add(&name, s->resource->service);
	text_add_char(&name, ' ');
	text_add_str(&name, otlp_kind_name(s->kind));
	text_add_char(&name, ' ');
	call_name(&name, &r->tree, f->node);
	tally_add(tally, (struct bytes){ name.ptr, name.len }, f->ns);
	text_done(&name);
}

void summary_add(struct summary *s, const struct trace *t)
{
	struct trace_report r;

	if (!trace_report_init(&r, t))
		return;
	keep(s, t, &r);
	shape_table_add(&s->shapes, t, &r);
	service_map_add(&s->map, &r);
	for (uint32_t i = 0; i < r.verdict.count; i++) {
		const struct finding *f = &r.verdict.list[i];

		if (f->kind == FINDING_CULPRIT)
			count(&s->culprits, &r, f);
		else if (f->kind == FINDING_ERROR)
			count(&s->errors, &r, f);
		else if (f->kind == FINDING_N_PLUS_1)
			count(&s->n_plus_1, &r, f);
	}
	s->traces++;
	s->spans += r.tree.count;
	s->failed += r.tree.errors != 0;
	trace_report_done(&r);
}

static int compare_seq(const void *pa, const void *pb)
{
	const struct kept *a = pa, *b = pb;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

static void put_plural(struct text *to, uint64_t n, const char *what)
{
	text_printf(to, "%llu %s%s", (unsigned long long)n, what, n == 1 ? "" : "s");
}

static void put_head(struct text *to, const struct summary *s, uint64_t took_ns, uint64_t forgotten)
{
	char took[16];

	term_duration(took, sizeof(took), took_ns);
	term_color(to, &s->style, COLOR_BOLD);
	text_add_str(to, "interspan: ");
	put_plural(to, s->traces, "trace");
	text_add_str(to, ", ");
	put_plural(to, s->spans, "span");
	text_printf(to, " in %s", took);
	term_color(to, &s->style, COLOR_PLAIN);
	if (s->failed) {
		term_color(to, &s->style, COLOR_RED);
		text_printf(to, ", %llu with errors", (unsigned long long)s->failed);
		term_color(to, &s->style, COLOR_PLAIN);
	}
	if (s->traces > s->kept_count)
		text_printf(to, "; %llu not shown above",
			    (unsigned long long)(s->traces - s->kept_count));
	if (forgotten)
		text_printf(to, "; %llu spans were forgotten", (unsigned long long)forgotten);
	text_add_char(to, '\n');
}

void summary_print(struct text *to, struct summary *s, uint64_t took_ns, uint64_t forgotten)
{
	qsort(s->kept, s->kept_count, sizeof(*s->kept), compare_seq);
	for (uint32_t i = 0; i < s->kept_count; i++)
		text_add(to, (struct bytes){ s->kept[i].picture.ptr, s->kept[i].picture.len });
	put_head(to, s, took_ns, forgotten);
	if (s->traces > 1)
		shape_table_print_top(to, &s->style, &s->shapes, SHAPES_SHOWN);
	tally_print(to, &s->style, &s->culprits, "culprits", TALLIED_SHOWN);
	tally_print(to, &s->style, &s->errors, "errors", TALLIED_SHOWN);
	tally_print(to, &s->style, &s->n_plus_1, "N+1", TALLIED_SHOWN);
	if (s->map.keys.count > EDGES_SHOWN)
		text_printf(to, "  map      %u edges: interspan view --map\n", s->map.keys.count);
	else if (s->map.keys.count)
		service_map_print(to, &s->style, &s->map, MAP_TEXT);
}
