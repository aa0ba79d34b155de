/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_last_thread PORT BEFORE AFTER: main() ends by pthread_exit(), a thread goes on alone.  The
 * process must end with it, and what it wrote to stdout, a pipe, must come out: libc flushes when
 * the last thread returns.  So many requests are made before main() is gone, and so many after, 150
 * ms later, so that spans of long ago are due.
 */
#include <pthread.h>

#include "http_get.h"

static int port;
static int after;

/* As a zombie, it is there until the last thread ends. */
static int main_is_there(void)
{
	char stat[512] = "";
	FILE *f = fopen("/proc/self/stat", "r");
	size_t n = f ? fread(stat, 1, sizeof(stat) - 1, f) : 0;

	if (f)
		fclose(f);
	return n && !strstr(stat, ") Z ");
}

static void *worker(void *arg)
{
	(void)arg;
	while (main_is_there())
		usleep(1000);
	usleep(150000);
	for (int i = 0; i < after; i++)
		if (http_get(port, "/worker") != 204)
			_exit(8);
	printf("worker: done\n");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc < 4)
		return 2;
	port = atoi(argv[1]);
	after = atoi(argv[3]);
	for (int i = atoi(argv[2]); i > 0; i--)
		if (http_get(port, "/main") != 204)
			return 8;
	if (pthread_create(&t, NULL, worker, NULL) != 0)
		return 9;
	pthread_exit(NULL);
}
