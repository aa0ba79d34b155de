/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client whose bytes go through a pair of BIOs, from where the host itself moves them, and a
 * server that looks at a request before it reads it; found: by what dlsym() finds in the library.
 *
 *	host_tls_pair FILE [found]      a certificate and its key
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

#include "openssl.h"
#include "tls_text.h"

#define LEN (sizeof(simple) - 1)
#define ANSWER (sizeof(NO_CONTENT) - 1)

int SSL_peek(SSL *ssl, void *buf, int len);
int BIO_new_bio_pair(BIO **one, size_t one_room, BIO **other, size_t other_room);
int BIO_read(BIO *b, void *to, int len);
int BIO_write(BIO *b, const void *from, int len);

typedef int taking(SSL *ssl, void *to, int len);

struct found {
	taking *read, *peek;
};

static struct found find(void)
{
	struct found f;
	void *library = dlopen("libssl.so.3", RTLD_NOW | RTLD_NOLOAD);

	if (!library)
		library = dlopen("libssl.so.1.1", RTLD_NOW | RTLD_NOLOAD);
	CHECK(library != NULL);
	*(void **)&f.read = dlsym(library, "SSL_read");
	*(void **)&f.peek = dlsym(library, "SSL_peek");
	CHECK(f.read && f.peek);
	return f;
}

/* All that is on its way, either way, for now. */
static void pump(int fd, BIO *net)
{
	char bytes[4096];
	ssize_t n;

	while ((n = BIO_read(net, bytes, sizeof(bytes))) > 0)
		CHECK(write(fd, bytes, (size_t)n) == n);
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		CHECK(BIO_write(net, bytes, (int)n) == n);
}

static void shake(struct pair *p, BIO *net)
{
	for (int i = 0; i < 100000; i++) {
		int c = SSL_do_handshake(p->client), s;

		pump(p->ends.client, net);
		s = SSL_do_handshake(p->server);
		if (c == 1 && s == 1)
			return;
		CHECK(c == 1 || SSL_get_error(p->client, c) == ERROR_WANT_READ);
		CHECK(s == 1 || SSL_get_error(p->server, s) == ERROR_WANT_READ);
	}
	CHECK(!"shaken");
}

static int taken_by(taking *how, struct pair *p, char *to, size_t room)
{
	struct pollfd wait = { p->ends.server, POLLIN, 0 };
	int n;

	while ((n = how(p->server, to, (int)room)) <= 0) {
		CHECK(SSL_get_error(p->server, n) == ERROR_WANT_READ);
		CHECK(poll(&wait, 1, 20000) == 1);
	}
	return n;
}

static void answered(struct pair *p, BIO *net)
{
	char got[ANSWER];
	struct pollfd wait = { p->ends.client, POLLIN, 0 };
	size_t n = 0;

	CHECK(SSL_write(p->server, NO_CONTENT, (int)ANSWER) == (int)ANSWER);
	while (n < ANSWER) {
		int r = SSL_read(p->client, got + n, (int)(ANSWER - n));

		if (r > 0) {
			n += (size_t)r;
			continue;
		}
		CHECK(SSL_get_error(p->client, r) == ERROR_WANT_READ);
		CHECK(poll(&wait, 1, 20000) == 1);
		pump(p->ends.client, net);
	}
	CHECK(memcmp(got, NO_CONTENT, ANSWER) == 0);
}

static void request(struct pair *p, BIO *net, struct found f)
{
	char seen[4096], got[4096];
	unsigned lines;
	int shown, n;

	CHECK(SSL_write(p->client, simple, (int)LEN) == (int)LEN);
	pump(p->ends.client, net);
	shown = taken_by(f.peek, p, seen, sizeof(seen));
	n = taken_by(f.read, p, got, sizeof(got));
	CHECK(shown == n && memcmp(seen, got, (size_t)n) == 0);
	CHECK(compare(got, (size_t)n, simple, LEN, &lines) == LEN);
	printf("%u line, as it was shown\n", lines);
	answered(p, net);
}

int main(int argc, char **argv)
{
	struct pair p;
	BIO *inner, *net;
	struct found f = { SSL_read, SSL_peek };

	CHECK(argc >= 2);
	if (argc > 2)
		f = find();
	pair_open(&p, argv[1], TLS1_3, 0, NULL);
	CHECK(BIO_new_bio_pair(&inner, 0, &net, 0) == 1);
	SSL_set_bio(p.client, inner, inner);
	shake(&p, net);
	for (int i = 0; i < 3; i++)
		request(&p, net, f);
	pair_close(&p);
	BIO_free(net);
	return 0;
}
