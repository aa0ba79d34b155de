/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_family PORT HOW CHILDREN [storm]: makes children in one of the ways that there are, one
 * after the other, each of which makes a request, as does the parent.  storm: while other threads
 * keep the allocator busy.  Prints how many requests were answered.
 *
 * host_family PORT child FD: such a child, as a program of its own.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "http_get.h"

pid_t _Fork(void);

extern char **environ;

#define HANGS 60 /* seconds: a child is one that hangs, and is killed by SIGALRM */

static int port;
static char port_text[16], fd_text[16];
static int done[2]; /* a byte from each child, and the end of file from all of them */
static char program[] = "/proc/self/exe";
static char *child_args[] = { program, port_text, "child", fd_text, NULL };

/* What an inherited lock of ours would hang. */
static void child(int fd)
{
	alarm(HANGS);
	if (http_get(port, "/child") != 204 || write(fd, "k", 1) != 1)
		_exit(3);
}

static void reap(pid_t pid)
{
	int status = -1;

	if (pid <= 0 || waitpid(pid, &status, 0) != pid || status != 0)
		exit(4);
}

static void by_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		free(malloc(100000));
		child(done[1]);
		exit(0);
	}
	reap(pid);
}

static void by__Fork(void)
{
	pid_t pid = _Fork();

	if (pid == 0) {
		child(done[1]);
		_exit(0);
	}
	reap(pid);
}

static void by_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		child(done[1]);
		_exit(0);
	}
	reap(pid);
}

static int cloned(void *unused)
{
	(void)unused;
	child(done[1]);
	_exit(0);
}

/* libc's function of that name, as containers and sandboxes call it: a stack of its own. */
static void by_clone_call(void)
{
	static char stack[256 << 10] __attribute__((aligned(16)));

	reap(clone(cloned, stack + sizeof(stack), SIGCHLD, NULL));
}

static void by_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv(program, child_args);
		_exit(5);
	}
	reap(pid);
}

static void by_posix_spawn(void)
{
	pid_t pid = -1;

	if (posix_spawn(&pid, program, NULL, NULL, child_args, environ) != 0)
		exit(6);
	reap(pid);
}

/* The same program, for a shell. */
static const char *shell_command(void)
{
	static char command[4200];
	char path[4096];
	ssize_t n = readlink(program, path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = '\0';
	snprintf(command, sizeof(command), "%s %s child %s", path, port_text, fd_text);
	return command;
}

static void by_system(void)
{
	if (system(shell_command()) != 0)
		exit(7);
}

static void by_popen(void)
{
	FILE *f = popen(shell_command(), "r");

	if (!f || fgetc(f) != EOF || pclose(f) != 0)
		exit(12);
}

/* libc's own fork, and a terminal. */
static void by_forkpty(void)
{
	int terminal = -1;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	if (pid == 0) {
		child(done[1]);
		exit(0);
	}
	reap(pid);
	close(terminal);
}

static void by_double_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0) {
			child(done[1]);
			exit(0);
		}
		_exit(0);
	}
	reap(pid);
}

/* libc's own forks, and exits, are no calls that a hook sees. */
static void by_daemon(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (daemon(1, 1) != 0)
			_exit(8);
		child(done[1]);
		exit(0);
	}
	reap(pid);
}

static _Atomic int stop;

static void *storm(void *arg)
{
	while (!stop) {
		for (int i = 0; i < 100; i++)
			free(malloc((size_t)i * 100 + 10));
		sched_yield();
	}
	return arg;
}

static int count_of_bytes(void)
{
	char byte;
	int n = 0;

	close(done[1]);
	while (read(done[0], &byte, 1) == 1)
		n++;
	return n;
}

static int family(void (*make)(void), int children, int threads)
{
	pthread_t t[2];
	int mine = 0;

	if (pipe(done) != 0)
		return 9;
	snprintf(fd_text, sizeof(fd_text), "%d", done[1]);
	alarm(HANGS + 60);
	for (int i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, storm, NULL) != 0)
			return 10;
	for (int i = 0; i < children; i++) {
		mine += http_get(port, "/parent") == 204;
		make();
	}
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("children %d parent %d\n", count_of_bytes(), mine);
	return 0;
}

int main(int argc, char **argv)
{
#define WAY(how)               \
	{                      \
#how, by_##how \
	}
	static const struct {
		const char *name;
		void (*make)(void);
	} ways[] = {
		WAY(fork),        WAY(_Fork),   WAY(clone),       WAY(vfork),
		WAY(posix_spawn), WAY(system),  WAY(double_fork), WAY(daemon),
		WAY(clone_call),  WAY(forkpty), WAY(popen),
	};

	if (argc < 4)
		return 2;
	port = atoi(argv[1]);
	snprintf(port_text, sizeof(port_text), "%d", port);
	if (strcmp(argv[2], "child") == 0) {
		child(atoi(argv[3]));
		return 0;
	}
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[2]) == 0)
			return family(ways[i].make, atoi(argv[3]), argc > 4 ? 2 : 0);
	return 11;
}
