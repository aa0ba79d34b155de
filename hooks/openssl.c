/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes, reads and the end of sessions of OpenSSL. */
#include "openssl.h"
#include "ticks.h"
#include "tls_failure.h"

const struct library_kind openssl_kind = {
	.library = { "SSL_", "SSL_CTX_new" },
	.names =
#define HOOK(name)
#define LIBRARY_HOOK(name) #name "\0"
#include "hooks.def"
#undef HOOK
		,
	.extras = "SSL_get_client_random\0SSL_is_server\0SSL_in_init\0SSL_want\0SSL_get_shutdown\0"
		  "SSL_ctrl\0SSL_get_error\0SSL_version\0SSL_get0_alpn_selected\0SSL_get_current_"
		  "cipher\0"
		  "SSL_CIPHER_standard_name\0SSL_get_verify_result\0",
	.needed = EXTRAS_NEEDED,
};
struct library_sites openssl_sites;

/* --- what we ask --- */

static bool is_handshaking(const struct openssl_call *c)
{
	return OPENSSL_ASK(c, openssl_int *, in_init)(c->ssl) != 0;
}

static struct tls_facts facts_of(const struct openssl_call *c)
{
	void (*get_alpn)(const SSL *, const unsigned char **, unsigned *) = OPENSSL_ASK(
		c, void (*)(const SSL *, const unsigned char **, unsigned *), get0_alpn_selected);
	const void *(*get_cipher)(const SSL *) =
		OPENSSL_ASK(c, const void *(*)(const SSL *), get_current_cipher);
	const char *(*get_name)(const void *) =
		OPENSSL_ASK(c, const char *(*)(const void *), CIPHER_standard_name);
	struct tls_facts f = { 0 };
	const unsigned char *alpn = NULL;
	unsigned len = 0;

	if (OPENSSL_ASK(c, openssl_int *, version))
		f.version = (uint16_t)OPENSSL_ASK(c, openssl_int *, version)(c->ssl);
	if (get_alpn)
		get_alpn(c->ssl, &alpn, &len);
	f.is_http2 = len == 2 && alpn[0] == 'h' && alpn[1] == '2';
	if (get_cipher && get_name) {
		const void *cipher = get_cipher(c->ssl);

		f.cipher = cipher ? get_name(cipher) : NULL;
	}
	return f;
}

/* --- around a call --- */

/* The connection of a session shows itself in a handshake, wherever that is made. */
static void look_for_connection(struct openssl_call *c)
{
	size_t (*get_random)(const SSL *, unsigned char *, size_t) =
		OPENSSL_ASK(c, size_t(*)(const SSL *, unsigned char *, size_t), get_client_random);
	static const uint8_t none[TLS_RANDOM];
	uint8_t random[TLS_RANDOM];
	bool is_server = OPENSSL_ASK(c, openssl_int *, is_server)(c->ssl) != 0;

	if (get_random(c->ssl, random, sizeof(random)) != sizeof(random) ||
	    memcmp(random, none, sizeof(none)) == 0)
		return;
	if (!tls_bind(c->tls, random, is_server ? CONN_SERVER : CONN_CLIENT) &&
	    !is_handshaking(c)) /* none that we see, or the second handshake of one */
		tls_ignore(c->tls);
}

static void begin(struct openssl_call *c)
{
	tls_seen();
	c->tls = tls_of(c->ssl);
	c->was_new = c->tls && c->tls->state == TLS_NEW;
}

static bool is_watched(struct openssl_call *c)
{
	if (!c->copy || !host_is_observed())
		return false;
	OBSERVE(begin(c));
	return c->tls != NULL;
}

struct openssl_call openssl_begin(SSL *ssl, const struct target *target)
{
	struct openssl_call c = { .ssl = ssl, .copy = target->copy };

	if (!is_watched(&c))
		c.copy = NULL;
	return c;
}

bool openssl_follow(struct openssl_call *c, int r, int error)
{
	if (c->tls->state == TLS_NEW)
		look_for_connection(c);
	if (c->tls->state == TLS_BOUND && !c->tls->is_established && !is_handshaking(c)) {
		struct tls_facts facts = facts_of(c);

		tls_established(c->tls, &facts);
	}
	if (UNLIKELY(r <= 0 && c->tls->state == TLS_BOUND && !c->tls->is_established))
		openssl_shake_failed(c, r, error);
	return c->was_new && c->tls->state == TLS_BOUND;
}

/* Of a call that moved nothing: as a read or write of a socket would have said it. */
static ssize_t why_nothing(const struct openssl_call *c, int r, int *error)
{
	if (!openssl_has_failed(c, r, *error)) {
		*error = EAGAIN;
		return -1;
	}
	if (OPENSSL_ASK(c, openssl_int *, get_shutdown)(c->ssl) & SHUTDOWN_RECEIVED || !*error ||
	    !error_is_final(*error))
		return 0;
	return -1;
}

/* --- handshakes --- */

