/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that the application's calls have moved, taken in after each call. */
#include <errno.h>
#include <sys/syscall.h>

#include "compiler.h"
#include "conn.h"
#include "conn_impl.h"
#include "context.h"
#include "pgwire.h"
#include "rawsys.h"
#include "stats.h"
#include "tls.h"
#include "usual.h"

/* rest: see server_wrote(). */
static ALWAYS_INLINE bool take(struct conn *c, int fd, bool is_in, struct bytes in, size_t *rest)
{
	if (c->role == CONN_SERVER)
		return is_in ? server_read(c, fd, in) : server_wrote(c, in, rest);
	if (UNLIKELY(c->wire))
		return is_in ? pgwire_read(c, in) : pgwire_wrote(c, fd, in);
	if (UNLIKELY(!is_in && !c->out.bytes && in.len && pgwire_is_first(*in.ptr)))
		return pgwire_open(c) && pgwire_wrote(c, fd, in);
	return is_in ? client_read(c, in) : client_wrote(c, in);
}

/* Only the n bytes that the call returned, whatever room the vector has. */
static ALWAYS_INLINE bool feed(struct conn *c, int fd, bool is_in, const struct iovec *iov,
			       size_t count, size_t n)
{
	for (size_t i = 0; LIKELY(i < count) && n; i++) {
		size_t part = iov[i].iov_len < n ? iov[i].iov_len : n;
		size_t rest = n - part;

		if (LIKELY(part) &&
		    UNLIKELY(!take(c, fd, is_in, (struct bytes){ iov[i].iov_base, part }, &rest)))
			return c->detect.result == DETECT_TLS &&
			       tls_hello(c, fd, &iov[i], count - i, n);
		n = rest;
	}
	return true;
}

/* Bytes that nobody saw. */
static bool skip(struct conn *c, int fd, bool is_in, size_t n)
{
	struct half *h = is_in ? &c->in : &c->out;

	if (!http1_skip(&h->parser, n))
		return false;
	h->bytes += n;
	return take(c, fd, is_in, BYTES(""), &(size_t){ 0 });
}

/* iov NULL: nobody saw them. */
static ALWAYS_INLINE bool take_in(struct conn *c, int fd, bool is_in, const struct iovec *iov,
				  size_t count, size_t n)
{
	return LIKELY(iov) ? feed(c, fd, is_in, iov, count, n) : skip(c, fd, is_in, n);
}

bool error_is_final(int error)
{
	return error != EAGAIN && error != EINTR && error != EWOULDBLOCK;
}

static ALWAYS_INLINE bool took(struct conn *c, int fd, const struct iovec *iov, size_t count,
			       size_t n)
{
	bool ok;

	if (UNLIKELY(c->role != CONN_SERVER))
		return take_in(c, fd, false, iov, count, n);
	context_touched(conn_bound(c));
	ok = take_in(c, fd, false, iov, count, n);
	if (UNLIKELY(c->is_first_byte))
		server_goes_on(c);
	return ok;
}

bool conn_took(struct conn *c, int fd, const struct iovec *iov, size_t count, size_t n)
{
	return took(c, fd, iov, count, n);
}

static ALWAYS_INLINE void finish(struct conn *c, struct half *h, int fd, bool is_understood)
{
	stats_inc(STAT_HOOKS);
	if (UNLIKELY(!is_understood))
		conn_make_opaque(c, fd);
	conn_let_go(c, h);
}

void conn_finish(struct conn *c, struct half *h, int fd, bool is_understood)
{
	finish(c, h, fd, is_understood);
}

/* Nothing is taken in: no lock, no turn.  A client that closes wants to know (note_timeout()). */
static void read_again(struct conn_token t, int error)
{
	bool is_told = error != EINTR && conn_role(t) == CONN_CLIENT;
	struct conn *c = is_told ? conn_pin_token(t) : NULL;

	if (!c)
		return;
	c->is_read_again = true;
	conn_unpin(c);
}

/* What a call has read, or why it has not. */
struct moved {
	const struct iovec *iov; /* NULL: nobody saw it */
	size_t count;
	ssize_t n;
	size_t wanted;
	int error; /* of n < 0 */
};

/* Under the lock of the half; false: it makes no sense. */
static NO_INLINE bool read_held(struct conn *c, int fd, const struct moved *m)
{
	bool ok;

	/* A body that goes on, an answer, or their end: the request it belongs to goes on, too. */
	context_touched(conn_bound(c));
	if (UNLIKELY(m->n < 0)) {
		c->error = m->error;
		return true;
	}
	if (UNLIKELY(m->n == 0 && m->wanted)) {
		c->is_eof = true;
		return c->role != CONN_CLIENT || client_read(c, (struct bytes){ NULL, 0 });
	}
	c->is_read_again = false;
	if (UNLIKELY(atomic_load_explicit(&c->is_timed_out, memory_order_relaxed)))
		conn_waited(fd, false);
	c->arrival = &(struct arrival){ m->iov, m->iov ? m->count : 0, (size_t)m->n, c->in.bytes };
	ok = take_in(c, fd, true, m->iov, m->count, (size_t)m->n);
	c->arrival = NULL;
	return ok;
}

