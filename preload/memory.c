/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "compiler.h"
#include "rawsys.h"

#define PAGE 4096u /* or larger: then pages are asked about several times */
#define SET 8u     /* the kernel's sigset_t */

/* Where no program's memory begins; the kernel also takes NULL for "no set". */
#define LOWEST 4096u

/* The kernel copies the set before it finds out that there is no such `how`. */
static bool page_is_readable(uintptr_t at)
{
	return raw_syscall6(SYS_rt_sigprocmask, ~0, (long)(at & ~(uintptr_t)(SET - 1)), 0, SET, 0,
			    0) == -EINVAL;
}

/* --- the main thread's stack --- */

/* Less than the kernel leaves free below a stack: nobody else's memory is that close. */
#define STACK_MAX ((uintptr_t)8 << 20)

/* All between where we are and what the kernel has put on it is there. */
static bool is_on_stack(uintptr_t at, uintptr_t end)
{
	static _Atomic uintptr_t stack_end;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	uintptr_t top = atomic_load_explicit(&stack_end, memory_order_relaxed);

	if (UNLIKELY(!top)) {
		top = getauxval(AT_RANDOM);
		atomic_store_explicit(&stack_end, top ? top : 1, memory_order_relaxed);
	}
	return here <= at && end <= top && top - here < STACK_MAX;
}

/* --- the heap --- */

/* Behind the program's own data the heap begins, somewhere; UINTPTR_MAX: unknown. */
static uintptr_t program_end(void)
{
	const ElfW(Phdr) *header = (const void *)getauxval(AT_PHDR);
	size_t count = header ? getauxval(AT_PHNUM) : 0;
	uintptr_t base = 0, end = 0;

	for (size_t i = 0; i < count; i++) {
		if (header[i].p_type == PT_PHDR)
			base = (uintptr_t)header - header[i].p_vaddr;
		if (header[i].p_type == PT_LOAD && header[i].p_vaddr + header[i].p_memsz > end)
			end = header[i].p_vaddr + header[i].p_memsz;
	}
	return base ? base + end : UINTPTR_MAX;
}

/* The lowest address that is known to be in the heap, which has no holes, and ends at sbrk(0). */
static _Atomic uintptr_t heap_low = UINTPTR_MAX;

static bool is_in_heap(uintptr_t at, uintptr_t end)
{
	uintptr_t low = atomic_load_explicit(&heap_low, memory_order_relaxed);

	return at >= low && end <= (uintptr_t)sbrk(0);
}

static void learn_heap(uintptr_t at)
{
	static _Atomic uintptr_t after;
	uintptr_t begins = atomic_load_explicit(&after, memory_order_relaxed);

	if (UNLIKELY(!begins)) {
		begins = program_end();
		atomic_store_explicit(&after, begins, memory_order_relaxed);
	}
	if (at >= begins && at < atomic_load_explicit(&heap_low, memory_order_relaxed) &&
	    at < (uintptr_t)sbrk(0))
		atomic_store_explicit(&heap_low, at, memory_order_relaxed);
}

/* --- */

bool memory_is_readable(const void *at, size_t len)
{
	uintptr_t from = (uintptr_t)at, end = from + len;

	if (!len)
		return true;
	if (from < LOWEST || end < from)
		return false;
	if (is_on_stack(from, end) || is_in_heap(from, end))
		return true;
	for (uintptr_t page = from & ~(uintptr_t)(PAGE - 1); page < end; page += PAGE)
		if (!page_is_readable(page))
			return false;
	learn_heap(from & ~(uintptr_t)(PAGE - 1));
	return true;
}

bool memory_is_writable(void *at)
{
	uint64_t was;

	memcpy(&was, at, sizeof(was));
	if (raw_syscall6(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)at, SET, 0, 0) != 0)
		return false;
	memcpy(at, &was, sizeof(was));
	return true;
}
