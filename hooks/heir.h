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

void heir_slow(int fd, bool is_read);
void heir_slow_poll(const struct pollfd *fds, nfds_t n, int r);

/* Before it reads from fd. */
static ALWAYS_INLINE void heir_reads(int fd)
{
	if (inherit_has())
		heir_slow(fd, true);
}

/* After it has waited for fd alone; negative: for others, or none. */
static ALWAYS_INLINE void heir_waited(int fd)
{
	if (inherit_has())
		heir_slow(fd, false);
}

/* After poll() returned r. */
static ALWAYS_INLINE void heir_polled(const struct pollfd *fds, nfds_t n, int r)
{
	if (inherit_has())
		heir_slow_poll(fds, n, r);
}

#endif
