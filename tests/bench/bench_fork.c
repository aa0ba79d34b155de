/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_fork PORT COUNT MIB [thread]: so many calls of fork(2), a request before every fourth, by a
 * process that has touched so much memory: the least of what a call took in the parent, in
 * microseconds.  thread: it has a second one, which sleeps.
 */
#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>

#include "../preload/http_get.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *sleeps(void *unused)
{
	pause();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uint64_t least = UINT64_MAX;
	size_t bytes;
	char *memory;

	if (argc < 4)
		return 2;
	bytes = (size_t)atoi(argv[3]) << 20;
	memory = malloc(bytes + 1);
	if (!memory || (argc > 4 && pthread_create(&thread, NULL, sleeps, NULL) != 0))
		return 3;
	memset(memory, 1, bytes);
	for (int i = 0; i < atoi(argv[2]); i++) {
		uint64_t start, took;
		pid_t pid;

		if (i % 4 == 0 && http_get(atoi(argv[1]), "/") < 0)
			return 4;
		start = now_ns();
		pid = fork();
		if (pid == 0)
			_exit(0);
		took = now_ns() - start;
		least = took < least ? took : least;
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 5;
	}
	printf("%.1f\n", (double)least / 1000);
	return 0;
}
