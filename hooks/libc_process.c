/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ends and the copies of a process.  Before the program's last call, what waits is delivered,
 * for a bounded time; in a vfork child, which lives in its parent's memory, nothing at all is done.
 */
#include <alloca.h>
#include <stdarg.h>
#include <sys/syscall.h>

#include "conn.h"
#include "hook.h"
#include "resolve.h"
#include "runtime.h"
#include "stubs.h"

_Static_assert(offsetof(struct thread, in_vfork) == THREAD_IN_VFORK, "stubs_*.S writes it");
_Static_assert(offsetof(struct thread, inherited.slot) == THREAD_INHERITED, "stubs_*.S writes it");

/* --- fork --- */

EXPORT pid_t fork(void)
{
	bool held = host_before_fork();
	pid_t child = REAL(fork)();
	int saved = errno;

	if (child == 0)
		host_after_fork_in_child();
	else
		host_after_fork_in_parent(held);
	errno = saved;
	return child;
}

/* --- the end --- */

EXPORT void _exit(int status)
{
	host_ends(HOST_STOPS);
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	host_ends(HOST_STOPS);
	REAL(_Exit)(status);
	__builtin_unreachable();
}

/* Two versions of it differ in whose destructors they run: the caller gets the one it knows. */
EXPORT void quick_exit(int status)
{
	__typeof__(&quick_exit) bound = REAL(quick_exit);
	void *as_bound = resolve_as_bound("quick_exit", __builtin_return_address(0));

	host_ends(HOST_STOPS);
	if (as_bound)
		bound = as_bound;
	bound(status);
	__builtin_unreachable();
}

EXPORT void pthread_exit(void *ret)
{
	host_thread_ends();
	REAL(pthread_exit)(ret);
	__builtin_unreachable();
}

/* --- exec --- */

#define EXEC(name, params, args)        \
	EXPORT int name params          \
	{                               \
		host_ends(HOST_EXECS);  \
		return REAL(name) args; \
	}

EXEC(execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
EXEC(execv, (const char *path, char *const argv[]), (path, argv))
EXEC(execvp, (const char *file, char *const argv[]), (file, argv))
EXEC(execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))
EXEC(fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))
EXEC(execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags),
     (dir, path, argv, envp, flags))

/*
 * The argument lists become arrays on the stack, as in libc's own functions of these names, so that
 * a call needs as much stack as without us, however long the list; libc's malloc is no choice,
 * since these are called between fork and exec.
 */
/*
 * The header promises that this is no NULL; a program may break the promise, and must survive it.
 */
static char *args_first(const char *first)
{
	__asm__("" : "+r"(first));
	return (char *)(uintptr_t)first;
}

static size_t args_count(const char *first, va_list *rest)
{
	size_t n = 1;

	if (args_first(first))
		while (n++, va_arg(*rest, char *))
			;
	return n;
}

static void args_take(const char *first, va_list *rest, char **argv)
{
	*argv = args_first(first);
	while (*argv)
		*++argv = va_arg(*rest, char *);
}

/* Leaves rest behind the NULL.  A macro: the array lives in the frame of who uses it. */
#define ARGS_TAKE(argv, first, rest)                                           \
	do {                                                                   \
		va_start(rest, first);                                         \
		(argv) = alloca(args_count(first, &(rest)) * sizeof(*(argv))); \
		va_end(rest);                                                  \
		va_start(rest, first);                                         \
		args_take(first, &(rest), argv);                               \
	} while (0)

#define EXECL(name, name_with_array)                              \
	EXPORT int name(const char *path, const char *first, ...) \
	{                                                         \
		va_list rest;                                     \
		char **argv;                                      \
                                                                  \
		ARGS_TAKE(argv, first, rest);                     \
		va_end(rest);                                     \
		return name_with_array(path, argv);               \
	}

EXECL(execl, execv)
EXECL(execlp, execvp)

EXPORT int execle(const char *path, const char *first, ...)
{
	char *const *envp;
	va_list rest;
	char **argv;

	ARGS_TAKE(argv, first, rest);
	envp = va_arg(rest, char *const *);
	va_end(rest);
	return execve(path, argv, envp);
}

/* --- for the stubs --- */

/* Called for the numbers that the stub picks out, before the call is made. */
void stub_syscall(long nr, long a, long b, long c)
{
	switch ((int)nr) { /* the kernel looks at no more */
	case SYS_close:
		OBSERVE_OR_BLIND((int)a, conn_fd_closing((int)a));
		break;
	case SYS_close_range:
		OBSERVE(conn_range_closing((unsigned)a, (unsigned)b, (unsigned)c));
		break;
	case SYS_exit:
		host_thread_ends();
		break;
	case SYS_exit_group:
		host_ends(HOST_STOPS);
		break;
	default:
		break;
	}
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
