/* SPDX-License-Identifier: Apache-2.0 */
/* Every wait for descriptors, of whatever they lead to; see differ.h. */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "differ_ends.h"

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);
int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
		 const sigset_t *mask);

static const struct timespec none, moment = { 0, 1000000 }, below = { 0, -1 },
				   above = { 0, 1000000000 };

/* Sets larger than their type: the kernel reads as far as the number says. */
struct sets {
	fd_set set[2];
};

static struct sets set_of(int fd)
{
	struct sets s;

	memset(&s, 0, sizeof(s));
	if (fd >= 0 && fd < FD_SETSIZE)
		FD_SET(fd, &s.set[0]);
	return s;
}

/* --- poll --- */

static void with_poll(struct ends *e, int i)
{
	static const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0,
					-1 };
	struct pollfd p[2] = { { .fd = e->in, .events = events[i] },
			       { .fd = -7, .events = POLLIN } };

	for (int k = 0; k < 2; k++) {
		CALL(poll, p, 2, 0);
		say("  %#x %#x\n", (unsigned)p[0].revents, (unsigned)p[1].revents);
		CALL(ppoll, p, 1, &none, NULL);
		say("  %#x\n", (unsigned)p[0].revents);
		CALL(__poll_chk, p, 2, 0, sizeof(p));
		CALL(__ppoll_chk, p, 1, &none, NULL, sizeof(p));
		CALL(poll, p, 1, 1);
		feed(e);
	}
	CALL(read, e->in, buf, sizeof(buf));
	CALL(poll, p, 1, 0);
	take_raw(e, 0);
	close_feed(e);
	if (is_tcp(e)) /* its end is on the way */
		return;
	CALL(poll, p, 1, 0);
	say("  %#x\n", (unsigned)p[0].revents);
}

static void with_odd_poll(struct ends *e, int i)
{
	struct pollfd p = { .fd = e->in, .events = POLLIN | POLLOUT };
	sigset_t mask;

	(void)i;
	sigfillset(&mask);
	CALL(poll, NULL, 0, 0);
	CALL(poll, NULL, 1, 0);
	CALL(poll, NOWHERE, 1, 0);
	CALL(poll, NULL, (nfds_t)-1, 0);
	CALL(ppoll, NULL, 0, &none, NULL);
	CALL(ppoll, &p, 1, &below, NULL);
	CALL(ppoll, &p, 1, &above, NULL);
	CALL(ppoll, &p, 1, &none, &mask);
	CALL(ppoll, &p, 1, &none, NOWHERE);
	CALL(ppoll, NULL, 0, &moment, &mask);
	CALL(__poll_chk, NULL, 0, 0, 0);
	CALL(__ppoll_chk, &p, 1, &below, NULL, sizeof(p));
}

/* --- select --- */

static void with_select(struct ends *e, int i)
{
	struct timeval zero = { 0, 0 }, minus = { -1, 0 }, odd = { 0, 2000000 };
	struct sets in = set_of(e->in), out = set_of(e->out), err = set_of(e->in);
	int n = e->in < e->out ? e->out + 1 : e->in + 1;

	if (e->in < 0 || e->in >= FD_SETSIZE)
		n = i;
	if (i == 1)
		feed(e);
	CALL(select, n, in.set, out.set, err.set, &zero);
	say_bytes("in", &in, 16);
	say_bytes("out", &out, 16);
	say_bytes("err", &err, 16);
	in = set_of(e->in);
	CALL(pselect, n, in.set, NULL, NULL, &none, NULL);
	in = set_of(e->in);
	CALL(select, n, in.set, NULL, NULL, &minus);
	CALL(select, 0, NULL, NULL, NULL, &zero);
	CALL(select, -1, in.set, NULL, NULL, &zero);
	CALL(select, 2000, in.set, NULL, NULL, &zero);
	CALL(select, n, NOWHERE, NULL, NULL, &zero);
	out = set_of(e->out);
	if (e->out >= 0 && e->out < FD_SETSIZE) /* at once, whatever the time */
		CALL(select, n, NULL, out.set, NULL, i == 2 ? NULL : &odd);
}

