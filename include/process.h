/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCESS_H
#define PROCESS_H
/*
 * Which process is this?  Right after any kind of fork, raw clone(2) included, without a system
 * call: a page that the kernel empties in the child tells (MADV_WIPEONFORK, Linux 4.14; older
 * kernels are asked for the pid each time).  A vfork child shares its parent's memory:
 * thread_self.in_vfork keeps it out of here.  All functions: any thread, async-signal-safe.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

/*
 * What fork() writes to before and after: in a page of which no copy is made then.  0 in a process
 * that has just begun.
 */
struct process_words {
	_Atomic uint32_t quiesce;  /* exporter.h: Q */
	_Atomic uintptr_t forking; /* exporter_life.c: the thread that holds it for a fork */
};

/* That page. */
struct process {
	_Atomic uint32_t pid;
	_Atomic uint32_t epoch; /* 0: not filled yet */
	_Atomic uint32_t forks;
	struct process_words words;
};

/* NULL: not mapped yet, or the kernel does not wipe. */
extern HIDDEN _Atomic(struct process *) process_page;

/* Out of line, for whoever finds it so or empty. */
struct process *process_find(void);

static ALWAYS_INLINE struct process *process_self(void)
{
	struct process *p = atomic_load_explicit(&process_page, memory_order_acquire);

	/* Pairs with the exchange that fills it: the pid was written before. */
	if (LIKELY(p) && LIKELY(atomic_load_explicit(&p->epoch, memory_order_acquire)))
		return p;
	return process_find();
}

static ALWAYS_INLINE uint32_t process_pid(void)
{
	return atomic_load_explicit(&process_self()->pid, memory_order_relaxed);
}

/* Never 0, never that of an ancestor: what carries another number is from before the fork. */
static ALWAYS_INLINE uint32_t process_epoch(void)
{
	return atomic_load_explicit(&process_self()->epoch, memory_order_relaxed);
}

/* Children that the fork hook has seen this process make, or try to. */
uint32_t process_forks(void);

/* For the fork hook, before the call. */
void process_will_fork(void);

struct process_words *process_words(void);

/* For the fork hook, first thing in the child: not needed, but counters start at 0 right here. */
void process_forked(void);

#endif
