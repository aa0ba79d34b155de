/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes in and out. */
#include "conn_impl.h"
#include "fd_table.h"
#include "heir.h"
#include "hook.h"
#include "io.h"
#include "memory.h"
#include "ticks.h"
#include "tls_glance.h"

static NO_INLINE struct conn_token look_slow(int fd, bool is_in)
{
	struct conn_token t = { 0 };
	int error = errno;

	if (!host_is_observed())
		return t;
	if (guard_enter()) {
		t = conn_look(fd, is_in);
		guard_leave();
	} else {
		conn_make_blind(fd);
	}
	errno = error;
	return t;
}

static ALWAYS_INLINE struct conn_token look(int fd, bool is_in)
{
	struct conn_token t = { 0 };

	if (LIKELY(host_is_observed() && guard_is_free()))
		t = conn_glance(fd, is_in);
	return LIKELY(t.conn != NULL) ? t : look_slow(fd, is_in);
}

struct conn_token io_look_in(int fd)
{
	return look(fd, true);
}

struct conn_token io_look_out(int fd)
{
	return look(fd, false);
}

void io_saw(int fd, struct conn_token t, const struct iovec *iov, size_t count, ssize_t n,
	    size_t wanted)
{
	int error = errno;

	if (UNLIKELY(!t.conn) ||
	    (UNLIKELY(n < 0) && error == EAGAIN && conn_role(t) == CONN_SERVER))
		return;
	OBSERVE(conn_read_done(fd, t, iov, count, n, wanted, error));
}

/* What MSG_PEEK shows is not taken in; that it was shown matters. */
struct conn_token io_peek_begin(int fd, int flags)
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

void io_peek_done(int fd, struct conn_token t, ssize_t n)
{
	OBSERVE(conn_peek_done(fd, t, n));
}

/* A read into one buffer: the shape of most. */
#define READ_ONE(call, fd, buf, len, flags)                                                    \
	do {                                                                                   \
		const int flags_ = (flags);                                                    \
		struct conn_token token_;                                                      \
		struct iovec iov_;                                                             \
		ssize_t n_;                                                                    \
                                                                                               \
		if (UNLIKELY(flags_ & IO_UNSEEN)) {                                            \
			token_ = io_peek_begin(fd, flags_);                                    \
			n_ = call;                                                             \
			io_peek_done(fd, token_, n_);                                          \
			return n_;                                                             \
		}                                                                              \
		TICKS_IN();                                                                    \
		token_ = look(fd, true);                                                       \
		TICKS_OUT();                                                                   \
		n_ = call;                                                                     \
		TICKS_IN();                                                                    \
		iov_ = (struct iovec){ (void *)(buf), (len) };                                 \
		thread_self.caller = CALLER();                                                 \
		if (LIKELY(token_.conn && n_ > 0 && !(flags_ & MSG_TRUNC)))                    \
			OBSERVE(conn_read_some(fd, token_, &iov_, (size_t)n_));                \
		else                                                                           \
			io_saw(fd, token_, (flags_ & MSG_TRUNC) ? NULL : &iov_, 1, n_, (len)); \
		thread_self.caller = NULL;                                                     \
		TICKS_OUT();                                                                   \
		return n_;                                                                     \
	} while (0)

/*
 * All but the usual case, a descriptor that is not ours, is out of line and reached by a jump, so
 * that the usual case saves no registers.
 */
