/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TICKS_H
#define TICKS_H
/*
 * How long are we at work in a program, by the processor's clock around our own code, the
 * application's call apart?  A difference to the program without us drowns in what differs from one
 * run to the next; this does not.  What it leaves out is what we take out of the program's caches.
 *
 * TICKS_IN() where our code begins and behind the application's call, TICKS_OUT() ahead of it and
 * where we end.  In the ordinary build they are nothing; `make ticks` compiles with -DWITH_TICKS.
 * For programs that have one thread that matters, on x86-64: the sums are a process's.  Not marked
 * are the hooks that nginx does not call for a request: what a server sends by sendmsg(), say.
 */
#ifdef WITH_TICKS
#include <stdint.h>

#include "stats.h"

#define TICKS_TORN 200000u /* the processor has been somebody else's meanwhile */

extern uint64_t ticks_since, ticks_none;

/* What two looks at the clock take that have nothing between them: the least of many. */
void ticks_learn_none(void);

static inline uint64_t ticks_now(void)
{
	return __builtin_ia32_rdtsc();
}

static inline void ticks_out(void)
{
	uint64_t took = ticks_now() - ticks_since;

	if (!ticks_none)
		ticks_learn_none();
	if (took > TICKS_TORN)
		stats_inc(STAT_TICKS_TORN);
	else
		stats_add(STAT_TICKS, took > ticks_none ? took - ticks_none : 0);
}
#define TICKS_IN() ((void)(ticks_since = ticks_now()))
#define TICKS_OUT() ticks_out()
#else
#define TICKS_IN() ((void)0)
#define TICKS_OUT() ((void)0)
#endif

#endif
