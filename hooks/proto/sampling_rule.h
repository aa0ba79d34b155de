/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLING_RULE_H
#define SAMPLING_RULE_H
/*
 * One rule of OTEL_INTERSPAN_SAMPLING_RULES:
 *
 *   [SERVICE:] [METHOD] [PATH] = SHARE
 *
 *   SERVICE  of whom it is a rule; `*` matches anything; left out: of all
 *   METHOD   as it is sent, or `*`; left out: any
 *   PATH     `*` matches anything, `{name}` one segment; left out, or `*`: any
 *   SHARE    what part of the traces is kept, 0 to 1; or a number and `/s`: so many in a second
 *
 * "GET /health*=0", "shop: POST /orders/{id}=10/s", "*=0.1".  Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

struct sampling_rule {
	struct bytes service; /* borrowed; empty: any */
	struct bytes method;  /* the same */
	struct bytes path;    /* the same */
	uint64_t threshold;   /* ot_threshold(), if interval_ns is 0 */
	uint64_t interval_ns; /* between two traces */
};

/* Borrows text. */
bool sampling_rule_parse(struct bytes text, struct sampling_rule *ret);

bool sampling_rule_is_for(const struct sampling_rule *r, struct bytes service);

/* path: without the query. */
bool sampling_rule_fits(const struct sampling_rule *r, struct bytes method, struct bytes path);

/* "0.5", "100": so many in a second; at least one in a year. */
bool sampling_rate_parse(struct bytes text, uint64_t *ret_interval_ns);

#endif