#define READS(name, params, args, how)                                                            \
	static NO_INLINE ssize_t name##_ours params                                               \
	{                                                                                         \
		how;                                                                              \
	}                                                                                         \
	static NO_INLINE ssize_t name##_seldom params                                             \
	{                                                                                         \
		heir_reads(fd);                                                                   \
		return fd_is_ours(fd) ? name##_ours args : REAL(name) args;                       \
	}                                                                                         \
	EXPORT ssize_t name params                                                                \
	{                                                                                         \
		void *real = atomic_load_explicit(&real_slot[HOOK_##name], memory_order_relaxed); \
                                                                                                  \
		if (UNLIKELY(real == NULL) || inherit_has())                                      \
			return name##_seldom args;                                                \
		if (LIKELY(!fd_is_ours(fd) || tls_is_inside(fd)))                                 \
			return ((__typeof__(&name))real)args;                                     \
		return name##_ours args;                                                          \
	}

READS(read, (int fd, void *buf, size_t len), (fd, buf, len),
      READ_ONE(REAL(read)(fd, buf, len), fd, buf, len, 0))
READS(__read_chk, (int fd, void *buf, size_t len, size_t room), (fd, buf, len, room),
      READ_ONE(REAL(__read_chk)(fd, buf, len, room), fd, buf, len, 0))
READS(recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags),
      READ_ONE(REAL(recv)(fd, buf, len, flags), fd, buf, len, flags))
READS(__recv_chk, (int fd, void *buf, size_t len, size_t room, int flags),
      (fd, buf, len, room, flags),
      READ_ONE(REAL(__recv_chk)(fd, buf, len, room, flags), fd, buf, len, flags))
READS(recvfrom,
      (int fd, void *restrict buf, size_t len, int flags, struct sockaddr *restrict from,
       socklen_t *restrict from_len),
      (fd, buf, len, flags, from, from_len),
      READ_ONE(REAL(recvfrom)(fd, buf, len, flags, from, from_len), fd, buf, len, flags))
READS(__recvfrom_chk,
      (int fd, void *restrict buf, size_t len, size_t room, int flags,
       struct sockaddr *restrict from, socklen_t *restrict from_len),
      (fd, buf, len, room, flags, from, from_len),
      READ_ONE(REAL(__recvfrom_chk)(fd, buf, len, room, flags, from, from_len), fd, buf, len,
	       flags))

size_t io_vector_len(const struct iovec *iov, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += iov[i].iov_len;
	return n;
}

#define READ_VECTOR(call, fd, iov, count)                                    \
	do {                                                                 \
		struct conn_token token_;                                    \
		ssize_t n_;                                                  \
                                                                             \
		token_ = io_look_in(fd);                                     \
		n_ = call;                                                   \
		if (n_ >= 0) /* the kernel has read the vector: so can we */ \
			io_saw(fd, token_, iov, (size_t)(count), n_,         \
			       io_vector_len(iov, (size_t)(count)));         \
		else                                                         \
			io_saw(fd, token_, NULL, 0, n_, 0);                  \
		return n_;                                                   \
	} while (0)

READS(readv, (int fd, const struct iovec *iov, int count), (fd, iov, count),
      READ_VECTOR(REAL(readv)(fd, iov, count), fd, iov, count))
/* At -1 these two are readv() with flags, on sockets too; at any other place sockets refuse. */
READS(preadv2, (int fd, const struct iovec *iov, int count, off_t at, int flags),
      (fd, iov, count, at, flags),
      READ_VECTOR(REAL(preadv2)(fd, iov, count, at, flags), fd, iov, count))
READS(preadv64v2, (int fd, const struct iovec *iov, int count, off64_t at, int flags),
      (fd, iov, count, at, flags),
      READ_VECTOR(REAL(preadv64v2)(fd, iov, count, at, flags), fd, iov, count))

bool io_is_unordered(int fd, int flags)
{
	if (LIKELY(!(flags & MSG_OOB)))
		return false;
	OBSERVE_OR_BLIND(fd, conn_make_blind(fd));
	return true;
}

static ALWAYS_INLINE void wrote(int fd, struct conn_token t, const struct iovec *iov, size_t count,
				ssize_t n)
{
	int error = errno;

	if (!t.conn)
		return;
	if (LIKELY(n > 0))
		OBSERVE(conn_wrote_some(fd, t, iov, count, (size_t)n));
	else
		OBSERVE(conn_wrote(fd, t, iov, count, n, error));
}

static NO_INLINE ssize_t write_of_client(const struct io_call *call, struct conn_token t)
{
	ssize_t n;

	if (!call->has_vector || memory_is_readable(call->iov, call->count * sizeof(*call->iov))) {
		thread_self.caller = call->caller;
		n = conn_write_looked(call, t);
		thread_self.caller = NULL;
		TICKS_OUT();
		return n;
	}
	conn_make_blind(call->fd);
	n = call->pass(call);
	wrote(call->fd, t, call->iov, call->count, n);
	return n;
}

/* A client's bytes are read before the call, a server's once the kernel has read them. */
ssize_t io_write(const struct io_call *call)
{
	struct conn_token t;
	ssize_t n;

	TICKS_IN();
	t = look(call->fd, false);
	if (t.conn && conn_role(t) == CONN_CLIENT)
		return write_of_client(call, t);
	n = call->pass(call);
	wrote(call->fd, t, call->iov, call->count, n);
	return n;
}

static ssize_t pass_write(const struct io_call *c)
{
	return REAL(write)(c->fd, c->iov->iov_base, c->iov->iov_len);
}

static ssize_t pass_writev(const struct io_call *c)
{
	return REAL(writev)(c->fd, c->iov, (int)c->count);
}

ssize_t io_again(const struct io_call *c, const struct iovec *iov, size_t count, bool is_more)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count };

	return REAL(sendmsg)(c->fd, &m, (c->flags & IO_EDITABLE) | (is_more ? MSG_MORE : 0));
}

