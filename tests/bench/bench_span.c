/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span costs its program: start, a name, 8 attributes of a usual request, end, hand-over.
 * The collecting in between is the exporter's thread's work and not in the figure; that every span
 * arrived whole is checked there.  Prints nanoseconds: the best and the median round.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "config.h"
#include "guard.h"
#include "span.h"
#include "stats.h"
#include "store.h"

#define BATCH 512
#define ROUNDS 400
#define WANTED_NS 100.0

static struct record record;
static const struct span_context parent = {
	.trace = { { 0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } },
	.span = { { 1, 2, 3, 4, 5, 6, 7, 8 } },
	.flags = TRACE_FLAG_SAMPLED,
	.is_remote = true,
};

static void one_span(void)
{
	struct span *s;

	if (!guard_enter())
		return;
	s = span_start(SPAN_SERVER, &parent);
	span_set_name(s, BYTES("GET"));
	span_set_str(s, ATTR_HTTP_REQUEST_METHOD, BYTES("GET"));
	span_set_str(s, ATTR_URL_SCHEME, BYTES("http"));
	span_set_str(s, ATTR_URL_PATH, BYTES("/users/1234/orders"));
	span_set_str(s, ATTR_SERVER_ADDRESS, BYTES("shop.example.com"));
	span_set_int(s, ATTR_SERVER_PORT, 8080);
	span_set_str(s, ATTR_NETWORK_PROTOCOL_VERSION, BYTES("1.1"));
	span_set_str(s, ATTR_USER_AGENT_ORIGINAL, BYTES("curl/7.88.1"));
	span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
	span_end(s);
	guard_leave();
}

/* Where there are two processors, records are collected by the other one, as they usually are. */
static _Atomic int turn; /* 1: of the collector, 2: it is to end */
static _Atomic size_t received;

static void collect_all(struct store *st)
{
	uint32_t index[64];
	size_t n;

	while ((n = store_collect(st, index, 64))) {
		for (size_t i = 0; i < n; i++)
			received += store_read(st, index[i], &record) && record.head.attrs == 8;
		store_give_back(st, index, n);
	}
}

static void *collector(void *st)
{
	int now;

	while ((now = atomic_load(&turn)) != 2) {
		if (now == 0)
			continue;
		collect_all(st);
		atomic_store(&turn, 0);
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct store *st, const char *where, bool is_elsewhere)
{
	static double ns[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_monotonic_ns();

		for (int i = 0; i < BATCH; i++)
			one_span();
		ns[round] = (double)(clock_monotonic_ns() - start) / BATCH;
		if (!is_elsewhere)
			collect_all(st);
		atomic_store(&turn, is_elsewhere);
		while (atomic_load(&turn))
			;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	printf("span: start + 8 attributes + end + hand-over, collected %s: best %.1f ns, "
	       "median %.1f ns (wanted <= %.0f)\n",
	       where, ns[0], ns[ROUNDS / 2], WANTED_NS);
}

int main(void)
{
	size_t made = (size_t)BATCH * ROUNDS;
	pthread_t thread;
	struct store *st;

	config_load(NULL);
	st = store_open();
	if (!st)
		return 1;
	measure(st, "here", false);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		if (pthread_create(&thread, NULL, collector, st))
			return 1;
		measure(st, "elsewhere", true);
		atomic_store(&turn, 2);
		pthread_join(thread, NULL);
		made *= 2;
	}
	if (received != made || stats_read(STAT_SPANS_DAMAGED)) {
		printf("span: %zu of %zu arrived\n", (size_t)received, made);
		return 1;
	}
	return 0;
}
