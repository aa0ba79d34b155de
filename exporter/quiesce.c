/* SPDX-License-Identifier: Apache-2.0 */
#include "quiesce.h"

#include <linux/futex.h>

#include "clock.h"
#include "rawsys.h"
#include "shake.h"

enum {
	Q_FREE,
	Q_HELD,
	Q_CONTENDED, /* held, and somebody may be in futex wait */
};

#define FOR_EVER UINT32_MAX

/*
 * Somebody waited when Q was last given up.  Who is woken needs longer to come than a busy exporter
 * to want it back: without a turn of his own he may never be in time, and fork() goes without Q.
 */
static _Atomic bool is_awaited;
#define TURN_NS 20000000

/* The Q that this thread holds.  Another exporter thread comes only after this one has gone. */
static _Atomic uint32_t *bound;

static bool wait_contended(_Atomic uint32_t *q, uint64_t until_ns)
{
	struct timespec left;
	uint64_t now = clock_monotonic_ns();

	if (now >= until_ns)
		return false;
	left.tv_sec = (time_t)((until_ns - now) / 1000000000u);
	left.tv_nsec = (long)((until_ns - now) % 1000000000u);
	SHAKE();
	raw_futex(q, FUTEX_WAIT_PRIVATE, Q_CONTENDED, &left);
	return true;
}

/* Acquire; pairs with the release in quiesce_unlock(). */
bool quiesce_lock(_Atomic uint32_t *q, uint32_t timeout_ms)
{
	uint32_t seen = Q_FREE;
	uint64_t until_ns;

	if (LIKELY(atomic_compare_exchange_strong_explicit(q, &seen, Q_HELD, memory_order_acquire,
							   memory_order_relaxed)))
		return true;
	until_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000u;
	/*
	 * Whoever had to wait does not know whether others still do: it leaves the word contended.
	 */
	while (atomic_exchange_explicit(q, Q_CONTENDED, memory_order_acquire) != Q_FREE)
		if (!wait_contended(q, until_ns))
			return false;
	atomic_store_explicit(&is_awaited, false, memory_order_relaxed);
	return true;
}

static bool unlock(_Atomic uint32_t *q)
{
	SHAKE();
	if (atomic_exchange_explicit(q, Q_FREE, memory_order_release) != Q_CONTENDED)
		return false;
	raw_futex(q, FUTEX_WAKE_PRIVATE, 1, NULL);
	return true;
}

void quiesce_unlock(_Atomic uint32_t *q)
{
	(void)unlock(q);
}

void quiesce_begin(_Atomic uint32_t *q)
{
	bound = q;
	quiesce_resume();
}

void quiesce_end(void)
{
	quiesce_pause();
	bound = NULL;
}

void quiesce_pause(void)
{
	if (bound && unlock(bound))
		atomic_store_explicit(&is_awaited, true, memory_order_relaxed);
}

void quiesce_resume(void)
{
	struct timespec turn = { 0, TURN_NS };

	/*
	 * Until he has it, and had it: his unlock wakes us.  He may have given up, hence the limit.
	 */
	if (bound && atomic_exchange_explicit(&is_awaited, false, memory_order_relaxed))
		raw_futex(bound, FUTEX_WAIT_PRIVATE, Q_FREE, &turn);
	while (bound && !quiesce_lock(bound, FOR_EVER))
		;
}
