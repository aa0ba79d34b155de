/* SPDX-License-Identifier: Apache-2.0 */
#include "rawsys.h"

#include <errno.h>
#include <stdarg.h>

#include "clock.h"
#include "quiesce.h"
#include "wrap.h"

static long checked(long ret)
{
	if (!raw_is_error(ret))
		return ret;
	errno = (int)-ret;
	return -1;
}

int __wrap_socket(int domain, int type, int protocol)
{
	return (int)checked(raw_syscall3(SYS_socket, domain, type | SOCK_CLOEXEC, protocol));
}

/* Of a local socket that transport.c has connected, whatever address is given now. */
static bool is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return raw_syscall3(SYS_getpeername, fd, (long)&peer, (long)&len) == 0 &&
	       peer.ss_family == AF_UNIX;
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t len)
{
	long ret = raw_syscall3(SYS_connect, fd, (long)address, (long)len);

	return ret == -EINVAL && is_connected(fd) ? 0 : (int)checked(ret);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	return (int)checked(raw_syscall3(SYS_bind, fd, (long)address, (long)len));
}

int __wrap_close(int fd)
{
	return (int)checked(raw_close(fd));
}

/* aarch64 has no poll(2). */
static long raw_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return raw_syscall6(SYS_ppoll, (long)fds, (long)n, timeout_ms < 0 ? 0 : (long)&timeout, 0,
			    0, 0);
}

/*
 * The one place of libcurl's that waits, and so the one where fork() in the host may pass.  A wait
 * that takes no time keeps Q: it costs the exporter less, and fork() no more.
 */
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	long ret;

	if (timeout_ms == 0)
		return (int)checked(raw_poll(fds, n, 0));
	quiesce_pause();
	ret = raw_poll(fds, n, timeout_ms);
	quiesce_resume();
	return (int)checked(ret);
}

/* MSG_NOSIGNAL: SIGPIPE is blocked here, but would stay pending. */
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	return checked(
		raw_syscall6(SYS_sendto, fd, (long)buf, (long)len, flags | MSG_NOSIGNAL, 0, 0));
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	return checked(raw_syscall6(SYS_recvfrom, fd, (long)buf, (long)len, flags, 0, 0));
}

ssize_t __wrap_recvfrom(int fd, void *restrict buf, size_t len, int flags,
			struct sockaddr *restrict from, socklen_t *restrict from_len)
{
	return checked(raw_syscall6(SYS_recvfrom, fd, (long)buf, (long)len, flags, (long)from,
				    (long)from_len));
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)iov,
				  .msg_iovlen = (size_t)n };

	/* Sockets only; unlike writev(2), this raises no signal. */
	return checked(raw_syscall3(SYS_sendmsg, fd, (long)&message, MSG_NOSIGNAL));
}

int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	long arg;

	va_start(args, command);
	arg = va_arg(args, long);
	va_end(args);
	return (int)checked(raw_syscall3(SYS_fcntl, fd, command, arg));
}

int __wrap_getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len)
{
	return (int)checked(
		raw_syscall6(SYS_getsockopt, fd, level, name, (long)value, (long)len, 0));
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return (int)checked(
		raw_syscall6(SYS_setsockopt, fd, level, name, (long)value, (long)len, 0));
}

int __wrap_getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict len)
{
	return (int)checked(raw_syscall3(SYS_getsockname, fd, (long)address, (long)len));
}

int __wrap_getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict len)
{
	return (int)checked(raw_syscall3(SYS_getpeername, fd, (long)address, (long)len));
}

char *__wrap_getenv(const char *name)
{
	(void)name;
	return NULL;
}

/* c-ares asks where there is no /dev/urandom; these are ids of DNS queries. */
int __wrap_rand(void)
{
	unsigned int bits = 0;

	if (raw_getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = (unsigned int)clock_monotonic_ns();
	return (int)(bits & RAND_MAX);
}
