/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ANCHOR_H
#define ANCHOR_H
/*
 * Wall clock minus monotonic clock, for the anchor of a span (O45).  Reading a second clock for
 * each span is a fifth of what a span costs, so a difference is used for 10 ms; a wall clock that
 * is set, or a machine that sleeps, shows in the spans that start after that.
 *
 * Any thread, async-signal-safe.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "compiler.h"

#define ANCHOR_NS 10000000u

struct anchor {
	_Atomic uint64_t difference_ns;
	_Atomic uint64_t taken_ns; /* CLOCK_MONOTONIC; 0: not yet */
};

extern HIDDEN struct anchor anchor;

/* Out of line: takes a new one. */
uint64_t anchor_take(void);

/* now: CLOCK_MONOTONIC. */
static ALWAYS_INLINE uint64_t anchor_get(uint64_t now)
{
	/* Pairs with the release of anchor_take(): no difference is older than the time. */
	uint64_t taken = atomic_load_explicit(&anchor.taken_ns, memory_order_acquire);

	if (LIKELY(taken && now - taken < ANCHOR_NS))
		return atomic_load_explicit(&anchor.difference_ns, memory_order_relaxed);
	return anchor_take();
}

#endif
