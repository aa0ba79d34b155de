/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_H
#define HOST_H
/*
 * The process that we are in: do we observe it at all, and what the rooms tell each other when it
 * starts, forks and ends.
 *
 * Birth (law 6): constructors of needed libraries and .preinit_array run before ours, so whoever
 * comes first, constructor or hook, calls host_start().  Until that has succeeded, and for good when
 * we stand down (law 8), host_is_observed() is false and every hook passes through.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

extern _Atomic bool host_observed;

/* One load.  False: make the real call and nothing else. */
static ALWAYS_INLINE bool host_is_observed(void)
{
	return atomic_load_explicit(&host_observed, memory_order_relaxed);
}

/* Idempotent, any thread, signal-safe, never waits; errno is kept. */
void host_start(void);

/* A raised number for every process: a forked child differs from its parent.  Never 0. */
uint32_t host_epoch(void);

/*
 * Told by the syscall(2) stub, for descriptors that go without a call of close(): defined by
 * hooks/conn, called inside the guard before the real call.
 */
void conn_fd_closing(int fd);
void conn_range_closing(unsigned first, unsigned last, unsigned flags);

#endif
