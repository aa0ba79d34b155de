/* SPDX-License-Identifier: Apache-2.0 */
/* Waits: where a thread may turn to another request. */
#include "conn.h"
#include "context.h"
#include "epoll_set.h"
#include "exporter_life.h"
#include "fd_table.h"
#include "heir.h"
#include "hook.h"
#include "loop.h"
#include "memory.h"
#include "socket.h"
#include "ticks.h"

/* An opaque connection's number may have gone to something else unseen: is it a stream still? */
static bool is_own_client(int fd)
{
	return fd_is_own_client(fd) && socket_is_stream(fd);
}

static bool is_own(int fd)
{
	return fd >= 0 && (is_own_client(fd) || conn_serves_current(fd));
}

/* A thread that works for no request has none to lose: the kernel is not asked, then. */
static NO_INLINE void waited(int fd)
{
	OBSERVE(context_waited(fd, !thread_self.current.slot || is_own(fd)));
	if (fd < 0)
		OBSERVE(context_doubt()); /* a loop by poll(), select(): whose events? */
}

static ALWAYS_INLINE void after_epoll(int set, const struct epoll_event *events, int n,
				      int timeout_ms)
{
	inherit_end();
	if (UNLIKELY(fd_is_ours(set)) && UNLIKELY(epoll_set_only(set) >= 0)) {
		waited(epoll_set_only(set));
		return;
	}
	if (fd_highest() < 0 || UNLIKELY(!host_is_observed() || !guard_is_free()))
		return;
	/* Both are a few stores, which a signal handler may come between. */
	context_waited(CONTEXT_MANY, false);
	if (UNLIKELY(context_is_loop()))
		loop_waited(events, n, timeout_ms);
}

/* A wait for nothing but time brings no new work: urllib3 does one to try poll() out. */
#define NOTHING (-2)

/* Programs without connections pay a load. */
static ALWAYS_INLINE void after_wait(int fd)
{
	if (UNLIKELY(fd_highest() >= 0) && fd != NOTHING)
		waited(fd);
}

static ALWAYS_INLINE int only(const struct pollfd *fds, nfds_t n)
{
	return n == 1 ? fds[0].fd : n ? CONTEXT_MANY : NOTHING;
}

/* Who gives up waiting has met a timeout, who does not has not (H18).  Vast sets are loops. */
#define POLL_MAX 16

static NO_INLINE void note_timeout(const struct pollfd *fds, nfds_t n, bool is_timed_out)
{
	for (nfds_t i = 0; i < n; i++)
		OBSERVE(conn_waited(fds[i].fd, is_timed_out));
}

static ALWAYS_INLINE void after_poll(const struct pollfd *fds, nfds_t n, int r, bool is_moment)
{
	heir_polled(fds, n, r, is_moment);
	if (UNLIKELY(fd_highest() >= 0) && r >= 0 && n <= POLL_MAX &&
	    (r == 0 || conn_any_timed_out()))
		note_timeout(fds, n, r == 0);
	after_wait(r >= 0 || !n ? only(fds, n) : CONTEXT_MANY);
}

static ALWAYS_INLINE bool is_no_time(const struct timespec *t)
{
	return inherit_has() && t && !t->tv_sec && !t->tv_nsec;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int r = REAL(poll)(fds, n, timeout);

	after_poll(fds, n, r, timeout == 0);
	return r;
}

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	int r = REAL(ppoll)(fds, n, timeout, mask);

	after_poll(fds, n, r, is_no_time(timeout));
	return r;
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
	int r = REAL(__poll_chk)(fds, n, timeout, room);

	after_poll(fds, n, r, timeout == 0);
	return r;
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *mask, size_t room)
{
	int r = REAL(__ppoll_chk)(fds, n, timeout, mask, room);

	after_poll(fds, n, r, is_no_time(timeout));
	return r;
}

/*
 * The one of the first n descriptors that is in any of the sets; CONTEXT_MANY if there are more, or
 * may be: a set that is larger than its type is not walked.
 */
