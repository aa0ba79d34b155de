/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_spawn COUNT PROGRAM PRELOAD...: microseconds from the start of PROGRAM to its end, for each
 * preload ("-": none), one line each in their order.  The preloads take turns, start by start, so
 * that a noisy machine is noisy to all; the median of each is printed.
 */
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t spawn_once(char *program)
{
	char *argv[] = { program, NULL };
	uint64_t start = now_ns();
	int status;
	pid_t pid;

	if (posix_spawn(&pid, program, NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		exit(1);
	return now_ns() - start;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? (size_t)atol(argv[1]) : 0;
	int preloads = argc - 3;
	uint64_t *took;

	if (preloads < 1 || !count)
		return 2;
	took = calloc(count * (size_t)preloads, sizeof(*took));
	for (size_t i = 0; i < count; i++)
		for (int p = 0; p < preloads; p++) {
			if (strcmp(argv[3 + p], "-") == 0)
				unsetenv("LD_PRELOAD");
			else
				setenv("LD_PRELOAD", argv[3 + p], 1);
			took[(size_t)p * count + i] = spawn_once(argv[2]);
		}
	for (int p = 0; p < preloads; p++) {
		qsort(took + (size_t)p * count, count, sizeof(*took), compare);
		printf("%.2f\n", (double)took[(size_t)p * count + count / 2] / 1000);
	}
	free(took);
	return 0;
}
