/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_spool PORT COUNT HOW: so many requests, or without end, on one connection; then it ends by a
 * return, by a crash (segv), or in the middle of another request (waits; the server does not
 * answer).  forks: a child makes the requests, and its parent has ended when it begins.
 */
#include <limits.h>

#include "http_get.h"

static int *volatile nowhere;

static void orphan(void)
{
	int gone[2];
	char byte;

	if (pipe(gone) != 0 || fork() != 0)
		_exit(0);
	close(gone[1]);
	if (read(gone[0], &byte, 1) != 0)
		_exit(2);
}

int main(int argc, char **argv)
{
	int count, fd;

	if (argc < 4)
		return 2;
	count = atoi(argv[2]) ? atoi(argv[2]) : INT_MAX;
	if (strcmp(argv[3], "forks") == 0) {
		http_get(atoi(argv[1]), "/parent");
		orphan();
	}
	fd = http_connect(atoi(argv[1]));
	for (int i = 0; i < count; i++)
		if (http_request(fd, "/") != 204)
			return 3;
	if (strcmp(argv[3], "segv") == 0)
		*nowhere = 1;
	if (strcmp(argv[3], "waits") == 0)
		http_request(fd, "/waits");
	close(fd);
	puts("end");
	return 0;
}
