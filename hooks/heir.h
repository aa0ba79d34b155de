/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEIR_H
#define HEIR_H
/*
 * What hooks tell of a thread that has inherited a request (inherit.h): that it may have got other
 * work, unless it waits for its own connections.  Others pay a load.  Outside the guard; any
 * thread, signal-safe, errno is kept.
 */
#include <poll.h>

#include "inherit.h"

void heir_slow(int fd, bool is_read, const void *caller);
void heir_slow_poll(const struct pollfd *fds, nfds_t n, int r, const void *caller);

/* In a hook itself, or inlined there. */
#define HEIR_CALLER __builtin_return_address(0)

/* Before it reads from fd. */
static ALWAYS_INLINE void heir_reads(int fd)
{
	if (inherit_has())
		heir_slow(fd, true, HEIR_CALLER);
}

/* After it has waited for fd alone; negative: for others, or none. */
static ALWAYS_INLINE void heir_waited(int fd)
{
	if (inherit_has())
		heir_slow(fd, false, HEIR_CALLER);
}

/* After poll() returned r.  Who has looked for nothing but a moment has got nothing. */
static ALWAYS_INLINE void heir_polled(const struct pollfd *fds, nfds_t n, int r, bool is_moment)
{
	if (inherit_has() && !(r == 0 && is_moment))
		heir_slow_poll(fds, n, r, HEIR_CALLER);
}

#endif
