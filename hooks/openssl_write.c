/* SPDX-License-Identifier: Apache-2.0 */
/* What is written to sessions of OpenSSL. */
#include "conn_impl.h"
#include "openssl.h"
#include "ticks.h"
#include "tls_write.h"

/* A call of one of the three functions that take plaintext, and what it has returned. */
struct writing {
	struct tls_call tls; /* first */
	struct openssl_call c;
	const struct target *target;
	enum { PLAIN, EX, EARLY } how;
	int returned;
	size_t *ret; /* of the application's; EX and EARLY */
};

static int write_really(struct writing *w, const void *buf, size_t len, size_t *ret_n)
{
	int r;

	if (w->how == PLAIN) {
		r = OPENSSL_CALL(*w->target, SSL_write)(w->c.ssl, buf, (int)len);
		*ret_n = r > 0 ? (size_t)r : 0;
		return r;
	}
	if (w->how == EX)
		return OPENSSL_CALL(*w->target, SSL_write_ex)(w->c.ssl, buf, len, ret_n);
	return OPENSSL_CALL(*w->target, SSL_write_early_data)(w->c.ssl, buf, len, ret_n);
}

static bool is_handshaking(const struct openssl_call *c)
{
	return OPENSSL_ASK(c, openssl_int *, in_init)(c->ssl) != 0;
}

static enum tls_sent why_not_sent(const struct writing *w)
{
	int want = OPENSSL_ASK(&w->c, openssl_int *, want)(w->c.ssl);

	if (openssl_has_failed(&w->c, w->returned, errno))
		return TLS_FAILED;
	return want == WANT_WRITING && !is_handshaking(&w->c) ? TLS_PENDING : TLS_AGAIN;
}

static enum tls_sent send_plaintext(struct tls_call *call, const char *buf, size_t len,
				    size_t *ret_n)
{
	struct writing *w = (struct writing *)call;

	w->returned = write_really(w, buf, len, ret_n);
	return w->returned > 0 ? TLS_SENT : why_not_sent(w);
}

/*
 * In a callback that says that the handshake is over: the call that made it has not returned yet.
 */
static void write_begin(struct openssl_call *c)
{
	if (UNLIKELY(c->was_new) && !is_handshaking(c))
		openssl_follow(c, 1, 0);
	c->token = tls_look(c->tls, false);
}

/* A handshake may have been part of it: then its bytes went out before we knew where to. */
static void write_end(struct openssl_call *c, const struct iovec *iov, ssize_t n, int returned,
		      int error)
{
	if (openssl_follow(c, n > 0 ? 1 : returned, error))
		c->token = tls_look(c->tls, false);
	conn_wrote(c->tls->fd, c->token, iov, 1, n, error);
}

#define MODE_PARTIAL 1
#define MODE_MOVING 2

static void read_mode(struct writing *w)
{
	long (*ctrl)(SSL *, int, long, void *) =
		OPENSSL_ASK(&w->c, long (*)(SSL *, int, long, void *), ctrl);
	long mode = ctrl(w->c.ssl, 33 /* SSL_CTRL_MODE */, 0, NULL);

	w->tls.is_partial = mode & MODE_PARTIAL;
	w->tls.is_moving = mode & MODE_MOVING;
}

/* Of a server's: it leaves as it is. */
static void served(struct writing *w, const struct iovec *iov, enum tls_sent how, size_t n)
{
	int error = errno;

	tls_passed(w->c.tls, how);
	if (how != TLS_SENT)
		error = how != TLS_FAILED ? EAGAIN : error ? error : EPIPE;
	OBSERVE(write_end(&w->c, iov, how == TLS_SENT ? (ssize_t)n : -1, w->returned, error));
}

static int write_watched(struct writing *w, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct openssl_call *c = &w->c;
	enum tls_sent how;
	size_t n = 0;
	int error;

	OBSERVE(write_begin(c));
	w->tls.tls = c->tls;
	w->tls.send = send_plaintext;
	if (tls_is_writing(c->tls) || (c->token.conn && conn_role(c->token) == CONN_CLIENT)) {
		w->tls.buf = buf;
		w->tls.len = len;
		w->tls.can_edit = w->how != EARLY;
		read_mode(w);
		how = tls_write(&w->tls, &n);
		error = errno;
		if (UNLIKELY(!c->tls->is_established))
			OBSERVE(openssl_follow(c, how == TLS_SENT ? 1 : w->returned, error));
	} else {
		how = send_plaintext(&w->tls, buf, len, &n);
		served(w, &iov, how, n);
	}
	if (how != TLS_SENT)
		return w->returned;
	if (w->how == PLAIN)
		return (int)n;
	*w->ret = n;
	return 1;
}

