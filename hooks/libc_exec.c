/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are started, in place of this one or beside it.  Their environment says who started
 * them (child_env.h); before a program is replaced, what waits is delivered, for a bounded time.
 */
#include <alloca.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "child_env.h"
#include "hook.h"
#include "orphan.h"
#include "process_span.h"
#include "resolve.h"
#include "store.h"

/* --- exec --- */

/*
 * With an environment of ours, which makes the whole a little longer, it may be too long: once more
 * then, with the program's own.
 */
#define EXEC_WITH(given, program, call)                                                \
	do {                                                                           \
		struct child_env child = child_env_begin(given, program, CHILD_EXECS); \
		char *const *env = child.envp;                                         \
		bool has_copy = child.copy != NULL;                                    \
		int r;                                                                 \
                                                                                       \
		host_ends(HOST_EXECS);                                                 \
		r = call;                                                              \
		child_env_failed(&child);                                              \
		env = given;                                                           \
		if (has_copy && r == -1 && errno == E2BIG)                             \
			r = call;                                                      \
		return r;                                                              \
	} while (0)

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	EXEC_WITH(envp, path, REAL(execve)(path, argv, env));
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	EXEC_WITH(envp, file, REAL(execvpe)(file, argv, env));
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	EXEC_WITH(envp, NULL, REAL(fexecve)(fd, argv, env));
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	EXEC_WITH(envp, path, REAL(execveat)(dir, path, argv, env, flags));
}

/* These take `environ`, and have a twin that does not. */
EXPORT int execv(const char *path, char *const argv[])
{
	EXEC_WITH(environ, path,
		  env != environ ? REAL(execve)(path, argv, env) : REAL(execv)(path, argv));
}

EXPORT int execvp(const char *file, char *const argv[])
{
	EXEC_WITH(environ, file,
		  env != environ ? REAL(execvpe)(file, argv, env) : REAL(execvp)(file, argv));
}

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

/* --- spawn --- */

/* Two versions of each differ in what they do with a file that the kernel does not take. */
typedef __typeof__(posix_spawn) spawn_fn;

static int spawn(spawn_fn *real, pid_t *pid, const char *path,
		 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		 char *const argv[], char *const envp[])
{
	struct child_env child = child_env_begin(envp, path, CHILD_IS_SPAWNED);
	bool has_copy = child.copy != NULL;
	pid_t own = -1;
	int r;

	if (!pid)
		pid = &own;
	r = real(pid, path, actions, attr, argv, child.envp);
	OBSERVE(child_env_spawned(&child, r == 0 ? *pid : -1));
	return has_copy && r == E2BIG ? real(pid, path, actions, attr, argv, envp) : r;
}

static spawn_fn *spawn_as_bound(const char *name, const void *caller, spawn_fn *otherwise)
{
	void *as_bound = resolve_as_bound(name, caller);

	return as_bound ? (spawn_fn *)as_bound : otherwise;
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_fn *real =
		spawn_as_bound("posix_spawn", __builtin_return_address(0), REAL(posix_spawn));

	return spawn(real, pid, path, actions, attr, argv, envp);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	spawn_fn *real =
		spawn_as_bound("posix_spawnp", __builtin_return_address(0), REAL(posix_spawnp));

	return spawn(real, pid, file, actions, attr, argv, envp);
}

/* --- what takes `environ` inside libc --- */

EXPORT int system(const char *command)
{
	struct child_env child = child_env_lend((uintptr_t)__builtin_frame_address(0));
	int r = REAL(system)(command);

	child_env_take_back(&child);
	if (child.client.slot)
		OBSERVE(child_span_over(child.client, r));
	return r;
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	struct child_env child = child_env_lend((uintptr_t)__builtin_frame_address(0));
	FILE *stream = REAL(popen)(command, mode);

	child_env_take_back(&child);
	if (!child.client.slot)
		return stream;
	if (stream)
		OBSERVE(child_span_runs(child.client, CHILD_STREAM | (uintptr_t)stream));
	else
		OBSERVE(child_span_fail(child.client));
	return stream;
}

EXPORT int pclose(FILE *stream)
{
	int r = REAL(pclose)(stream);

	if (child_any())
		OBSERVE(child_over(CHILD_STREAM | (uintptr_t)stream, r));
	return r;
}

/* --- waits for those that were started --- */

static void over(pid_t pid, int status)
{
	if (child_any())
		child_over((uint64_t)pid, status);
	orphans_of(pid, status);
}

/* Who wants no status hears of ends only, if that is what it asked for; how is not known then. */
static void waited(pid_t pid, const int *status, int options)
{
	int s = status ? *status : W_EXITCODE(0, 0);

	if (!status && options & (WUNTRACED | WCONTINUED))
		return;
	if (WIFEXITED(s) || WIFSIGNALED(s))
		over(pid, s);
}

/* A process without a store has no spans, nor do its children in it. */
static bool is_of_interest(void)
{
	return child_any() || store_get();
}

/* If CLIENT spans wait for it, a caller that does not want the status asks for it, for them. */
#define WAIT(name, params, flags, call)                      \
	EXPORT pid_t name params                             \
	{                                                    \
		bool is_asked = is_of_interest();            \
		int own = 0;                                 \
		pid_t pid;                                   \
                                                             \
		if (child_any() && !status)                  \
			status = &own;                       \
		pid = call;                                  \
		if (is_asked && pid > 0)                     \
			OBSERVE(waited(pid, status, flags)); \
		return pid;                                  \
	}

WAIT(wait, (int *status), 0, REAL(wait)(status))
WAIT(waitpid, (pid_t which, int *status, int options), options,
     REAL(waitpid)(which, status, options))
WAIT(wait3, (int *status, int options, struct rusage *usage), options,
     REAL(wait3)(status, options, usage))
WAIT(wait4, (pid_t which, int *status, int options, struct rusage *usage), options,
     REAL(wait4)(which, status, options, usage))

EXPORT int waitid(idtype_t kind, id_t which, siginfo_t *info, int options)
{
	int r = REAL(waitid)(kind, which, info, options);

	if (!is_of_interest() || r != 0 || !info || options & WNOWAIT || !info->si_pid)
		return r;
	if (info->si_code == CLD_EXITED)
		OBSERVE(over(info->si_pid, W_EXITCODE(info->si_status & 0xff, 0)));
	else if (info->si_code == CLD_KILLED || info->si_code == CLD_DUMPED)
		OBSERVE(over(info->si_pid, W_EXITCODE(0, info->si_status)));
	return r;
}