static void with_pselect(struct ends *e, int i)
{
	struct sets out = set_of(e->out);
	sigset_t mask;
	int n = e->out >= 0 && e->out < FD_SETSIZE ? e->out + 1 : 0;

	(void)i;
	sigemptyset(&mask);
	CALL(pselect, n, NULL, out.set, NULL, &none, &mask);
	CALL(pselect, n, NULL, out.set, NULL, &below, &mask);
	CALL(pselect, n, NULL, out.set, NULL, &above, NULL);
	CALL(pselect, n, NULL, out.set, NULL, &none, NOWHERE);
	CALL(pselect, n, NULL, NOWHERE, NULL, &none, NULL);
	CALL(pselect, 0, NULL, NULL, NULL, &moment, &mask);
	CALL(pselect, -1, NULL, NULL, NULL, &none, NULL);
}

/* --- epoll --- */

static void with_epoll_ctl(struct ends *e, int i)
{
	static const unsigned events[] = { EPOLLIN,
					   EPOLLOUT | EPOLLET,
					   EPOLLIN | EPOLLONESHOT,
					   EPOLLIN | EPOLLEXCLUSIVE,
					   EPOLLIN | EPOLLWAKEUP,
					   ~0u };
	struct epoll_event ev = { .events = events[i], .data.u64 = 7 };
	int epoll = epoll_create1(0);

	CALL(epoll_ctl, epoll, EPOLL_CTL_MOD, e->in, &ev);
	CALL(epoll_ctl, epoll, EPOLL_CTL_DEL, e->in, NULL);
	CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, e->in, NULL);
	CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, e->in, NOWHERE);
	CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, e->in, &ev);
	CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, e->in, &ev);
	CALL(epoll_ctl, epoll, EPOLL_CTL_MOD, e->in, &ev);
	CALL(epoll_ctl, epoll, 99, e->in, &ev);
	CALL(epoll_ctl, -1, EPOLL_CTL_ADD, e->in, &ev);
	CALL(epoll_ctl, e->in, EPOLL_CTL_ADD, epoll, &ev);
	CALL(epoll_ctl, epoll, EPOLL_CTL_ADD, epoll, &ev);
	CALL(epoll_ctl, epoll, EPOLL_CTL_DEL, e->in, NOWHERE);
	RAW(close, epoll, 0, 0);
}

static void with_epoll_create(struct ends *e, int i)
{
	static const int sizes[] = { 1, 0, -1, 1 << 30 };
	static const int flags[] = { 0, EPOLL_CLOEXEC, O_NONBLOCK, -1 };
	long fd = CALL(epoll_create, sizes[i]);

	(void)e;
	if (fd >= 0)
		RAW(close, fd, 0, 0);
	fd = CALL(epoll_create1, flags[i]);
	if (fd >= 0)
		RAW(close, fd, 0, 0);
}

static void waited(long n, const struct epoll_event *events)
{
	for (long k = 0; k < n; k++)
		say("  %#x %llx\n", events[k].events, (unsigned long long)events[k].data.u64);
}

static void with_epoll_wait(struct ends *e, int i)
{
	struct epoll_event ev = { .events = i ? EPOLLIN | EPOLLET : EPOLLIN | EPOLLOUT,
				  .data.u64 = 7 };
	struct epoll_event events[4];
	int epoll = epoll_create1(0);
	sigset_t mask;

	sigfillset(&mask);
	epoll_ctl(epoll, EPOLL_CTL_ADD, e->in, &ev);
	for (int k = 0; k < 2; k++) {
		waited(CALL(epoll_wait, epoll, events, 4, 0), events);
		waited(CALL(epoll_pwait, epoll, events, 4, 0, &mask), events);
		waited(CALL(epoll_pwait2, epoll, events, 4, &none, NULL), events);
		CALL(epoll_wait, epoll, events, 0, 0);
		CALL(epoll_wait, epoll, events, -1, 0);
		CALL(epoll_wait, epoll, NULL, 4, 0);
		CALL(epoll_wait, e->in, events, 4, 0);
		CALL(epoll_wait, -1, events, 4, 0);
		CALL(epoll_pwait, epoll, events, 4, 0, NOWHERE);
		CALL(epoll_pwait, epoll, events, -1, 0, NULL);
		CALL(epoll_pwait2, epoll, events, 4, &below, NULL);
		CALL(epoll_pwait2, epoll, events, 4, &above, NULL);
		CALL(epoll_pwait2, epoll, events, 4, NOWHERE, NULL);
		CALL(epoll_pwait2, epoll, events, 0, &none, &mask);
		feed(e);
	}
	CALL(epoll_wait, epoll, events, 4, 1);
	CALL(read, e->in, buf, sizeof(buf));
	CALL(epoll_ctl, epoll, EPOLL_CTL_DEL, e->in, &ev);
	CALL(epoll_wait, epoll, events, 4, 0);
	RAW(close, epoll, 0, 0);
}

