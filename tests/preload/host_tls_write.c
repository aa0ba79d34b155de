/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests written to OpenSSL whose records are cut everywhere: after so many bytes of ciphertext
 * the socket "is full" once, or all the time, and the application writes again as the manual says,
 * with the same buffer or with one that has moved.  What the other side decrypts are the
 * application's bytes, and whole lines of traceparent.
 *
 *	host_tls_write FILE      a certificate and its key
 *
 * Prints how many requests were written, and how many lines of traceparent came.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "openssl.h"
#include "tls_text.h"

/* --- a socket that is full at times --- */

static long quota = -1; /* bytes until it is; -1: never */
static bool is_slow;    /* it takes a byte, and is full, for ever */

static int slow_write(BIO *b, const char *buf, int len)
{
	BIO_clear_flags(b, 0x0f);
	if (quota == 0) {
		quota = is_slow ? 1 : -1;
		BIO_set_flags(b, 0x0a); /* WRITE, SHOULD_RETRY */
		return -1;
	}
	if (quota > 0 && len > quota)
		len = (int)quota;
	if (quota > 0)
		quota -= len;
	len = (int)write((int)(intptr_t)BIO_get_data(b), buf, (size_t)len);
	CHECK(len > 0);
	return len;
}

static long slow_ctrl(BIO *b, int cmd, long larg, void *parg)
{
	(void)b, (void)larg, (void)parg;
	return cmd == 11; /* BIO_CTRL_FLUSH */
}

static BIO *slow_bio(int fd)
{
	static BIO_METHOD *method;
	BIO *b;

	if (!method) {
		method = BIO_meth_new(0x0480, "slow");
		BIO_meth_set_write(method, slow_write);
		BIO_meth_set_ctrl(method, slow_ctrl);
	}
	b = BIO_new(method);
	BIO_set_data(b, (void *)(intptr_t)fd);
	BIO_set_init(b, 1);
	return b;
}

/* --- the application --- */

static unsigned requests, lines;
static long mode;
static bool is_ex;

static int write_once(SSL *ssl, const char *p, size_t len)
{
	size_t n = 12345;
	int r;

	ERR_clear_error();
	if (!is_ex)
		return SSL_write(ssl, p, (int)len);
	r = SSL_write_ex(ssl, p, len, &n);
	CHECK(r == 1 || n == 12345);
	return r == 1 ? (int)n : r;
}

/* As one call of the application's, however often it is made. */
static void write_all(struct pair *p, const char *text, size_t len)
{
	char *buf = malloc(len);
	size_t at = 0;

	memcpy(buf, text, len);
	while (at < len) {
		int n = write_once(p->client, buf + at, len - at);

		if (n > 0) {
			CHECK((size_t)n <= len - at);
			CHECK(mode & MODE_PARTIAL || (size_t)n == len - at);
			at += (size_t)n;
			continue;
		}
		CHECK(SSL_get_error(p->client, n) == ERROR_WANT_WRITE);
		if (mode & MODE_MOVING) {
			char *moved = malloc(len);

			memcpy(moved, buf, len);
			memset(buf, 0xaa, len);
			free(buf);
			buf = moved;
		}
	}
	free(buf);
}

static void receive(struct pair *p, const char *text, size_t len)
{
	static char got[1 << 17];
	size_t n = 0;
	unsigned found;

	do
		n += pair_read(p->server, p->ends.server, got + n, sizeof(got) - n);
	while (compare(got, n, text, len, &found) < len);
	lines += found;
}

static void answer_all(struct pair *p, unsigned count)
{
	char got[256];
	size_t want = count * (sizeof(NO_CONTENT) - 1);

	for (unsigned i = 0; i < count; i++)
		CHECK(SSL_write(p->server, NO_CONTENT, sizeof(NO_CONTENT) - 1) ==
		      sizeof(NO_CONTENT) - 1);
	while (want)
		want -= pair_read(p->client, p->ends.client, got, want);
}

/* A request, in one write or (split) two; count: how many it is, one behind the other. */
static void request(struct pair *p, const char *text, size_t len, size_t split, unsigned count,
		    long cut)
{
	quota = cut;
	write_all(p, text, split ? split : len);
	if (split)
		write_all(p, text + split, len - split);
	quota = -1;
	receive(p, text, len);
	requests += count;
	answer_all(p, count);
}

static void request_all(struct pair *p, const char *post, size_t post_len)
{
	size_t len = sizeof(simple) - 1;

	is_slow = false;
	for (long cut = -1; cut < 180; cut++) {
		request(p, simple, len, 0, 1, cut);
		request(p, simple, len, 20, 1, cut);
		request(p, two, sizeof(two) - 1, 0, 2, cut);
	}
	for (long cut = 0; cut < 33500; cut += 509)
		request(p, post, post_len, 0, 1, cut);
	for (size_t split = 1; split < len; split++)
		request(p, simple, len, split, 1, 30);
	is_slow = true;
	request(p, simple, len, 0, 1, 0);
	request(p, simple, len, len - 1, 1, 0);
	is_slow = false;
}

