/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stack of a call costs its program, of 30 frames, after the first one: bench_stack TIMES.
 * Prints nanoseconds; under callgrind, of two numbers of times, instructions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "guard.h"
#include "stack.h"
#include "stats.h"
#include "store.h"

#define DEPTH 30

static uint64_t spent_ns;

static void collect(void)
{
	static struct record record;
	struct store *st = store_get();
	uint32_t index[64];
	size_t n;

	while ((n = store_collect(st, index, 64))) {
		for (size_t i = 0; i < n; i++)
			if (!store_read(st, index[i], &record))
				exit(1);
		store_give_back(st, index, n);
	}
}

static void call(void)
{
	struct span *s;
	uint64_t now = clock_monotonic_ns();

	if (!guard_enter())
		exit(1);
	s = span_start(SPAN_CLIENT, NULL);
	span_set_error(s, BYTES("500"));
	stack_end_span(s, now);
	guard_leave();
	spent_ns += clock_monotonic_ns() - now;
}

static NO_INLINE int deeper(int depth, int times)
{
	for (int i = 0; depth == DEPTH && i < times; i++) {
		call();
		collect();
	}
	return depth < DEPTH ? deeper(depth + 1, times) + depth : 0;
}

int main(int argc, char **argv)
{
	int times = argc > 1 ? atoi(argv[1]) : 10000;

	config_parse(&config, NULL);
	stack_set_limit(UINT32_MAX);
	(void)deeper(1, 1);
	spent_ns = 0;
	(void)deeper(1, times);
	if (stats_read(STAT_STACKS_TAKEN) != (uint64_t)times + 1)
		return 1;
	printf("stack of %d frames: %.0f ns\n", DEPTH, (double)spent_ns / (times ? times : 1));
	return 0;
}
