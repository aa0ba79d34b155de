/* SPDX-License-Identifier: Apache-2.0 */
#include "give_up.h"

#include <errno.h>
#include <stdatomic.h>

#include "counts.h"
#include "process.h"
#include "rawsys.h"
#include "stats.h"
#include "text.h"

#define AT_ONCE 64u

static long ask_for(uint32_t pid, uint32_t tid)
{
	return raw_syscall3(SYS_tgkill, (long)pid, (long)tid, 0);
}

/*
 * -EPERM says that it is there, and has other rights; or is a filter's word, who would then have
 * the same to say of ourselves.
 */
static bool is_there(uint32_t pid)
{
	long r = ask_for(pid, pid);

	return r == 0 || (r == -EPERM && ask_for(process_pid(), (uint32_t)raw_gettid()) == 0);
}

/*
 * It has ended, and nobody has waited for it: such a one has no program any more.  Where ours is
 * not to be seen, either, nothing is known.
 */
static bool is_zombie(uint32_t pid)
{
	char path[32], unused;
	struct text t = TEXT_IN(path);

	text_add_str(&t, "/proc/");
	text_add_uint(&t, pid);
	text_add(&t, (struct bytes){ "/exe", sizeof("/exe") });
	return raw_readlink(path, &unused, 1) == -ENOENT &&
	       !raw_is_error(raw_readlink("/proc/self/exe", &unused, 1));
}

bool give_up_is_others(struct store *st)
{
	uint32_t used = atomic_load(&st->counted);

	if (atomic_load(&st->pids_differ))
		return false;
	for (uint32_t i = COUNTS_ENDED + 1; i < used && i < STORE_COUNTS; i++) {
		struct counts *c = counts_of(st, i);
		uint32_t pid = atomic_load(&c->pid);

		if (pid && pid <= INT32_MAX && pid != process_pid() && !atomic_load(&c->is_mute) &&
		    is_there(pid) && !is_zombie(pid))
			return true;
	}
	return false;
}

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
