/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INHERIT_H
#define INHERIT_H
/*
 * A thread that a request's handler starts works for that request, as long as it has had no
 * opportunity to get other work: a worker of a pool that happens to be started while one request is
 * served goes on to serve all others.  So what is inherited ends, for good, at the first call by
 * which work changes hands or that waits for more than an answer to a request of its own:
 *
 *   locks, semaphores, barriers      (pthread_cond_wait() is called with a lock held)
 *   waits for descriptors, and reads of any but files and own HTTP connections
 *   sleeps, waits for signals, and messages of the system's queues
 *   syscall(): whatever it is, futexes among them
 *
 * unless it is libcurl that waits, or libcurl, OpenSSL or GnuTLS that locks: they do for their
 * caller.
 *
 * And it is only given where it was asked for (OTEL_INTERSPAN_INHERIT_THREADS), as there is more
 * than can be seen, and where nothing else can be meant: pthread_create() is called by the program
 * itself or by the C++ library for it, not by a library that may run tasks of its own with locks of
 * its own, nor in a runtime that does; and a runtime that sets its thread up with a signal stack
 * (Rust) is one.  What is left: work that a program takes out of memory without any such call (a
 * queue of atomics only, or locks that are inlined), through stdio, or by raw system calls.  There
 * the request that it would be put under is still open at least: an ended span is none.
 *
 * Every function: async-signal-safe, no lock, no allocation, errno is kept.  Of the calling thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "guard.h"
#include "span.h"

/* One load. */
static ALWAYS_INLINE bool inherit_has(void)
{
	return UNLIKELY(thread_self.inherited.slot != 0);
}

/* It waits, or takes work. */
static ALWAYS_INLINE void inherit_end(void)
{
	if (inherit_has())
		thread_self.inherited.slot = 0;
}

/*
 * The same for calls that libraries may make for the work of who called them: libcurl waits for its
 * transfers, and has locks, as OpenSSL and GnuTLS have.  caller: where the call came from.
 */
void inherit_locks(const void *caller);
void inherit_waits(const void *caller);

/* It has opened a connection, by its entry in the table of descriptors (never 0). */
void inherit_opened(uint64_t entry);
bool inherit_has_opened(uint64_t entry);

/* What a new thread is to run; lent from a pool that is bounded. */
typedef void *inherit_routine(void *arg);
struct inherit_start;

/*
 * What routine(arg) inherits from the calling thread, if it is started at the address caller.
 * NULL: nothing.  Inside the guard.
 */
struct inherit_start *inherit_prepare(inherit_routine *routine, void *arg, const void *caller);

/* The thread could not be started. */
void inherit_cancel(struct inherit_start *s);

/*
 * In the new thread: takes the request over and goes on to the routine, whose frame takes its own.
 */
void *inherit_run(void *start);

#endif
