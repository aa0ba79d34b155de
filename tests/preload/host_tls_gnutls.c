/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_tls_write.c with GnuTLS: the function that takes its records is full at every byte, and the
 * application goes on with the same bytes, or with none; corked, and by all three functions.
 *
 *	host_tls_gnutls FILE      a certificate and its key
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "tls_text.h"

typedef struct gnutls_session_int *gnutls_session_t;
typedef struct gnutls_certificate_credentials_st *gnutls_credentials_t;

int gnutls_init(gnutls_session_t *session, unsigned flags);
void gnutls_deinit(gnutls_session_t session);
int gnutls_priority_set_direct(gnutls_session_t session, const char *text, const char **error);
int gnutls_certificate_allocate_credentials(gnutls_credentials_t *c);
int gnutls_certificate_set_x509_key_file(gnutls_credentials_t c, const char *cert, const char *key,
					 int type);
void gnutls_certificate_free_credentials(gnutls_credentials_t c);
int gnutls_credentials_set(gnutls_session_t session, int type, void *c);
void gnutls_transport_set_int2(gnutls_session_t session, int in, int out);
void gnutls_transport_set_push_function(gnutls_session_t session,
					ssize_t (*push)(void *, const void *, size_t));
void gnutls_transport_set_errno(gnutls_session_t session, int error);
int gnutls_handshake(gnutls_session_t session);
ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t len);
ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t len);
ssize_t gnutls_record_send2(gnutls_session_t session, const void *data, size_t len, size_t pad,
			    unsigned flags);
void gnutls_record_cork(gnutls_session_t session);
int gnutls_record_uncork(gnutls_session_t session, unsigned flags);
int gnutls_bye(gnutls_session_t session, int how);

#define E_AGAIN (-28)

struct pair {
	struct ends ends;
	gnutls_credentials_t credentials[2];
	gnutls_session_t client, server;
};

static gnutls_session_t pushing;
static long quota = -1; /* bytes until it is full, once; -1: never */

static ssize_t push(void *to, const void *data, size_t len)
{
	if (quota == 0) {
		quota = -1;
		gnutls_transport_set_errno(pushing, EAGAIN);
		return -1;
	}
	if (quota > 0 && len > (size_t)quota)
		len = (size_t)quota;
	if (quota > 0)
		quota -= (long)len;
	return write((int)(intptr_t)to, data, len);
}

static gnutls_session_t open_side(struct pair *p, bool is_server, const char *file,
				  const char *priority)
{
	gnutls_session_t s;

	CHECK(gnutls_init(&s, is_server ? 1 : 2) == 0);
	CHECK(gnutls_priority_set_direct(s, priority, NULL) == 0);
	CHECK(gnutls_certificate_allocate_credentials(&p->credentials[is_server]) == 0);
	if (is_server)
		CHECK(gnutls_certificate_set_x509_key_file(p->credentials[1], file, file, 1) == 0);
	CHECK(gnutls_credentials_set(s, 1, p->credentials[is_server]) == 0);
	return s;
}

static void open_pair(struct pair *p, const char *file, const char *priority)
{
	int c = E_AGAIN, s = E_AGAIN, on = 1;

	p->ends = ends_open_with(NULL);
	setsockopt(p->ends.client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(p->ends.server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(p->ends.client, F_SETFL, O_NONBLOCK);
	fcntl(p->ends.server, F_SETFL, O_NONBLOCK);
	p->client = pushing = open_side(p, false, file, priority);
	p->server = open_side(p, true, file, priority);
	gnutls_transport_set_int2(p->client, p->ends.client, p->ends.client);
	gnutls_transport_set_int2(p->server, p->ends.server, p->ends.server);
	gnutls_transport_set_push_function(p->client, push);
	for (int i = 0; i < 100000 && (c || s); i++) {
		c = c ? gnutls_handshake(p->client) : 0;
		s = s ? gnutls_handshake(p->server) : 0;
		CHECK((c == 0 || c == E_AGAIN) && (s == 0 || s == E_AGAIN));
	}
	CHECK(!c && !s);
}

static void close_pair(struct pair *p)
{
	quota = -1;
	gnutls_bye(p->client, 1);
	gnutls_deinit(p->client);
	gnutls_deinit(p->server);
	gnutls_certificate_free_credentials(p->credentials[0]);
	gnutls_certificate_free_credentials(p->credentials[1]);
	close(p->ends.client);
	close(p->ends.server);
}

static size_t read_some(gnutls_session_t s, int fd, char *to, size_t room)
{
	struct pollfd wait = { fd, POLLIN, 0 };

	for (;;) {
		ssize_t n = gnutls_record_recv(s, to, room);

		if (n > 0)
			return (size_t)n;
		CHECK(n == E_AGAIN);
		CHECK(poll(&wait, 1, 20000) == 1);
	}
}

static enum { SAME, NOTHING, CORKED, PADDED } how;
static unsigned requests, lines;

static void write_all(struct pair *p, const char *text, size_t len)
{
	size_t at = 0;
	bool is_again = false;

	if (how == CORKED)
		gnutls_record_cork(p->client);
	while (at < len) {
		bool is_nothing = is_again && how == NOTHING;
		const char *from = is_nothing ? NULL : text + at;
		size_t left = is_nothing ? 0 : len - at;
		ssize_t n = how == PADDED ? gnutls_record_send2(p->client, from, left, 0, 0) :
					    gnutls_record_send(p->client, from, left);

		is_again = n == E_AGAIN;
		CHECK(is_again || (n > 0 && (size_t)n <= len - at));
		at += is_again ? 0 : (size_t)n;
	}
	while (how == CORKED && gnutls_record_uncork(p->client, 0) == E_AGAIN)
		;
}

static void request(struct pair *p, const char *text, size_t len, unsigned count, long cut)
{
	static char got[1 << 17];
	size_t n = 0, want = count * (sizeof(NO_CONTENT) - 1);
	unsigned found;

	quota = cut;
	write_all(p, text, len);
	quota = -1;
	do
		n += read_some(p->server, p->ends.server, got + n, sizeof(got) - n);
	while (compare(got, n, text, len, &found) < len);
	requests += count;
	lines += found;
	for (unsigned i = 0; i < count; i++)
		CHECK(gnutls_record_send(p->server, NO_CONTENT, sizeof(NO_CONTENT) - 1) > 0);
	while (want)
		want -= read_some(p->client, p->ends.client, got, want);
}

int main(int argc, char **argv)
{
	static char post[33000];
	size_t len = (size_t)sprintf(post, "POST /c HTTP/1.1\r\nHost: a\r\n"
					   "Content-Length: 32000\r\n\r\n");
	static const char *const priorities[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3",
						  "NORMAL:-VERS-ALL:+VERS-TLS1.2" };

	CHECK(argc == 2);
	memset(post + len, 'b', 32000);
	len += 32000;
	for (how = SAME; how <= PADDED; how++)
		for (int i = 0; i < 2; i++) {
			struct pair p;

			open_pair(&p, argv[1], priorities[i]);
			for (long cut = -1; cut < 180; cut++) {
				request(&p, simple, sizeof(simple) - 1, 1, cut);
				if (how != NOTHING)
					request(&p, two, sizeof(two) - 1, 2, cut);
			}
			for (long cut = 0; cut < 33500 && how != NOTHING; cut += 509)
				request(&p, post, len, 1, cut);
			close_pair(&p);
		}
	printf("%u requests, %u lines\n", requests, lines);
	return 0;
}
