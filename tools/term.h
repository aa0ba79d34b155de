/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TERM_H
#define TERM_H
/* What the output can show, and the only way in which received text may get there. */
#include "text.h"

enum color { COLOR_PLAIN, COLOR_BOLD, COLOR_DIM, COLOR_RED, COLOR_YELLOW, COLOR_CYAN, COLOR_BLUE };

#define TERM_WIDTH_MIN 80u
#define TERM_WIDTH_MAX 400u

struct style {
	unsigned width; /* columns */
	bool has_color;
	bool has_utf8;
};

/*
 * Looks at fd and the environment: NO_COLOR, TERM, COLUMNS (when fd is no terminal), the locale's
 * character set.  Call it again for each trace: windows are resized.
 */
void style_detect(struct style *ret, int fd);

/*
 * Adds s so that it takes at most columns columns: unsafe characters become a visible stand-in,
 * what is too long is cut between characters and ends in an ellipsis.  Returns the columns taken.
 */
unsigned term_add(struct text *t, const struct style *st, struct bytes s, unsigned columns);

/*
 * Adds s from this column on, in as many lines as it needs, broken at blanks, and ends the last; a
 * word that is longer than a line is cut.
 */
void term_wrap(struct text *t, const struct style *st, struct bytes s, unsigned column);

/* How many columns would all of s take? */
unsigned term_columns(const struct style *st, struct bytes s);

/* Starts a colour; COLOR_PLAIN ends it.  Nothing without colours. */
void term_color(struct text *t, const struct style *st, enum color c);

void term_spaces(struct text *t, unsigned n);

/* Three digits and a unit, at most 7 columns: "999 us", "1.23 ms", "12.3 s", "4m05s", "3h07m". */
#define TERM_DURATION_COLUMNS 7u
void term_duration(char *to, size_t size, uint64_t ns);

#endif
