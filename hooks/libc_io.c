/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in and out. */
#include "conn.h"
#include "fd_table.h"
#include "hook.h"
#include "write.h"

/* What these return is not taken off the stream.  MSG_TRUNC takes off, and returns nothing. */
#define UNSEEN (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)
#define EDITABLE (MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE | MSG_EOR)

static NO_INLINE struct conn_token look_in(int fd)
{
	struct conn_token t = { 0 };
	int error = errno;

	if (!host_is_observed())
		return t;
	if (guard_enter()) {
		t = conn_look(fd, true);
		guard_leave();
	} else {
		conn_make_blind(fd);
	}
	errno = error;
	return t;
}

static NO_INLINE void saw(int fd, struct conn_token t, const struct iovec *iov, size_t count,
			  ssize_t n, size_t wanted)
{
	int error = errno;

	OBSERVE(conn_read_done(fd, t, iov, count, n, wanted, error));
}

/* What MSG_PEEK shows is not taken in; that it was shown matters. */
static NO_INLINE struct conn_token peek_begin(int fd, int flags)
{
	struct conn_token t = { 0 };
	int error = errno;

	if (!(flags & MSG_PEEK) || !host_is_observed())
		return t;
	if (guard_enter()) {
		t = conn_peek_begin(fd);
		guard_leave();
	} else {
		conn_make_blind(fd);
	}
	errno = error;
	return t;
}

static NO_INLINE void peek_done(int fd, struct conn_token t, ssize_t n)
{
	OBSERVE(conn_peek_done(fd, t, n));
}

/* A read into one buffer: the shape of most. */
#define READ_ONE(call, fd, buf, len, flags)                                         \
	do {                                                                        \
		const int flags_ = (flags);                                         \
		struct conn_token token_;                                           \
		struct iovec iov_;                                                  \
		ssize_t n_;                                                         \
                                                                                    \
		if (LIKELY(!fd_is_ours(fd)))                                        \
			return call;                                                \
		if (flags_ & UNSEEN) {                                              \
			token_ = peek_begin(fd, flags_);                            \
			n_ = call;                                                  \
			peek_done(fd, token_, n_);                                  \
			return n_;                                                  \
		}                                                                   \
		token_ = look_in(fd);                                               \
		n_ = call;                                                          \
		iov_ = (struct iovec){ (void *)(buf), (len) };                      \
		saw(fd, token_, (flags_ & MSG_TRUNC) ? NULL : &iov_, 1, n_, (len)); \
		return n_;                                                          \
	} while (0)

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	READ_ONE(REAL(read)(fd, buf, len), fd, buf, len, 0);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	READ_ONE(REAL(__read_chk)(fd, buf, len, room), fd, buf, len, 0);
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	READ_ONE(REAL(recv)(fd, buf, len, flags), fd, buf, len, flags);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	READ_ONE(REAL(__recv_chk)(fd, buf, len, room, flags), fd, buf, len, flags);
}

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t len, int flags,
			struct sockaddr *restrict from, socklen_t *restrict from_len)
{
	READ_ONE(REAL(recvfrom)(fd, buf, len, flags, from, from_len), fd, buf, len, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t len, size_t room, int flags,
			      struct sockaddr *restrict from, socklen_t *restrict from_len)
{
	READ_ONE(REAL(__recvfrom_chk)(fd, buf, len, room, flags, from, from_len), fd, buf, len,
		 flags);
}

static size_t vector_len(const struct iovec *iov, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += iov[i].iov_len;
	return n;
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	struct conn_token t;
	ssize_t n;

	if (LIKELY(!fd_is_ours(fd)))
		return REAL(readv)(fd, iov, count);
	t = look_in(fd);
	n = REAL(readv)(fd, iov, count);
	if (n >= 0) /* the kernel has read the vector: so can we */
		saw(fd, t, iov, (size_t)count, n, vector_len(iov, (size_t)count));
	else
		saw(fd, t, NULL, 0, n, 0);
	return n;
}

/* Descriptors that came with a message are new, whatever we remember of their numbers. */
static void forget_received(struct msghdr *msg)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		const unsigned char *data = CMSG_DATA(m);
		size_t bytes = m->cmsg_len - CMSG_LEN(0);

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i + sizeof(int) <= bytes; i += sizeof(int)) {
			int fd;

			memcpy(&fd, data + i, sizeof(fd));
			conn_fd_closing(fd);
		}
	}
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct conn_token t = { 0 };
	bool is_ours = fd_is_ours(fd), is_unseen = flags & UNSEEN;
	ssize_t n;

	if (is_ours)
		t = is_unseen ? peek_begin(fd, flags) : look_in(fd);
	n = REAL(recvmsg)(fd, msg, flags);
	if (n >= 0 && UNLIKELY(msg->msg_controllen))
		OBSERVE(forget_received(msg));
	if (is_ours && is_unseen)
		peek_done(fd, t, n);
	else if (is_ours && n >= 0)
		saw(fd, t, flags & MSG_TRUNC ? NULL : msg->msg_iov, msg->msg_iovlen, n,
		    vector_len(msg->msg_iov, msg->msg_iovlen));
	else if (is_ours)
		saw(fd, t, NULL, 0, n, 0);
	return n;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *wait)
{
	if (UNLIKELY(fd_is_ours(fd)))
		conn_make_blind(fd);
	return REAL(recvmmsg)(fd, msgs, count, flags, wait);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	if (UNLIKELY(fd_is_ours(fd)))
		conn_make_blind(fd);
	return REAL(sendmmsg)(fd, msgs, count, flags);
}

