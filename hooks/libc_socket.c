/* SPDX-License-Identifier: Apache-2.0 */
/* Where connections and their descriptors come from and go to. */
#include <netinet/tcp.h>
#include <stdarg.h>

#include "clock.h"
#include "conn.h"
#include "context.h"
#include "exporter_life.h"
#include "fd_table.h"
#include "hook.h"
#include "inherit.h"
#include "origin.h"
#include "socket.h"

static ALWAYS_INLINE bool is_known(int fd)
{
	return UNLIKELY(fd_is_ours(fd) || fd_is_own_client(fd));
}

/* A new descriptor: what we remember of its number is of one that was closed unseen. */
static void forget_stale(int fd)
{
	if (fd >= 0 && is_known(fd))
		OBSERVE_OR_BLIND(fd, conn_fd_closing(fd));
	fate_set(fd, FATE_NONE);
}

EXPORT int socket(int domain, int type, int protocol)
{
	int fd = REAL(socket)(domain, type, protocol);

	exporter_chance();
	forget_stale(fd);
	return fd;
}

/* Both are new; neither end was connected or accepted, so it stays unknown. */
EXPORT int socketpair(int domain, int type, int protocol, int fds[2])
{
	int r = REAL(socketpair)(domain, type, protocol, fds);

	for (int i = 0; r == 0 && i < 2; i++)
		forget_stale(fds[i]);
	return r;
}

/*
 * A socket that takes a name is none that was accepted, nor, but for local ones, connected: those
 * have theirs.  (Local ones that have one agree to take any.)
 */
static void bound(int fd)
{
	struct conn *c = conn_pin(fd);
	bool is_stale = c && (c->role == CONN_SERVER || !conn_is_still(c, fd));

	if (c)
		conn_unpin(c);
	if (is_stale)
		conn_fd_closing(fd);
}

EXPORT int bind(int fd, const struct sockaddr *name, socklen_t len)
{
	int r = REAL(bind)(fd, name, len);

	if (UNLIKELY(fd_is_ours(fd)) && r == 0 && len > sizeof(sa_family_t))
		OBSERVE(bound(fd));
	return r;
}

/* Nobody does it in a signal handler: a chance for the exporter. */
EXPORT int listen(int fd, int backlog)
{
	int r = REAL(listen)(fd, backlog);

	exporter_chance();
	if (r == 0) {
		atomic_store(&host_listens, true);
		origin_end();
	}
	return r;
}

static void connected(int fd, const struct sockaddr *to, socklen_t len, int r, int error,
		      uint64_t started_ns)
{
	bool in_progress = r < 0 && (error == EINPROGRESS || error == EINTR || error == EAGAIN);

	if ((r < 0 && !in_progress) || !to || len < sizeof(to->sa_family))
		return;
	if (to->sa_family == AF_UNSPEC) /* ends what there is, and the socket may be used anew */
		conn_fd_closing(fd);
	if (to->sa_family != AF_INET && to->sa_family != AF_INET6 && to->sa_family != AF_UNIX)
		return;
	if (fd_is_ours(fd) && conn_leads_to(fd, to, len)) /* how is it? */
		return;
	if (socket_is_stream(fd))
		conn_connected(fd, to, len, in_progress, started_ns);
}

EXPORT int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	uint64_t started_ns = clock_monotonic_ns();
	int r = REAL(connect)(fd, to, len);
	int error = errno;

	exporter_chance();
	OBSERVE(connected(fd, to, len, r, error, started_ns));
	return r;
}

/* The peer is asked for when a span wants it: the caller's buffer may be cut, or absent. */
static void accepted(int fd)
{
	origin_end();
	if (socket_is_stream(fd))
		conn_accepted(fd);
	else
		conn_fd_closing(fd);
}

EXPORT int accept(int fd, struct sockaddr *restrict peer, socklen_t *restrict len)
{
	int r = REAL(accept)(fd, peer, len);

	exporter_chance();
	inherit_end();
	if (r >= 0)
		OBSERVE(accepted(r));
	return r;
}

