/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process gives rights up with all its threads: libc goes round them, if it knows of any.  So it
 * is told of ours as long as the call lasts (single.h).
 */
#include <grp.h>

#include "hook.h"
#include "single.h"
#include "store.h"

/* In a vfork child the memory, and what libc knows, are the parent's; the thread is not there. */
static NO_INLINE bool tell(void)
{
	bool is_told = host_is_observed() && !thread_self.in_vfork && store_get() && single_get();

	if (is_told)
		single_set(false);
	return is_told;
}

#define RIGHTS(name, params, args)        \
	EXPORT int name params            \
	{                                 \
		bool is_told = tell();    \
		int r = REAL(name) args;  \
                                          \
		if (is_told)              \
			single_set(true); \
		return r;                 \
	}

RIGHTS(setuid, (uid_t id), (id))
RIGHTS(setgid, (gid_t id), (id))
RIGHTS(seteuid, (uid_t id), (id))
RIGHTS(setegid, (gid_t id), (id))
RIGHTS(setreuid, (uid_t real, uid_t effective), (real, effective))
RIGHTS(setregid, (gid_t real, gid_t effective), (real, effective))
RIGHTS(setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
RIGHTS(setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))
RIGHTS(setgroups, (size_t n, const gid_t *groups), (n, groups))
RIGHTS(initgroups, (const char *user, gid_t group), (user, group))
