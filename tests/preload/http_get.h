/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_GET_H
#define HTTP_GET_H
/* One plain HTTP request, for host programs: by the very calls that interspan watches. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int http_connect(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("connect");
		exit(90);
	}
	return fd;
}

/* On an open connection: reads the answer up to its empty body.  Returns the status. */
static inline int http_request(int fd, const char *path)
{
	char buf[4096];
	size_t have = 0;
	int n = snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);

	for (int done = 0; done < n;) {
		ssize_t r = write(fd, buf + done, (size_t)(n - done));

		if (r < 0)
			return -1;
		done += (int)r;
	}
	do {
		ssize_t r = read(fd, buf + have, sizeof(buf) - 1 - have);

		if (r <= 0)
			return -1;
		have += (size_t)r;
		buf[have] = '\0';
	} while (!strstr(buf, "\r\n\r\n"));
	return atoi(buf + 9);
}

static inline int http_get(int port, const char *path)
{
	int fd = http_connect(port);
	int status = http_request(fd, path);

	close(fd);
	return status;
}

#endif
