/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REGION_H
#define REGION_H
/*
 * Memory of which a forked child has a copy.  fork() pays half a microsecond for each mapping with
 * pages of its own, and next to nothing for a page more in one: so what we have of it lies side by
 * side, with the flags that libc's anonymous memory has, and the kernel makes one mapping of it, of
 * libc's too where that lies beside it.  What no child needs is somewhere else.
 *
 * Any thread, async-signal-safe, no errno.
 */
#include <stddef.h>

/* Zero; to be read and written.  NULL: the kernel gives none.  A munmap() gives it back. */
void *region_map(size_t bytes);

#define REGION_STACK_BYTES (256u << 10)

/*
 * The stack of the exporter's thread, below all that: the upper end of a thread's stack is libc's,
 * and a child has it.  Below it is a page that is not there.  The same one each time; NULL: no
 * memory.  For the one who starts the thread.
 */
void *region_stack(void);

#endif
