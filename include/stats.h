/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATS_H
#define STATS_H
/*
 * Counters of this process.  Any thread, async-signal-safe, relaxed: each is exact, a set of them
 * is not a snapshot.  A forked child starts from zero.
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
	uint64_t first[STATS];
};

extern struct stats stats;

/* Not the first thread's, or not yet. */
void stats_add_shared(enum stat_id which, uint64_t n);

static ALWAYS_INLINE void stats_add(enum stat_id which, uint64_t n)
{
	if (UNLIKELY(!thread_self.counts_first)) {
		stats_add_shared(which, n);
		return;
	}
#if defined(__x86_64__)
	__asm__ volatile("addq %1, %0" : "+m"(stats.first[which]) : "er"(n) : "cc");
#else
	__atomic_fetch_add(&stats.first[which], n, __ATOMIC_RELAXED);
#endif
}

static ALWAYS_INLINE void stats_inc(enum stat_id which)
{
	stats_add(which, 1);
}

static inline uint64_t stats_read(enum stat_id which)
{
	return atomic_load_explicit(&stats.count[which], memory_order_relaxed) +
	       __atomic_load_n(&stats.first[which], __ATOMIC_RELAXED);
}

/* The name that the log prints. */
const char *stats_text(enum stat_id which);

/* Back to zero: a forked child counts for itself (process.c). */
void stats_reset(void);

#endif
