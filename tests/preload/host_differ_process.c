/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every copy and end of a process, threads, raw system calls and libraries; see differ.h.  As
 * "host_differ_process child ..." it says what it was given.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <grp.h>
#include <libgen.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <threads.h>

#include "differ_ends.h"

int pivot_root(const char *new_root, const char *put_old);
int capset(void *header, const void *data);
int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);

static char self[4096], folder[4096], name[64];
static char *const child_args[] = { "self", "child", "an argument", NULL };
static char *const child_env[] = { "A=1", "B=", "odd", NULL };

static int say_child(int argc, char **argv)
{
	mark("child");
	for (int i = 1; i < argc; i++)
		say("argument %s\n", argv[i]);
	for (char **e = environ; *e; e++)
		say("environ %s\n", *e);
	hide();
	say_descriptors();
	unhide();
	flush_out();
	return 3;
}

static void say_popen(const char *command)
{
	FILE *f = CALL_POINTER(popen, command, "r");

	hide(); /* in which pieces it comes */
	while (f && fgets(buf, sizeof(buf), f))
		say("%s", buf);
	unhide();
	if (f)
		CALL(pclose, f);
}

/* --- ends --- */

static void at_quick(void)
{
	say("at_quick_exit\n");
	flush_out();
}

static void at_normal(void)
{
	say("atexit\n");
	flush_out();
}

static void ends(void)
{
	begin("ends", "");
	at_quick_exit(at_quick);
	atexit(at_normal);
	ENDS(_exit, 1);
	ENDS(_exit, 257);
	ENDS(_Exit, 2);
	ENDS(quick_exit, 3);
	ENDS(exit, 4);
	ENDS(syscall, SYS_exit_group, 5);
	ENDS(syscall, SYS_exit, 6);
	ENDS(pthread_exit, NULL);
	ENDS(abort);
	ENDS(raise, SIGKILL);
}

/* --- exec --- */

#define LONG_NAME 5000

static void exec_fails(void)
{
	static char too_long[LONG_NAME], huge[200000];
	char *const huge_args[] = { "self", huge, NULL };
	int file = memfd_create("text", 0);

	begin("exec fails", "");
	memset(too_long, 'x', LONG_NAME - 1);
	memset(huge, 'x', sizeof(huge) - 1);
	RAW(write, file, "text", 4);
	CALL(execve, "/no/such/program", child_args, environ);
	CALL(execve, "/", child_args, child_env);
	CALL(execve, "", child_args, child_env);
	CALL(execve, NULL, child_args, child_env);
	CALL(execve, NOWHERE, child_args, child_env);
	CALL(execve, self, NOWHERE, child_env);
	CALL(execve, self, child_args, NOWHERE);
	CALL(execve, too_long, child_args, child_env);
	CALL(execve, self, huge_args, child_env);
	CALL(execv, "/no/such/program", child_args);
	CALL(execv, "/etc/passwd", child_args);
	CALL(execvp, "no-such-program", child_args);
	CALL(execvp, "", child_args);
	CALL(execvpe, "no-such-program", child_args, child_env);
	CALL(execvpe, "/no/such/program", child_args, child_env);
	CALL(execl, "/no/such/program", "x", "y", (char *)NULL);
	CALL(execlp, "no-such-program", "x", (char *)NULL);
	CALL(execle, "/no/such/program", "x", (char *)NULL, child_env);
	CALL(fexecve, -1, child_args, child_env);
	CALL(fexecve, file, child_args, child_env);
	CALL(fexecve, file, NULL, child_env);
	CALL(execveat, -1, "no-such-program", child_args, child_env, 0);
	CALL(execveat, AT_FDCWD, "", child_args, child_env, 0);
	CALL(execveat, file, "", child_args, child_env, AT_EMPTY_PATH);
	CALL(execveat, AT_FDCWD, self, child_args, child_env, 99);
	RAW(close, file, 0, 0);
}

