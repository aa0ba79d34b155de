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

/* Not "stat": that tag is the system's. */
enum stat_id {
#define STAT(name, text) STAT_##name,
#include "stats.def"
#undef STAT
	STATS
};

struct stats {
	_Atomic uint64_t count[STATS];
};

extern struct stats stats;

static ALWAYS_INLINE void stats_add(enum stat_id which, uint64_t n)
{
	atomic_fetch_add_explicit(&stats.count[which], n, memory_order_relaxed);
}

static ALWAYS_INLINE void stats_inc(enum stat_id which)
{
	stats_add(which, 1);
}

static inline uint64_t stats_read(enum stat_id which)
{
	return atomic_load_explicit(&stats.count[which], memory_order_relaxed);
}

/* The name that the log prints. */
const char *stats_text(enum stat_id which);

/* Back to zero: a forked child counts for itself (process.c). */
void stats_reset(void);

#endif
