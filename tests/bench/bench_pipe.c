/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pipe CALLS: nanoseconds for one write() or read() of a byte on a pipe, the descriptor being
 * none of ours: what every program pays for every call that is not traced.  Best of seven.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 200000;
	double best = 1e18;
	char byte = 'x';
	int ends[2];

	if (pipe(ends) < 0)
		return 1;
	for (int round = 0; round < 7; round++) {
		uint64_t start = now_ns();
		double took;

		for (long i = 0; i < calls; i += 2)
			if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1)
				return 1;
		took = (double)(now_ns() - start) / (double)calls;
		if (took < best)
			best = took;
	}
	printf("%.2f\n", best);
	return 0;
}
