/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORTER_LIFE_H
#define EXPORTER_LIFE_H
/*
 * When the exporter thread lives.
 *
 *   absent --(a span ended, nobody delivers)--> running --(park, alone, refused)--> absent
 *
 * It is never started in a vfork child, in a sandbox, or where a signal handler may be running
 * (pthread_create() allocates: with the host's malloc lock held that is a deadlock); such a start
 * is put off, exporter_is_due is raised, and the next chance is taken.  A forked child has none of
 * its own while its parent's lives.
 *
 * Any thread, async-signal-safe but for exporter_chance(); errno may change.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "compiler.h"
#include "host.h"
#include "store.h"

extern HIDDEN _Atomic bool exporter_is_due;

/* A span was handed over and nobody delivers: the hook of store.h. */
void exporter_wanted(struct store *st);

/* Out of line part of exporter_chance(). */
void exporter_take_chance(void);

/*
 * Called by hooks of functions that nobody calls in a signal handler (socket, connect, accept,
 * listen, epoll_wait): programs that always have a signal blocked, as the JVM's threads do, start
 * theirs here.  One load.  Outside the guard or inside, errno is kept.
 */
static ALWAYS_INLINE void exporter_chance(void)
{
	if (UNLIKELY(atomic_load_explicit(&exporter_is_due, memory_order_relaxed)))
		exporter_take_chance();
}

/*
 * Waits until all that is finished has been sent, within the budget of shutdown_timeout_ms that one
 * process has, and counts what has not.  Not when another process delivers.
 */
void exporter_flush(enum host_end how);

/*
 * Sends what waits, stops the thread and waits until the kernel has no trace of it: before the host
 * gives up rights that the thread would keep.  The next span starts a new one, with the rights of
 * that time.  False: it is still there after timeout_ms.
 */
bool exporter_park(uint32_t timeout_ms);

/* For good: no thread, no flush.  Before the host enters a sandbox; children inherit it. */
void exporter_forbid(void);

/*
 * The main thread ends, the process perhaps not.  The last of the other threads then makes the
 * process exit, and flush its stdio, only if libc counts no other one, and ours, with a descriptor
 * table of its own, could not do it in its place.  So the exporter leaves now, and comes back only
 * for a full batch or once in a schedule delay; what is left goes out when the process ends.
 */
void exporter_main_gone(void);

/* Around fork(): false if there is nothing to hold, or it was not to be had in time. */
MUST_USE bool exporter_quiesce(void);
void exporter_resume(void);

/* In the child: the thread was not inherited. */
void exporter_forget(void);

#endif
