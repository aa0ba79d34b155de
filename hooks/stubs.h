/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STUBS_H
#define STUBS_H
/*
 * Between stubs_*.S and libc_process.c.  The stubs are what C cannot say: a function that returns
 * twice on one stack, one that hands on arguments it does not know the number of, and one that must
 * not be seen as the caller.
 */

/* Offsets in struct thread (guard.h). */
#define THREAD_IN_VFORK 1
#define THREAD_INHERITED 72
#define THREAD_VFORK_COPY 192
#define RTLD_DEEPBIND_BIT 8

/* The same on every architecture, and younger than the headers of some systems. */
#define NR_CLOSE_RANGE 436
#define NR_LANDLOCK_RESTRICT_SELF 446

#ifndef __ASSEMBLER__

/* Where to jump, and what is left of the flags. */
struct stub_dlopen {
	void *to;
	long flags_mask;
};

struct stub_dlopen stub_dlopen(const char *path);
/* In the parent: the child may have left something in its memory. */
void stub_vfork_over(int child);

void stub_syscall(long nr, long a, long b, long c);

/* Of stub_syscall(), in libc_rights.c: system calls by which a thread gives rights up. */
void rights_by_number(int nr, long a, long b, long c);

#endif
#endif
