/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What anybody may send to `interspan view`, by its first byte: p(rotobuf), j(SON), or either of
 * them gzipped (P, J).  Whatever is accepted is kept, judged and printed, and then: no span is lost
 * on the way, no line is wider than the window, and no byte reaches the terminal that it would
 * obey.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http_body.h"
#include "json_out.h"
#include "service_map.h"
#include "shape_table.h"
#include "waterfall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(holds) check_at(holds, __LINE__)

static void check_at(bool holds, int line)
{
	if (holds)
		return;
	fprintf(stderr, "what line %d checks does not hold\n", line);
	abort();
}

/* Columns are counted by the terminal's tables; here it is enough that nothing wild is in it. */
static void check_safe(struct bytes out)
{
	while (out.len) {
		bool is_newline = out.ptr[0] == '\n';

		check(is_newline || !utf8_is_unsafe(utf8_take(&out)));
		if (is_newline)
			out = bytes_skip(out, 1);
	}
}

static void check_ascii_width(struct bytes out, unsigned width)
{
	while (out.ptr) {
		struct bytes line = bytes_split(&out, '\n');

		check(line.len <= width);
		for (size_t i = 0; i < line.len; i++)
			check(line.ptr[i] >= ' ' && line.ptr[i] <= '~');
	}
}

static void check_times(const struct trace_report *r)
{
	uint64_t critical = 0;

	for (uint32_t i = 0; i < r->tree.count; i++) {
		const struct span_time *t = &r->times.at[i];

		check(t->start_ns <= t->end_ns && t->self_ns <= t->end_ns - t->start_ns);
		check(t->critical_ns <= t->self_ns && (t->is_critical || !t->critical_ns));
		check(!t->is_known ||
		      (t->start_ns >= r->times.start_ns && t->end_ns <= r->times.end_ns));
		check(!__builtin_add_overflow(critical, t->critical_ns, &critical));
	}
	check(critical <= r->times.critical_ns);
	check(r->times.critical_ns <= r->times.end_ns - r->times.start_ns);
}

/* The tables, with one trace in them. */
static void print_tables(const struct trace *t, const struct trace_report *r)
{
	static const struct style st = { .width = 80 };
	struct service_map map;
	struct shape_table shapes;
	struct text out = { 0 };

	check(service_map_init(&map) && shape_table_init(&shapes));
	service_map_add(&map, r);
	shape_table_add(&shapes, t, r);
	for (enum map_form form = MAP_TEXT; form <= MAP_JSON; form++)
		service_map_print(&out, &st, &map, form);
	shape_table_print(&out, &st, &shapes, true);
	check_safe((struct bytes){ out.ptr, out.len });
	text_clear(&out);
	service_map_print(&out, &st, &map, MAP_TEXT);
	shape_table_print(&out, &st, &shapes, false);
	check_ascii_width((struct bytes){ out.ptr, out.len }, st.width);
	text_done(&out);
	shape_table_done(&shapes);
	service_map_done(&map);
}

static void print(const struct trace *t)
{
	static const struct style styles[] = { { .width = 80 },
					       { .width = 200, .has_utf8 = true } };
	struct trace_report r;
	struct text out = { 0 };

	if (!trace_report_init(&r, t))
		return;
	check(r.tree.count + r.tree.duplicates == t->count);
	check_times(&r);
	for (size_t i = 0; i < ARRAY_LEN(styles); i++) {
		text_clear(&out);
		waterfall_print(&out, &styles[i], t, &r);
		check_safe((struct bytes){ out.ptr, out.len });
		if (!styles[i].has_utf8)
			check_ascii_width((struct bytes){ out.ptr, out.len }, styles[i].width);
	}
	text_clear(&out);
	json_out_trace(&out, t, &r, false);
	check_safe((struct bytes){ out.ptr, out.len });
	check(!memchr(out.ptr, '\n', out.len - 1));
	text_done(&out);
	print_tables(t, &r);
	trace_report_done(&r);
}

static void decode(char form, struct bytes body)
{
	struct trace_store store;
	struct otlp_batch batch;
	const char *why = NULL;
	enum otlp_verdict verdict;
	struct trace *t;
	uint64_t printed = 0;

	otlp_batch_init(&batch, (size_t)16 << 20);
	verdict = form == 'p' ? otlp_decode_pb(&batch, body, &why) :
				otlp_decode_json(&batch, body, &why);
	check(verdict == OTLP_GOOD ? !why : why && !batch.count && !batch.first);
	check(trace_store_init(&store, trace_waits_default, (size_t)64 << 20));
	trace_store_add(&store, &batch, 0);
	while ((t = trace_store_next(&store, 0, 0, true))) {
		print(t);
		printed += t->count;
		trace_store_printed(&store, t);
	}
	check(printed + store.counts.forgotten_spans == batch.count);
	trace_store_done(&store);
	otlp_batch_done(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct body body = { 0 };

	if (size < 1 || !strchr("pjPJ", data[0]) || !data[0])
		return 0;
	check(body_add(&body, (struct bytes){ (const char *)data + 1, size - 1 }) == BODY_GOOD);
	if (data[0] == 'p' || data[0] == 'j' || body_gunzip(&body) == BODY_GOOD)
		decode(ascii_lower((char)data[0]),
		       (struct bytes){ body.ptr ? body.ptr : "", body.len });
	body_done(&body);
	return 0;
}
