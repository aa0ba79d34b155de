/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access_log PORT: a server whose access log, on standard output, has the ids of the trace and of
 * the request's span, as far as there are any.
 *
 *   cc -Iinclude -o access_log docs/examples/access_log.c
 *   interspan run ./access_log 8080
 */
#include <arpa/inet.h>
#include <interspan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n"
				     "\r\nok\n";
	char request[4096], trace[INTERSPAN_TRACE_ID_BYTES], span[INTERSPAN_SPAN_ID_BYTES];
	ssize_t n = read(fd, request, sizeof(request) - 1);

	if (n <= 0)
		return;
	request[n] = '\0';
	request[strcspn(request, "\r\n")] = '\0';
	/* While the request is served: it is over with the answer. */
	interspan_trace_id(trace);
	interspan_span_id(span);
	if (write(fd, answer, sizeof(answer) - 1) > 0)
		printf("\"%s\" 200 trace=%s span=%s\n", request, trace, span);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), fd;

	here.sin_port = htons((unsigned short)(argc == 2 ? atoi(argv[1]) : 0));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 16))
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(fd);
		close(fd);
	}
	return 0;
}
