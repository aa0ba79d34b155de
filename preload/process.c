/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page {pid, epoch} is empty in a process that has not looked yet, because the kernel made it
 * or has wiped it.  Who finds it empty fills it; several threads may, and agree by the
 * compare-exchange.
 */
#include "process.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

#include "compiler.h"
#include "rawsys.h"
#include "stats.h"
#include "store.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define PAGE_BYTES 4096u /* the kernel rounds up where its pages are larger */

/* For each process its own, and never copied: to write to it after a fork is free. */
_Atomic(struct process *) process_page;
static _Atomic(struct process *) page; /* the same, or unwiped */
static struct process unwiped;         /* what serves when the kernel does not wipe */
static _Atomic uint32_t last_epoch;    /* inherited: the next one is new to the whole line */

static struct process *page_map(void)
{
	struct process *none = NULL;
	struct process *mine = &unwiped;
	long at = raw_mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	if (!raw_is_error(at)) {
		if (raw_madvise((void *)at, PAGE_BYTES, MADV_WIPEONFORK) == 0)
			mine = (struct process *)at;
		else
			raw_munmap((void *)at, PAGE_BYTES);
	}
	if (atomic_compare_exchange_strong(&page, &none, mine)) {
		if (mine != &unwiped)
			atomic_store(&process_page, mine);
		return mine;
	}
	if (mine != &unwiped)
		raw_munmap(mine, PAGE_BYTES);
	return none;
}

/* Out of line: happens once in a process. */
static NO_INLINE void identity_fill(struct process *id)
{
	uint32_t none = 0;
	uint32_t next = atomic_load(&last_epoch) + 1;

	next += next == 0;
	/*
	 * The pid first: it is the same whoever writes it, and process_self() goes by the epoch.
	 * Only the winner moves last_epoch on; a loser that read it afterwards fails the exchange.
	 */
	atomic_store_explicit(&id->pid, (uint32_t)raw_getpid(), memory_order_relaxed);
	if (!atomic_compare_exchange_strong(&id->epoch, &none, next))
		return;
	atomic_store(&last_epoch, next);
	if (next == 1)
		return;
	stats_forked(); /* what we inherited was counted by the parent */
	/* Forked, and the first of its pid namespace.  We have not opened a span yet. */
	if (atomic_load(&id->pid) == 1 && store_get())
		atomic_store(&store_get()->pids_differ, 1);
}

NO_INLINE struct process *process_find(void)
{
	struct process *id = atomic_load_explicit(&page, memory_order_acquire);

	if (!id)
		id = page_map();
	if (id == &unwiped &&
	    atomic_load_explicit(&id->pid, memory_order_relaxed) != (uint32_t)raw_getpid())
		atomic_store(&id->epoch, 0);
	if (!atomic_load_explicit(&id->epoch, memory_order_acquire))
		identity_fill(id);
	return id;
}

struct process_words *process_words(void)
{
	return &process_self()->words;
}

void process_forked(void)
{
	struct process *id = atomic_load_explicit(&page, memory_order_acquire);

	if (id == &unwiped) { /* a child in a new pid namespace may have its parent's number */
		atomic_store(&id->epoch, 0);
		atomic_store(&id->words.quiesce, 0);
		atomic_store(&id->words.forking, 0);
	} else if (id) /* its first access a write: one fault, not two */
		atomic_fetch_or(&id->epoch, 0);
	(void)process_self();
	stats_forked(); /* also when the parent had never asked who it is */
}

uint32_t process_forks(void)
{
	return atomic_load_explicit(&process_self()->forks, memory_order_relaxed);
}

void process_will_fork(void)
{
	atomic_fetch_add_explicit(&process_self()->forks, 1, memory_order_relaxed);
}
