/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for each path, one after the other, from a function of a function of main():
 * caller PORT PATH...  Exit status 0 if every answer came to its end.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef INLINED
#define NOINLINE inline __attribute__((always_inline))
#else
#define NOINLINE __attribute__((noinline))
#endif

static NOINLINE int ask(int port, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char text[4096];
	ssize_t n = snprintf(text, sizeof(text),
			     "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 || write(fd, text, (size_t)n) != n)
		return 1;
	while ((n = read(fd, text, sizeof(text))) > 0)
		;
	close(fd);
	return n != 0;
}

/* What comes after the calls keeps them from being jumps. */
static NOINLINE int outer(int port, const char *path)
{
	int r = ask(port, path);

	return r * 2;
}

int main(int argc, char **argv)
{
	int r = argc < 3;

	for (int i = 2; i < argc; i++)
		r += outer(atoi(argv[1]), argv[i]);
	return r;
}