void conn_read_some(int fd, struct conn_token t, const struct iovec *iov, size_t n)
{
	struct conn *c = t.conn;
	bool ok = true;

	if (UNLIKELY(!half_hold(&c->in, t, true)))
		return;
	if (!(c->role == CONN_SERVER ? LIKELY(usual_read(c, fd, iov->iov_base, n)) :
				       LIKELY(usual_answered(c, iov->iov_base, n))))
		ok = read_held(c, fd, &(struct moved){ iov, 1, (ssize_t)n, n, 0 });
	finish(c, &c->in, fd, ok);
}

void conn_read_done(int fd, struct conn_token t, const struct iovec *iov, size_t count, ssize_t n,
		    size_t wanted, int error)
{
	struct conn *c = t.conn;

	if (UNLIKELY(!c))
		return;
	if (UNLIKELY(n < 0) && !error_is_final(error)) {
		read_again(t, error);
		return;
	}
	if (iov && count == 1 && n > 0)
		conn_read_some(fd, t, iov, (size_t)n);
	else if (half_hold(&c->in, t, true))
		finish(c, &c->in, fd,
		       read_held(c, fd, &(struct moved){ iov, count, n, wanted, error }));
}

static NO_INLINE bool wrote_held(struct conn *c, int fd, const struct moved *m)
{
	if (LIKELY(m->n >= 0))
		return took(c, fd, m->iov, m->count, (size_t)m->n);
	context_touched(conn_bound(c));
	c->error = m->error;
	return true;
}

void conn_wrote_some(int fd, struct conn_token t, const struct iovec *iov, size_t count, size_t n)
{
	struct conn *c = t.conn;
	bool ok = true;

	if (UNLIKELY(!half_hold(&c->out, t, true)))
		return;
	if (!LIKELY(usual_wrote(c, iov, n)))
		ok = wrote_held(c, fd, &(struct moved){ iov, count, (ssize_t)n, 0, 0 });
	finish(c, &c->out, fd, ok);
}

void conn_wrote(int fd, struct conn_token t, const struct iovec *iov, size_t count, ssize_t n,
		int error)
{
	struct conn *c = t.conn;

	if (UNLIKELY(!c) || (UNLIKELY(n < 0) && !error_is_final(error)))
		return;
	if (iov && count && n > 0)
		conn_wrote_some(fd, t, iov, count, (size_t)n);
	else if (half_hold(&c->out, t, true))
		finish(c, &c->out, fd,
		       wrote_held(c, fd, &(struct moved){ iov, count, n, 0, error }));
}

/* Unpins it. */
static struct conn_token peek_begin(struct conn *c, bool is_inside)
{
	struct conn_token t = { 0 };

	if (!c)
		return t;
	if (c->role == CONN_SERVER && is_inside == conn_is_tls(c)) {
		t = (struct conn_token){ c, half_turn(&c->in) };
		atomic_fetch_add(&c->peeks, 1);
	}
	conn_unpin(c);
	return t;
}

struct conn_token conn_peek_begin(int fd)
{
	return peek_begin(conn_pin(fd), false);
}

struct conn_token conn_peek_begin_inside(uint64_t entry)
{
	return peek_begin(conn_pin_entry(entry), true);
}

/* Where a peek begins: SO_PEEK_OFF moves that on, and has been moved on by n already. */
static uint64_t peek_len(int fd, size_t n)
{
	int off = -1;
	socklen_t len = sizeof(off);

	raw_syscall6(SYS_getsockopt, fd, SOL_SOCKET, SO_PEEK_OFF, (long)&off, (long)&len, 0);
	return off > 0 && (size_t)off > n ? (uint64_t)off : n;
}

void conn_peek_done(int fd, struct conn_token t, ssize_t n)
{
	struct conn *c = conn_pin_token(t);
	uint64_t to = UINT64_MAX, before;

	if (!c)
		return;
	if (n > 0 && half_lock(&c->in)) {
		to = c->in.bytes + (conn_is_tls(c) ? (size_t)n : peek_len(fd, (size_t)n));
		half_unlock(&c->in);
	}
	before = atomic_load(&c->peeked_to);
	while (n > 0 && before < to && !atomic_compare_exchange_weak(&c->peeked_to, &before, to))
		;
	atomic_fetch_sub(&c->peeks, 1);
	conn_unpin(c);
}

/*
 * A response without a length ends here, and one that has not come will not; but for what a thread
 * that reads has to say, or another process, which the end of the connection tells.
 */
void conn_shut_out(struct conn *c, int fd)
{
	bool has_both;

	if (c->role != CONN_SERVER || !half_lock(&c->out))
		return;
	has_both = half_lock(&c->in);
	conn_ask_unseen(c, fd);
	server_shut(c, has_both && !conn_is_forked(c));
	if (has_both)
		half_unlock(&c->in);
	half_unlock(&c->out);
}

/* SHUT_RD leaves it open, and what is no way at all is refused. */
static bool is_way_out(int how)
{
	return how == SHUT_WR || how == SHUT_RDWR;
}

void conn_shut(int fd, int how)
{
	struct conn *c = is_way_out(how) ? conn_pin(fd) : NULL;

	if (!c)
		return;
	conn_shut_out(c, fd);
	conn_unpin(c);
}
