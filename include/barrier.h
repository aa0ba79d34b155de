/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BARRIER_H
#define BARRIER_H
/*
 * For slots of the store that are read while somebody may take them for another span: the
 * generation is raised, a barrier, all else; all else is read, a barrier, the generation.
 * gcc warns that its thread sanitizer knows no fences.
 */
#include <stdatomic.h>

#include "compiler.h"

/* What was written above is seen before what is written below. */
static ALWAYS_INLINE void write_barrier(void)
{
#ifdef __SANITIZE_THREAD__
	atomic_signal_fence(memory_order_release);
#else
	atomic_thread_fence(memory_order_release);
#endif
}

/* What was read above was read before what is read below. */
static ALWAYS_INLINE void read_barrier(void)
{
#ifdef __SANITIZE_THREAD__
	atomic_signal_fence(memory_order_acquire);
#else
	atomic_thread_fence(memory_order_acquire);
#endif
}

#endif