/*
 * What was one call of the application's, and had to become two, leaves as one: where Nagle's
 * algorithm is on, the second would wait for the peer to answer the first.
 */
static ssize_t again_writev(const struct io_call *c, const struct iovec *iov, size_t count,
			    bool is_more)
{
	return is_more ? io_again(c, iov, count, true) : REAL(writev)(c->fd, iov, (int)count);
}

struct v2_args {
	int flags;
	bool is_64;
};

static ssize_t again_v2(const struct io_call *c, const struct iovec *iov, size_t count,
			bool is_more)
{
	const struct v2_args *a = c->arg;

	(void)is_more;
	return a->is_64 ? REAL(pwritev64v2)(c->fd, iov, (int)count, -1, a->flags) :
			  REAL(pwritev2)(c->fd, iov, (int)count, -1, a->flags);
}

static ssize_t pass_v2(const struct io_call *c)
{
	return again_v2(c, c->iov, c->count, false);
}

static ssize_t write_v2(int fd, const struct iovec *iov, int count, int flags, bool is_64)
{
	return io_write(&(struct io_call){ .fd = fd,
					   .iov = iov,
					   .count = (size_t)count,
					   .has_vector = true,
					   .can_edit = true,
					   .arg = &(struct v2_args){ flags, is_64 },
					   .pass = pass_v2,
					   .send = again_v2 });
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t at, int flags)
{
	if (LIKELY(!fd_is_ours(fd)) || at != -1 || count <= 0 || count > 1024)
		return REAL(pwritev2)(fd, iov, count, at, flags);
	return write_v2(fd, iov, count, flags, false);
}

EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int count, off64_t at, int flags)
{
	if (LIKELY(!fd_is_ours(fd)) || at != -1 || count <= 0 || count > 1024)
		return REAL(pwritev64v2)(fd, iov, count, at, flags);
	return write_v2(fd, iov, count, flags, true);
}

static ssize_t pass_send(const struct io_call *c)
{
	return REAL(send)(c->fd, c->iov->iov_base, c->iov->iov_len, c->flags);
}

/*
 * A server's write is the application's, and looked at afterwards: call is made of what follows
 * only for a client's.
 */
#define WRITE_ONE(call, fd, iov, count, ...)                                              \
	do {                                                                              \
		struct conn_token token_;                                                 \
		ssize_t n_;                                                               \
                                                                                          \
		TICKS_IN();                                                               \
		token_ = look(fd, false);                                                 \
		if (token_.conn && UNLIKELY(conn_role(token_) == CONN_CLIENT))            \
			return write_of_client(&(struct io_call){ __VA_ARGS__ }, token_); \
		TICKS_OUT();                                                              \
		n_ = call;                                                                \
		TICKS_IN();                                                               \
		wrote(fd, token_, iov, count, n_);                                        \
		TICKS_OUT();                                                              \
		return n_;                                                                \
	} while (0)

/* As READS(): a descriptor that is ours is out of line. */
#define WRITES(name, params, args)                                \
	EXPORT ssize_t name params                                \
	{                                                         \
		if (LIKELY(!fd_is_ours(fd) || tls_is_inside(fd))) \
			return REAL(name) args;                   \
		return name##_ours args;                          \
	}

