/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_H
#define MEMORY_H
/*
 * Is there memory where an application's pointer says so?  What the kernel answers with EFAULT must
 * not be our crash.
 */
#include <stdbool.h>
#include <stddef.h>

/*
 * Can these len bytes be read now?  As the kernel would find it, so a file's pages behind its end
 * cannot.  Free for the main thread's stack and for malloc's heap, else a system call for each page
 * (rt_sigprocmask(), which changes nothing): ask only for what will be read.  Any thread,
 * async-signal-safe, no errno.
 */
bool memory_is_readable(const void *at, size_t len);

#endif