/* The usual call: of a server, with nothing left from the last one.  False: by openssl_begin(). */
static ALWAYS_INLINE bool glance(struct tls_glance *ret_g, const SSL *ssl, const struct target *t)
{
	return openssl_glance(ret_g, ssl, t, false) && LIKELY(ret_g->is_server) &&
	       LIKELY(!ret_g->tls->is_passed && !tls_is_writing(ret_g->tls));
}

static NO_INLINE void wrote_nothing(SSL *ssl, const struct library_copy *copy,
				    const struct tls_glance *g, const struct iovec *iov, int r)
{
	struct writing w = { .c = openssl_glanced(ssl, copy, g), .returned = r };

	served(&w, iov, why_not_sent(&w), 0);
}

/* n: of what was written, or 0, or less. */
static ALWAYS_INLINE void wrote(SSL *ssl, const struct library_copy *copy,
				const struct tls_glance *g, const void *buf, size_t len, ssize_t n,
				int r)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	tls_leave();
	if (UNLIKELY(r <= 0)) {
		int error = errno;

		wrote_nothing(ssl, copy, g, &iov, r);
		errno = error;
		return;
	}
	OBSERVE(conn_wrote_some(g->tls->fd, g->token, &iov, 1, (size_t)n));
}

static NO_INLINE int write_seldom(SSL *ssl, const void *buf, int len, struct target t)
{
	struct writing w = { .target = &t, .how = PLAIN };

	if (!t.function)
		return -1;
	w.c = openssl_begin(ssl, &t);
	if (!w.c.copy || len <= 0)
		return OPENSSL_CALL(t, SSL_write)(ssl, buf, len);
	return write_watched(&w, buf, (size_t)len);
}

EXPORT int SSL_write(SSL *ssl, const void *buf, int len)
{
	struct target t;
	struct tls_glance g;
	int n;

	TICKS_IN();
	t = OPENSSL_TARGET(SSL_write);
	if (UNLIKELY(len <= 0 || !glance(&g, ssl, &t)))
		return write_seldom(ssl, buf, len, t);
	tls_enter(&g);
	TICKS_OUT();
	n = OPENSSL_CALL(t, SSL_write)(ssl, buf, len);
	TICKS_IN();
	wrote(ssl, t.copy, &g, buf, (size_t)len, n, n);
	TICKS_OUT();
	return n;
}

static NO_INLINE int write_ex_seldom(SSL *ssl, const void *buf, size_t len, size_t *ret,
				     struct target t)
{
	struct writing w = { .target = &t, .how = EX, .ret = ret };

	if (!t.function)
		return 0;
	w.c = openssl_begin(ssl, &t);
	if (!w.c.copy || !len)
		return OPENSSL_CALL(t, SSL_write_ex)(ssl, buf, len, ret);
	return write_watched(&w, buf, len);
}

EXPORT int SSL_write_ex(SSL *ssl, const void *buf, size_t len, size_t *ret)
{
	struct target t = OPENSSL_TARGET(SSL_write_ex);
	struct tls_glance g;
	int r;

	if (UNLIKELY(!len || !glance(&g, ssl, &t)))
		return write_ex_seldom(ssl, buf, len, ret, t);
	tls_enter(&g);
	r = OPENSSL_CALL(t, SSL_write_ex)(ssl, buf, len, ret);
	wrote(ssl, t.copy, &g, buf, len, r > 0 ? (ssize_t)*ret : 0, r);
	return r;
}

EXPORT int SSL_write_early_data(SSL *ssl, const void *buf, size_t len, size_t *ret)
{
	struct target t = OPENSSL_TARGET(SSL_write_early_data);
	struct writing w = { .target = &t, .how = EARLY, .ret = ret };

	if (!t.function)
		return 0;
	w.c = openssl_begin(ssl, &t);
	if (!w.c.copy || !len)
		return OPENSSL_CALL(t, SSL_write_early_data)(ssl, buf, len, ret);
	return write_watched(&w, buf, len);
}

/* By the kernel, which encrypts it as well. */
EXPORT ssize_t SSL_sendfile(SSL *ssl, int fd, off_t at, size_t len, int flags)
{
	struct target t = OPENSSL_TARGET(SSL_sendfile);
	struct openssl_call c;
	ssize_t n;
	int error;

	if (!t.function)
		return -1;
	c = openssl_begin(ssl, &t);
	if (c.copy)
		OBSERVE(write_begin(&c));
	n = OPENSSL_CALL(t, SSL_sendfile)(ssl, fd, at, len, flags);
	error = errno;
	if (c.copy && n > 0)
		OBSERVE(conn_wrote(c.tls->fd, c.token, NULL, 0, n, error));
	return n;
}
