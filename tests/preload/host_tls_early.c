/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data ahead of the end of a handshake (RFC 8446 4.2.10): a request in it arrives as it was
 * written, since it may be sent again and is bound to what the client has signed; the next one has
 * a line.
 *
 *	host_tls_early FILE      a certificate and its key
 */
#define _GNU_SOURCE
#include "openssl.h"
#include "tls_text.h"

typedef struct ssl_session_st SSL_SESSION;

SSL_SESSION *SSL_get1_session(SSL *ssl);
void SSL_SESSION_free(SSL_SESSION *session);
int SSL_set_session(SSL *ssl, SSL_SESSION *session);
int SSL_CTX_set_max_early_data(SSL_CTX *ctx, uint32_t max);
int SSL_write_early_data(SSL *ssl, const void *buf, size_t len, size_t *ret);
int SSL_read_early_data(SSL *ssl, void *buf, size_t len, size_t *ret);
#define READ_ERROR 0
#define READ_SUCCESS 1
#define READ_FINISH 2
#define NO_ANTI_REPLAY ((uint64_t)1 << 24)

#define LEN (sizeof(simple) - 1)

/* Another connection of the same contexts, that may go on with the session of the first. */
static void open_again(struct pair *p, const struct pair *first, SSL_SESSION *session)
{
	p->ends = ends_open_with(NULL);
	fcntl(p->ends.client, F_SETFL, O_NONBLOCK);
	fcntl(p->ends.server, F_SETFL, O_NONBLOCK);
	p->client = SSL_new(first->ctx[0]);
	p->server = SSL_new(first->ctx[1]);
	SSL_set_fd(p->client, p->ends.client);
	SSL_set_fd(p->server, p->ends.server);
	SSL_set_connect_state(p->client);
	SSL_set_accept_state(p->server);
	CHECK(SSL_set_session(p->client, session) == 1);
}

static SSL_SESSION *session_of(struct pair *p)
{
	char nothing[1];

	pair_shake(p);
	CHECK(SSL_write(p->server, "x", 1) == 1); /* behind the tickets */
	CHECK(pair_read(p->client, p->ends.client, nothing, 1) == 1);
	return SSL_get1_session(p->client);
}

/* All that comes early, until the client's handshake is over. */
static size_t read_early(struct pair *p, char *got, size_t room)
{
	size_t len = 0;

	for (int i = 0; i < 1000; i++) {
		size_t n = 0;
		int r = SSL_read_early_data(p->server, got + len, room - len, &n);

		if (r == READ_SUCCESS)
			len += n;
		if (r == READ_FINISH)
			return len;
		if (r == READ_ERROR)
			CHECK(SSL_get_error(p->server, 0) == ERROR_WANT_READ);
		SSL_do_handshake(p->client);
	}
	CHECK(!"finished");
	return 0;
}

static unsigned request(struct pair *p)
{
	static char got[4096];
	unsigned found;
	size_t n = 0;

	CHECK(SSL_write(p->client, simple, LEN) == LEN);
	do
		n += pair_read(p->server, p->ends.server, got + n, sizeof(got) - n);
	while (compare(got, n, simple, LEN, &found) < LEN);
	return found;
}

int main(int argc, char **argv)
{
	struct pair first, again;
	SSL_SESSION *session;
	char got[4096];
	size_t n = 0;

	CHECK(argc == 2);
	pair_open(&first, argv[1], TLS1_3, 0, NULL);
	CHECK(SSL_CTX_set_max_early_data(first.ctx[1], 16384) == 1);
	SSL_free(first.server);
	SSL_CTX_set_options(first.ctx[1], NO_ANTI_REPLAY);
	first.server = SSL_new(first.ctx[1]);
	SSL_set_fd(first.server, first.ends.server);
	SSL_set_accept_state(first.server);
	session = session_of(&first);
	open_again(&again, &first, session);
	CHECK(SSL_write_early_data(again.client, simple, LEN, &n) == 1 && n == LEN);
	n = read_early(&again, got, sizeof(got));
	printf("%s, ", n == LEN && memcmp(got, simple, LEN) == 0 ? "as it was written" : "changed");
	pair_shake(&again);
	printf("%u line behind it\n", request(&again));
	SSL_SESSION_free(session);
	SSL_free(again.client);
	SSL_free(again.server);
	close(again.ends.client);
	close(again.ends.server);
	pair_close(&first);
	return 0;
}
