/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_H
#define TALLY_H
/* How often something of a name was found, and how long it took together.  Bounded. */
#include "name_table.h"
#include "samples.h"
#include "term.h"

#define TALLY_MAX 256u

struct tally {
	struct name_table names;
	struct samples took[TALLY_MAX];
};

/* Zeroed caller's storage; false: no memory. */
MUST_USE bool tally_init(struct tally *t);
void tally_done(struct tally *t);

void tally_add(struct tally *t, struct bytes name, uint64_t ns);

/*
 * The most expensive ones, "  label    8 x NAME, 1.20 s together", a line each; where nothing took
 * any time, the most frequent.
 */
void tally_print(struct text *to, const struct style *st, const struct tally *t, const char *label,
		 unsigned lines);

#endif
