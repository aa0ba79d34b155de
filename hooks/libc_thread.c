/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that are started, and what tells that they go on to other work (inherit.h). */
#include <threads.h>

#include "child_env.h"
#include "conn.h"
#include "fd_table.h"
#include "heir.h"
#include "hook.h"

/* A request that was read has a descriptor: programs without pay a load. */
EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
			  void *(*routine)(void *), void *restrict arg)
{
	struct inherit_start *start = NULL;
	int r;

	child_env_thread();
	if (UNLIKELY(fd_highest() >= 0))
		OBSERVE(start = inherit_prepare(routine, arg, __builtin_return_address(0)));
	if (LIKELY(!start))
		return REAL(pthread_create)(thread, attr, routine, arg);
	r = REAL(pthread_create)(thread, attr, inherit_run, start);
	if (r != 0)
		inherit_cancel(start);
	return r;
}

/* C11's, which libc does not make of the one above. */
EXPORT int thrd_create(thrd_t *thread, thrd_start_t routine, void *arg)
{
	child_env_thread();
	return REAL(thrd_create)(thread, routine, arg);
}

NO_INLINE void heir_slow(int fd, bool is_read, const void *caller)
{
	int error = errno;
	bool is_own = false;

	if (guard_enter()) {
		is_own = conn_is_heirs(fd, is_read);
		guard_leave();
	}
	if (!is_own)
		inherit_waits(caller);
	errno = error;
}

/*
 * Nothing has come but from its own connections.  Where nothing has come at all it may have waited
 * for the time, which brings work, too: unless it is for one of its own alone.
 */
NO_INLINE void heir_slow_poll(const struct pollfd *fds, nfds_t n, int r, const void *caller)
{
	if (n == 1 || r <= 0) {
		heir_slow(n == 1 ? fds[0].fd : -1, false, caller);
		return;
	}
	for (nfds_t i = 0; i < n; i++)
		if (fds[i].revents)
			heir_slow(fds[i].fd, false, caller);
}
