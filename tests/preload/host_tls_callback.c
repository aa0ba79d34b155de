/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request that is written in the callback that tells of the end of the handshake, which a read is
 * making and from which it has not returned, as node does, whose ciphertext is in memory meanwhile:
 * it has a line, and so has the next one.
 *
 *	host_tls_callback FILE      a certificate and its key
 */
#define _GNU_SOURCE
#include "openssl.h"
#include "tls_text.h"

const BIO_METHOD *BIO_s_mem(void);
int BIO_read(BIO *b, void *buf, int len);
#define HANDSHAKE_DONE 0x20
void SSL_set_info_callback(SSL *ssl, void (*fn)(const SSL *, int where, int r));

#define LEN (sizeof(simple) - 1)

static unsigned written;
static BIO *memory;

static BIO *memory_bio(int fd)
{
	(void)fd;
	memory = BIO_new(BIO_s_mem());
	return memory;
}

static void send_out(const struct pair *p)
{
	char got[4096];
	int n;

	while ((n = BIO_read(memory, got, sizeof(got))) > 0)
		CHECK(write(p->ends.client, got, (size_t)n) == n);
}

static void told(const SSL *ssl, int where, int r)
{
	(void)r;
	if (where & HANDSHAKE_DONE && !written++)
		CHECK(SSL_write((SSL *)(uintptr_t)ssl, simple, LEN) == LEN);
}

static unsigned receive(struct pair *p)
{
	static char got[4096];
	unsigned found;
	size_t n = 0;

	do
		n += pair_read(p->server, p->ends.server, got + n, sizeof(got) - n);
	while (compare(got, n, simple, LEN, &found) < LEN);
	CHECK(SSL_write(p->server, NO_CONTENT, sizeof(NO_CONTENT) - 1) == sizeof(NO_CONTENT) - 1);
	for (size_t want = sizeof(NO_CONTENT) - 1; want;)
		want -= pair_read(p->client, p->ends.client, got, want);
	return found;
}

int main(int argc, char **argv)
{
	struct pair p;
	char got[1];

	CHECK(argc == 2);
	pair_open(&p, argv[1], TLS1_3, 0, memory_bio);
	SSL_set_info_callback(p.client, told);
	for (int i = 0; i < 1000 && !written; i++) {
		CHECK(SSL_read(p.client, got, 1) <= 0);
		send_out(&p);
		SSL_do_handshake(p.server);
	}
	CHECK(written == 1);
	while (SSL_do_handshake(p.server) != 1)
		;
	printf("%u line, ", receive(&p));
	CHECK(SSL_write(p.client, simple, LEN) == LEN);
	send_out(&p);
	printf("%u line\n", receive(&p));
	pair_close(&p);
	return 0;
}
