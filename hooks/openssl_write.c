/* SPDX-License-Identifier: Apache-2.0 */
/* What is written to sessions of OpenSSL. */
#include "openssl.h"
#include "write.h"

/* A call of one of the three functions that take plaintext, and what it has returned. */
struct writing {
	struct openssl_call c;
	const struct target *target;
	enum { PLAIN, EX, EARLY } how;
	int returned;
	int error;
	size_t *ret; /* of the application's; EX and EARLY */
};

static int write_really(struct writing *w, const void *buf, size_t len, size_t *ret)
{
	if (w->how == PLAIN)
		return OPENSSL_CALL(*w->target, SSL_write)(w->c.ssl, buf, (int)len);
	if (w->how == EX)
		return OPENSSL_CALL(*w->target, SSL_write_ex)(w->c.ssl, buf, len, ret);
	return OPENSSL_CALL(*w->target, SSL_write_early_data)(w->c.ssl, buf, len, ret);
}

static ssize_t pass_write(const struct io_call *call)
{
	struct writing *w = (struct writing *)(uintptr_t)call->arg;
	const struct iovec *iov = call->iov;

	w->returned = write_really(w, iov->iov_base, iov->iov_len, w->ret);
	w->error = errno;
	if (w->returned > 0)
		return w->how == PLAIN ? w->returned : (ssize_t)*w->ret;
	if (OPENSSL_ASK(&w->c, openssl_int *, want)(w->c.ssl) != WANT_NOTHING)
		errno = EAGAIN;
	else if (!errno || !error_is_final(errno))
		errno = EPIPE;
	return -1;
}

static void write_begin(struct openssl_call *c)
{
	c->token = tls_look(c->tls, false);
}

/* A handshake may have been part of it: then its bytes went out before we knew where to. */
static void write_end(struct writing *w, const struct iovec *iov, ssize_t n)
{
	struct openssl_call *c = &w->c;

	if (openssl_follow(c))
		c->token = tls_look(c->tls, false);
	conn_wrote(c->tls->fd, c->token, iov, 1, n, errno);
}

static int write_watched(struct writing *w, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct io_call call = { .iov = &iov, .count = 1, .arg = w, .pass = pass_write };
	ssize_t n;

	OBSERVE(write_begin(&w->c));
	if (w->c.token.entry && conn_role(w->c.token) == CONN_CLIENT) {
		call.fd = w->c.tls->fd;
		call.inside = w->c.token.entry;
		conn_write(&call);
	} else {
		n = pass_write(&call);
		OBSERVE(write_end(w, &iov, n));
	}
	errno = w->error;
	return w->returned;
}

EXPORT int SSL_write(SSL *ssl, const void *buf, int len)
{
	struct target t = OPENSSL_TARGET(SSL_write);
	struct writing w = { .target = &t, .how = PLAIN };

	if (!t.function)
		return -1;
	w.c = openssl_begin(ssl, &t);
	if (!w.c.copy || len <= 0)
		return OPENSSL_CALL(t, SSL_write)(ssl, buf, len);
	return write_watched(&w, buf, (size_t)len);
}

EXPORT int SSL_write_ex(SSL *ssl, const void *buf, size_t len, size_t *ret)
{
	struct target t = OPENSSL_TARGET(SSL_write_ex);
	struct writing w = { .target = &t, .how = EX, .ret = ret };

	if (!t.function)
		return 0;
	w.c = openssl_begin(ssl, &t);
	if (!w.c.copy || !len)
		return OPENSSL_CALL(t, SSL_write_ex)(ssl, buf, len, ret);
	return write_watched(&w, buf, len);
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
