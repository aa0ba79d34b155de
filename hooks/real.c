/* SPDX-License-Identifier: Apache-2.0 */
/* The slots behind REAL(): filled once, at start-up or by the first hook that is called. */
#include "hook.h"
#include "resolve.h"

_Atomic(void *) real_slot[HOOKS];

_Static_assert(HOOKS <= RESOLVE_MANY, "raise RESOLVE_MANY");

/* One text, not a table of pointers: those would be a relocation each, in every process. */
static const char names[] =
#define HOOK(name) #name "\0"
#include "hooks.def"
#undef HOOK
	;

/* Stands in for a name that this libc lacks: what a libc that knew the name would say. */
long real_missing(void)
{
	errno = ENOSYS;
	return -1;
}

void real_init(void)
{
	void *found[HOOKS];

	resolve_many(names, HOOKS, found);
	for (size_t i = 0; i < HOOKS; i++)
		atomic_store_explicit(&real_slot[i], found[i] ? found[i] : (void *)real_missing,
				      memory_order_relaxed);
}

void *real_first(enum hook which)
{
	if (!atomic_load_explicit(&real_slot[which], memory_order_relaxed))
		real_init();
	host_start();
	return atomic_load_explicit(&real_slot[which], memory_order_relaxed);
}
