/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of SSL_read() by a signal handler's siglongjmp(), and by the end of its thread: nothing of
 * the call is left behind, and sessions go on, this one and others.
 *
 *	host_tls_jump FILE      a certificate and its key
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "openssl.h"
#include "tls_text.h"

static sigjmp_buf out;
static volatile sig_atomic_t is_reading;

static void jump(int number)
{
	(void)number;
	if (is_reading)
		siglongjmp(out, 1);
}

static void request(struct pair *p)
{
	static char got[1024];
	unsigned found;
	size_t n = 0;
	char answer_text[64];

	CHECK(SSL_write(p->client, simple, sizeof(simple) - 1) == sizeof(simple) - 1);
	do
		n += pair_read(p->server, p->ends.server, got + n, sizeof(got) - n);
	while (compare(got, n, simple, sizeof(simple) - 1, &found) < sizeof(simple) - 1);
	printf("%u line\n", found);
	CHECK(SSL_write(p->server, NO_CONTENT, sizeof(NO_CONTENT) - 1) == sizeof(NO_CONTENT) - 1);
	n = 0;
	while (n < sizeof(NO_CONTENT) - 1)
		n += pair_read(p->client, p->ends.client, answer_text + n, sizeof(answer_text) - n);
	CHECK(memcmp(answer_text, NO_CONTENT, n) == 0);
}

/* Blocks until the handler takes it away. */
static void read_and_jump(struct pair *p)
{
	char nothing[16];

	fcntl(p->ends.client, F_SETFL, 0);
	if (sigsetjmp(out, 1) == 0) {
		struct itimerval soon = { { 0, 1000 }, { 0, 1000 } };

		is_reading = 1;
		setitimer(ITIMER_REAL, &soon, NULL);
		SSL_read(p->client, nothing, sizeof(nothing));
		CHECK(!"read");
	}
	is_reading = 0;
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	fcntl(p->ends.client, F_SETFL, O_NONBLOCK);
}

static void *read_for_ever(void *arg)
{
	struct pair *p = arg;
	char nothing[16];

	SSL_read(p->client, nothing, sizeof(nothing));
	return NULL;
}

static void read_and_end(struct pair *p)
{
	pthread_t reader;
	void *how;

	fcntl(p->ends.client, F_SETFL, 0);
	CHECK(pthread_create(&reader, NULL, read_for_ever, p) == 0);
	CHECK(pthread_cancel(reader) == 0);
	CHECK(pthread_join(reader, &how) == 0 && how == PTHREAD_CANCELED);
	fcntl(p->ends.client, F_SETFL, O_NONBLOCK);
}

int main(int argc, char **argv)
{
	struct pair p, other;

	CHECK(argc == 2);
	signal(SIGALRM, jump);
	pair_open(&p, argv[1], TLS1_2, 0, NULL);
	pair_shake(&p);
	for (int i = 0; i < 3; i++) {
		request(&p);
		read_and_jump(&p);
		pair_open(&other, argv[1], TLS1_2, 0, NULL);
		pair_shake(&other);
		request(&other);
		pair_close(&other);
	}
	request(&p);
	read_and_end(&p);
	pair_open(&other, argv[1], TLS1_2, 0, NULL);
	pair_shake(&other);
	request(&other);
	pair_close(&other);
	pair_close(&p);
	return 0;
}
