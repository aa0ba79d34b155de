/* SPDX-License-Identifier: Apache-2.0 */
#include "region.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "process.h"
#include "rawsys.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE 4096u
#define GUARD PAGE
#define BELOW (GUARD + REGION_STACK_BYTES)

/*
 * Of addresses: the first descriptors, connections and requests of a process.  With the stack they
 * lie in one or two of the 2 MiB of which fork() copies a page table each.
 */
#define ROOM ((size_t)1 << 20)

/*
 * No MAP_NORESERVE and no MAP_STACK: what has them is another mapping, and nothing else.  Where the
 * kernel counts strictly it counts what is not reserved as well; elsewhere it gives both.
 */
static char *_Atomic base;
static _Atomic size_t given; /* of ROOM, from its end: mappings of the process lie above it */
static _Atomic uint32_t
	guarded_in; /* the process epoch: no child has the guard, it makes its own */

static char *map(size_t bytes)
{
	long at = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return raw_is_error(at) ? NULL : (char *)at;
}

static char *base_get(void)
{
	char *seen = atomic_load(&base);
	char *at = seen ? NULL : map(BELOW + ROOM);

	if (!at)
		return seen;
	if (atomic_compare_exchange_strong(&base, &seen, at))
		return at;
	raw_munmap(at, BELOW + ROOM);
	return seen;
}

void *region_map(size_t bytes)
{
	char *at = base_get();
	size_t before = atomic_load(&given);

	bytes = (bytes + PAGE - 1) / PAGE * PAGE;
	while (at && bytes <= ROOM - before)
		if (atomic_compare_exchange_weak(&given, &before, before + bytes))
			return at + BELOW + ROOM - before - bytes;
	return map(bytes);
}

/* False: a child has something else there by now. */
static bool guard(char *at)
{
	long made;

	if (!atomic_load(&guarded_in))
		return !raw_is_error(raw_syscall3(SYS_mprotect, (long)at, GUARD, PROT_NONE));
	made = raw_mmap(at, GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			0);
	if (made == (long)at)
		return true;
	if (!raw_is_error(made)) /* before Linux 4.17 it is but a hint */
		raw_munmap((void *)made, GUARD);
	return false;
}

void *region_stack(void)
{
	char *at = base_get();

	if (!at)
		return NULL;
	if (atomic_load(&guarded_in) != process_epoch()) {
		if (!guard(at))
			return NULL;
		raw_madvise(at, GUARD, MADV_DONTFORK);
		atomic_store(&guarded_in, process_epoch());
	}
	return at + GUARD;
}
