/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <stdio.h>

#define LABEL_COLUMNS 9u

bool tally_init(struct tally *t)
{
	*t = (struct tally){ 0 };
	return name_table_init(&t->names, TALLY_MAX);
}

void tally_done(struct tally *t)
{
	for (uint32_t i = 0; i < t->names.count; i++)
		samples_done(&t->took[i]);
	name_table_done(&t->names);
}

void tally_add(struct tally *t, struct bytes name, uint64_t ns)
{
	uint32_t number = name_table_get(&t->names, name);

	if (number != NAME_NONE)
		samples_add(&t->took[number], ns);
}

static bool is_more(const struct samples *a, const struct samples *b)
{
	return a->sum != b->sum ? a->sum > b->sum : a->count > b->count;
}

/* The next one below the last that was printed; NAME_NONE: there is none. */
static uint32_t next(const struct tally *t, const bool *is_told)
{
	uint32_t best = NAME_NONE;

	for (uint32_t i = 0; i < t->names.count; i++)
		if (!is_told[i] && (best == NAME_NONE || is_more(&t->took[i], &t->took[best])))
			best = i;
	return best;
}

void tally_print(struct text *to, const struct style *st, const struct tally *t, const char *label,
		 unsigned lines)
{
	bool is_told[TALLY_MAX] = { false };
	char took[16], count[48], end[48];
	uint32_t i;

	for (unsigned n = 0; n < lines && (i = next(t, is_told)) != NAME_NONE; n++) {
		const struct samples *s = &t->took[i];

		is_told[i] = true;
		term_duration(took, sizeof(took), s->sum);
		snprintf(count, sizeof(count), "%llu x ", (unsigned long long)s->count);
		*end = '\0';
		if (s->sum)
			snprintf(end, sizeof(end), s->count == 1 ? ", %s" : ", %s together", took);
		text_printf(to, "  %-*s", (int)LABEL_COLUMNS, n ? "" : label);
		text_add_str(to, count);
		term_add(to, st, t->names.names[i],
			 st->width - 2 - LABEL_COLUMNS - (unsigned)strlen(count) -
				 (unsigned)strlen(end));
		text_add_str(to, end);
		text_add_char(to, '\n');
	}
}
