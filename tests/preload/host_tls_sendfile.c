/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSL_sendfile().  Where the kernel does not encrypt, it fails, and how is printed, for either
 * side: what it returned, the error that it left, errno.  Then a BIO pretends that the kernel does:
 * the file's bytes leave as they are, as the body of a response, in two calls, and another response
 * follows.
 *
 *	host_tls_sendfile FILE      a certificate and its key
 */
#define _GNU_SOURCE
#include "openssl.h"
#include "tls_text.h"

ssize_t SSL_sendfile(SSL *ssl, int fd, off_t at, size_t len, int flags);
void SSL_set0_wbio(SSL *ssl, BIO *wbio);

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n"
#define BODY "HTTP/1.1 204 is no answer yet\n\n"
#define LEN(text) ((int)sizeof(text) - 1)

static int is_kernels;

static int plain_write(BIO *b, const char *buf, int len)
{
	return (int)write((int)(intptr_t)BIO_get_data(b), buf, (size_t)len);
}

static long plain_ctrl(BIO *b, int cmd, long larg, void *parg)
{
	(void)larg;
	if (cmd == 105) /* BIO_C_GET_FD */
		return *(int *)parg = (int)(intptr_t)BIO_get_data(b);
	if (cmd == 73) /* BIO_CTRL_GET_KTLS_SEND */
		return is_kernels;
	return cmd == 11; /* BIO_CTRL_FLUSH */
}

static BIO *plain_bio(int fd)
{
	BIO_METHOD *method = BIO_meth_new(0x0580, "plain"); /* a source, by a descriptor */
	BIO *b;

	BIO_meth_set_write(method, plain_write);
	BIO_meth_set_ctrl(method, plain_ctrl);
	b = BIO_new(method);
	BIO_set_data(b, (void *)(intptr_t)fd);
	BIO_set_init(b, 1);
	return b;
}

static void fail(SSL *ssl, int file)
{
	ssize_t n;
	int error;

	ERR_clear_error();
	errno = 77;
	n = SSL_sendfile(ssl, file, 0, 5, 0);
	error = errno;
	printf("%zd, %lx, %d; ", n, ERR_get_error(), error);
	CHECK(ERR_get_error() == 0);
}

static void serve_one(struct pair *p, const char *head, int len)
{
	char got[256];
	size_t n = 0;

	CHECK(SSL_write(p->client, simple, LEN(simple)) == LEN(simple));
	while (n < sizeof(simple) - 1 || memcmp(got + n - 4, "\r\n\r\n", 4) != 0)
		n += pair_read(p->server, p->ends.server, got + n, sizeof(got) - n);
	CHECK(SSL_write(p->server, head, len) == len);
	CHECK(pair_read(p->client, p->ends.client, got, (size_t)len) == (size_t)len);
}

static bool send_part(struct pair *p, int file, off_t at, size_t len)
{
	struct pollfd wait = { p->ends.client, POLLIN, 0 };
	char got[64];
	ssize_t n;

	is_kernels = 1;
	n = SSL_sendfile(p->server, file, at, len, 0);
	is_kernels = 0;
	if (n < 0)
		return false;
	CHECK((size_t)n == len && poll(&wait, 1, 20000) == 1);
	CHECK(read(p->ends.client, got, sizeof(got)) == n && memcmp(got, &BODY[at], len) == 0);
	return true;
}

int main(int argc, char **argv)
{
	struct pair p;
	int file = memfd_create("body", 0);

	CHECK(argc == 2 && write(file, BODY, 30) == 30);
	pair_open(&p, argv[1], TLS1_2, 0, NULL);
	pair_shake(&p);
	fail(p.client, file);
	fail(p.server, file);
	SSL_set0_wbio(p.server, plain_bio(p.ends.server));
	serve_one(&p, HEAD, LEN(HEAD));
	if (send_part(&p, file, 0, 20) && send_part(&p, file, 20, 10))
		printf("sent\n");
	else
		printf("this OpenSSL knows of no kernel\n");
	serve_one(&p, NO_CONTENT, LEN(NO_CONTENT));
	pair_close(&p);
	return 0;
}
