/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#define SECOND_NS 1000000000u

bool rate_lets(struct rate *r, uint64_t now_ns)
{
	uint64_t next = atomic_load_explicit(&r->next_ns, memory_order_relaxed);
	uint64_t ahead;

	/* Slower than one in a second: that one alone. */
	ahead = r->interval_ns < SECOND_NS ? SECOND_NS - r->interval_ns : 0;
	for (;;) {
		uint64_t from = next > now_ns ? next : now_ns;

		if (from - now_ns > ahead)
			return false;
		if (atomic_compare_exchange_weak_explicit(&r->next_ns, &next, from + r->interval_ns,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
}
