/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#define SECOND_NS 1000000000u

bool rate_lets_each(_Atomic uint64_t *next_ns, uint64_t interval_ns, uint64_t now_ns)
{
	uint64_t next = atomic_load_explicit(next_ns, memory_order_relaxed);
	uint64_t ahead;

	/* Slower than one in a second: that one alone. */
	ahead = interval_ns < SECOND_NS ? SECOND_NS - interval_ns : 0;
	for (;;) {
		uint64_t from = next > now_ns ? next : now_ns;

		if (from - now_ns > ahead)
			return false;
		if (atomic_compare_exchange_weak_explicit(next_ns, &next, from + interval_ns,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
}

bool rate_lets(struct rate *r, uint64_t now_ns)
{
	return rate_lets_each(&r->next_ns, r->interval_ns, now_ns);
}
