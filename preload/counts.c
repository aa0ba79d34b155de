/* SPDX-License-Identifier: Apache-2.0 */
#include "counts.h"

#include "process.h"

/* NULL: all are taken. */
static struct counts *place_take(struct store *st)
{
	for (uint32_t i = COUNTS_ENDED + 1; i < STORE_COUNTS; i++) {
		struct counts *c = counts_of(st, i);
		uint32_t free_pid = 0;
		uint32_t used = atomic_load(&st->counted);

		/*
		 * Raised first: whoever reads up to there finds at worst a place that is free yet.
		 */
		while (used <= i && !atomic_compare_exchange_weak(&st->counted, &used, i + 1))
			;
		/* Acquire: pairs with counts_bury(), which has emptied it. */
		if (atomic_compare_exchange_strong(&c->pid, &free_pid, process_pid()))
			return c;
	}
	return NULL;
}

/* One thread of the process finds a place; others go on as before until it is there. */
static struct stats *home_find(struct store *st)
{
	static _Atomic uint32_t finding; /* the epoch of the process that is at it, or has been */
	uint32_t epoch = process_epoch();
	struct counts *c;

	if (atomic_exchange(&finding, epoch) == epoch)
		return atomic_load(&stats_home);
	c = place_take(st);
	atomic_store_explicit(&stats_home, c ? &c->now : &stats, memory_order_release);
	return atomic_load(&stats_home);
}

void counts_move(struct store *st)
{
	struct stats *home = atomic_load_explicit(&stats_home, memory_order_acquire);
	struct counts *c;

	if (!home)
		home = home_find(st);
	if (!home || home == &stats)
		return;
	if (thread_self.counts)
		thread_self.counts = home->first;
	/*
	 * Where other threads are counting at this moment it may lack what they add: to be shown,
	 * only.
	 */
	c = counts_home();
	for (int i = 0; i < STATS; i++)
		__atomic_store_n(&c->before[i], stats_sum(&stats, (enum stat_id)i),
				 __ATOMIC_RELAXED);
	fates_move();
}

void counts_go_mute(void)
{
	struct counts *c = counts_home();

	if (c)
		atomic_store(&c->is_mute, true);
}

void counts_bury(struct store *st, uint32_t place)
{
	struct counts *dead = counts_of(st, place);
	struct counts *all = counts_of(st, COUNTS_ENDED);

	for (int i = 0; i < STATS; i++) {
		uint64_t n = dead->before[i] + stats_sum(&dead->now, (enum stat_id)i);

		atomic_fetch_add_explicit(&all->now.count[i], n, memory_order_relaxed);
		dead->before[i] = dead->now.first[i] = 0;
		atomic_store_explicit(&dead->now.count[i], 0, memory_order_relaxed);
	}
	for (size_t fd = 0; fd < FATE_FDS; fd++)
		atomic_store_explicit(&dead->fates[fd], 0, memory_order_relaxed);
	atomic_store(&dead->is_mute, false);
	atomic_store(&dead->pid, 0);
}
