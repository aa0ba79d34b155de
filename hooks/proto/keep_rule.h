/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEP_RULE_H
#define KEEP_RULE_H
/*
 * OTEL_INTERSPAN_KEEP: which requests that the sampler left out are kept all the same, seen from
 * their end.  A comma between terms, any of which is enough:
 *
 *   error                 it failed, or something that it called did
 *   slow>1s  slow>250ms   it took longer; ns, us, ms, s, m, h
 *   status>=500           its response; =, >, >=, <, <=
 *   method=POST           as it was sent
 *   route=/orders/{id}    its path without the query: `{name}` one segment, `*` anything
 *   forced                is there whenever something forces requests, and changes nothing
 *   all                   whatever was recorded
 *   none                  nothing, also where there is a default
 *
 * Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

enum keep_kind {
	KEEP_ERROR,
	KEEP_SLOW,
	KEEP_STATUS,
	KEEP_METHOD,
	KEEP_ROUTE,
	KEEP_FORCED,
	KEEP_ALL,
	KEEP_NONE,
};

enum keep_is {
	KEEP_IS_EQUAL = 1,
	KEEP_IS_MORE = 2,
	KEEP_IS_LESS = 4, /* the three or-ed */
};

struct keep_rule {
	uint8_t kind;      /* enum keep_kind */
	uint8_t is;        /* enum keep_is, of SLOW and STATUS */
	uint64_t number;   /* ns, or a status */
	struct bytes text; /* of METHOD and ROUTE; borrowed */
};

/* One term, trimmed.  Borrows it. */
bool keep_rule_parse(struct bytes term, struct keep_rule *ret);

bool keep_rule_compares(const struct keep_rule *r, uint64_t value);

/* Of METHOD and ROUTE; false for all others. */
bool keep_rule_fits(const struct keep_rule *r, struct bytes method, struct bytes path);

#endif