static void exec_works(void)
{
	int fd = open(self, O_RDONLY | O_CLOEXEC);

	begin("exec works", "");
	ENDS(execve, self, child_args, child_env);
	ENDS(execve, self, child_args, environ);
	ENDS(execve, self, child_args, NULL);
	ENDS(execv, self, child_args);
	ENDS(execvp, name, child_args);
	ENDS(execvp, self, child_args);
	ENDS(execvpe, name, child_args, child_env);
	ENDS(execl, self, "self", "child", "1", "2", "3", (char *)NULL);
	ENDS(execlp, name, "self", "child", (char *)NULL);
	ENDS(execle, self, "self", "child", "x", (char *)NULL, child_env);
	ENDS(fexecve, fd, child_args, child_env);
	ENDS(execveat, AT_FDCWD, self, child_args, child_env, 0);
	ENDS(execveat, fd, "", child_args, child_env, AT_EMPTY_PATH);
	close(fd);
}

/* --- programs beside this one --- */

static void spawned(int r, pid_t *pid)
{
	int status = 0;

	if (r == 0)
		raw6(SYS_wait4, *pid, (long)&status, 0, 0, 0, 0);
	say("  status %#x\n", status);
	*pid = -1;
}

static void spawns(void)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	pid_t pid = -1;

	begin("spawn", "");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, 0, 77);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	spawned((int)CALL(posix_spawn, &pid, "/no/such", NULL, NULL, child_args, child_env), &pid);
	spawned((int)CALL(posix_spawn, &pid, "/", NULL, NULL, child_args, environ), &pid);
	spawned((int)CALL(posix_spawn, &pid, "/etc/passwd", NULL, NULL, child_args, environ), &pid);
	spawned((int)CALL(posix_spawn, &pid, self, &actions, &attr, child_args, child_env), &pid);
	spawned((int)CALL(posix_spawn, &pid, self, NULL, NULL, child_args, environ), &pid);
	spawned((int)CALL(posix_spawnp, &pid, "no-such", NULL, NULL, child_args, environ), &pid);
	spawned((int)CALL(posix_spawnp, &pid, name, &actions, NULL, child_args, environ), &pid);
	spawned((int)CALL(posix_spawnp, &pid, name, NULL, &attr, child_args, child_env), &pid);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
}

static void shells(void)
{
	static const char *const modes[] = { "r", "re", "w", "x", "" };

	begin("shells", "");
	CALL(system, NULL);
	CALL(system, "exit 3");
	CALL(system, "kill -9 $$");
	CALL(system, "exec host_differ_process child by-system");
	for (size_t i = 0; i < 5; i++) {
		FILE *f = CALL_POINTER(popen, "exec cat; exit 5", modes[i]);

		if (!f)
			continue;
		buf[0] = 0;
		say("fgets %d\n", i < 2 && fgets(buf, sizeof(buf), f));
		CALL(pclose, f);
	}
	say_popen("exec host_differ_process child by-popen");
}

/* Whoever starts a program for a request is told apart by its environment. */
static void starts_in_a_request(void)
{
	struct ends e;
	pid_t pid = -1;

	begin("starts in a request", "");
	if (!ends_open(&e, HTTP_SERVER, true, true)) /* by one thread, which waits for it */
		return;
	feed(&e);
	say("read %zd\n", read(e.in, buf, sizeof(buf)));
	spawned((int)CALL(posix_spawn, &pid, self, NULL, NULL, child_args, child_env), &pid);
	spawned((int)CALL(posix_spawnp, &pid, name, NULL, NULL, child_args, environ), &pid);
	ENDS(execve, self, child_args, child_env);
	ENDS(execvp, name, child_args);
	ENDS(execle, self, "self", "child", (char *)NULL, child_env);
	CALL(execve, "/no/such/program", child_args, child_env);
	CALL(system, "exec host_differ_process child by-system");
	say_popen("exec host_differ_process child by-popen");
	CALL(write, e.out, OK_5, sizeof(OK_5) - 1);
	take_raw(&e, 0);
	ends_close(&e);
}

