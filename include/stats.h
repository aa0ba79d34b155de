/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATS_H
#define STATS_H
/*
 * Counters of this process.  Any thread, async-signal-safe, relaxed: each is exact, a set of them
 * is not a snapshot.  A forked child starts from zero.
 *
 * They begin in memory of our own.  Once there is a store they go on in it (counts.h), where the
 * exporter, which may be another process's, reads them for `interspan status`.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "compiler.h"
#include "guard.h"

/* Not "stat": that tag is the system's. */
enum stat_id {
#define STAT(name, text) STAT_##name,
#include "stats.def"
#undef STAT
	STATS
};

/*
 * The first thread that counts has counters of its own, which it adds to without a locked
 * instruction, of which a request would need a dozen; its signal handlers find one instruction
 * between them and the sum.  All others share.
 */
struct stats {
	_Atomic uint64_t count[STATS];
	_Alignas(64) uint64_t first[STATS];
};

_Static_assert(STAT_HOOKS / 8 == STAT_SPANS_ENDED / 8, "one line of the cache");

extern HIDDEN struct stats stats;

/* Where this process counts now; NULL: in stats, and nowhere else has been looked for. */
extern HIDDEN struct stats *_Atomic stats_home;

/* Not the first thread's, or not yet. */
void stats_add_shared(enum stat_id which, uint64_t n);

static ALWAYS_INLINE void stats_add(enum stat_id which, uint64_t n)
{
	uint64_t *mine = thread_self.counts;

	if (UNLIKELY(!mine)) {
		stats_add_shared(which, n);
		return;
	}
#if defined(__x86_64__)
	__asm__ volatile("addq %1, %0" : "+m"(mine[which]) : "er"(n) : "cc");
#else
	__atomic_fetch_add(&mine[which], n, __ATOMIC_RELAXED);
#endif
}

static ALWAYS_INLINE void stats_inc(enum stat_id which)
{
	stats_add(which, 1);
}

/* Of s alone. */
static inline uint64_t stats_sum(struct stats *s, enum stat_id which)
{
	return atomic_load_explicit(&s->count[which], memory_order_relaxed) +
	       __atomic_load_n(&s->first[which], __ATOMIC_RELAXED);
}

static inline uint64_t stats_read(enum stat_id which)
{
	struct stats *home = atomic_load_explicit(&stats_home, memory_order_acquire);

	return stats_sum(&stats, which) + (home && home != &stats ? stats_sum(home, which) : 0);
}

/* The name that the log prints. */
const char *stats_text(enum stat_id which);

/* Back to zero. */
void stats_reset(void);

/* In a forked child, which counts for itself, from zero (process.c). */
void stats_forked(void);

#endif
