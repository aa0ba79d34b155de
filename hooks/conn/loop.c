/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "clock.h"
#include "compiler.h"
#include "context.h"
#include "fd_table.h"
#include "guard.h"
#include "rawsys.h"

/* --- opaque connections --- */

/* No connection has such an entry: there is no index in it. */
static uint64_t entry_of(enum conn_role role)
{
	return (uint64_t)(role + 1) << 32;
}

void loop_keep(int fd, enum conn_role role)
{
	if (context_is_loop())
		fd_put(fd, entry_of(role));
}

void loop_touched(uint64_t entry, bool is_in)
{
	context_touched((struct span_ref){ 0 });
	if (!is_in && entry == entry_of(CONN_SERVER))
		context_doubt();
}

/* --- other descriptors --- */

/* More than any loop has; one that has more is not understood. */
#define OTHERS 32u

/* Written by the loop's thread alone. */
static struct other {
	_Atomic int64_t fd; /* plus one; 0: free */
	_Atomic uint64_t data;
} others[OTHERS];
static _Atomic size_t others_end; /* behind the last one in use: all are looked for in each wait */
static _Atomic bool has_more;

static void forget(int fd, uint64_t data, bool is_data)
{
	size_t end = 0;

	for (size_t i = 0; i < OTHERS; i++) {
		int64_t is = atomic_load_explicit(&others[i].fd, memory_order_relaxed);

		if (is == (int64_t)fd + 1 || (is && is_data && others[i].data == data))
			atomic_store_explicit(&others[i].fd, 0, memory_order_relaxed);
		else if (is)
			end = i + 1;
	}
	atomic_store_explicit(&others_end, end, memory_order_relaxed);
}

static void remember(int fd, uint64_t data)
{
	for (size_t i = 0; i < OTHERS; i++)
		if (!atomic_load_explicit(&others[i].fd, memory_order_relaxed)) {
			atomic_store_explicit(&others[i].data, data, memory_order_relaxed);
			atomic_store_explicit(&others[i].fd, (int64_t)fd + 1, memory_order_relaxed);
			if (i >= atomic_load_explicit(&others_end, memory_order_relaxed))
				atomic_store_explicit(&others_end, i + 1, memory_order_relaxed);
			return;
		}
	atomic_store_explicit(&has_more, true, memory_order_relaxed);
}

/* What it brings is accepted, and that is a touch. */
static bool is_listening(int fd)
{
	int is_so = 0;
	socklen_t len = sizeof(is_so);

	raw_syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, (long)&is_so, (long)&len, 0);
	return is_so != 0;
}

void loop_watched(int fd, const struct epoll_event *event)
{
	bool is_known;

	if (!context_is_loop() || !event)
		return;
	is_known = fd_is_ours(fd) || is_listening(fd);
	/* The loop's memory is used again; nginx probes with what lay on its stack, though. */
	forget(fd, event->data.u64, is_known);
	if (!is_known)
		remember(fd, event->data.u64);
}

/*
 * An attempt to connect that the loop gives up not having looked at it: what its request does next
 * begins with no touch.
 */
void loop_unwatched(int fd)
{
	struct conn *c = context_is_loop() && fd_is_ours(fd) ? conn_pin(fd) : NULL;

	if (!c)
		return;
	if (c->role == CONN_CLIENT && c->is_connecting && !context_is(conn_bound(c)))
		context_doubt();
	conn_unpin(c);
}

void loop_connected(int fd)
{
	if (context_is_loop())
		forget(fd, 0, false);
}

static ALWAYS_INLINE bool is_other(uint64_t data, const struct other *end)
{
	for (const struct other *o = others; o < end; o++)
		if (UNLIKELY(atomic_load_explicit(&o->data, memory_order_relaxed) == data) &&
		    atomic_load_explicit(&o->fd, memory_order_relaxed))
			return true;
	return false;
}

static ALWAYS_INLINE bool any_others(const struct epoll_event *events, int n)
{
	const struct other *end = others + atomic_load_explicit(&others_end, memory_order_relaxed);

	for (int i = 0; i < n; i++)
		if (UNLIKELY(is_other(events[i].data.u64, end)))
			return true;
	return atomic_load_explicit(&has_more, memory_order_relaxed);
}

/* --- timers --- */

/*
 * The limit was reckoned from the time as it was when the last wait was over: nginx looks at its
 * clock then, a little later than we do, and at this one or at one that is ahead of it.  No limit:
 * no timer is set, or the loop has itself woken up by signals (timer_resolution): then one may fire
 * any time.
 */
static void note_limit(int timeout_ms)
{
	uint32_t before = thread_self.wait_ms;
	uint32_t now = (uint32_t)(clock_ns(CLOCK_MONOTONIC_COARSE) / 1000000u);

	thread_self.wait_ms = now;
	context_timer(timeout_ms < 0 ? now : before + (uint32_t)timeout_ms);
}

NO_INLINE void loop_waited(const struct epoll_event *events, int n, int timeout_ms)
{
	if (UNLIKELY(!context_is_loop()))
		return;
	if (LIKELY(context_tells_timers()))
		note_limit(timeout_ms);
	if (UNLIKELY(any_others(events, n)))
		context_doubt();
}