/* --- waits for them --- */

static void exits_soon(int status)
{
	if (fork() == 0)
		RAW(exit_group, status, 0, 0);
}

/* Which pid it is differs; that it is one does not. */
#define WAITS(f, ...)                                               \
	do {                                                        \
		long r_;                                            \
                                                                    \
		errno = NO_ERROR;                                   \
		r_ = (long)f(__VA_ARGS__);                          \
		say_call(#f, #__VA_ARGS__, r_ > 0 ? 1 : r_, errno); \
	} while (0)

static void waits(void)
{
	siginfo_t info;
	int status = -1;

	begin("wait", "");
	WAITS(wait, &status); /* nobody is there */
	WAITS(waitpid, -1, NULL, WNOHANG);
	WAITS(waitpid, 1, &status, 99);
	exits_soon(1);
	WAITS(wait, NULL);
	exits_soon(2);
	WAITS(waitpid, -1, &status, 0);
	exits_soon(3);
	WAITS(waitpid, -1, NULL, WUNTRACED);
	exits_soon(4);
	WAITS(wait3, &status, 0, NULL);
	exits_soon(5);
	WAITS(wait3, NULL, 0, NULL);
	exits_soon(6);
	WAITS(wait4, -1, &status, 0, NULL);
	exits_soon(7);
	memset(&info, 0, sizeof(info));
	WAITS(waitid, P_ALL, 0, &info, WEXITED | WNOWAIT);
	WAITS(waitid, P_ALL, 0, &info, WEXITED);
	say("  exited %d with %d\n", info.si_code == CLD_EXITED, info.si_status);
	WAITS(waitid, P_ALL, 0, &info, WEXITED);
	WAITS(waitid, P_ALL, 0, &info, 0);
	exits_soon(8);
	WAITS(wait4, -1, NOWHERE, 0, NULL);
}

/* --- who it belongs to --- */

static void belongs(void)
{
	gid_t group = getgid();

	CALL(setgroups, 1, &group);
	CALL(setgroups, (size_t)-1, &group);
	CALL(setgroups, 1, NOWHERE);
	CALL(initgroups, "no such user", group);
	CALL(setegid, group);
	CALL(setregid, -1, group);
	CALL(setresgid, -1, -1, -1);
	CALL(setgid, group);
	CALL(setgid, -1);
	CALL(seteuid, geteuid());
	CALL(setreuid, -1, getuid());
	CALL(setresuid, getuid(), -1, -1);
	CALL(setuid, getuid());
	CALL(setuid, -1);
}

static void gives_up(void)
{
	uint32_t caps[2 + 6] = { _LINUX_CAPABILITY_VERSION_3 };
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	CALL(prctl, PR_GET_DUMPABLE);
	CALL(prctl, PR_SET_NAME, "a name", 0, 0, 0);
	CALL(prctl, PR_SET_NAME, NOWHERE);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 1, 0);
	CALL(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 1);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1);
	CALL(prctl, PR_CAPBSET_DROP, 999, 0, 0, 0);
	CALL(prctl, PR_SET_SECUREBITS, 1 << 20, 0, 0, 0);
	CALL(prctl, PR_SET_SECCOMP, 99, 0, 0, 0);
	CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL);
	CALL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NOWHERE);
	CALL(prctl, -1, 1, 2, 3, 4);
	CALL(syscall, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 1, 0);
	CALL(syscall, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 1);
	CALL(syscall, SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	CALL(syscall, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 20, NULL);
	CALL(syscall, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL);
	CALL(syscall, SYS_landlock_restrict_self, -1, 0);
	CALL(unshare, CLONE_FILES);
	CALL(unshare, CLONE_FS);
	CALL(unshare, 0);
	CALL(unshare, -1);
	CALL(syscall, SYS_unshare, CLONE_THREAD);
	CALL(setns, -1, 0);
	CALL(setns, fd, CLONE_NEWNET);
	CALL(setns, fd, 0);
	CALL(syscall, SYS_setns, fd, CLONE_NEWNET);
	CALL(chroot, NULL);
	CALL(chroot, "/no/such/directory");
	CALL(chroot, NOWHERE);
	CALL(pivot_root, "/no/such/directory", "/");
	CALL(pivot_root, NOWHERE, NULL);
	CALL(capset, NOWHERE, NOWHERE);
	CALL(capset, caps, NULL);
	CALL(capset, caps, caps + 2); /* none */
	CALL(chroot, "/");
	CALL(syscall, SYS_setresuid, -1, -1, -1);
	CALL(syscall, SYS_setgroups, -1, NULL);
	CALL(unshare, CLONE_NEWUSER);
	CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	say("  no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	flush_out();
	_exit(0);
}

static void belongs_to_nobody(void)
{
	belongs();
	CALL(setresgid, 65534, 65534, 65534);
	CALL(setresuid, 65534, 65534, 65534);
	belongs();
	flush_out();
	_exit(0);
}

static void leads_a_session(void)
{
	for (int i = 0; i < 2; i++) {
		long r;

		errno = NO_ERROR;
		r = setsid();
		say_call("setsid", "", r > 0, errno);
	}
	flush_out();
	_exit(0);
}

static void is_a_daemon(int stays)
{
	CALL(daemon, stays, 1);
	flush_out();
	_exit(0);
}

static void owners(void)
{
	int done[2];
	char byte;

	begin("owners", "");
	belongs();
	ENDS(belongs_to_nobody);
	ENDS(gives_up);
	ENDS(leads_a_session);
	for (int stays = 0; stays < 2; stays++) {
		if (pipe(done) != 0)
			return;
		ENDS(is_a_daemon, stays);
		RAW(close, done[1], 0, 0);
		RAW(read, done[0], &byte, 1); /* until the daemon has ended */
		RAW(close, done[0], 0, 0);
	}
}

/* --- fork --- */

static void forks(void)
{
	begin("fork", "");
	for (int kind = HTTP_CLIENT; kind <= HTTP_SERVER; kind++) {
		struct ends e;
		pid_t child;
		int status = 0;

		if (!ends_open(&e, (enum kind)kind, false, false))
			continue;
		errno = NO_ERROR;
		child = fork();
		if (child == 0) {
			differ_len = 0;
			say("fork() = 0, errno %d\n", errno);
			CALL(write, e.out, e.leaves, e.leaves_len);
			CALL(close, e.out);
			flush_out();
			_exit(8);
		}
		say("fork() = %d, errno %d\n", child > 0, errno);
		raw6(SYS_wait4, child, (long)&status, 0, 0, 0, 0);
		say("  status %#x\n", status);
		take_raw(&e, 0);
		feed(&e);
		CALL(read, e.in, buf, sizeof(buf));
		ends_close(&e);
	}
}

static void vforks(void)
{
	pid_t child;
	int status = 0;

	begin("vfork", "");
	errno = NO_ERROR;
	child = vfork();
	if (child == 0)
		_exit(7);
	say("vfork() = %d, errno %d\n", child > 0, errno);
	raw6(SYS_wait4, child, (long)&status, 0, 0, 0, 0);
	say("  status %#x\n", status);
	child = vfork();
	if (child == 0) {
		close(100);
		dup2(0, 100);
		execve("/no/such/program", child_args, child_env);
		execve(self, child_args, child_env);
		_exit(9);
	}
	raw6(SYS_wait4, child, (long)&status, 0, 0, 0, 0);
	say("vfork() = %d, status %#x\n", child > 0, status);
	RAW(close, 100, 0, 0);
}

/* --- threads --- */

static void *exits(void *arg)
{
	if (arg)
		pthread_exit(arg);
	return (void *)9;
}

static int exits_with(void *arg)
{
	return (int)(long)arg;
}

static void threads(void)
{
	thrd_t other;
	int result = 0;

	pthread_attr_t attr;
	pthread_t thread;
	void *ret;

	begin("threads", "");
	for (long i = 0; i < 3; i++) {
		CALL(pthread_create, &thread, NULL, exits, (void *)i);
		hide();
		pthread_join(thread, &ret);
		unhide();
		say("  returned %ld\n", (long)ret);
	}
	CALL(thrd_create, &other, exits_with, (void *)8l);
	hide();
	thrd_join(other, &result);
	unhide();
	say("  returned %d\n", result);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1l << 46);
	hide(); /* glibc frees the stacks that it keeps */
	CALL(pthread_create, &thread, &attr, exits, NULL);
	unhide();
	pthread_attr_destroy(&attr);
}

