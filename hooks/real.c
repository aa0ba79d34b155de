/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots behind REAL().  A name is looked up when it is first called, not at start-up: the
 * resolver may be used anywhere, a look-up takes less than a microsecond, and 60 of them in each
 * process that a shell script starts would be more than all else that we do there.
 */
#include <string.h>

#include "hook.h"
#include "resolve.h"
#include "stats.h"

_Alignas(64) _Atomic(void *) real_slot[HOOKS];
_Static_assert(HOOK_close == 0 && HOOK_epoll_wait == 7, "hooks.def: the first line of the cache");

/* One text, not a table of pointers: those would be a relocation each, in every process. */
static const char names[] =
#define HOOK(name) #name "\0"
#include "hooks.def"
#undef HOOK
	;

static const char *name_of(enum hook which)
{
	const char *name = names;

	while (which--)
		name += strlen(name) + 1;
	return name;
}

/* Stands in for a name that this libc lacks: what a libc that knew the name would say. */
long real_missing(void)
{
	errno = ENOSYS;
	return -1;
}

void *real_first(enum hook which)
{
	host_start();
	return real_first_early(which);
}

void *real_first_early(enum hook which)
{
	void *f = resolve(name_of(which));

	if (!f)
		f = (void *)real_missing;
	atomic_store_explicit(&real_slot[which], f, memory_order_relaxed);
	stats_inc(STAT_NAMES);
	return f;
}
