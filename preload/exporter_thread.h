/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORTER_THREAD_H
#define EXPORTER_THREAD_H
/*
 * How the exporter's thread is made: detached, and on a stack of ours.  One thread of the host's at
 * a time (exporter_life.c: who moves the word to STARTING); not in a signal handler.
 */

/* An error number, or 0.  All signals are blocked.  body is given what follows. */
int exporter_thread_create(void *(*body)(void *stack));

/* By the new thread, before another one can be made. */
void exporter_thread_began(void *stack);

/* In a forked child. */
void exporter_thread_forget(void);

#endif