/* Not written again: closed, or with another buffer, or with less. */
static void give_up(const char *file, int how)
{
	const char *text = simple;
	struct pair p;
	int n;

	pair_open(&p, file, TLS1_3, 0, slow_bio);
	pair_shake(&p);
	quota = 25;
	CHECK(write_once(p.client, text, sizeof(simple) - 1) <= 0);
	CHECK(SSL_get_error(p.client, -1) == ERROR_WANT_WRITE);
	if (how == 1) {
		char other[sizeof(simple)];

		memcpy(other, simple, sizeof(simple));
		n = write_once(p.client, other, sizeof(simple) - 1);
		CHECK(n <= 0 && SSL_get_error(p.client, n) == ERROR_SSL); /* BAD_WRITE_RETRY */
	} else if (how == 2) {
		n = write_once(p.client, text, sizeof(simple) - 2);
		CHECK(n <= 0 && SSL_get_error(p.client, n) == ERROR_SSL);
	} else if (how == 3) {
		SSL_shutdown(p.client);
	}
	quota = -1;
	pair_close(&p);
}

/* Freed within the library, with part of a write out: another session gets its place. */
static void free_inside(const char *file, const char *post, size_t post_len)
{
	struct pair p, next;
	BIO *b = BIO_new(BIO_f_ssl());

	mode = 0;
	pair_open(&p, file, TLS1_3, mode, slow_bio);
	pair_shake(&p);
	quota = 20000;
	CHECK(write_once(p.client, post, post_len) <= 0);
	quota = -1;
	BIO_ctrl(b, 109 /* SET_SSL */, 1, p.client);
	BIO_free(b);
	p.client = NULL;
	pair_open(&next, file, TLS1_3, mode, slow_bio);
	pair_shake(&next);
	request(&next, simple, sizeof(simple) - 1, 0, 1, 30);
	pair_close(&next);
	pair_close(&p);
}

static void between(struct pair *p, int version)
{
	char nothing[1];

	if (version == TLS1_3) {
		CHECK(SSL_key_update(p->client, 1) == 1);
		request(p, simple, sizeof(simple) - 1, 0, 1, 30);
		return;
	}
	CHECK(SSL_renegotiate(p->client) == 1);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(p->client);
		SSL_read(p->server, nothing, sizeof(nothing));
	}
	request(p, simple, sizeof(simple) - 1, 0, 1, 30);
}

static void *serve(void *arg)
{
	char got[256];
	struct pair *p = arg;
	unsigned found;
	size_t n = 0;

	do
		n += pair_read(p->server, p->ends.server, got + n, sizeof(got) - n);
	while (compare(got, n, simple, sizeof(simple) - 1, &found) < sizeof(simple) - 1);
	return NULL;
}

/* The handshake is part of the first write, and where the cut is in it, or behind it, is open. */
static void write_at_once(const char *file, long cut)
{
	pthread_t server;
	struct pair p;

	mode = 0;
	pair_open(&p, file, TLS1_3, mode, slow_bio);
	fcntl(p.ends.client, F_SETFL, 0);
	CHECK(pthread_create(&server, NULL, serve, &p) == 0);
	quota = cut;
	write_all(&p, simple, sizeof(simple) - 1);
	quota = -1;
	CHECK(pthread_join(server, NULL) == 0);
	pair_close(&p);
}

static void run(const char *file, int version, const char *post, size_t post_len)
{
	struct pair p;

	pair_open(&p, file, version, mode, slow_bio);
	pair_shake(&p);
	request_all(&p, post, post_len);
	between(&p, version);
	pair_close(&p);
}

int main(int argc, char **argv)
{
	static char post[33000];
	size_t len = (size_t)sprintf(post, "POST /c HTTP/1.1\r\nHost: a\r\n"
					   "Content-Length: 32000\r\n\r\n");

	CHECK(argc == 2);
	memset(post + len, 'b', 32000);
	len += 32000;
	for (mode = 0; mode < 4; mode++)
		for (int ex = 0; ex < 2; ex++) {
			is_ex = ex;
			run(argv[1], ex ? TLS1_2 : TLS1_3, post, len);
		}
	free_inside(argv[1], post, len);
	for (int how = 0; how < 4; how++)
		for (int ex = 0; ex < 2; ex++) {
			is_ex = ex;
			give_up(argv[1], how);
		}
	for (long cut = 1; cut < 700; cut += 13)
		write_at_once(argv[1], cut);
	printf("%u requests, %u lines\n", requests, lines);
	return 0;
}