EXPORT int accept4(int fd, struct sockaddr *restrict peer, socklen_t *restrict len, int flags)
{
	int r = REAL(accept4)(fd, peer, len, flags);

	exporter_chance();
	inherit_end();
	if (r >= 0)
		OBSERVE(accepted(r));
	return r;
}

static void asked_for_error(int fd)
{
	struct conn *c = conn_pin(fd);

	if (!c)
		return;
	if (c->role == CONN_CLIENT && c->is_connecting)
		context_touched(conn_bound(c));
	conn_unpin(c);
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	if (UNLIKELY(fd_is_ours(fd))) {
		if (level == SOL_SOCKET && name == SO_ERROR && conn_seems_connecting(fd))
			OBSERVE(asked_for_error(fd));
		else if (level == IPPROTO_TCP && name == TCP_ZEROCOPY_RECEIVE)
			OBSERVE_OR_BLIND(fd, conn_make_blind(fd)); /* a read by mapping */
	}
	return REAL(getsockopt)(fd, level, name, value, len);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int r = REAL(setsockopt)(fd, level, name, value, len);

	if (r == 0)
		OBSERVE(conn_option_set(fd, level, name));
	return r;
}

EXPORT int shutdown(int fd, int how)
{
	if (UNLIKELY(fd_is_ours(fd)))
		OBSERVE(conn_shut(fd, how));
	return REAL(shutdown)(fd, how);
}

/* Forget the number first: once the kernel has it back, it may be another thread's. */
static NO_INLINE int close_known(int fd)
{
	OBSERVE_OR_BLIND(fd, conn_fd_closing(fd));
	return REAL(close)(fd);
}

/* Of a descriptor that is not ours it is a jump, and saves no registers. */
EXPORT int close(int fd)
{
	return is_known(fd) ? close_known(fd) : REAL(close)(fd);
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	if (fd_highest() >= 0)
		OBSERVE(conn_range_closing(first, last, (unsigned)flags));
	return REAL(close_range)(first, last, flags);
}

EXPORT void closefrom(int first)
{
	if (fd_highest() >= 0)
		OBSERVE(conn_range_closing(first < 0 ? 0 : (unsigned)first, ~0u, 0));
	REAL(closefrom)(first);
}

static void duped(int from, int to)
{
	if (to >= 0 && (is_known(from) || is_known(to)))
		OBSERVE_OR_BLIND(to, conn_duped(from, to, fd_entry(to)));
}

EXPORT int dup(int fd)
{
	int r = REAL(dup)(fd);

	duped(fd, r);
	return r;
}

/*
 * Unlike close(), told afterwards: the target's number stays taken, and a call that fails (EBADF,
 * EINVAL, EBUSY) closes nothing.
 */
#define REPLACE(from, to, call)                                             \
	do {                                                                \
		uint64_t was_ = 0;                                          \
		int r_;                                                     \
                                                                            \
		if (LIKELY(!is_known(from) && !is_known(to)) || from == to) \
			return call;                                        \
		OBSERVE(was_ = conn_replacing(to));                         \
		r_ = call;                                                  \
		if (r_ >= 0)                                                \
			OBSERVE_OR_BLIND(to, conn_duped(from, to, was_));   \
		return r_;                                                  \
	} while (0)

EXPORT int dup2(int from, int to)
{
	REPLACE(from, to, REAL(dup2)(from, to));
}

EXPORT int dup3(int from, int to, int flags)
{
	REPLACE(from, to, REAL(dup3)(from, to, flags));
}

/* Whatever the third argument is, it is one register. */
#define FCNTL(name)                                           \
	EXPORT int name(int fd, int cmd, ...)                 \
	{                                                     \
		va_list ap;                                   \
		void *arg;                                    \
		int r;                                        \
                                                              \
		va_start(ap, cmd);                            \
		arg = va_arg(ap, void *);                     \
		va_end(ap);                                   \
		r = REAL(name)(fd, cmd, arg);                 \
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) \
			duped(fd, r);                         \
		return r;                                     \
	}

FCNTL(fcntl)
FCNTL(fcntl64)