/* A byte that the peer reads beside the stream: what is in the stream is no longer known. */
static bool is_unordered(int fd, int flags)
{
	if (LIKELY(!(flags & MSG_OOB)))
		return false;
	OBSERVE_OR_BLIND(fd, conn_make_blind(fd));
	return true;
}

static ssize_t pass_write(const struct io_call *c)
{
	return REAL(write)(c->fd, c->iov->iov_base, c->iov->iov_len);
}

static ssize_t pass_writev(const struct io_call *c)
{
	return REAL(writev)(c->fd, c->iov, (int)c->count);
}

static ssize_t again_writev(const struct io_call *c, const struct iovec *iov, size_t count)
{
	return REAL(writev)(c->fd, iov, (int)count);
}

static ssize_t pass_send(const struct io_call *c)
{
	return REAL(send)(c->fd, c->iov->iov_base, c->iov->iov_len, c->flags);
}

static ssize_t pass_sendmsg(const struct io_call *c)
{
	return REAL(sendmsg)(c->fd, c->arg, c->flags);
}

static ssize_t again_sendmsg(const struct io_call *c, const struct iovec *iov, size_t count)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count };

	return REAL(sendmsg)(c->fd, &m, c->flags);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	if (LIKELY(!fd_is_ours(fd)))
		return REAL(write)(fd, buf, len);
	return conn_write(&(struct io_call){ .fd = fd,
					     .iov = &iov,
					     .count = 1,
					     .can_edit = true,
					     .pass = pass_write,
					     .send = again_writev });
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	if (LIKELY(!fd_is_ours(fd)) || count <= 0 || count > 1024)
		return REAL(writev)(fd, iov, count);
	return conn_write(&(struct io_call){ .fd = fd,
					     .iov = iov,
					     .count = (size_t)count,
					     .can_edit = true,
					     .pass = pass_writev,
					     .send = again_writev });
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	if (LIKELY(!fd_is_ours(fd)) || is_unordered(fd, flags))
		return REAL(send)(fd, buf, len, flags);
	return conn_write(&(struct io_call){ .fd = fd,
					     .iov = &iov,
					     .count = 1,
					     .can_edit = !(flags & ~EDITABLE),
					     .flags = flags,
					     .pass = pass_send,
					     .send = again_sendmsg });
}

struct sendto_args {
	const struct sockaddr *to;
	socklen_t len;
};

static ssize_t pass_sendto(const struct io_call *c)
{
	const struct sendto_args *a = c->arg;

	return REAL(sendto)(c->fd, c->iov->iov_base, c->iov->iov_len, c->flags, a->to, a->len);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	if (LIKELY(!fd_is_ours(fd)) || is_unordered(fd, flags))
		return REAL(sendto)(fd, buf, len, flags, to, to_len);
	return conn_write(&(struct io_call){ .fd = fd,
					     .iov = &iov,
					     .count = 1,
					     .can_edit = !to && !(flags & ~EDITABLE),
					     .flags = flags,
					     .arg = &(struct sendto_args){ to, to_len },
					     .pass = pass_sendto,
					     .send = again_sendmsg });
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (LIKELY(!fd_is_ours(fd)) || is_unordered(fd, flags) || !msg || !msg->msg_iovlen ||
	    msg->msg_iovlen > 1024)
		return REAL(sendmsg)(fd, msg, flags);
	return conn_write(&(struct io_call){ .fd = fd,
					     .iov = msg->msg_iov,
					     .count = msg->msg_iovlen,
					     .can_edit = !msg->msg_name && !msg->msg_controllen &&
							 !(flags & ~EDITABLE),
					     .flags = flags,
					     .arg = msg,
					     .pass = pass_sendmsg,
					     .send = again_sendmsg });
}

static NO_INLINE struct conn_token look_out(int fd)
{
	struct conn_token t = { 0 };
	int error = errno;

	if (host_is_observed() && guard_enter()) {
		t = conn_look(fd, false);
		guard_leave();
	}
	errno = error;
	return t;
}

static NO_INLINE void sent_unseen(int fd, struct conn_token t, ssize_t n)
{
	int error = errno;

	OBSERVE(conn_wrote(fd, t, NULL, 0, n, error));
}

EXPORT ssize_t sendfile(int out, int in, off_t *at, size_t len)
{
	struct conn_token t;
	ssize_t n;

	if (LIKELY(!fd_is_ours(out)))
		return REAL(sendfile)(out, in, at, len);
	t = look_out(out);
	n = REAL(sendfile)(out, in, at, len);
	sent_unseen(out, t, n);
	return n;
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *at, size_t len)
{
	struct conn_token t;
	ssize_t n;

	if (LIKELY(!fd_is_ours(out)))
		return REAL(sendfile64)(out, in, at, len);
	t = look_out(out);
	n = REAL(sendfile64)(out, in, at, len);
	sent_unseen(out, t, n);
	return n;
}

EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
	bool is_in = UNLIKELY(fd_is_ours(in)), is_out = UNLIKELY(fd_is_ours(out));
	struct conn_token from = { 0 }, to = { 0 };
	ssize_t n;

	if (is_in)
		from = look_in(in);
	if (is_out)
		to = look_out(out);
	n = REAL(splice)(in, in_at, out, out_at, len, flags);
	/* An error may be of either side. */
	if (is_in && n >= 0)
		saw(in, from, NULL, 0, n, len);
	if (is_out && n > 0)
		sent_unseen(out, to, n);
	return n;
}