/* --- raw system calls --- */

static void raw_calls(void)
{
	struct ends e;
	char *at;

	begin("syscall", "");
	CALL(syscall, -1, 1, 2, 3, 4, 5, 6);
	CALL(syscall, 100000);
	CALL(syscall, SYS_close, -1);
	CALL(syscall, SYS_close, 1 << 20);
	CALL(syscall, SYS_close_range, 10, 5, 0);
	CALL(syscall, SYS_read, -1, NULL, 10);
	say("syscall(SYS_getppid) = %d\n", syscall(SYS_getppid) > 0);
	at = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("syscall(SYS_mmap) reads %d\n", *at);
	syscall(SYS_munmap, at, 4096);
	for (int kind = HTTP_CLIENT; kind <= HTTP_SERVER; kind++) {
		if (!ends_open(&e, (enum kind)kind, false, false))
			continue;
		CALL(syscall, SYS_write, e.out, e.leaves, e.leaves_len);
		take_raw(&e, 0);
		CALL(syscall, SYS_close, e.out);
		CALL(write, e.out, "x", 1);
		close_feed(&e);
	}
}

/* --- libraries --- */

static void libraries(void)
{
	static const int modes[] = { RTLD_LAZY,
				     RTLD_NOW,
				     RTLD_NOW | RTLD_NOLOAD,
				     RTLD_NOW | RTLD_DEEPBIND,
				     RTLD_LAZY | RTLD_GLOBAL,
				     RTLD_NOW | RTLD_NODELETE,
				     0,
				     -1 };

	begin("dlopen", "");
	for (size_t i = 0; i < 8; i++) {
		void *lib;
		const char *error;

		lib = CALL_POINTER(dlopen, "libm.so.6", modes[i]);
		if (!lib && (error = dlerror()))
			say("  %s\n", error);
		if (lib)
			say("  cos %d\n", dlsym(lib, "cos") != NULL);
		if (lib)
			CALL(dlclose, lib);
		CALL_POINTER(dlopen, NULL, modes[i]);
		if ((error = dlerror()))
			say("  %s\n", error);
		CALL_POINTER(dlopen, "libno-such.so", modes[i]);
		if ((error = dlerror()))
			say("  %s\n", error);
		CALL_POINTER(dlopen, "/etc/passwd", modes[i]);
		if ((error = dlerror()))
			say("  %s\n", error);
	}
}

int main(int argc, char **argv)
{
	char path[5000];

	if (argc > 1)
		return say_child(argc, argv);
	differ_start();
	self[readlink("/proc/self/exe", self, sizeof(self) - 1)] = 0;
	strcpy(folder, self);
	snprintf(name, sizeof(name), "%s", basename(folder));
	strcpy(folder, self);
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", dirname(folder));
	setenv("PATH", path, 1);
	exec_fails();
	exec_works();
	spawns();
	shells();
	starts_in_a_request();
	waits();
	owners();
	forks();
	vforks();
	threads();
	raw_calls();
	libraries();
	ends();
	say_state();
	RAW(exit_group, 0, 0, 0);
	return 0;
}
