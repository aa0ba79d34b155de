/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FD_TABLE_H
#define FD_TABLE_H
/*
 * Which descriptors are ours?  A bitmap in BSS answers for a load and a branch (law 5); behind it a
 * paged table leads to the connection.  Numbers of FD_TABLE_MAX and above are unknown.
 * Every function: any thread, async-signal-safe, no lock.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define FD_TABLE_MAX (1 << 20)

/* For 64 descriptors: both maps in one line of the cache. */
struct fd_bits {
	_Atomic uint64_t tracked;
	_Atomic uint64_t own_client;
};
extern HIDDEN struct fd_bits fd_bits[FD_TABLE_MAX / 64];

#define FD_PAGE 1024u
struct fd_page {
	_Atomic uint64_t entry[FD_PAGE];
};
extern HIDDEN struct fd_page *_Atomic fd_pages[FD_TABLE_MAX / FD_PAGE]; /* NULL: none yet */

static ALWAYS_INLINE bool fd_is_ours(int fd)
{
	return LIKELY((unsigned)fd < FD_TABLE_MAX) &&
	       (atomic_load_explicit(&fd_bits[(unsigned)fd / 64].tracked, memory_order_relaxed) >>
		((unsigned)fd % 64)) &
		       1;
}

/*
 * An entry names a connection by index and generation (0: none), so that an old entry never leads
 * to a new connection.  fd_put() returns false if there is no memory for the page.
 */
static ALWAYS_INLINE _Atomic uint64_t *fd_slot(int fd)
{
	struct fd_page *p;

	if (UNLIKELY((unsigned)fd >= FD_TABLE_MAX))
		return NULL;
	p = atomic_load_explicit(&fd_pages[(unsigned)fd / FD_PAGE], memory_order_acquire);
	return LIKELY(p) ? &p->entry[(unsigned)fd % FD_PAGE] : NULL;
}

static ALWAYS_INLINE uint64_t fd_entry(int fd)
{
	_Atomic uint64_t *e = fd_slot(fd);

	return LIKELY(e) ? atomic_load_explicit(e, memory_order_acquire) : 0;
}
bool fd_put(int fd, uint64_t entry);
uint64_t fd_take(int fd); /* and forgets it */
bool fd_take_if(int fd, uint64_t entry);

/* If it is *was still; false: *was is what it is. */
bool fd_replace(int fd, uint64_t *was, uint64_t entry);

/*
 * Descriptors that connect() was called on, also of connections that are opaque to us: waiting for
 * one of them alone is part of a request's work (context.h).
 */
bool fd_is_own_client(int fd);
void fd_set_own_client(int fd, bool is_client);

/* Highest number that was ever put, for those who close ranges. */
int fd_highest(void);

#endif
