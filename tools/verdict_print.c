/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict_print.h"

#define VERDICT_COLUMNS 11u

/* At blanks, behind the label's column; what is longer than a line is cut. */
static void put_wrapped(struct text *to, const struct style *st, struct bytes s)
{
	unsigned room = st->width - VERDICT_COLUMNS, used = 0;

	while (s.ptr) {
		struct bytes word = bytes_split(&s, ' ');
		unsigned columns = term_columns(st, word);

		if (used && used + 1 + columns > room) {
			text_add_char(to, '\n');
			term_spaces(to, VERDICT_COLUMNS);
			used = 0;
		}
		if (used)
			text_add_char(to, ' ');
		used += (used ? 1 : 0) + term_add(to, st, word, room);
	}
	text_add_char(to, '\n');
}

static void put_label_of(struct text *to, const struct style *st, const char *label, enum color c)
{
	term_color(to, st, c);
	text_printf(to, "  %-*s", (int)VERDICT_COLUMNS - 2, label);
	term_color(to, st, COLOR_PLAIN);
}

void verdict_print(struct text *to, const struct style *st, const struct trace_report *r)
{
	const struct verdict *v = &r->verdict;
	struct text words = { 0 };

	for (uint32_t i = 0; i < v->count; i++) {
		const struct finding *f = &v->list[i];

		text_clear(&words);
		finding_text(&words, r, f);
		put_label_of(to, st, finding_label(f->kind),
			     f->kind == FINDING_ERROR    ? COLOR_RED :
			     f->kind <= FINDING_N_PLUS_1 ? COLOR_BOLD :
							   COLOR_YELLOW);
		put_wrapped(to, st, (struct bytes){ words.ptr, words.len });
	}
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
		if (v->left_out[kind])
			text_printf(to, "  %u more of kind %s (--json has the spans)\n",
				    v->left_out[kind], finding_label((enum finding_kind)kind));
	text_done(&words);
}