static int only_selected(int n, const fd_set *a, const fd_set *b, const fd_set *c)
{
	const fd_set *sets[] = { a, b, c };
	int one = NOTHING;

	if (!a && !b && !c)
		return NOTHING;
	if (n > FD_SETSIZE)
		return CONTEXT_MANY;
	for (size_t i = 0; i < ARRAY_LEN(sets) && n > 0; i++)
		if (sets[i] && !memory_is_readable(sets[i], ((size_t)n + NFDBITS - 1) / 8))
			return CONTEXT_MANY; /* EFAULT */
	for (int at = 0; at < n; at += NFDBITS) {
		unsigned long bits = 0;

		for (size_t i = 0; i < ARRAY_LEN(sets); i++)
			bits |= sets[i] ? (unsigned long)sets[i]->fds_bits[at / NFDBITS] : 0;
		if (n - at < NFDBITS)
			bits &= (1ul << (n - at)) - 1;
		if (!bits)
			continue;
		if (one >= 0 || bits & (bits - 1))
			return CONTEXT_MANY;
		one = at + __builtin_ctzl(bits);
	}
	return one;
}

static ALWAYS_INLINE void after_select(int fd, int r)
{
	heir_waited(fd);
	if (UNLIKELY(fd_highest() >= 0) && fd >= 0 && (r == 0 || conn_any_timed_out()))
		OBSERVE(conn_waited(fd, r == 0));
	after_wait(fd);
}

EXPORT int select(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict err,
		  struct timeval *restrict timeout)
{
	int fd = UNLIKELY(fd_highest() >= 0) ? only_selected(n, in, out, err) : CONTEXT_MANY;
	int r = REAL(select)(n, in, out, err, timeout);

	after_select(fd, r);
	return r;
}

EXPORT int pselect(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict err,
		   const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
	int fd = UNLIKELY(fd_highest() >= 0) ? only_selected(n, in, out, err) : CONTEXT_MANY;
	int r = REAL(pselect)(n, in, out, err, timeout, mask);

	after_select(fd, r);
	return r;
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	int r = REAL(epoll_wait)(epfd, events, max, timeout);

	TICKS_IN();
	exporter_chance();
	after_epoll(epfd, events, r, timeout);
	TICKS_OUT();
	return r;
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
		       const sigset_t *mask)
{
	int r = REAL(epoll_pwait)(epfd, events, max, timeout, mask);

	exporter_chance();
	after_epoll(epfd, events, r, timeout);
	return r;
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max,
			const struct timespec *timeout, const sigset_t *mask)
{
	int r = REAL(epoll_pwait2)(epfd, events, max, timeout, mask);

	exporter_chance();
	after_epoll(epfd, events, r, 0);
	return r;
}

static void handed_over(int fd)
{
	struct conn *c = conn_pin(fd);

	if (!c)
		return;
	if (c->role == CONN_SERVER)
		context_let_go(conn_bound(c));
	conn_unpin(c);
}

static NO_INLINE void controlled(int op, int fd, const struct epoll_event *event)
{
	if (op == EPOLL_CTL_DEL) {
		OBSERVE(loop_unwatched(fd));
		return;
	}
	if (memory_is_readable(event, sizeof(*event)))
		OBSERVE(loop_watched(fd, event));
	if (fd_is_ours(fd))
		OBSERVE(handed_over(fd));
}

static void made(int set)
{
	if (UNLIKELY(thread_self.current.slot) && set >= 0)
		OBSERVE(epoll_set_made(set));
}

EXPORT int epoll_create(int size)
{
	int r = REAL(epoll_create)(size);

	made(r);
	return r;
}

EXPORT int epoll_create1(int flags)
{
	int r = REAL(epoll_create1)(flags);

	made(r);
	return r;
}

/* Observed before the call: afterwards another thread may have the connection already. */
EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (UNLIKELY(fd_is_ours(fd) || context_is_loop()))
		controlled(op, fd, event);
	if (UNLIKELY(fd_is_ours(epfd)))
		OBSERVE(epoll_set_changing(epfd, op, fd));
	return REAL(epoll_ctl)(epfd, op, fd, event);
}
