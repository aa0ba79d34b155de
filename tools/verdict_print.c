/* SPDX-License-Identifier: Apache-2.0 */
#include "verdict_print.h"

#define VERDICT_COLUMNS 11u

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
		term_wrap(to, st, (struct bytes){ words.ptr, words.len }, VERDICT_COLUMNS);
	}
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
		if (v->left_out[kind])
			text_printf(to, "  %u more of kind %s (--json has the spans)\n",
				    v->left_out[kind], finding_label((enum finding_kind)kind));
	text_done(&words);
}
