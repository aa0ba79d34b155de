/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls PORT BACKEND COUNT: each request that it serves makes so many calls, one after the other on
 * one connection, and is answered with the status that its path names and, in KiB, the largest that
 * the process has ever been (VmHWM).
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ends accept(). */
static void on_term(int signal)
{
	(void)signal;
}

static struct sockaddr_in at(const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)atoi(port)),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

/* Up to the end of a head; what a server says without a body is no more than that. */
static bool read_head(int fd, char *to, size_t cap)
{
	size_t have = 0;
	ssize_t n;

	while (have + 1 < cap && (n = read(fd, to + have, cap - have - 1)) > 0) {
		have += (size_t)n;
		to[have] = '\0';
		if (strstr(to, "\r\n\r\n"))
			return true;
	}
	return false;
}

static bool call(int fd, int number)
{
	char request[128], answer[1024];
	int len = snprintf(request, sizeof(request),
			   "GET /item/%d HTTP/1.1\r\nHost: backend\r\n\r\n", number);

	return write(fd, request, (size_t)len) == len && read_head(fd, answer, sizeof(answer)) &&
	       strncmp(answer, "HTTP/1.1 204", 12) == 0;
}

static long largest_kib(void)
{
	char line[256];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = atol(line + 6);
	if (f)
		fclose(f);
	return kib;
}

static void serve(int fd, const char *backend, int count)
{
	struct sockaddr_in to = at(backend);
	char request[1024], answer[160], body[32];
	int status = 200, done = 0, len, up;

	if (!read_head(fd, request, sizeof(request)))
		return;
	(void)sscanf(request, "GET /%d", &status);
	up = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(up, (struct sockaddr *)&to, sizeof(to)) == 0)
		while (done < count && call(up, done))
			done++;
	close(up);
	snprintf(body, sizeof(body), "%d %ld\n", done, largest_kib());
	len = snprintf(answer, sizeof(answer),
		       "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		       status, strlen(body), body);
	if (write(fd, answer, (size_t)len) != len)
		perror("write");
}

int main(int argc, char **argv)
{
	struct sockaddr_in here;
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), fd;

	if (argc != 4)
		return 2;
	here = at(argv[1]);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_term }, NULL);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) || listen(listener, 16))
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(fd, argv[2], atoi(argv[3]));
		close(fd);
	}
	return 0;
}
