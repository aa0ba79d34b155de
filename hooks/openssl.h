/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENSSL_H
#define OPENSSL_H
/*
 * OpenSSL 1.1 and 3, by what their manual says: we declare the functions ourselves and are linked
 * with none of them.  What a library calls of its own (SSL_connect() is SSL_do_handshake()) is
 * passed through: its caller's call has been seen.
 *
 * What the files with its hooks share.  Any thread; inside the guard where a struct call is given.
 */
#include "hook.h"
#include "library.h"
#include "tls_glance.h"

typedef struct ssl_st SSL;

/* SSL_want(), SSL_get_shutdown(): of all versions. */
#define WANT_NOTHING 1
#define WANT_WRITING 2
#define SHUTDOWN_RECEIVED 2
#define VERIFY_UNSPECIFIED 1

int SSL_do_handshake(SSL *ssl);
int SSL_connect(SSL *ssl);
int SSL_accept(SSL *ssl);
int SSL_read(SSL *ssl, void *buf, int len);
int SSL_read_ex(SSL *ssl, void *buf, size_t len, size_t *ret);
int SSL_read_early_data(SSL *ssl, void *buf, size_t len, size_t *ret);
int SSL_peek(SSL *ssl, void *buf, int len);
int SSL_peek_ex(SSL *ssl, void *buf, size_t len, size_t *ret);
int SSL_write(SSL *ssl, const void *buf, int len);
int SSL_write_ex(SSL *ssl, const void *buf, size_t len, size_t *ret);
int SSL_write_early_data(SSL *ssl, const void *buf, size_t len, size_t *ret);
ssize_t SSL_sendfile(SSL *ssl, int fd, off_t at, size_t len, int flags);
int SSL_shutdown(SSL *ssl);
int SSL_clear(SSL *ssl);
long SSL_get_verify_result(const SSL *ssl);
void SSL_free(SSL *ssl);

enum {
#define HOOK(name)
#define LIBRARY_HOOK(name) FN_##name,
#include "hooks.def"
#undef HOOK
	FNS
};

enum extra {
	EXTRA_get_client_random,
	EXTRA_is_server,
	EXTRA_in_init,
	EXTRA_want,
	EXTRA_get_shutdown,
	EXTRA_ctrl,
	EXTRA_get_error,
	EXTRAS_NEEDED,
	EXTRA_version = EXTRAS_NEEDED,
	EXTRA_get0_alpn_selected,
	EXTRA_get_current_cipher,
	EXTRA_CIPHER_standard_name,
	EXTRA_get_verify_result,
};

extern const struct library_kind openssl_kind;
extern struct library_sites openssl_sites;

/* In a hook itself: whose call it is. */
#define OPENSSL_TARGET(name) \
	library_target(&openssl_kind, &openssl_sites, FN_##name, __builtin_return_address(0))
#define OPENSSL_CALL(target, name) LIBRARY_CALL(target, name)

/* One call of the application's. */
struct openssl_call {
	SSL *ssl;
	const struct library_copy *copy; /* NULL: not to be looked at */
	struct tls *tls;
	bool was_new; /* no connection yet, when the call was made */
	struct conn_token token;
};

#define OPENSSL_ASK(c, type, which) ((type)(c)->copy->extra[EXTRA_##which])
typedef int openssl_int(const SSL *ssl);

/*
 * The usual call: what the library is asked is between tls_enter() and tls_leave().  False: by
 * openssl_begin().
 */
static ALWAYS_INLINE bool openssl_glance(struct tls_glance *ret_g, const SSL *ssl,
					 const struct target *target, bool is_in)
{
	return LIKELY(target->copy && host_is_observed() && guard_is_free()) &&
	       tls_glance(ret_g, ssl, is_in);
}

/* The same as openssl_begin() would have it.  For what comes of a call that moved nothing. */
static inline struct openssl_call openssl_glanced(SSL *ssl, const struct library_copy *copy,
						  const struct tls_glance *g)
{
	return (struct openssl_call){ .ssl = ssl, .copy = copy, .tls = g->tls, .token = g->token };
}

/* Outside the guard. */
struct openssl_call openssl_begin(SSL *ssl, const struct target *target);

/*
 * After a call that may have been, or ended, the handshake.  r: what it returned, as
 * SSL_get_error() wants it, and the errno behind it.  True: the session was bound meanwhile, by
 * this or by a call that was made within it, as from a callback.
 */
bool openssl_follow(struct openssl_call *c, int r, int error);

/* --- openssl_failure.c --- */

/* A call of a session in its handshake returned r, which is 0 or less. */
void openssl_shake_failed(struct openssl_call *c, int r, int error);

/* What SSL_get_verify_result() says, as error.type; NULL: the peer is who it should be. */
const char *openssl_unverified(long result);

/*
 * Has a call that moved nothing failed for good, which SSL_want() does not tell of a socket that
 * does not work any more?  error: errno after it.
 */
bool openssl_has_failed(const struct openssl_call *c, int r, int error);

#endif
