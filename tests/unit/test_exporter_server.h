/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXPORTER_SERVER_H
#define TEST_EXPORTER_SERVER_H
/*
 * An OTLP receiver of a few lines, on a thread and a free port of 127.0.0.1: it keeps what it is
 * sent, and answers from a script of literal bytes.  The last answer of the script goes on for
 * ever; one of HTTP/1.0 closes the connection.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers that are no text. */
#define SERVER_RESET ((const char *)1)   /* reset while the body is still coming */
#define SERVER_CLOSE ((const char *)2)   /* take the request, and close without a word */
#define SERVER_SILENCE ((const char *)3) /* take the request, and never answer */

#define OK_EMPTY \
	"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"

struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	const char *const *script;   /* NULL ends it */
	int stop[2];                 /* a pipe: closed to stop */
	void (*_Atomic asked)(void); /* on its thread, before it answers; NULL: nothing */
	_Atomic int connections;
	_Atomic int requests;
	char head[4096];
	size_t head_len;
	char body[5 << 20];
	size_t body_len;
	size_t longest; /* body so far */
};

static bool server_wait(struct server *s, int fd)
{
	struct pollfd p[2] = { { fd, POLLIN, 0 }, { s->stop[0], POLLIN, 0 } };

	return poll(p, 2, -1) > 0 && !p[1].revents;
}

static void server_reset(int fd)
{
	struct linger hard = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

/* One head and one body; false: the peer has gone. */
static bool server_read(struct server *s, int fd, const char *answer)
{
	char buf[65536];
	size_t have = 0;
	size_t want = 0;
	char *end = NULL;

	for (;;) {
		ssize_t n;

		if (!server_wait(s, fd))
			return false;
		n = read(fd, end ? s->body + have : buf + have,
			 end ? sizeof(s->body) - have : sizeof(buf) - have - 1);
		if (n <= 0)
			return false;
		have += (size_t)n;
		if (!end) {
			char *len;

			buf[have] = '\0';
			end = strstr(buf, "\r\n\r\n");
			if (!end)
				continue;
			s->head_len = (size_t)(end + 4 - buf);
			memcpy(s->head, buf, s->head_len);
			s->head[s->head_len] = '\0';
			len = strstr(s->head, "Content-Length: ");
			want = len ? (size_t)atoi(len + 16) : 0;
			have -= s->head_len;
			memcpy(s->body, buf + s->head_len, have);
		}
		if (answer == SERVER_RESET)
			return false;
		if (have >= want) {
			s->body_len = have;
			if (s->longest < have)
				s->longest = have;
			return true;
		}
	}
}

static bool server_answer(struct server *s, int fd, int which)
{
	const char *text = s->script[which];

	if (text == SERVER_CLOSE || text == SERVER_RESET)
		return false;
	if (text == SERVER_SILENCE) {
		server_wait(s, -1);
		return false;
	}
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		return false;
	return memcmp(text, "HTTP/1.0", 8) != 0;
}

static void *server_run(void *arg)
{
	struct server *s = arg;
	int which = 0;

	while (server_wait(s, s->listener)) {
		int fd = accept(s->listener, NULL, NULL);
		void (*asked)(void);
		bool goes_on = true;

		s->connections++;
		while (goes_on) {
			goes_on = server_read(s, fd, s->script[which]);
			if (!goes_on && s->script[which] != SERVER_RESET)
				break;
			s->requests++;
			asked = s->asked;
			if (asked)
				asked();
			if (s->script[which] == SERVER_RESET)
				server_reset(fd);
			goes_on = server_answer(s, fd, which);
			if (s->script[which + 1])
				which++;
		}
		close(fd);
	}
	return NULL;
}

static void server_start(struct server *s, const char *const *script)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	memset(s, 0, sizeof(*s));
	s->script = script;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 16), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pipe(s->stop), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void server_stop(struct server *s)
{
	close(s->stop[1]);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->listener);
}

#endif
