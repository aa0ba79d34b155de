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

/*
 * Can these 8 bytes, which can be read, be written as well?  By a system call that writes other
 * ones there, for a moment: ask only for what nobody else looks at meanwhile.
 */
bool memory_is_writable(void *at);

#endif