static void shake_begin(struct openssl_call *c)
{
	/* Used again, after SSL_clear() or what amounts to it. */
	if (c->tls->state == TLS_IGNORED && is_handshaking(c))
		c->tls->state = TLS_NEW;
}

static void shake_end(struct openssl_call *c, int r, int error)
{
	if (c->tls->state == TLS_BOUND && c->tls->is_established)
		look_for_connection(c);
	openssl_follow(c, r, error);
}

#define HANDSHAKE(name)                                   \
	EXPORT int name(SSL *ssl)                         \
	{                                                 \
		struct target t = OPENSSL_TARGET(name);   \
		struct openssl_call c;                    \
		int r, error;                             \
                                                          \
		if (!t.function)                          \
			return -1;                        \
		c = openssl_begin(ssl, &t);               \
		if (c.copy)                               \
			OBSERVE(shake_begin(&c));         \
		r = OPENSSL_CALL(t, name)(ssl);           \
		error = errno;                            \
		if (c.copy)                               \
			OBSERVE(shake_end(&c, r, error)); \
		return r;                                 \
	}

HANDSHAKE(SSL_do_handshake)
HANDSHAKE(SSL_connect)
HANDSHAKE(SSL_accept)

/* --- reads --- */

static void read_begin(struct openssl_call *c)
{
	c->token = tls_look(c->tls, true);
}

static void read_end(struct openssl_call *c, void *buf, size_t len, ssize_t n, int error)
{
	struct iovec iov = { buf, len };
	int r = n > 0 ? 1 : (int)n;

	if (openssl_follow(c, r, error))
		c->token = tls_look(c->tls, true);
	if (!c->token.conn)
		return;
	if (n <= 0)
		n = why_nothing(c, r, &error);
	conn_read_done(c->tls->fd, c->token, &iov, 1, n, len, error);
}

/* n: of what call returns, the bytes that it has moved, or less. */
#define READ(c, buf, len, call, n)                                    \
	do {                                                          \
		int error_;                                           \
                                                                      \
		if ((c).copy)                                         \
			OBSERVE(read_begin(&(c)));                    \
		call;                                                 \
		error_ = errno;                                       \
		if ((c).copy)                                         \
			OBSERVE(read_end(&(c), buf, len, n, error_)); \
	} while (0)

/* A server's read that finds nothing yet, which is every second one, is not taken in. */
static ALWAYS_INLINE bool is_nothing_yet(const SSL *ssl, const struct library_copy *copy,
					 const struct tls_glance *g, int error)
{
	return g->is_server && error == EAGAIN &&
	       ((openssl_int *)copy->extra[EXTRA_want])(ssl) != WANT_NOTHING;
}

static NO_INLINE void read_nothing(SSL *ssl, const struct library_copy *copy,
				   const struct tls_glance *g, void *buf, size_t len, ssize_t n)
{
	struct openssl_call c = openssl_glanced(ssl, copy, g);
	int error = errno;

	if (!is_nothing_yet(ssl, copy, g, error))
		OBSERVE(read_end(&c, buf, len, n, error));
}

/* n: of what was read, as READ() has it. */
static ALWAYS_INLINE void read_told(SSL *ssl, const struct library_copy *copy,
				    const struct tls_glance *g, void *buf, size_t len, ssize_t n)
{
	struct iovec iov = { buf, len };

	tls_leave();
	if (UNLIKELY(n <= 0)) {
		read_nothing(ssl, copy, g, buf, len, n);
		return;
	}
	OBSERVE(conn_read_some(g->tls->fd, g->token, &iov, (size_t)n));
}

static NO_INLINE int read_seldom(SSL *ssl, void *buf, int len, struct target t)
{
	struct openssl_call c;
	int n;

	if (!t.function)
		return -1;
	c = openssl_begin(ssl, &t);
	READ(c, buf, (size_t)len, n = OPENSSL_CALL(t, SSL_read)(ssl, buf, len), n);
	return n;
}

EXPORT int SSL_read(SSL *ssl, void *buf, int len)
{
	struct target t;
	struct tls_glance g;
	int n;

	TICKS_IN();
	t = OPENSSL_TARGET(SSL_read);
	if (UNLIKELY(!openssl_glance(&g, ssl, &t, true)))
		return read_seldom(ssl, buf, len, t);
	tls_enter(&g);
	TICKS_OUT();
	n = OPENSSL_CALL(t, SSL_read)(ssl, buf, len);
	TICKS_IN();
	read_told(ssl, t.copy, &g, buf, (size_t)len, n);
	TICKS_OUT();
	return n;
}

static NO_INLINE int read_ex_seldom(SSL *ssl, void *buf, size_t len, size_t *ret, struct target t)
{
	struct openssl_call c;
	int r;

	if (!t.function)
		return 0;
	c = openssl_begin(ssl, &t);
	READ(c, buf, len, r = OPENSSL_CALL(t, SSL_read_ex)(ssl, buf, len, ret),
	     r > 0 ? (ssize_t)*ret : 0);
	return r;
}

