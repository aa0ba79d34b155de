/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process gives some rights up with all its threads: libc goes round them, if it knows of any. So
 * it is told of ours as long as the call lasts (single.h).  The others are the thread's that makes
 * the call: ours leaves before it (rights.h).
 */
#include <grp.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "hook.h"
#include "rights.h"
#include "single.h"
#include "store.h"
#include "stubs.h"

/* --- by all threads --- */

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

/* --- by the caller alone --- */

EXPORT int chroot(const char *path)
{
	rights_fall();
	return REAL(chroot)(path);
}

EXPORT int pivot_root(const char *new_root, const char *put_old)
{
	rights_fall();
	return REAL(pivot_root)(new_root, put_old);
}

EXPORT int capset(void *header, const void *data)
{
	rights_fall();
	return REAL(capset)(header, data);
}

EXPORT int setns(int fd, int kind)
{
	rights_fall();
	return REAL(setns)(fd, kind);
}

/*
 * A namespace of users, and what implies threads, the kernel refuses to who has two.  What is the
 * thread's by habit, as in a file server for each of its clients, is no right.
 */
static void unshares(int flags)
{
	if (flags & ~(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM))
		rights_fall();
}

EXPORT int unshare(int flags)
{
	unshares(flags);
	return REAL(unshare)(flags);
}

static void filters(bool is_strict, const void *program)
{
	if (host_is_observed())
		rights_filtered(is_strict ? SANDBOX_CLOSED : sandbox_of(program));
}

static void controls(int option, long first, long second)
{
	switch (option) {
	case PR_SET_NO_NEW_PRIVS:
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
		rights_fall();
		break;
	case PR_SET_SECCOMP:
		if (first == SECCOMP_MODE_STRICT || first == SECCOMP_MODE_FILTER)
			filters(first == SECCOMP_MODE_STRICT, (const void *)second);
		break;
	case PR_CAP_AMBIENT:
		if (first != PR_CAP_AMBIENT_IS_SET)
			rights_fall();
		break;
	default:
		break;
	}
}

/* libc takes these four, too, whether they were given or not. */
EXPORT int prctl(int option, ...)
{
	unsigned long arg[4];
	va_list args;

	va_start(args, option);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(args, unsigned long);
	va_end(args);
	controls(option, (long)arg[0], (long)arg[1]);
	return REAL(prctl)(option, arg[0], arg[1], arg[2], arg[3]);
}

/* --- by number: libc goes round nobody --- */

void rights_by_number(int nr, long a, long b, long c)
{
	switch (nr) {
	case SYS_prctl:
		controls((int)a, b, c);
		break;
	case SYS_unshare:
		unshares((int)a);
		break;
	case SYS_seccomp:
		if (a == SECCOMP_SET_MODE_STRICT || a == SECCOMP_SET_MODE_FILTER)
			filters(a == SECCOMP_SET_MODE_STRICT, (const void *)c);
		break;
	default:
		rights_fall();
		break;
	}
}
