/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span costs its program: start, a name, 8 attributes of a usual request, end, hand-over.
 * The collecting in between is the exporter's thread's work and not in the figure; that every span
 * arrived whole is checked there.  Prints nanoseconds: the best and the median round.
 */
#include <stdio.h>
#include <stdlib.h>

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

/* Returns how many sound records it took. */
static size_t collect_all(struct store *st)
{
	uint32_t index[BATCH];
	size_t sound = 0;
	size_t n;

	while ((n = store_collect(st, index, BATCH)))
		for (size_t i = 0; i < n; i++) {
			sound += store_read(st, index[i], &record) && record.head.attrs == 8;
			slot_free(st, store_slot(st, index[i]));
		}
	return sound;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	static double ns[ROUNDS];
	struct store *st;
	size_t received = 0;

	config_load(NULL);
	st = store_open();
	if (!st)
		return 1;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_monotonic_ns();

		for (int i = 0; i < BATCH; i++)
			one_span();
		ns[round] = (double)(clock_monotonic_ns() - start) / BATCH;
		received += collect_all(st);
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	printf("span: start + 8 attributes + end + hand-over: best %.1f ns, median %.1f ns "
	       "(wanted <= %.0f)\n",
	       ns[0], ns[ROUNDS / 2], WANTED_NS);
	if (received != (size_t)BATCH * ROUNDS || stats_read(STAT_SPANS_DAMAGED)) {
		printf("span: %zu of %d arrived\n", received, BATCH * ROUNDS);
		return 1;
	}
	return 0;
}
