/* SPDX-License-Identifier: Apache-2.0 */
#include "sleep.h"

#include <linux/futex.h>

#include "clock.h"
#include "exporter_status.h"
#include "quiesce.h"
#include "rawsys.h"
#include "shake.h"

struct asked asked_now(struct exporter *x)
{
	return (struct asked){ atomic_load(&x->stop), atomic_load(&x->store->flush_asked),
			       atomic_load(&x->store->polls_asked) };
}

bool is_hurried(struct exporter *x)
{
	return atomic_load(&x->stop) || atomic_load(&x->main_gone) ||
	       atomic_load(&x->store->flush_asked) != atomic_load(&x->store->flushed);
}

bool is_too_late(struct exporter *x)
{
	uint64_t deadline = atomic_load(&x->deadline_ns);

	return deadline && clock_monotonic_ns() >= deadline;
}

static bool is_news(struct exporter *x, struct asked seen, uint32_t enough)
{
	struct asked now = asked_now(x);

	return now.stop != seen.stop || now.flush != seen.flush || now.polls != seen.polls ||
	       atomic_load(&x->store->done) >= enough;
}

static void wait_on(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns)
{
	struct timespec left = { 0, 0 };
	uint64_t now;

	if (until_ns == SLEEP_FOR_EVER) {
		raw_futex(word, FUTEX_WAIT, seen, NULL);
		return;
	}
	now = clock_monotonic_ns();
	if (now >= until_ns)
		return;
	left.tv_sec = (time_t)((until_ns - now) / 1000000000u);
	left.tv_nsec = (long)((until_ns - now) % 1000000000u);
	raw_futex(word, FUTEX_WAIT, seen, &left);
}

void exporter_sleep(struct exporter *x, uint64_t until_ns, struct asked seen, uint32_t enough)
{
	struct store *st = x->store;
	uint32_t wake = atomic_load(&st->wake);

	status_sleeps(until_ns == SLEEP_FOR_EVER);
	/*
	 * Sequentially consistent, as the producer's are: he raises done, then looks at asleep; we
	 * raise asleep, then look at done.  One of the two sees the other.
	 */
	SHAKE();
	atomic_store(&st->asleep, 1);
	SHAKE();
	if (!is_news(x, seen, enough)) {
		quiesce_pause();
		SHAKE();
		if (!status_wait(&st->wake, wake, until_ns))
			wait_on(&st->wake, wake, until_ns);
		quiesce_resume();
	}
	atomic_store(&st->asleep, 0);
	status_answer();
}
