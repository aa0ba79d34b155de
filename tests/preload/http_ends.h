/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ENDS_H
#define HTTP_ENDS_H
/*
 * HTTP/1 between two descriptors of one process, by one thread: for hosts that are lists of cases.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static inline void check(int line, int holds)
{
	if (!holds) {
		fprintf(stderr, "line %d: errno %d\n", line, errno);
		exit(1);
	}
}
#define CHECK(what) check(__LINE__, (what))

static inline void skip(const char *why)
{
	fprintf(stderr, "%s: %s\n", why, strerror(errno));
	exit(77);
}

#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

struct ends {
	int client, server;
};

/* Of the client's socket, before it is connected. */
struct option {
	int level, name, value;
};

static inline struct ends ends_open_with(const struct option *before)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct ends e;

	CHECK(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	e.client = socket(AF_INET, SOCK_STREAM, 0);
	if (before && setsockopt(e.client, before->level, before->name, &before->value,
				 sizeof(before->value)) != 0)
		skip("no such option");
	CHECK(connect(e.client, (struct sockaddr *)&at, len) == 0);
	e.server = accept(listener, NULL, NULL);
	CHECK(e.server >= 0 && close(listener) == 0);
	return e;
}

static inline struct ends ends_open(void)
{
	return ends_open_with(NULL);
}

/* By a Unix socket, which delivers before the call returns; neither end blocks. */
static inline struct ends ends_open_unix(const struct option *before)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(at);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	struct ends e = { .client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0) };

	CHECK(bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	CHECK(!before || setsockopt(e.client, before->level, before->name, &before->value,
				    sizeof(before->value)) == 0);
	CHECK(connect(e.client, (struct sockaddr *)&at, len) == 0);
	e.server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	CHECK(e.server >= 0 && close(listener) == 0);
	return e;
}

static inline void ends_close(struct ends e)
{
	CHECK(close(e.client) == 0);
	CHECK(close(e.server) == 0);
}

static inline void put(int fd, const char *text)
{
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* What there is, up to the end of text, which must be at its end. */
static inline char *get(int fd, const char *end)
{
	static char buf[8192];
	size_t have = 0;

	do {
		ssize_t n = read(fd, buf + have, sizeof(buf) - 1 - have);

		CHECK(n > 0);
		have += (size_t)n;
		buf[have] = 0;
	} while (have < strlen(end) || strcmp(buf + have - strlen(end), end) != 0);
	return buf;
}

/* Takes out the one line that may be ours; says whether there was one. */
static inline bool strip(char *head)
{
	char *ours = strstr(head, "traceparent: ");
	char *next = ours ? strstr(ours, "\r\n") : NULL;

	if (next)
		memmove(ours, next + 2, strlen(next + 2) + 1);
	return next != NULL;
}

static inline void ask(struct ends e, const char *path)
{
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	put(e.client, text);
}

static inline void take(struct ends e, const char *path)
{
	char *got = get(e.server, "\r\n\r\n");
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	strip(got);
	CHECK(strcmp(got, text) == 0);
}

/* Not a byte of ours in it. */
static inline void take_bare(struct ends e, const char *path)
{
	char *got = get(e.server, "\r\n\r\n");
	char text[128];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	CHECK(strcmp(got, text) == 0);
}

static inline void answer(struct ends e)
{
	put(e.server, NO_CONTENT);
	CHECK(strcmp(get(e.client, "\r\n\r\n"), NO_CONTENT) == 0);
}

static inline void exchange(struct ends e, const char *path)
{
	ask(e, path);
	take(e, path);
	answer(e);
}

/* The head alone, its length unknown to whom we send to: byte by byte. */
static inline void take_head(int fd)
{
	char last[4] = "";

	while (memcmp(last, "\r\n\r\n", 4) != 0) {
		memmove(last, last + 1, 3);
		CHECK(read(fd, last + 3, 1) == 1);
	}
}

/* A file in memory: text, and zeros up to len bytes. */
static inline int file_of(const char *text, size_t len)
{
	int fd = memfd_create("file", 0);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(ftruncate(fd, (off_t)len) == 0);
	return fd;
}

/* So many bytes, whatever they are. */
static inline void take_bytes(int fd, size_t len)
{
	char buf[4096];

	while (len > 0) {
		ssize_t n = read(fd, buf, len < sizeof(buf) ? len : sizeof(buf));

		CHECK(n > 0);
		len -= (size_t)n;
	}
}

struct host_case {
	const char *name;
	void (*run)(void);
};

/* main(): runs the case of that name; they end with one without a name. */
static inline int run_case(const struct host_case *c, int argc, char **argv)
{
	for (; argc > 1 && c->name; c++)
		if (strcmp(argv[1], c->name) == 0) {
			c->run();
			printf("%s: ok\n", argv[1]);
			return 0;
		}
	return 2;
}

#endif
