/* SPDX-License-Identifier: Apache-2.0 */
#include "view_sink.h"

#include <errno.h>
#include <unistd.h>

#include "command.h"
#include "json_out.h"
#include "otlp_file.h"
#include "waterfall.h"

/* Of the file to compare with, in memory at once. */
#define COMPARE_BYTES ((size_t)128 << 20)

bool view_sink_init(struct view_sink *k, const struct view_options *o)
{
	*k = (struct view_sink){ .options = o };
	if (o->mode == VIEW_TOP)
		return shape_table_init(&k->shapes);
	return o->mode != VIEW_MAP || service_map_init(&k->map);
}

void view_sink_done(struct view_sink *k)
{
	shape_table_done(&k->shapes);
	service_map_done(&k->map);
}

static void print(struct view_sink *k, struct text *out, const struct trace *t,
		  const struct trace_report *r)
{
	struct style style;

	style_detect(&style, STDOUT_FILENO);
	if (k->options->is_json)
		json_out_trace(out, t, r, t->is_printed);
	else if (t->is_printed)
		waterfall_print_late(out, &style, t, &r->tree);
	else
		waterfall_print(out, &style, t, r);
}

void view_sink_take(struct view_sink *k, struct text *out, const struct trace *t)
{
	struct trace_report r;

	/* Its place in a table was taken without them. */
	if (t->is_printed && k->options->mode != VIEW_WATERFALLS) {
		k->late += t->late;
		return;
	}
	if (!trace_report_init(&r, t)) {
		out->is_short = true;
		return;
	}
	if (!selection_has(&k->options->selection, t, &r)) {
		k->passed_over++;
	} else {
		k->shown++;
		if (k->options->mode == VIEW_TOP)
			shape_table_add(&k->shapes, t, &r);
		else if (k->options->mode == VIEW_MAP)
			service_map_add(&k->map, &r);
		else
			print(k, out, t, &r);
	}
	trace_report_done(&r);
}

/* --- the map to compare with --- */

struct loading {
	struct view_sink *sink; /* for its options: the same traces are asked for */
	struct trace_store store;
	struct service_map map;
	uint64_t refused;
};

static void take_all(struct loading *l)
{
	struct trace_report r;
	struct trace *t;

	while ((t = trace_store_next(&l->store, 0, 0, true))) {
		if (!t->is_printed && trace_report_init(&r, t)) {
			if (selection_has(&l->sink->options->selection, t, &r))
				service_map_add(&l->map, &r);
			trace_report_done(&r);
		}
		trace_store_printed(&l->store, t);
	}
}

static void on_batch(void *data, const struct otlp_batch *b)
{
	struct loading *l = data;

	trace_store_add(&l->store, b, 0);
	if (l->store.bytes <= COMPARE_BYTES / 2)
		return;
	take_all(l);
	trace_store_forget_printed(&l->store);
}

static void on_bad_line(void *data, uint64_t line, const char *why)
{
	struct loading *l = data;

	if (!l->refused++)
		command_error("view", "%s:%llu: %s", l->sink->options->compare,
			      (unsigned long long)line, why);
}

static int compare(struct view_sink *k)
{
	struct loading l = { .sink = k };
	struct otlp_file_calls calls = { on_batch, on_bad_line, &l };
	int r = -ENOMEM;

	if (service_map_init(&l.map) &&
	    trace_store_init(&l.store, trace_waits_default, COMPARE_BYTES))
		r = otlp_file_read(k->options->compare, &calls);
	if (r < 0)
		command_error("view", "%s: %s", k->options->compare,
			      r == -EIO ? "damaged, or cut off" : strerror(-r));
	if (r == 0) {
		take_all(&l);
		r = (int)service_map_compare(&k->map, &l.map);
	}
	trace_store_done(&l.store);
	service_map_done(&l.map);
	return r < 0 ? -1 : r;
}

int view_sink_end(struct view_sink *k, struct text *out)
{
	struct style style;
	int differ = 0;

	style_detect(&style, STDOUT_FILENO);
	if (k->options->compare)
		differ = compare(k);
	if (k->options->mode == VIEW_TOP)
		shape_table_print(out, &style, &k->shapes, k->options->is_json);
	else if (k->options->mode == VIEW_MAP && differ >= 0)
		service_map_print(out, &style, &k->map, k->options->map_form);
	return differ;
}
