/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C and C++.  A program that can change a line: interspan.h in a service that answers a request a
 * connection.  host_said PORT BACKEND_PORT: /say, /nest, /force, /fail, /stray, /quit.  Without a
 * port: what each function answers outside of all requests.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../include/interspan.h"

static int backend;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int tcp(int port, int is_server)
{
	struct sockaddr_in at;
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons((uint16_t)port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (is_server ? bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 16) :
			connect(fd, (struct sockaddr *)&at, sizeof(at)))
		fail("tcp");
	return fd;
}

static void read_all(int fd, char *to, size_t cap, const char *until)
{
	size_t n = 0;
	ssize_t got;

	*to = '\0';
	while (!strstr(to, until) && n + 1 < cap && (got = read(fd, to + n, cap - 1 - n)) > 0)
		to[n += (size_t)got] = '\0';
}

static void ask(const char *path)
{
	char buf[4096];
	int fd = tcp(backend, 0);

	snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", path);
	if (write(fd, buf, strlen(buf)) < 0)
		fail("write");
	read_all(fd, buf, sizeof(buf), "\r\n\r\n");
	close(fd);
}

static void nest(void)
{
	uint64_t outer, inner, lost;

	ask("/before");
	outer = interspan_start_span("outer");
	ask("/in-outer");
	inner = interspan_start_span("inner");
	interspan_set_attribute("depth", "2");
	ask("/in-inner");
	interspan_end_span(inner);
	interspan_end_span(inner);
	interspan_add_event("half way");
	lost = interspan_start_span("ends with outer");
	ask("/in-lost");
	interspan_end_span(outer);
	interspan_end_span(lost);
	ask("/after");
}

static const char *const more[] = { "item", "book", "note", "", "item", "pen" };
static const char line[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static void say(void)
{
	interspan_set_attribute("shop.order", "7");
	interspan_set_attribute("", "x");
	interspan_set_int("shop.items", -3);
	interspan_set_double("shop.price", 0.1);
	interspan_add_event("paid");
	interspan_add_event_with("packed", more, 3);
	interspan_add_link(line, "a=1", more, 1);
	interspan_add_link("00-not", NULL, NULL, 0);
	interspan_add_link(line, NULL, NULL, 0);
}

static void serve(int fd)
{
	char request[4096], trace[INTERSPAN_TRACE_ID_BYTES], span[INTERSPAN_SPAN_ID_BYTES],
		out[512];

	read_all(fd, request, sizeof(request), "\r\n\r\n");
	errno = 77;
	interspan_trace_id(trace);
	interspan_span_id(span);
	if (strstr(request, " /say ")) {
		say();
	} else if (strstr(request, " /nest ")) {
		nest();
	} else if (strstr(request, " /force ")) {
		interspan_force();
	} else if (strstr(request, " /fail ")) {
		interspan_set_error("out_of_stock");
		interspan_set_error("second");
	} else if (strstr(request, " /stray ")) {
		(void)interspan_start_span("never ended");
	} else if (strstr(request, " /quit ")) {
		exit(0);
	}
	if (errno != 77 && !strstr(request, " /nest "))
		fail("errno");
	snprintf(out, sizeof(out),
		 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s %s",
		 strlen(trace) + 1 + strlen(span), trace, span);
	if (write(fd, out, strlen(out)) < 0)
		fail("write");
	close(fd);
}

static int outside(void)
{
	char trace[INTERSPAN_TRACE_ID_BYTES] = "x", span[INTERSPAN_SPAN_ID_BYTES] = "x";
	size_t n = interspan_trace_id(trace) + interspan_span_id(span);
	uint64_t own;

	interspan_set_attribute("a", "b");
	interspan_set_error("e");
	interspan_set_int("a", 1);
	interspan_set_double("a", 1.5);
	interspan_add_event("v");
	interspan_add_event_with("v", more, 3);
	interspan_add_link(line, NULL, NULL, 0);
	interspan_force();
	printf("%zu <%s> <%s>\n", n, trace, span);
	own = interspan_start_span("batch");
	printf("%d %zu %zu\n", own != 0, interspan_trace_id(trace), interspan_span_id(span));
	interspan_set_attribute("rows", "12");
	interspan_end_span(own);
	interspan_end_span(own);
	interspan_end_span(12345);
	printf("%zu\n", interspan_trace_id(trace));
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 3)
		return outside();
	backend = atoi(argv[2]);
	fd = tcp(atoi(argv[1]), 1);
	for (;;) {
		int client = accept(fd, NULL, NULL);

		if (client < 0)
			fail("accept");
		serve(client);
	}
}
