/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_leaf
 *
 * What proxies and applications of a bench ask: an HTTP/1.1 server of one thread and one answer.
 * Prints its port.  Ends with its input, or by a signal.
 *
 * Once requests come closer than BURST_NS on the average it looks for them every REST_NS alone, as
 * bench_load does for answers: a server that is woken by each of them is one that a slower proxy
 * has to wake more often, and a microsecond more in the proxy then shows as one and a half.  Below
 * that rate it is woken by each, as servers are.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 65536
#define RECENT 8u
#define BURST_NS 50000u
#define REST_NS 20000

struct connection {
	int fd;
	size_t have;
	char head[HEAD_MAX + 1];
};

static const char answer[] = "HTTP/1.1 200 OK\r\n"
			     "Server: bench_leaf\r\n"
			     "Date: Fri, 27 Nov 2026 12:00:00 GMT\r\n"
			     "Content-Type: text/plain\r\n"
			     "Content-Length: 16\r\n"
			     "Connection: keep-alive\r\n"
			     "\r\n"
			     "0123456789abcdef";

static int epoll;
static uint64_t recent[RECENT]; /* when the last ones came */
static unsigned int count;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_burst(void)
{
	return count >= RECENT && now_ns() - recent[count % RECENT] < RECENT * BURST_NS;
}

static void add(int fd)
{
	struct connection *c = malloc(sizeof(*c));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	if (!c)
		err(1, "malloc");
	c->fd = fd;
	c->have = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		err(1, "epoll_ctl");
}

static void end(struct connection *c)
{
	close(c->fd);
	free(c);
}

/* One request at a time is all that who asks us has under way on a connection; no bodies. */
static void serve(struct connection *c)
{
	ssize_t n = read(c->fd, c->head + c->have, HEAD_MAX - c->have);
	bool closes;

	if (n <= 0) {
		end(c);
		return;
	}
	c->have += (size_t)n;
	c->head[c->have] = '\0';
	if (!strstr(c->head, "\r\n\r\n"))
		return;
	closes = strcasestr(c->head, "\r\nconnection: close") != NULL;
	c->have = 0;
	recent[count++ % RECENT] = now_ns();
	if (write(c->fd, answer, sizeof(answer) - 1) != (ssize_t)sizeof(answer) - 1 || closes)
		end(c);
}

int main(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct epoll_event events[64], incoming = { .events = EPOLLIN, .data.ptr = &at },
				       input = { .events = EPOLLIN, .data.ptr = NULL };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	prctl(PR_SET_TIMERSLACK, 1ul); /* else it is 50 us */
	epoll = epoll_create1(0);
	if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 1024) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) != 0)
		err(1, "listen");
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &incoming);
	epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;) {
		bool rests = is_burst();
		int n;

		if (rests)
			nanosleep(&(struct timespec){ 0, REST_NS }, NULL);
		n = epoll_wait(epoll, events, 64, rests ? 0 : -1);
		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				return 0;
			if (events[i].data.ptr == &at)
				add(accept(listener, NULL, NULL));
			else
				serve(events[i].data.ptr);
		}
	}
}
