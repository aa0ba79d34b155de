/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: bytes, and descriptors that travel with them. */
#include "fd_table.h"
#include "heir.h"
#include "hook.h"
#include "io.h"
#include "memory.h"

/*
 * Each descriptor in a message's control data, which the kernel has accepted or written; a protocol
 * that has no use for it does not look at it, though.
 */
static void each_right(struct msghdr *msg, void (*take)(int fd))
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(msg); m; m = CMSG_NXTHDR(msg, m)) {
		const char *data = (const char *)m;
		size_t room = (size_t)((char *)msg->msg_control + msg->msg_controllen - data);
		size_t len = m->cmsg_len < room ? m->cmsg_len : room;

		if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = CMSG_LEN(0); i + sizeof(int) <= len; i += sizeof(int)) {
			int fd;

			memcpy(&fd, data + i, sizeof(fd));
			take(fd);
		}
	}
}

/* Those that came are new, whatever we remember of their numbers. */
static ALWAYS_INLINE void received(struct msghdr *msg)
{
	if (UNLIKELY(msg->msg_controllen) && UNLIKELY(fd_highest() >= 0))
		OBSERVE(each_right(msg, conn_fd_closing));
}

/* Who got a connection may go on with it. */
static ALWAYS_INLINE void sent(const struct msghdr *msg)
{
	struct msghdr m;

	if (LIKELY(!msg->msg_controllen) || LIKELY(fd_highest() < 0))
		return;
	m = *msg;
	OBSERVE(each_right(&m, conn_handed_on));
}

static void saw_message(int fd, struct conn_token t, const struct msghdr *msg, int flags, ssize_t n)
{
	io_saw(fd, t, flags & MSG_TRUNC ? NULL : msg->msg_iov, msg->msg_iovlen, n,
	       io_vector_len(msg->msg_iov, msg->msg_iovlen));
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct conn_token t = { 0 };
	bool is_ours = fd_is_ours(fd), is_unseen = flags & IO_UNSEEN;
	ssize_t n;

	heir_reads(fd);
	if (is_ours)
		t = is_unseen ? io_peek_begin(fd, flags) : io_look_in(fd);
	n = REAL(recvmsg)(fd, msg, flags);
	if (n >= 0)
		received(msg);
	if (is_ours && is_unseen)
		io_peek_done(fd, t, n);
	else if (is_ours && n >= 0)
		saw_message(fd, t, msg, flags, n);
	else if (is_ours)
		io_saw(fd, t, NULL, 0, n, 0);
	return n;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *wait)
{
	struct conn_token t = { 0 };
	bool is_ours = fd_is_ours(fd), is_unseen = flags & IO_UNSEEN;
	int r;

	heir_reads(fd);
	if (is_ours)
		t = is_unseen ? io_peek_begin(fd, flags) : io_look_in(fd);
	r = REAL(recvmmsg)(fd, msgs, count, flags, wait);
	for (int i = 0; i < r; i++)
		received(&msgs[i].msg_hdr);
	if (is_ours && is_unseen)
		io_peek_done(fd, t, r);
	else if (is_ours && r < 0)
		io_saw(fd, t, NULL, 0, r, 0);
	for (int i = 0; is_ours && !is_unseen && i < r; i++, t = conn_token_next(t))
		saw_message(fd, t, &msgs[i].msg_hdr, flags, (ssize_t)msgs[i].msg_len);
	return r;
}

static ssize_t pass_sendmsg(const struct io_call *c)
{
	return REAL(sendmsg)(c->fd, c->arg, c->flags);
}

static ssize_t send_ours(int fd, const struct msghdr *msg, int flags)
{
	if (io_is_unordered(fd, flags) || !memory_is_readable(msg, sizeof(*msg)) ||
	    !msg->msg_iovlen || msg->msg_iovlen > 1024)
		return REAL(sendmsg)(fd, msg, flags);
	return io_write(&(struct io_call){ .fd = fd,
					   .iov = msg->msg_iov,
					   .count = msg->msg_iovlen,
					   .has_vector = true,
					   .can_edit = !msg->msg_name && !msg->msg_controllen &&
						       !(flags & ~IO_EDITABLE),
					   .flags = flags,
					   .arg = msg,
					   .pass = pass_sendmsg,
					   .send = io_again });
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t n =
		LIKELY(!fd_is_ours(fd)) ? REAL(sendmsg)(fd, msg, flags) : send_ours(fd, msg, flags);

	if (n >= 0)
		sent(msg);
	return n;
}

/*
 * As the kernel does it: sendmsg() for each until one fails, whose error is told only if it is the
 * first, or is sent in part.  It finds out that it cannot tell a length when that is sent, too.
 */
_Static_assert(sizeof(struct mmsghdr) - offsetof(struct mmsghdr, msg_len) == 8,
	       "memory_is_writable()");
static int send_each(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	int error = errno;
	unsigned i = 0;

	while (i < count && i < 1024) {
		const struct msghdr *msg = &msgs[i].msg_hdr;
		size_t wanted;
		ssize_t n = sendmsg(fd, msg, flags);

		if (n < 0)
			break;
		wanted = io_vector_len(msg->msg_iov, msg->msg_iovlen);
		if (!memory_is_writable(&msgs[i].msg_len)) { /* with what pads the struct */
			errno = EFAULT;
			break;
		}
		msgs[i++].msg_len = (unsigned)n;
		if ((size_t)n < wanted)
			break;
	}
	if (i == 0)
		return -1;
	errno = error; /* no error was told */
	return (int)i;
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	int r;

	/* One call could carry no more than one line of ours, and not what it owes. */
	if (UNLIKELY(fd_is_ours(fd)) && msgs && count)
		return send_each(fd, msgs, count, flags);
	r = REAL(sendmmsg)(fd, msgs, count, flags);
	for (int i = 0; i < r; i++)
		sent(&msgs[i].msg_hdr);
	return r;
}
