/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SINGLE_H
#define SINGLE_H
/*
 * glibc's word for "no thread but the caller's" (__libc_single_threaded, 2.32).  Every malloc() and
 * every call that may block asks for it, and where it is not so takes locks: twenty locked
 * instructions in one of nginx's requests.  Our thread takes no part in what those protect (it has
 * an allocator of its own, and of libc only what keeps no state), so a host that has one thread
 * keeps the word that it had without us.  The host's own pthread_create() takes it back.
 *
 * But setuid() and its like ask, too, whether there are other threads to take along: ours must be.
 *
 * Any thread, async-signal-safe; errno is kept.
 */
#include <stdbool.h>

/* False where glibc is too old to say. */
bool single_get(void);

/*
 * Does this pthread_create() start one thread and no other?  libc's does; one of another preload's
 * or of a sanitizer may start a thread of its own as well.
 */
bool single_survives(void *create);

/* To true only by who knows that nobody but our own thread was started since it was so. */
void single_set(bool is_so);

#endif
