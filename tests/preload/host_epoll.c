/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_epoll CASE: a request is read, then the thread waits by an epoll instance that it makes for
 * that, then it calls another service.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "http_ends.h"

static void control(int set, int op, int fd)
{
	struct epoll_event event = { .events = EPOLLOUT };

	CHECK(epoll_ctl(set, op, fd, &event) == 0);
}

static void wait_by(int set)
{
	struct epoll_event event;

	CHECK(epoll_wait(set, &event, 1, 5000) == 1);
}

static void child_adds(int set, int fd)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		control(set, EPOLL_CTL_ADD, fd);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void wait_so(const char *what, int client, int other)
{
	int set = strcmp(what, "size") == 0 ? epoll_create(1) : epoll_create1(EPOLL_CLOEXEC);
	int copy;

	CHECK(set >= 0);
	if (strcmp(what, "another") == 0) {
		control(set, EPOLL_CTL_ADD, other);
		wait_by(set);
		control(set, EPOLL_CTL_DEL, other);
	}
	control(set, EPOLL_CTL_ADD, strcmp(what, "not ours") ? client : STDOUT_FILENO);
	if (strcmp(what, "two") == 0 || strcmp(what, "was two") == 0)
		control(set, EPOLL_CTL_ADD, other);
	if (strcmp(what, "was two") == 0) {
		control(set, EPOLL_CTL_MOD, client);
		control(set, EPOLL_CTL_DEL, other);
	}
	if (strcmp(what, "copied") == 0) {
		copy = dup(set);
		control(copy, EPOLL_CTL_ADD, other);
	}
	if (strcmp(what, "forked") == 0)
		child_adds(set, other);
	wait_by(set);
	CHECK(close(set) == 0);
}

/* Another one takes the number: made by a call that no hook sees, for what is not ours. */
static void wait_by_number(int client)
{
	int set = epoll_create1(0);

	control(set, EPOLL_CTL_ADD, client);
	CHECK(close(set) == 0);
	CHECK(syscall(SYS_epoll_create1, 0) == set);
	control(set, EPOLL_CTL_ADD, STDOUT_FILENO);
	wait_by(set);
}

int main(int argc, char **argv)
{
	struct ends e = ends_open(), inner = ends_open(), other = ends_open();

	CHECK(argc == 2);
	ask(e, "/outer");
	take(e, "/outer");
	if (strcmp(argv[1], "number") == 0)
		wait_by_number(inner.client);
	else
		wait_so(argv[1], inner.client, other.client);
	ask(inner, "/inner");
	answer(e);
	take(inner, "/inner");
	answer(inner);
	if (write(STDERR_FILENO, "ok\n", 3) != 3)
		return 1;
	return 0;
}
