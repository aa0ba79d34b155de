/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A receiver of OTLP/HTTP that costs next to nothing: it counts the spans of each request, and
 * answers.  Prints its port; for each line of its input, and when that ends: requests, spans,
 * bytes of bodies.  Ends with 1, and says why, at anything that is no such request.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX (8u << 20)
#define HEAD_MAX 8192u

static const char answer[] =
	"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";

static _Atomic uint64_t requests, spans, bytes;

/* --- as much protobuf as counting takes --- */

struct part {
	const uint8_t *at;
	const uint8_t *end;
};

static uint64_t varint(struct part *p)
{
	uint64_t n = 0;

	for (int shift = 0; p->at < p->end && shift < 64; shift += 7) {
		n |= (uint64_t)(*p->at & 0x7f) << shift;
		if (!(*p->at++ & 0x80))
			return n;
	}
	errx(1, "a number that does not end");
}

/* The next field that holds bytes, with its number; 0: no more. */
static uint64_t field_next(struct part *p, struct part *ret)
{
	uint64_t tag, len;

	if (p->at == p->end)
		return 0;
	tag = varint(p);
	len = varint(p);
	if ((tag & 7) != 2 || len > (uint64_t)(p->end - p->at))
		errx(1, "field %llu of another kind, or too long", (unsigned long long)tag >> 3);
	*ret = (struct part){ p->at, p->at + len };
	p->at += len;
	return tag >> 3;
}

/*
 * Resources, their scopes, and spans of these all have their lists in some field, one in another.
 */
static uint64_t count(struct part p, const uint8_t *fields)
{
	struct part inner;
	uint64_t n = 0, number;

	while ((number = field_next(&p, &inner)))
		if (number == *fields)
			n += fields[1] ? count(inner, fields + 1) : 1;
	return n;
}

/* --- HTTP --- */

/* Of a body behind its head, as far as it is there; all: bytes on the wire, 0: more come. */
struct body {
	size_t all;
	size_t len;
};

static struct body whole(size_t len, size_t have)
{
	return (struct body){ len <= have ? len : 0, len };
}

/* Chunks (RFC 9112, 7.1), moved together once they are all there. */
static struct body chunks(char *at, size_t have)
{
	size_t from = 0, len = 0, size;

	for (int is_move = 0; is_move < 2; is_move++)
		for (from = len = 0, size = 1; size; from += size + 2) {
			char *end = from < have ? memchr(at + from, '\n', have - from) : NULL;

			if (!end)
				return (struct body){ 0, 0 };
			size = strtoul(at + from, NULL, 16);
			from = (size_t)(end + 1 - at);
			if (from + size + 2 > have)
				return (struct body){ 0, 0 };
			if (is_move)
				memmove(at + len, at + from, size);
			len += size;
		}
	return (struct body){ from, len };
}

static struct body body_of(const char *head, char *at, size_t have)
{
	const char *line = strstr(head, "Content-Length: ");
	size_t len = line && line < at ? (size_t)atol(line + 16) : 0;

	if (strncmp(head, "POST /v1/traces HTTP/1.1\r\n", 26) != 0 || len > BODY_MAX)
		errx(1, "no such request: %.60s", head);
	line = strstr(head, "Transfer-Encoding: chunked\r\n");
	if (line && line < at)
		return chunks(at, have);
	if (!len)
		errx(1, "no body: %.200s", head);
	return whole(len, have);
}

/* False: the connection has ended between two requests. */
static int request_read(int fd, char *buf)
{
	static const uint8_t fields[] = { 1, 2, 2, 0 };
	size_t have = 0;
	struct body body = { 0, 0 };
	char *at = NULL;

	while (!body.all) {
		ssize_t n = read(fd, buf + have, HEAD_MAX + BODY_MAX - have);
		char *end;

		if (n <= 0 && have)
			errx(1, "ended in a request");
		if (n <= 0)
			return 0;
		have += (size_t)n;
		buf[have] = '\0';
		if (!at && (end = strstr(buf, "\r\n\r\n")))
			at = end + 4;
		if (at)
			body = body_of(buf, at, have - (size_t)(at - buf));
	}
	if (at + body.all != buf + have)
		errx(1, "more than a request");
	requests++;
	bytes += body.len;
	spans += count((struct part){ (uint8_t *)at, (uint8_t *)at + body.len }, fields);
	return 1;
}

static void *serve(void *arg)
{
	char *buf = malloc(HEAD_MAX + BODY_MAX + 1);
	int fd = (int)(intptr_t)arg;

	while (request_read(fd, buf))
		if (write(fd, answer, sizeof(answer) - 1) != (ssize_t)sizeof(answer) - 1)
			break;
	close(fd);
	free(buf);
	return NULL;
}

static void *accept_all(void *arg)
{
	int listener = (int)(intptr_t)arg;
	pthread_t thread;
	intptr_t fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		if (pthread_create(&thread, NULL, serve, (void *)fd) != 0 ||
		    pthread_detach(thread) != 0)
			errx(1, "no thread");
	return NULL;
}

static void tell(void)
{
	printf("%llu %llu %llu\n", (unsigned long long)requests, (unsigned long long)spans,
	       (unsigned long long)bytes);
	fflush(stdout);
}

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);
	pthread_t thread;
	char end;

	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listener, 64) != 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) != 0 ||
	    pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener) != 0)
		err(1, "listen");
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	while (read(0, &end, 1) > 0)
		if (end == '\n')
			tell();
	tell();
	return 0;
}
