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
#include <stdint.h>

uint32_t process_pid(void);

/* Never 0, never that of an ancestor: what carries another number is from before the fork. */
uint32_t process_epoch(void);

/* Children that the fork hook has seen this process make, or try to. */
uint32_t process_forks(void);

/* For the fork hook, before the call. */
void process_will_fork(void);

/*
 * What fork() writes to before and after: in a page of which no copy is made then.  0 in a process
 * that has just begun.
 */
struct process_words {
	_Atomic uint32_t quiesce; /* exporter.h: Q */
	_Atomic uint32_t forking; /* exporter_life.c: the thread that holds it for a fork */
};
struct process_words *process_words(void);

/* For the fork hook, first thing in the child: not needed, but counters start at 0 right here. */
void process_forked(void);

#endif
