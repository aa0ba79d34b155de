/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that asks another one COUNT times at once, each time in a thread of its own, for each
 * request: fan PORT BACKEND-PORT COUNT.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT_MAX 64

static int backend_port, count;

static struct sockaddr_in address(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return to;
}

static void *call(void *number)
{
	struct sockaddr_in to = address(backend_port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char text[4096];
	int len = snprintf(text, sizeof(text),
			   "GET /meet/%d/%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
			   "Connection: close\r\n\r\n",
			   count, (int)(long)number, backend_port);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 ||
	    write(fd, text, (size_t)len) != len)
		exit(1);
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	return NULL;
}

static void serve(int fd)
{
	static const char done[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
				   "Connection: close\r\n\r\ndone\n";
	pthread_t threads[COUNT_MAX];
	char text[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
		len += (size_t)n;
		text[len] = 0;
		if (strstr(text, "\r\n\r\n"))
			break;
	}
	for (long i = 0; len && i < count; i++)
		pthread_create(&threads[i], NULL, call, (void *)i);
	for (long i = 0; len && i < count; i++)
		pthread_join(threads[i], NULL);
	if (len && write(fd, done, sizeof(done) - 1) < 0)
		exit(1);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = address(argc > 3 ? atoi(argv[1]) : 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (argc <= 3)
		return 2;
	backend_port = atoi(argv[2]);
	count = atoi(argv[3]);
	if (count > COUNT_MAX)
		return 2;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(fd, 16) != 0)
		return 1;
	for (;;)
		serve(accept(fd, NULL, NULL));
}
