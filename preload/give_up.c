/* SPDX-License-Identifier: Apache-2.0 */
#include "give_up.h"

#include <stdatomic.h>

#include "process.h"
#include "stats.h"

#define AT_ONCE 64u

static void tell_held(struct store *st, uint32_t tid)
{
	uint32_t owner = atomic_load(&st->owner) & STORE_OWNER_TID;

	if (owner && owner == tid)
		stats_add(STAT_SPANS_LATE, store_account(st, STORE_MAX_SLOTS));
}

static _Atomic uint32_t told; /* of what waits, by a process that went on after all */

/* So many of those that wait have been told of, if none was delivered since. */
static uint32_t told_before(uint32_t waits, uint32_t accepted)
{
	static _Atomic uint32_t seen;

	if (atomic_exchange(&seen, accepted) != accepted || atomic_load(&told) > waits)
		atomic_store(&told, 0);
	return atomic_load(&told);
}

void give_up_for_now(struct store *st, uint32_t tid, uint32_t accepted)
{
	uint32_t waits = atomic_load(&st->done);

	tell_held(st, tid);
	stats_add(STAT_SPANS_LATE, waits - told_before(waits, accepted));
	atomic_store(&told, waits);
}

static uint32_t take_off(struct store *st, uint32_t most)
{
	uint32_t index[AT_ONCE], taken = 0;

	while (taken < most) {
		uint32_t left = most - taken;
		size_t n = store_collect(st, index, left < AT_ONCE ? left : AT_ONCE);

		if (n == 0)
			break;
		store_give_back(st, index, n);
		taken += store_account(st, n);
	}
	return taken;
}

void give_up_for_good(struct store *st, uint32_t tid, uint32_t accepted, bool is_late)
{
	uint32_t waits = atomic_load(&st->done), before, taken;

	tell_held(st, tid);
	if (!is_late && (process_forks() || st->creator != process_pid()))
		return;
	before = told_before(waits, accepted);
	taken = take_off(st, waits);
	stats_add(STAT_SPANS_LATE, taken > before ? taken - before : 0);
	atomic_store(&told, 0);
}
