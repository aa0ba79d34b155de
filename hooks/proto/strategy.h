/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STRATEGY_H
#define STRATEGY_H
/*
 * How a Jaeger wants a service to be sampled (E40): the answer to GET /sampling?service=..., in the
 * JSON of jaeger.api_v2.SamplingStrategyResponse, also in the older one with numbers for its enum.
 * Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

#define STRATEGY_OPERATIONS 256u /* those behind them are sampled as those without a name */

enum strategy_kind {
	STRATEGY_PROBABILITY, /* threshold */
	STRATEGY_RATE,        /* one in interval_ns; 0: none at all */
	STRATEGY_BY_OPERATION /* by operation; of each at least one in interval_ns, 0: no such */
};

struct strategy_operation {
	uint32_t name; /* strategy_name() */
	uint64_t threshold;
};

struct strategy {
	enum strategy_kind kind;
	uint64_t threshold; /* as ot_threshold(); of operations that have none of their own */
	uint64_t interval_ns;
	unsigned n;
	struct strategy_operation operations[STRATEGY_OPERATIONS];
};

/* False: no such answer, or a share that is none; *ret is undefined then. */
bool strategy_parse(struct bytes body, struct strategy *ret);

/*
 * A number for the name of a span, `GET /users/{id}` from its two words (route may be empty); at
 * least 2^31, and never UINT32_MAX.
 */
uint32_t strategy_name(struct bytes method, struct bytes route);

#endif