/* --- time --- */

static void with_a_signal(struct ends *e, int i)
{
	struct pollfd p = { .fd = e->in, .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN }, events[2];
	struct sets in = set_of(e->in);
	int epoll = epoll_create1(0);
	sigset_t mask;

	(void)i;
	sigemptyset(&mask);
	if (e->feed >= 0 && e->kind != FILE_KIND) {
		epoll_ctl(epoll, EPOLL_CTL_ADD, e->in, &ev);
		INTERRUPTED(poll, &p, 1, -1);
		INTERRUPTED(ppoll, &p, 1, NULL, &mask);
		INTERRUPTED(__poll_chk, &p, 1, -1, sizeof(p));
		INTERRUPTED(__ppoll_chk, &p, 1, NULL, &mask, sizeof(p));
		INTERRUPTED(select, e->in + 1, in.set, NULL, NULL, NULL);
		INTERRUPTED(pselect, e->in + 1, in.set, NULL, NULL, NULL, &mask);
		INTERRUPTED(epoll_wait, epoll, events, 2, -1);
		INTERRUPTED(epoll_pwait, epoll, events, 2, -1, &mask);
		INTERRUPTED(epoll_pwait2, epoll, events, 2, NULL, &mask);
		feed(e);
		CALL(poll, &p, 1, -1);
		CALL(read, e->in, buf, sizeof(buf));
	}
	RAW(close, epoll, 0, 0);
}

struct cancelled {
	struct ends *e;
	int i, epoll;
};

static void *is_cancelled(void *arg)
{
	struct cancelled *c = arg;
	struct pollfd p = { .fd = c->e->in, .events = POLLIN };
	struct sets in = set_of(c->e->in);
	struct epoll_event events[2];

	atomic_store(&differ_shared->tid, RAW(gettid, 0, 0, 0));
	atomic_store(&differ_shared->ready, 1);
	if (c->i == 0)
		poll(&p, 1, -1);
	else if (c->i == 1)
		select(c->e->in + 1, in.set, NULL, NULL, NULL);
	else
		epoll_wait(c->epoll, events, 2, -1);
	return NULL;
}

static void with_a_cancel(struct ends *e, int i)
{
	struct cancelled c = { e, i, epoll_create1(0) };
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t thread;
	void *ret = NULL;

	if (e->feed >= 0 && e->kind != FILE_KIND) {
		epoll_ctl(c.epoll, EPOLL_CTL_ADD, e->in, &ev);
		await(&thread, is_cancelled, &c);
		pthread_cancel(thread);
		hide();
		pthread_join(thread, &ret);
		unhide();
		say("cancelled %d\n", ret == PTHREAD_CANCELED);
		feed(e);
		CALL(read, e->in, buf, sizeof(buf));
	}
	RAW(close, c.epoll, 0, 0);
}

static const struct differ_case cases[] = {
	{ "poll", with_poll, 5, true },
	{ "odd poll", with_odd_poll, 1, true },
	{ "select", with_select, 3, true },
	{ "pselect", with_pselect, 1, true },
	{ "epoll_create", with_epoll_create, 4, false },
	{ "epoll_ctl", with_epoll_ctl, 6, true },
	{ "epoll_wait", with_epoll_wait, 2, true },
	{ NULL, NULL, 0, false },
};
static const struct differ_case blocking[] = {
	{ "a signal", with_a_signal, 1, true },
	{ "a cancel", with_a_cancel, 3, true },
	{ NULL, NULL, 0, false },
};

int main(void)
{
	differ_start();
	run_on_kinds(cases, false);
	run_on_kinds(blocking, true);
	say_state();
	return 0;
}
