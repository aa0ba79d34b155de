/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends and the copies of a process.  Before the program's last call, what waits is delivered,
 * for a bounded time; in a vfork child, which lives in its parent's memory, nothing at all is done.
 */
#include <sys/syscall.h>

#include "child_env.h"
#include "conn.h"
#include "hook.h"
#include "origin.h"
#include "rawsys.h"
#include "resolve.h"
#include "runtime.h"
#include "stubs.h"

_Static_assert(offsetof(struct thread, in_vfork) == THREAD_IN_VFORK, "stubs_*.S writes it");
_Static_assert(offsetof(struct thread, vfork_copy) == THREAD_VFORK_COPY, "stubs_*.S looks at it");
_Static_assert(offsetof(struct thread, inherited.slot) == THREAD_INHERITED, "stubs_*.S writes it");

/* --- fork --- */

/*
 * A write to this thread's page costs parent and child a copy of it each: none but if it must be.
 */
static void errno_keep(int saved)
{
	if (UNLIKELY(errno != saved))
		errno = saved;
}

/*
 * The name that most children need is looked up before there are any: to look it up afterwards,
 * each of them for itself, touches six pages that a child has to have mapped again.
 */
EXPORT pid_t fork(void)
{
	struct host_fork before = host_before_fork();
	__typeof__(&fork) real = REAL(fork);
	pid_t child;
	int saved;

	(void)REAL(_exit);
	child = real();
	saved = errno;

	if (child == 0)
		host_after_fork_in_child(before);
	else
		host_after_fork_in_parent(before, child);
	errno_keep(saved);
	return child;
}

/* --- the end --- */

EXPORT void _exit(int status)
{
	host_status(status);
	host_ends(HOST_STOPS);
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	host_status(status);
	host_ends(HOST_STOPS);
	REAL(_Exit)(status);
	__builtin_unreachable();
}

/* Two versions of it differ in whose destructors they run: the caller gets the one it knows. */
EXPORT void quick_exit(int status)
{
	__typeof__(&quick_exit) bound = REAL(quick_exit);
	void *as_bound = resolve_as_bound("quick_exit", __builtin_return_address(0));

	host_status(status);
	host_ends(HOST_STOPS);
	if (as_bound)
		bound = as_bound;
	bound(status);
	__builtin_unreachable();
}

EXPORT void abort(void)
{
	host_ends(HOST_ABORTS);
	REAL(abort)();
	__builtin_unreachable();
}

EXPORT void pthread_exit(void *ret)
{
	host_thread_ends();
	REAL(pthread_exit)(ret);
	__builtin_unreachable();
}

/* --- servers and daemons: who started the program is no cause of what they do --- */

EXPORT pid_t setsid(void)
{
	pid_t session = REAL(setsid)();

	if (session != -1 && !thread_self.in_vfork)
		origin_end();
	return session;
}

/* libc forks and calls setsid() inside; its caller comes back as the child. */
EXPORT int daemon(int stays_in_directory, int keeps_output)
{
	struct host_fork before = host_before_fork();
	pid_t parent = (pid_t)raw_getpid();
	int r = REAL(daemon)(stays_in_directory, keeps_output);
	int saved = errno;

	if ((pid_t)raw_getpid() != parent) {
		host_after_fork_in_child(before);
		origin_end();
	} else {
		host_after_fork_in_parent(before, -1);
	}
	errno_keep(saved);
	return r;
}

/* --- for the stubs --- */

/* Called for the numbers that the stub picks out, before the call is made. */
void stub_syscall(long nr, long a, long b, long c)
{
	switch ((int)nr) { /* the kernel looks at no more */
	case SYS_close:
		OBSERVE_OR_BLIND((int)a, conn_fd_closing((int)a));
		break;
	case NR_CLOSE_RANGE:
		OBSERVE(conn_range_closing((unsigned)a, (unsigned)b, (unsigned)c));
		break;
	case SYS_exit:
		host_thread_ends();
		break;
	case SYS_exit_group:
		host_status((int)a);
		host_ends(HOST_STOPS);
		break;
	default:
		rights_by_number((int)nr, a, b, c);
		break;
	}
}

void stub_vfork_over(pid_t child)
{
	OBSERVE(child_env_vforked(child));
}

/*
 * Before glibc 2.34 dlopen() is libdl's, which may come in when the program has long been running.
 */
static void *dlopen_none(const char *path, int flags)
{
	(void)path;
	(void)flags;
	return NULL;
}

struct stub_dlopen stub_dlopen(const char *path)
{
	void *to = real_get(HOOK_dlopen);
	bool is_active = host_is_observed() && !thread_self.in_vfork;

	if (to == (void *)real_missing)
		to = resolve("dlopen");
	if (is_active)
		runtime_seen(path);
	return (struct stub_dlopen){ to ? to : (void *)dlopen_none,
				     is_active ? ~(long)RTLD_DEEPBIND_BIT : -1L };
}
