/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COUNTS_H
#define COUNTS_H
/*
 * The counters of each process of a tree, in the store's mapping: whoever delivers for all of them
 * can tell of all (exporter/status.c).  A process takes a place when it opens or finds the store,
 * and keeps it; the exporter gives back those of the dead.  With all places taken a process counts
 * in its own memory, as before, and is not told of.
 *
 * Another process's word: numbers to be shown, never to be relied on.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "fate.h"
#include "guard.h"
#include "stats.h"
#include "store.h"

struct counts {
	_Atomic uint32_t pid;   /* 0: free.  The first place is that of all who have ended */
	uint64_t before[STATS]; /* what its process had counted elsewhere when it came here */
	struct stats now;
	_Atomic uint8_t fates[FATE_FDS]; /* fate.h */
	_Atomic bool is_mute;            /* it delivers nothing any more, not even at its end */
};

#define COUNTS_ENDED 0u

_Static_assert(sizeof(struct counts) <= STORE_COUNT_BYTES, "one page for each process");

static ALWAYS_INLINE struct counts *counts_of(struct store *st, uint32_t place)
{
	return (struct counts *)((char *)st + STORE_COUNT_AREA + (size_t)place * STORE_COUNT_BYTES);
}

/* This process's place; NULL: it has none, or not yet. */
static inline struct counts *counts_home(void)
{
	struct stats *home = atomic_load(&stats_home);

	return home && home != &stats ?
		       (struct counts *)((char *)home - offsetof(struct counts, now)) :
		       NULL;
}

/* Out of line part of counts_settle(). */
void counts_move(struct store *st);

/*
 * From now on this process, and this thread if it is the first, counts in st.  Where spans and
 * connections begin: two loads.
 */
static ALWAYS_INLINE void counts_settle(struct store *st)
{
	if (UNLIKELY(thread_self.counts == stats.first ||
		     !atomic_load_explicit(&stats_home, memory_order_relaxed)))
		counts_move(st);
}

/* This process goes on, and will deliver nothing, for whomever. */
void counts_go_mute(void);

/*
 * For the exporter: adds the counters of a place whose process is dead to the first, and frees it.
 */
void counts_bury(struct store *st, uint32_t place);

#endif
