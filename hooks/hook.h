/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOOK_H
#define HOOK_H
/*
 * What a hook is made of.  A hook = one row of hooks.def + one EXPORT function, thin, no logic:
 *
 *	EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
 *	{
 *		ssize_t n = REAL(send)(fd, buf, len, flags);
 *
 *		OBSERVE(conn_wrote(fd, buf, n));
 *		return n;
 *	}
 *
 * The prototype comes from the system's header, so that the compiler compares.  Files with hooks
 * are compiled with -U_FORTIFY_SOURCE (the headers would define inline twins of the names that we
 * are about to define) and without _FILE_OFFSET_BITS (it would redirect fcntl to fcntl64).
 *
 * Not for names that several loaded libraries may export (SSL_*, PQ*): those are resolved through
 * the caller's link map, never through one slot per name (interposed by one library, called by
 * another).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "compiler.h"
#include "guard.h"
#include "host.h"

enum hook {
#define HOOK(name) HOOK_##name,
#include "hooks.def"
#undef HOOK
	HOOKS
};

/* Names that no public header declares, or only newer ones than the oldest that we build with. */
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
		       socklen_t *from_len);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);
ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t at, int flags);
ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t at, int flags);
ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t at, int flags);
ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t at, int flags);
int close_range(unsigned first, unsigned last, int flags);
void closefrom(int first);
int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
		 const sigset_t *mask);
int pivot_root(const char *new_root, const char *put_old);
int capset(void *header, const void *data);
int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags);

/*
 * The slot of each row: NULL until the name is first called.  Relaxed is enough: whoever fills a
 * slot fills it with the same value, and code needs no publication.
 */
extern HIDDEN _Atomic(void *) real_slot[HOOKS];

/* Slow path of real_get(): starts the object up, looks the name up.  Signal-safe; errno is kept. */
void *real_first(enum hook which);

static ALWAYS_INLINE void *real_get(enum hook which)
{
	void *f = atomic_load_explicit(&real_slot[which], memory_order_relaxed);

	return LIKELY(f != NULL) ? f : real_first(which);
}

/*
 * The same without starting us up, for what malloc and the constructors of libraries call: that
 * would be before they have set up the environment, for instance.
 */
void *real_first_early(enum hook which);

static ALWAYS_INLINE void *real_get_early(enum hook which)
{
	void *f = atomic_load_explicit(&real_slot[which], memory_order_relaxed);

	return LIKELY(f != NULL) ? f : real_first_early(which);
}

/* The next function of that name after ours, with the type that the system's header gives it. */
#define REAL(sym) ((__typeof__(&sym))real_get(HOOK_##sym))

/* False: this libc has no such name, and REAL(sym) answers -1 with ENOSYS (law 5). */
#define REAL_EXISTS(sym) (real_get(HOOK_##sym) != (void *)real_missing)
long real_missing(void);

/*
 * Runs an observer, a void expression, in the guard; errno is the real call's afterwards (law 2).
 * Nothing of the application's may be called in it.
 */
#define OBSERVE(call)                                                      \
	do {                                                               \
		int observe_errno_ = errno;                                \
                                                                           \
		if (LIKELY(host_is_observed()) && LIKELY(guard_enter())) { \
			call;                                              \
			guard_leave();                                     \
		}                                                          \
		errno = observe_errno_;                                    \
	} while (0)

/*
 * For what must not go unnoticed.  A signal handler that came while this thread was in our code can
 * tell nothing but that: the connection of fd is blind from then on.  Needs conn.h.
 */
#define OBSERVE_OR_BLIND(fd, call)           \
	do {                                 \
		int observe_errno_ = errno;  \
                                             \
		if (!host_is_observed()) {   \
		} else if (guard_enter()) {  \
			call;                \
			guard_leave();       \
		} else {                     \
			conn_make_blind(fd); \
		}                            \
		errno = observe_errno_;      \
	} while (0)

#endif