static NO_INLINE ssize_t write_ours(int fd, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	WRITE_ONE(REAL(write)(fd, buf, len), fd, &iov, 1, .fd = fd, .iov = &iov, .count = 1,
		  .can_edit = true, .caller = CALLER(), .pass = pass_write, .send = again_writev);
}

WRITES(write, (int fd, const void *buf, size_t len), (fd, buf, len))

static NO_INLINE ssize_t writev_ours(int fd, const struct iovec *iov, int count)
{
	if (UNLIKELY(count <= 0 || count > 1024))
		return REAL(writev)(fd, iov, count);
	WRITE_ONE(REAL(writev)(fd, iov, count), fd, iov, (size_t)count, .fd = fd, .iov = iov,
		  .count = (size_t)count, .has_vector = true, .can_edit = true, .caller = CALLER(),
		  .pass = pass_writev, .send = again_writev);
}

WRITES(writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))

static NO_INLINE ssize_t send_ours(int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	if (io_is_unordered(fd, flags))
		return REAL(send)(fd, buf, len, flags);
	WRITE_ONE(REAL(send)(fd, buf, len, flags), fd, &iov, 1, .fd = fd, .iov = &iov, .count = 1,
		  .can_edit = !(flags & ~IO_EDITABLE), .flags = flags, .caller = CALLER(),
		  .pass = pass_send, .send = io_again);
}

WRITES(send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))

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

	if (LIKELY(!fd_is_ours(fd)) || io_is_unordered(fd, flags))
		return REAL(sendto)(fd, buf, len, flags, to, to_len);
	return io_write(&(struct io_call){ .fd = fd,
					   .iov = &iov,
					   .count = 1,
					   .can_edit = !to && !(flags & ~IO_EDITABLE),
					   .flags = flags,
					   .arg = &(struct sendto_args){ to, to_len },
					   .pass = pass_sendto,
					   .send = io_again });
}

void io_sent_unseen(int fd, struct conn_token t, ssize_t n)
{
	int error = errno;

	OBSERVE(conn_wrote(fd, t, NULL, 0, n, error));
}

/* The rest of a line of ours goes ahead of bytes that we do not see; false: it would not. */
static bool pay(int fd)
{
	return conn_pay(&(struct io_call){ .fd = fd, .can_edit = true, .send = again_writev });
}

/* From a socket into a pipe: Linux 5.12 and later. */
static void not_from(int fd)
{
	if (UNLIKELY(fd_is_ours(fd)))
		OBSERVE_OR_BLIND(fd, conn_make_blind(fd));
}

EXPORT ssize_t sendfile(int out, int in, off_t *at, size_t len)
{
	struct conn_token t;
	ssize_t n;

	not_from(in);
	if (LIKELY(!fd_is_ours(out)))
		return REAL(sendfile)(out, in, at, len);
	if (!pay(out))
		return -1;
	t = io_look_out(out);
	n = REAL(sendfile)(out, in, at, len);
	io_sent_unseen(out, t, n);
	return n;
}

EXPORT ssize_t sendfile64(int out, int in, off64_t *at, size_t len)
{
	struct conn_token t;
	ssize_t n;

	not_from(in);
	if (LIKELY(!fd_is_ours(out)))
		return REAL(sendfile64)(out, in, at, len);
	if (!pay(out))
		return -1;
	t = io_look_out(out);
	n = REAL(sendfile64)(out, in, at, len);
	io_sent_unseen(out, t, n);
	return n;
}

EXPORT ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
	bool is_in = UNLIKELY(fd_is_ours(in)), is_out = UNLIKELY(fd_is_ours(out));
	struct conn_token from = { 0 }, to = { 0 };
	ssize_t n;

	if (is_out && !pay(out))
		return -1;
	if (is_in)
		from = io_look_in(in);
	if (is_out)
		to = io_look_out(out);
	n = REAL(splice)(in, in_at, out, out_at, len, flags);
	/* An error may be of either side. */
	if (is_in && n >= 0)
		io_saw(in, from, NULL, 0, n, len);
	if (is_out && n > 0)
		io_sent_unseen(out, to, n);
	return n;
}
