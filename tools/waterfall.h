/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WATERFALL_H
#define WATERFALL_H
#include "term.h"
#include "verdict.h"

/* More lines of one trace are counted instead of printed; --json has them all. */
#define WATERFALL_ROWS_MAX 1000u

/*
 * A header, one line per span, the verdict, an empty line.  No line is wider than st->width.  Of
 * many calls of one kind the first ones stand for all.
 */
void waterfall_print(struct text *to, const struct style *st, const struct trace *t,
		     const struct trace_report *r);

/* One line about spans that came after their trace was printed. */
void waterfall_print_late(struct text *to, const struct style *st, const struct trace *t,
			  const struct trace_tree *tree);

#endif
