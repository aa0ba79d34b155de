/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_waits CALL SET... : a request is read after a wait by CALL, and a call made for it.  Each
 * SET is a letter and a number: r, w, e: that descriptor is in the set of select(); x: its bit is
 * set, but it is not among the first n.  The first one is the connection's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>

#include "http_ends.h"

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);

static struct pollfd fds[8];
static nfds_t count;
/* Twice as large as the type, for those who do that. */
static fd_set sets[3][2];
static int above;

static void take_set(const char *set)
{
	int fd = atoi(set + 1);
	long *bits = (long *)(void *)sets[*set == 'w' ? 1 : *set == 'e' ? 2 : 0];

	bits[fd / NFDBITS] |= 1l << (fd % NFDBITS);
	if (*set == 'x')
		return;
	if (fd >= above)
		above = fd + 1;
	fds[count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static int by_select(bool is_pselect)
{
	fd_set *r = sets[0], *w = sets[1], *e = sets[2];

	return is_pselect ? pselect(above, r, w, e, &(struct timespec){ 5, 0 }, NULL) :
			    select(above, r, w, e, &(struct timeval){ 5, 0 });
}

static int by_epoll(const char *call)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(0);

	for (nfds_t i = 0; i < count; i++)
		CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, fds[i].fd, &event) == 0);
	if (strcmp(call, "epoll_pwait") == 0)
		return epoll_pwait(fd, &event, 1, 5000, NULL);
	if (strcmp(call, "epoll_pwait2") == 0)
		return epoll_pwait2(fd, &event, 1, &(struct timespec){ 5, 0 }, NULL);
	return epoll_wait(fd, &event, 1, 5000);
}

static int wait_by(const char *call)
{
	struct timespec five = { 5, 0 };

	if (strstr(call, "select"))
		return by_select(*call == 'p');
	if (strstr(call, "epoll"))
		return by_epoll(call);
	if (strcmp(call, "ppoll") == 0)
		return ppoll(fds, count, &five, NULL);
	if (strcmp(call, "__poll_chk") == 0)
		return __poll_chk(fds, count, 5000, sizeof(fds));
	if (strcmp(call, "__ppoll_chk") == 0)
		return __ppoll_chk(fds, count, &five, NULL, sizeof(fds));
	return poll(fds, count, 5000);
}

int main(int argc, char **argv)
{
	struct ends e = ends_open(), inner = ends_open();
	int server = atoi(argv[2] + 1);
	struct rlimit numbers;

	/* A user has 1024 of them, mostly, and may have more. */
	CHECK(getrlimit(RLIMIT_NOFILE, &numbers) == 0);
	numbers.rlim_cur = numbers.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &numbers) == 0);
	CHECK(dup2(e.server, server) == server && close(e.server) == 0);
	e.server = server;
	for (int i = 2; i < argc; i++) {
		take_set(argv[i]);
		if (i > 2 && fcntl(atoi(argv[i] + 1), F_GETFD) == -1) /* never ready */
			CHECK(dup2(inner.server, atoi(argv[i] + 1)) >= 0);
	}
	CHECK(fcntl(e.server, F_SETFL, O_NONBLOCK) == 0);
	ask(e, "/outer");
	CHECK(wait_by(argv[1]) >= 1);
	take(e, "/outer");
	ask(inner, "/inner");
	answer(e);
	take(inner, "/inner");
	answer(inner);
	puts("ok");
	return 0;
}
