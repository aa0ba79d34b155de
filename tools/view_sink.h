/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEW_SINK_H
#define VIEW_SINK_H
/*
 * What becomes of a finished trace: it is printed, or goes into a table that is printed at the end.
 */
#include "shape_table.h"
#include "view_options.h"

struct view_sink {
	const struct view_options *options;
	struct service_map map;
	struct shape_table shapes;
	uint64_t shown;
	uint64_t passed_over; /* were not asked for */
	uint64_t late;        /* spans that came behind their trace's place in a table */
};

/* Borrows the options; false: no memory. */
MUST_USE bool view_sink_init(struct view_sink *k, const struct view_options *o);
void view_sink_done(struct view_sink *k);

/* A trace of the store that is finished, or has news; what is to be printed is added to out. */
void view_sink_take(struct view_sink *k, struct text *out, const struct trace *t);

/* The tables.  Returns how many edges differ from what they are compared with; -1: no such file. */
int view_sink_end(struct view_sink *k, struct text *out);

#endif
