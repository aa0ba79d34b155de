/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_PICK_H
#define REMOTE_PICK_H
/* What the remote sampler has to say of one span; sampler.c decides.  remote.h tells how. */
#include <stdbool.h>
#include <stdint.h>

struct remote_pick {
	bool is_rate; /* one in interval_ns, 0: none; else by the threshold, and so many at least */
	uint64_t threshold;
	uint64_t interval_ns;
	unsigned place; /* of the operation, below REMOTE_PLACES */
};

#define REMOTE_PLACES 257u

/* Takes OTEL_TRACES_SAMPLER_ARG; once, or by tests. */
void remote_init(void);

/*
 * name: strategy_name() of the span, 0: none.  Has the exporter ask if it is time.  Any thread,
 * async-signal-safe, no lock; inside the guard.
 */
struct remote_pick remote_pick(uint32_t name, uint64_t now_ns);

#endif
