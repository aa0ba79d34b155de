/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_orphan PORT END WAIT: a server of two processes.  The worker answers a first request, and
 * when it has read the second one its process ends, by END.  The parent waits for it by WAIT, and
 * then ends, too; or, if WAIT is "parent", it is the parent that serves and ends, and the worker
 * answers a third request afterwards, and ends.  "alone": there is one process only.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "http_get.h"

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static int listener;
static volatile int *volatile nowhere;

static int listen_on(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 8);
}

/* A request on a connection of its own, up to the end of its head. */
static int take(void)
{
	char buf[4096];
	size_t have = 0;
	int fd = accept(listener, NULL, NULL);

	do {
		ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);

		if (n <= 0)
			_exit(20);
		have += (size_t)n;
		buf[have] = '\0';
	} while (!strstr(buf, "\r\n\r\n"));
	return fd;
}

static void serve(void)
{
	int fd = take();

	if (write(fd, ANSWER, sizeof(ANSWER) - 1) != sizeof(ANSWER) - 1)
		_exit(21);
	close(fd);
}

/* As code of its own would, without a call that a hook could see. */
static void exit_unseen(void)
{
#if defined(__x86_64__)
	__asm__ volatile("syscall" : : "a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
#else
	register long x8 __asm__("x8") = SYS_exit_group;
	register long x0 __asm__("x0") = 0;

	__asm__ volatile("svc 0" : : "r"(x8), "r"(x0) : "memory");
#endif
}

static void end(const char *how)
{
	if (strcmp(how, "SIGKILL") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(how, "SIGSEGV") == 0)
		*nowhere = 1;
	else if (strcmp(how, "SIGABRT") == 0)
		abort();
	else if (strcmp(how, "SIGSYS") == 0)
		raise(SIGSYS);
	else if (strcmp(how, "exit") == 0)
		exit(0);
	else if (strcmp(how, "_exit") == 0)
		_exit(3);
	else
		exit_unseen();
}

static void wait_for(const char *how, pid_t pid)
{
	struct rusage usage;
	siginfo_t info;
	int status;

	if (strcmp(how, "wait") == 0)
		wait(NULL);
	else if (strcmp(how, "waitpid") == 0)
		waitpid(pid, &status, 0);
	else if (strcmp(how, "wait3") == 0)
		wait3(&status, 0, &usage);
	else if (strcmp(how, "wait4") == 0)
		wait4(-1, NULL, 0, NULL);
	else if (strcmp(how, "waitid") == 0)
		waitid(P_PID, (id_t)pid, &info, WEXITED);
	else /* ignored: reaped by the kernel */
		while (kill(pid, 0) == 0)
			usleep(1000);
}

int main(int argc, char **argv)
{
	struct rlimit none = { 0, 0 };
	pid_t parent = getpid();
	bool is_parent_to_end;
	pid_t pid;

	if (argc < 4 || listen_on(atoi(argv[1])) != 0)
		return 2;
	setrlimit(RLIMIT_CORE, &none);
	if (strcmp(argv[3], "ignored") == 0)
		signal(SIGCHLD, SIG_IGN);
	is_parent_to_end = strcmp(argv[3], "parent") == 0;
	pid = strcmp(argv[3], "alone") == 0 ? 0 : fork();
	if ((pid == 0) != is_parent_to_end) {
		serve();
		(void)take();
		end(argv[2]);
	}
	while (pid == 0 && getppid() == parent)
		usleep(1000);
	if (pid == 0)
		serve();
	else
		wait_for(argv[3], pid);
	return 0;
}
