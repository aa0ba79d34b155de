/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAN_LIMITS_H
#define SPAN_LIMITS_H
/*
 * OTEL_SPAN_*_LIMIT and OTEL_ATTRIBUTE_*_LIMIT (E72-E87), applied to the copy of a record, ahead of
 * every format.  What the store itself holds at most: STORE_ATTRS_MAX attributes, STORE_VALUE_MAX
 * bytes of a value.
 */
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "store.h"

struct span_limits {
	uint32_t attrs;
	uint32_t value; /* characters */
	uint32_t events;
	uint32_t links;
	uint32_t event_attrs; /* of one event */
	uint32_t link_attrs;
	bool is_set; /* is any below what the store holds? */
};

/* The span's own setting beats the general one (E84). */
void span_limits_init(struct span_limits *l, const struct config *cfg);

/*
 * Attributes beyond the limit, in the order in which they were set, events and links are taken out
 * and counted; longer texts are cut between characters (E85).
 */
void span_limits_apply(const struct span_limits *l, struct record *r);

#endif
