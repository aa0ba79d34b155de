/* SPDX-License-Identifier: Apache-2.0 */
#include "diagnosis.h"

#include <stdarg.h>
#include <stdio.h>

#include "json_out.h"

#define LABEL_COLUMNS 8u

void diagnose(struct diagnosis *d, enum finding_level level, const char *id, const char *what)
{
	if (d->count == DIAGNOSIS_MAX)
		return;
	d->list[d->count++] = (struct diagnosed){
		.level = level, .id = id, .what = arena_copy(&d->arena, bytes_from_str(what))
	};
	d->is_bad |= level == LEVEL_BAD;
}

__attribute__((format(printf, 2, 0))) static struct bytes
format_text(struct diagnosis *d, const char *format, va_list args)
{
	char text[2048];
	int n = vsnprintf(text, sizeof(text), format, args);

	if (n < 0)
		return (struct bytes){ NULL, 0 };
	return arena_copy(&d->arena, bytes_from_str(text));
}

void diagnosis_seen(struct diagnosis *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (d->count)
		d->list[d->count - 1].seen = format_text(d, format, args);
	va_end(args);
}

void diagnosis_remedy(struct diagnosis *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (d->count)
		d->list[d->count - 1].remedy = format_text(d, format, args);
	va_end(args);
}

void diagnosis_details(struct diagnosis *d, struct bytes connections)
{
	if (d->count)
		d->list[d->count - 1].connections = arena_copy(&d->arena, connections);
}

static void put_part(struct text *to, const struct style *st, const char *label, enum color color,
		     struct bytes text)
{
	if (!text.len)
		return;
	term_color(to, st, color);
	text_printf(to, "%-*s", (int)LABEL_COLUMNS, label);
	term_color(to, st, COLOR_PLAIN);
	term_wrap(to, st, text, LABEL_COLUMNS);
}

void diagnosis_print(struct text *to, const struct style *st, const struct diagnosis *d)
{
	static const char *const labels[] = { "ok", "note", "BAD" };
	static const enum color colors[] = { COLOR_CYAN, COLOR_YELLOW, COLOR_RED };

	for (uint32_t i = 0; i < d->count; i++) {
		const struct diagnosed *f = &d->list[i];

		put_part(to, st, labels[f->level], colors[f->level], f->what);
		put_part(to, st, "  seen", COLOR_DIM, f->seen);
		put_part(to, st, "  do", COLOR_BOLD, f->remedy);
	}
}

void diagnosis_print_json(struct text *to, const struct diagnosis *d)
{
	static const char *const levels[] = { "ok", "note", "bad" };

	for (uint32_t i = 0; i < d->count; i++) {
		const struct diagnosed *f = &d->list[i];

		text_printf(to, "{\"level\":\"%s\",\"finding\":\"%s\",\"what\":", levels[f->level],
			    f->id);
		json_out_string(to, f->what);
		text_add_str(to, ",\"seen\":");
		json_out_string(to, f->seen);
		text_add_str(to, ",\"remedy\":");
		json_out_string(to, f->remedy);
		if (f->connections.len)
			text_add_str(to, ",\"connections\":");
		text_add(to, f->connections);
		text_add_str(to, "}\n");
	}
}

void diagnosis_done(struct diagnosis *d)
{
	arena_done(&d->arena);
	*d = (struct diagnosis){ 0 };
}
