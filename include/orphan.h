/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ORPHAN_H
#define ORPHAN_H
/*
 * Open spans whose process is no more.  They lie in the store, which its parent, its children and
 * its siblings have, too: whoever of them learns of its end ends them, with error.type saying what
 * it knows.  Not where processes of the store live in several pid namespaces, as a number then says
 * nothing.
 *
 * No lock; each span is ended once, whoever comes.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "store.h"

/*
 * This child has been waited for, with this status of wait(2).  Any thread, async-signal-safe,
 * inside the guard.
 */
void orphans_of(pid_t pid, int status);

/* So many spans of the calling process are open now.  Any thread, async-signal-safe. */
uint32_t orphans_to_be(struct store *st);

/*
 * Looks which processes that have open spans are alive; the exporter's.  One that is not is looked
 * for a second time, so that who waits for it comes first, who knows how it ended: true if a second
 * look is due, a second later.  is_last: there will be none.
 */
bool orphans_survey(struct store *st, bool is_last);

#endif
