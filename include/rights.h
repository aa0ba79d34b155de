/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RIGHTS_H
#define RIGHTS_H
#include "sandbox.h"

/*
 * The exporter thread must not keep what the host gives up: a root directory, a namespace,
 * capabilities, the right to gain others.  The kernel keeps these by thread, and nobody can take
 * them from another one, so the exporter sends what waits and leaves; the next one is started, with
 * the next span, by a thread that has given them up, and inherits that.
 *
 * What libc does to all threads (setuid() and its like) it does to ours, too: libc_rights.c.
 */

/*
 * Before the calling thread gives something up.  Waits for the exporter to leave: for
 * shutdown_timeout_ms at most, all told, while something is to be sent.  Nothing in a vfork child:
 * the thread is not its own.  Any thread, async-signal-safe; errno is kept.
 */
void rights_fall(void);

/*
 * The same before a filter of system calls that leaves us so much.  If it leaves us nothing, what
 * waits is delivered, the log is told, and from then on the process and its children are as
 * without us.
 */
void rights_filtered(enum sandbox sandbox);

#endif
