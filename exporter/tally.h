/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_H
#define TALLY_H
/*
 * What became of the spans that one exporter was given: each span is counted once for each exporter
 * that the user chose, as exported or as dropped.  The first of them counts for the program, too:
 * spans_exported and its like are its figures, and the store's word of what is in hand is its.
 */
#include <stdbool.h>
#include <stddef.h>

#include "stats.h"
#include "store.h"

struct tally {
	struct store *store; /* NULL: another exporter speaks for the program */
	enum stat_id exported;
	enum stat_id dropped;
};

/* is_late: it is the end of the process that cut us short, not the receiver. */
void tally_lost(const struct tally *t, size_t spans, bool is_late);

/* Of spans that a receiver accepted, but for those that it rejected. */
void tally_accepted(const struct tally *t, size_t spans, size_t rejected);

#endif
