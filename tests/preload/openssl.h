/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_OPENSSL_H
#define TESTS_OPENSSL_H
/* What the hosts use of libssl, and two sessions over a connection of one process. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>

#include "http_ends.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;

const SSL_METHOD *TLS_client_method(void);
const SSL_METHOD *TLS_server_method(void);
SSL_CTX *SSL_CTX_new(const SSL_METHOD *method);
void SSL_CTX_free(SSL_CTX *ctx);
int SSL_CTX_use_certificate_chain_file(SSL_CTX *ctx, const char *file);
int SSL_CTX_use_PrivateKey_file(SSL_CTX *ctx, const char *file, int type);
long SSL_CTX_ctrl(SSL_CTX *ctx, int cmd, long larg, void *parg);
uint64_t SSL_CTX_set_options(SSL_CTX *ctx, uint64_t options);
SSL *SSL_new(SSL_CTX *ctx);
void SSL_free(SSL *ssl);
int SSL_set_fd(SSL *ssl, int fd);
void SSL_set_bio(SSL *ssl, BIO *rbio, BIO *wbio);
void SSL_set_connect_state(SSL *ssl);
void SSL_set_accept_state(SSL *ssl);
int SSL_do_handshake(SSL *ssl);
int SSL_read(SSL *ssl, void *buf, int len);
int SSL_read_ex(SSL *ssl, void *buf, size_t len, size_t *ret);
int SSL_write(SSL *ssl, const void *buf, int len);
int SSL_write_ex(SSL *ssl, const void *buf, size_t len, size_t *ret);
int SSL_shutdown(SSL *ssl);
int SSL_get_error(const SSL *ssl, int ret);
int SSL_key_update(SSL *ssl, int type);
int SSL_renegotiate(SSL *ssl);
long SSL_ctrl(SSL *ssl, int cmd, long larg, void *parg);
void ERR_clear_error(void);
unsigned long ERR_get_error(void);
BIO *BIO_new(const BIO_METHOD *method);
int BIO_free(BIO *b);
long BIO_ctrl(BIO *b, int cmd, long larg, void *parg);
const BIO_METHOD *BIO_f_ssl(void);
BIO *BIO_new_socket(int fd, int close_flag);
BIO_METHOD *BIO_meth_new(int type, const char *name);
int BIO_meth_set_write(BIO_METHOD *m, int (*fn)(BIO *, const char *, int));
int BIO_meth_set_ctrl(BIO_METHOD *m, long (*fn)(BIO *, int, long, void *));
void BIO_set_flags(BIO *b, int flags);
void BIO_clear_flags(BIO *b, int flags);
void BIO_set_init(BIO *b, int init);
void BIO_set_data(BIO *b, void *p);
void *BIO_get_data(BIO *b);

#define MODE_PARTIAL 1
#define MODE_MOVING 2
#define ERROR_SSL 1
#define ERROR_WANT_READ 2
#define ERROR_WANT_WRITE 3
#define TLS1_2 0x0303
#define TLS1_3 0x0304

struct pair {
	struct ends ends;
	SSL_CTX *ctx[2];
	SSL *client, *server;
};

static inline void pair_shake(struct pair *p)
{
	for (int i = 0; i < 1000; i++) {
		int c = SSL_do_handshake(p->client), s = SSL_do_handshake(p->server);

		if (c == 1 && s == 1)
			return;
		CHECK(c == 1 || SSL_get_error(p->client, c) == ERROR_WANT_READ);
		CHECK(s == 1 || SSL_get_error(p->server, s) == ERROR_WANT_READ);
	}
	CHECK(!"shaken");
}

/* Not shaken yet.  wbio NULL: by its descriptor.  file: a certificate and its key. */
static inline void pair_open(struct pair *p, const char *file, int version, long mode,
			     BIO *(*wbio)(int fd))
{
	p->ends = ends_open_with(NULL);
	setsockopt(p->ends.client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	setsockopt(p->ends.server, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	fcntl(p->ends.client, F_SETFL, O_NONBLOCK);
	fcntl(p->ends.server, F_SETFL, O_NONBLOCK);
	p->ctx[0] = SSL_CTX_new(TLS_client_method());
	p->ctx[1] = SSL_CTX_new(TLS_server_method());
	CHECK(SSL_CTX_use_certificate_chain_file(p->ctx[1], file) == 1);
	CHECK(SSL_CTX_use_PrivateKey_file(p->ctx[1], file, 1) == 1);
	CHECK(SSL_CTX_ctrl(p->ctx[0], 124 /* SET_MAX_PROTO_VERSION */, version, NULL) == 1);
	SSL_CTX_set_options(p->ctx[1], 1 << 8); /* ALLOW_CLIENT_RENEGOTIATION */
	p->client = SSL_new(p->ctx[0]);
	p->server = SSL_new(p->ctx[1]);
	SSL_ctrl(p->client, 78 /* CLEAR_MODE */, 3, NULL);
	SSL_ctrl(p->client, 33 /* MODE */, mode, NULL);
	SSL_set_fd(p->client, p->ends.client);
	if (wbio)
		SSL_set_bio(p->client, BIO_new_socket(p->ends.client, 0), wbio(p->ends.client));
	SSL_set_fd(p->server, p->ends.server);
	SSL_set_connect_state(p->client);
	SSL_set_accept_state(p->server);
}

static inline void pair_close(struct pair *p)
{
	SSL_free(p->client);
	SSL_free(p->server);
	SSL_CTX_free(p->ctx[0]);
	SSL_CTX_free(p->ctx[1]);
	close(p->ends.client);
	close(p->ends.server);
}

/* Some bytes, as soon as they are there. */
static inline size_t pair_read(SSL *ssl, int fd, char *to, size_t room)
{
	struct pollfd wait = { fd, POLLIN, 0 };

	for (;;) {
		int n = SSL_read(ssl, to, (int)room);

		if (n > 0)
			return (size_t)n;
		CHECK(SSL_get_error(ssl, n) == ERROR_WANT_READ);
		CHECK(poll(&wait, 1, 20000) == 1);
	}
}

#endif
