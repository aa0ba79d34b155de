/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <stdbool.h>

struct stats stats;

static _Atomic bool has_first;

void stats_add_shared(enum stat_id which, uint64_t n)
{
	/* Once in a process and in all that it forks: thread_self tells who it was, if it lives. */
	if (UNLIKELY(!atomic_load_explicit(&has_first, memory_order_relaxed)) &&
	    !thread_self.ours && !atomic_exchange(&has_first, true))
		thread_self.counts_first = 1;
	atomic_fetch_add_explicit(&stats.count[which], n, memory_order_relaxed);
}

const char *stats_text(enum stat_id which)
{
	/* Arrays, not pointers: those would be relocated in every process that loads us. */
	static const char texts[STATS][32] = {
#define STAT(name, text) text,
#include "stats.def"
#undef STAT
	};

	return (unsigned int)which < STATS ? texts[which] : "";
}

void stats_reset(void)
{
	for (int i = 0; i < STATS; i++) {
		atomic_store_explicit(&stats.count[i], 0, memory_order_relaxed);
		__atomic_store_n(&stats.first[i], 0, __ATOMIC_RELAXED);
	}
}
