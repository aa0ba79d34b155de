/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OWNER_H
#define OWNER_H
/*
 * Who delivers what is in a store: the tid in store->owner.  The kernel itself says when that
 * thread is gone, whatever it died of (SIGKILL, exec, a raw exit_group): the word is on the
 * thread's robust list, in place of libc's.  Ours needs none, because it never holds a robust
 * mutex.
 */
#include <stdbool.h>

#include "store.h"

/* False: another thread owns it and lives, or the kernel has no robust lists. */
MUST_USE bool owner_take(struct store *st);

/* By the owner. */
void owner_release(struct store *st);

#endif
