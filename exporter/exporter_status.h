/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORTER_STATUS_H
#define EXPORTER_STATUS_H
/*
 * The exporter's half of status.h: shows what it does, when it is asked, and on kernels that cannot
 * wait for two things at once (before 5.16) before it falls asleep.  Exporter thread only, Q held.
 *
 * In a process under a seccomp filter there is no status: its system calls are none that a filter
 * must have thought of, and some filters kill.
 */
#include <stdbool.h>

#include "transport.h"

/* In a descriptor table of our own.  Without memory or permission: as if nobody ever asked. */
void status_open(struct exporter *x);
void status_close(void);

/* Where it goes; NULL: nowhere.  Borrowed until status_close(). */
void status_endpoint(const struct endpoint *e);

/* What became of a request: to be shown with the next answer. */
void status_result(bool has_failed, const struct response *r);

/* Is anybody waiting to be told?  Then this tells. */
void status_answer(void);

/*
 * In place of a futex wait on word while it is seen: a question ends it, too.  until_ns as with
 * exporter_sleep().  False: nobody can ask; nothing was waited for.
 */
bool status_wait(_Atomic uint32_t *word, uint32_t seen, uint64_t until_ns);

/* Before a sleep; is_long: nothing is due.  Tells without being asked where nobody can ask. */
void status_sleeps(bool is_long);

/* From now on nobody can ask: as on a kernel that does not wait for two words; for tests. */
void status_no_questions(void);

#endif
