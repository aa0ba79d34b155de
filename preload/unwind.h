/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNWIND_H
#define UNWIND_H
/*
 * The return addresses of the calling thread, by libunwind, of memory that is shown to it word by
 * word: what cannot be read is not read, whatever the tables of a library say.  One at a time:
 * under the lock of stack.c, with signals blocked.  No lock, no memory or descriptor of the host's.
 */
#include <stdbool.h>
#include <stdint.h>

#include "stack.h"

struct link_map;

/* As glibc's _dl_find_object() (2.35) fills it: lock-free, async-signal-safe. */
struct unwind_object {
	unsigned long long flags;
	void *start;
	void *end;
	struct link_map *map;
	void *eh_frame_header;
	unsigned long long reserved[7];
};

/* The object that is loaded around an address; false: none. */
bool unwind_object_find(uintptr_t at, struct unwind_object *ret);

/* What unwind_call() has saved: the caller's registers, as a function's caller may rely on. */
struct unwind_registers {
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

/* Runs f(the caller's registers, arg) on the stack that ends at top (a multiple of 16). */
void unwind_call(void (*f)(const struct unwind_registers *, void *), void *arg, void *top);

/* Innermost first, the one in the caller of unwind_call() included; their number. */
uint32_t unwind_walk(const struct unwind_registers *from, uintptr_t *to, uint32_t max);

/* Other libraries are where some were: nothing is remembered of them. */
void unwind_forget(void);

#endif
