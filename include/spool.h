/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_H
#define SPOOL_H
/*
 * What a process leaves that dies alone: its store, in a file of the directory that the user has
 * named for that (OTEL_INTERSPAN_SPOOL).  Whoever maps the file holds its lock, since the lock is
 * the open file's, and the open file lives as long as a mapping of it: no descriptor stays in the
 * program, children have it as well, and when the last of them has ended in whatever way the next
 * process gets the lock, tells what is in the file (exporter/spool_read.c), and removes it.
 *
 * Nothing in it can be the end of the program: all of the file is allocated first (a full disk is
 * SIGBUS in whoever writes to a mapping), within RLIMIT_FSIZE (SIGXFSZ), on a file system that
 * keeps such a promise.  Refused: a directory that is not our user's alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct store;

#define SPOOL_PREFIX "interspan-"
#define SPOOL_SUFFIX ".spans"
#define SPOOL_NAME_MAX 64u  /* NUL included */
#define SPOOL_FILES_MAX 64u /* in one directory; a process that finds so many has none */

struct spool_file {
	char name[SPOOL_NAME_MAX]; /* "": none */
};

/*
 * A mapping of so many bytes of zeros for a new store.  NULL: the user asks for none, or there can
 * be none, which is counted and told.  Any thread, async-signal-safe.
 */
void *spool_map(size_t bytes, struct spool_file *ret);

/* Which of those that were mapped is the process's; and one that another thread was faster than. */
void spool_keep(const struct spool_file *file);
void spool_drop(const struct spool_file *file);

/*
 * The process ends, and nobody waits for what is in its store: removes the file, unless others have
 * it, too.  Signal-safe.
 */
void spool_ends(struct store *st);

/* A filter of system calls is about to come: from now on the file stays for others to remove. */
void spool_stays(void);

/*
 * Of whom a process may tell as if it were itself: the same program by the same build of ours, of
 * the same service, to the same receiver, with the same credentials.  Never 0.
 */
uint64_t spool_key(void);

/* The directory, opened and looked at; -errno, -EPERM if it is not ours alone. */
MUST_USE long spool_directory(void);

/* Is there a filter of system calls that may not know the ones that are made here? */
bool spool_is_filtered(void);

#endif
