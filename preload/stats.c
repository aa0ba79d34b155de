/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <stdbool.h>

struct stats stats;
struct stats *_Atomic stats_home;

static _Atomic bool has_first;

void stats_add_shared(enum stat_id which, uint64_t n)
{
	struct stats *home = atomic_load_explicit(&stats_home, memory_order_acquire);

	if (!home)
		home = &stats;
	/* Once in a process and in all that it forks: thread_self tells who it was, if it lives. */
	if (UNLIKELY(!atomic_load_explicit(&has_first, memory_order_relaxed)) &&
	    !thread_self.ours && !atomic_exchange(&has_first, true))
		thread_self.counts = home->first;
	atomic_fetch_add_explicit(&home->count[which], n, memory_order_relaxed);
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

static void zero(struct stats *s)
{
	for (int i = 0; i < STATS; i++) {
		atomic_store_explicit(&s->count[i], 0, memory_order_relaxed);
		__atomic_store_n(&s->first[i], 0, __ATOMIC_RELAXED);
	}
}

void stats_reset(void)
{
	struct stats *home = atomic_load_explicit(&stats_home, memory_order_acquire);

	zero(&stats);
	if (home && home != &stats)
		zero(home);
}

void stats_forked(void)
{
	if (thread_self.counts)
		thread_self.counts = stats.first; /* what it had is the parent's */
	atomic_store_explicit(&stats_home, NULL, memory_order_release);
	zero(&stats);
}
