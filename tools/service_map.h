/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICE_MAP_H
#define SERVICE_MAP_H
/* Who calls whom, gathered from traces.  Bounded: further services and edges are counted. */
#include "name_table.h"
#include "samples.h"
#include "term.h"
#include "verdict.h"

enum edge_change { EDGE_SAME, EDGE_NEW, EDGE_VANISHED };

struct edge {
	uint32_t caller; /* number in names; NAME_NONE: from outside */
	uint32_t callee;
	bool is_traced; /* the callee sent spans; else it is what the caller knew of it */
	uint64_t errors;
	struct samples took; /* as the caller saw it, if it sent a span */
	enum edge_change change;
};

struct service_map {
	struct name_table names;
	struct name_table keys; /* of edges, in the order of edges */
	struct edge *edges;
	uint64_t traces;
	bool is_compared;
};

enum map_form { MAP_TEXT, MAP_MERMAID, MAP_DOT, MAP_JSON };

/* false: no memory. */
MUST_USE bool service_map_init(struct service_map *m);
void service_map_done(struct service_map *m);

void service_map_add(struct service_map *m, const struct trace_report *r);

/*
 * Marks what m has and old has not as new, and takes over from old what is not in m, as vanished.
 * Returns how many edges differ.
 */
uint32_t service_map_compare(struct service_map *m, const struct service_map *old);

void service_map_print(struct text *to, const struct style *st, struct service_map *m,
		       enum map_form form);

#endif