EXPORT int SSL_read_ex(SSL *ssl, void *buf, size_t len, size_t *ret)
{
	struct target t = OPENSSL_TARGET(SSL_read_ex);
	struct tls_glance g;
	int r;

	if (UNLIKELY(!openssl_glance(&g, ssl, &t, true)))
		return read_ex_seldom(ssl, buf, len, ret, t);
	tls_enter(&g);
	r = OPENSSL_CALL(t, SSL_read_ex)(ssl, buf, len, ret);
	read_told(ssl, t.copy, &g, buf, len, r > 0 ? (ssize_t)*ret : 0);
	return r;
}

/* SSL_READ_EARLY_DATA_ERROR is 0, and told for want of data, too; FINISH has none. */
#define EARLY_DATA_SUCCESS 1

EXPORT int SSL_read_early_data(SSL *ssl, void *buf, size_t len, size_t *ret)
{
	struct target t = OPENSSL_TARGET(SSL_read_early_data);
	struct openssl_call c;
	int r;

	if (!t.function)
		return 0;
	c = openssl_begin(ssl, &t);
	if (c.copy)
		OBSERVE(shake_begin(&c));
	r = OPENSSL_CALL(t, SSL_read_early_data)(ssl, buf, len, ret);
	if (c.copy && r == EARLY_DATA_SUCCESS)
		OBSERVE(c.token = tls_look(c.tls, true); read_end(&c, buf, len, (ssize_t)*ret, 0));
	else if (c.copy)
		OBSERVE(openssl_follow(&c, 1, 0));
	return r;
}

static void peek_begin(struct openssl_call *c)
{
	c->token = tls_look(c->tls, true);
	if (c->token.conn)
		c->token = conn_peek_begin_inside(c->tls->entry);
}

/* What came with the end of the handshake is shown before we could be told: it is not tagged. */
static void peek_end(struct openssl_call *c, ssize_t n)
{
	if (openssl_follow(c, 1, 0))
		peek_begin(c);
	conn_peek_done(c->tls->fd, c->token, n);
}

EXPORT int SSL_peek(SSL *ssl, void *buf, int len)
{
	struct target t = OPENSSL_TARGET(SSL_peek);
	struct openssl_call c;
	int n;

	if (!t.function)
		return -1;
	c = openssl_begin(ssl, &t);
	if (c.copy)
		OBSERVE(peek_begin(&c));
	n = OPENSSL_CALL(t, SSL_peek)(ssl, buf, len);
	if (c.copy)
		OBSERVE(peek_end(&c, n));
	return n;
}

EXPORT int SSL_peek_ex(SSL *ssl, void *buf, size_t len, size_t *ret)
{
	struct target t = OPENSSL_TARGET(SSL_peek_ex);
	struct openssl_call c;
	int r;

	if (!t.function)
		return 0;
	c = openssl_begin(ssl, &t);
	if (c.copy)
		OBSERVE(peek_begin(&c));
	r = OPENSSL_CALL(t, SSL_peek_ex)(ssl, buf, len, ret);
	if (c.copy)
		OBSERVE(peek_end(&c, r > 0 ? (ssize_t)*ret : -1));
	return r;
}

/* --- the end --- */

EXPORT int SSL_shutdown(SSL *ssl)
{
	struct target t = OPENSSL_TARGET(SSL_shutdown);
	struct openssl_call c;

	if (!t.function)
		return -1;
	c = openssl_begin(ssl, &t);
	if (c.copy)
		OBSERVE(tls_shut(c.tls));
	return OPENSSL_CALL(t, SSL_shutdown)(ssl);
}

/*
 * Before the call: afterwards the address may be another session's.  Not where the library itself
 * clears it, as it does in the midst of a first handshake; but where it frees it, as BIO_free()
 * does.
 */
EXPORT int SSL_clear(SSL *ssl)
{
	struct target t = OPENSSL_TARGET(SSL_clear);

	if (!t.function)
		return 0;
	if (t.copy)
		OBSERVE(tls_forget(ssl));
	return OPENSSL_CALL(t, SSL_clear)(ssl);
}

/* It is the application's own check of the peer, if it is made at all. */
EXPORT long SSL_get_verify_result(const SSL *ssl)
{
	struct target t = OPENSSL_TARGET(SSL_get_verify_result);
	struct openssl_call c;
	long r;

	if (!t.function)
		return VERIFY_UNSPECIFIED;
	c = openssl_begin((SSL *)(uintptr_t)ssl, &t);
	r = OPENSSL_CALL(t, SSL_get_verify_result)(ssl);
	if (c.copy)
		OBSERVE(tls_unverified(c.tls, openssl_unverified(r)));
	return r;
}

EXPORT void SSL_free(SSL *ssl)
{
	struct target t = OPENSSL_TARGET(SSL_free);

	if (!t.function)
		return;
	if (ssl)
		OBSERVE(tls_forget(ssl));
	OPENSSL_CALL(t, SSL_free)(ssl);
}
