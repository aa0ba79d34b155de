/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHAKE_H
#define SHAKE_H
/*
 * SHAKE() marks a place between two steps where another thread, the exporter or a forked child may
 * come in.  In the ordinary build it is nothing; `make shake` compiles with -DWITH_SHAKE, and a
 * thread that comes by may give the processor away there, or sleep.  Signal-safe; errno is kept.
 *
 * A mark belongs where a comment says what a step pairs with: the test is whether the other side
 * really copes with what it finds there.
 */
#ifdef WITH_SHAKE
#include <stdint.h>

#include "clock.h"
#include "rawsys.h"

/* No state of its own: thread-locals are counted, and a handler may come by in the middle. */
static inline void shake(void)
{
	uint64_t dice = clock_monotonic_ns();
	struct timespec pause = { 0, 0 };

	dice = (dice ^ (uintptr_t)&dice) * 0x9e3779b97f4a7c15u >> 32;
	if (dice % 8 == 0)
		raw_syscall3(SYS_sched_yield, 0, 0, 0);
	if (dice % 512 == 1) {
		pause.tv_nsec = (long)(dice / 512 % 1000000);
		raw_syscall3(SYS_nanosleep, (long)&pause, 0, 0);
	}
}
#define SHAKE() shake()
#else
#define SHAKE() ((void)0)
#endif

#endif
