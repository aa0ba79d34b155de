/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_end PORT HOW [COUNT]: a request, or so many, and then one of the ways in which a process, or
 * its program, ends; with COUNT it says when (CLOCK_MONOTONIC, ms).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "http_get.h"

#define ECHO "/bin/echo"

extern char **environ;

static char *const echo_args[] = { "echo", "next", NULL };

static void end_by_return(void)
{
}

static void end_by_exit(void)
{
	exit(0);
}

static void end_by__exit(void)
{
	_exit(0);
}

static void end_by__Exit(void)
{
	_Exit(0);
}

static void end_by_quick_exit(void)
{
	quick_exit(0);
}

static void end_by_exit_group(void)
{
	syscall(SYS_exit_group, 0);
}

static void end_by_abort(void)
{
	abort();
}

static void end_by_pthread_exit(void)
{
	pthread_exit(NULL);
}

/* Until somebody else ends it. */
static void end_by_pause(void)
{
	pause();
}

static void end_by_execve(void)
{
	execve(ECHO, echo_args, environ);
}

static void end_by_execv(void)
{
	execv(ECHO, echo_args);
}

static void end_by_execvp(void)
{
	execvp("echo", echo_args);
}

static void end_by_execvpe(void)
{
	execvpe("echo", echo_args, environ);
}

static void end_by_execl(void)
{
	execl(ECHO, "echo", "next", (char *)NULL);
}

static void end_by_execlp(void)
{
	execlp("echo", "echo", "next", (char *)NULL);
}

static void end_by_execle(void)
{
	execle(ECHO, "echo", "next", (char *)NULL, environ);
}

static void end_by_fexecve(void)
{
	fexecve(open(ECHO, O_RDONLY | O_CLOEXEC), echo_args, environ);
}

static void end_by_execveat(void)
{
	execveat(AT_FDCWD, ECHO, echo_args, environ, 0);
}

/* No such program: the process goes on, and ends another way. */
static void end_by_failed_exec(void)
{
	if (execl("/no/such/program", "x", (char *)NULL) != -1)
		exit(3);
	exit(0);
}

static void *exit_thread(void *arg)
{
	(void)arg;
	exit(0);
}

static void end_by_exit_in_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, exit_thread, NULL) != 0)
		exit(4);
	pause();
}

static void on_signal(int number)
{
	(void)number;
	_exit(0);
}

static void end_by__exit_in_handler(void)
{
	usleep(100000); /* the exporter is up by then: a handler may not start it */
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
}

static int port;

static void request_at_exit(void)
{
	if (http_get(port, "/atexit") != 204)
		_exit(5);
}

static void end_by_request_in_atexit(void)
{
	atexit(request_at_exit);
	exit(0);
}

static void end_by_fork_child(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		if (http_get(port, "/child") != 204)
			_exit(6);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		exit(7);
}

static void requests(int count)
{
	int fd = http_connect(port);

	for (int i = 0; i < count; i++)
		if (http_request(fd, "/") != 204)
			_exit(8);
	close(fd);
}

static void say_when(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("%lld\n", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	fflush(stdout);
}

int main(int argc, char **argv)
{
#define WAY(how)                   \
	{                          \
#how, end_by_##how \
	}
	static const struct {
		const char *name;
		void (*end)(void);
	} ways[] = {
		WAY(return ),
		WAY(exit),
		WAY(_exit),
		WAY(_Exit),
		WAY(quick_exit),
		WAY(exit_group),
		WAY(abort),
		WAY(pthread_exit),
		WAY(pause),
		WAY(execve),
		WAY(execv),
		WAY(execvp),
		WAY(execvpe),
		WAY(execl),
		WAY(execlp),
		WAY(execle),
		WAY(fexecve),
		WAY(execveat),
		WAY(failed_exec),
		WAY(exit_in_thread),
		WAY(_exit_in_handler),
		WAY(request_in_atexit),
		WAY(fork_child),
	};

	if (argc < 3)
		return 2;
	port = atoi(argv[1]);
	if (argc > 3)
		requests(atoi(argv[3]));
	else if (http_get(port, "/") != 204)
		return 8;
	if (argc > 3)
		say_when();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(ways[i].name, argv[2]) == 0) {
			ways[i].end();
			return 0;
		}
	}
	return 2;
}
