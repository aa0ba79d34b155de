/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_flow URL RATE SECONDS QUEUE
 *
 * RATE spans a second into a queue of QUEUE, for SECONDS, while the exporter's own thread sends
 * them to URL.  Prints: spans a second as it was, spans delivered and dropped, the most KiB of
 * memory that all of that took (of this process, and shared), and the thread's processor time a
 * span in nanoseconds.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>

#include "clock.h"
#include "config.h"
#include "exporter.h"
#include "guard.h"
#include "span.h"
#include "stats.h"
#include "store.h"

#define TICK_NS 1000000u
#define LOOK_TICKS 50u
#define BEHIND 100u /* a part of a second's spans */

static struct exporter x;
static uint64_t exporter_ns;

void exporter_log(struct bytes message)
{
	fprintf(stderr, "%.*s\n", (int)message.len, message.ptr);
}

static void one_span(uint64_t number)
{
	struct span *s;

	if (!guard_enter())
		return;
	s = span_start(SPAN_SERVER, NULL);
	if (s) {
		span_set_name(s, BYTES("GET"));
		span_set_str(s, ATTR_HTTP_REQUEST_METHOD, BYTES("GET"));
		span_set_str(s, ATTR_URL_SCHEME, BYTES("http"));
		span_set_str(s, ATTR_URL_PATH, BYTES("/users/1234/orders"));
		span_set_str(s, ATTR_SERVER_ADDRESS, BYTES("shop.example.com"));
		span_set_int(s, ATTR_SERVER_PORT, (int64_t)(number & 0xffff));
		span_set_str(s, ATTR_USER_AGENT_ORIGINAL, BYTES("curl/7.88.1"));
		span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
	}
	span_end(s);
	guard_leave();
}

static void *run(void *unused)
{
	struct timespec t;

	(void)unused;
	if (exporter_run(&x) != EXPORTER_ASKED)
		abort();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	exporter_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	return NULL;
}

static long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? atol(at + strlen(name)) : 0;
}

static long memory_kib(void)
{
	char text[8192];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return field(text, "RssAnon:") + field(text, "RssShmem:");
}

static void tick(void)
{
	struct timespec t = { 0, TICK_NS };

	nanosleep(&t, NULL);
}

/*
 * Until all are made; returns how many seconds that took.  Whoever does not get the processor for a
 * while does not make up for it in a burst: it takes longer.
 */
static double produce(uint64_t rate, uint64_t spans, long *ret_most)
{
	uint64_t first = clock_monotonic_ns(), begin = first, made = 0;

	for (unsigned int ticks = 0; made < spans; ticks++) {
		uint64_t due = (clock_monotonic_ns() - begin) / 1000 * rate / 1000000;
		long kib = ticks % LOOK_TICKS ? 0 : memory_kib();

		if (kib > *ret_most)
			*ret_most = kib;
		if (due > made + rate / BEHIND) {
			begin += (due - made - rate / BEHIND) * 1000000000u / rate;
			due = made + rate / BEHIND;
		}
		for (; made < due && made < spans; made++)
			one_span(made);
		tick();
	}
	return (double)(clock_monotonic_ns() - first) / 1e9;
}

int main(int argc, char **argv)
{
	uint64_t made, lost;
	pthread_t thread;
	long before, most = 0;
	double seconds;

	if (argc != 5)
		return 2;
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", argv[4], 1);
	setenv("OTEL_EXPORTER_OTLP_ENDPOINT", argv[1], 1);
	config_load(environ);
	before = memory_kib();
	x.store = store_open();
	x.config = &config;
	if (!x.store || pthread_create(&thread, NULL, run, NULL) != 0)
		return 1;
	while (!store_has_owner(x.store))
		tick();
	made = (uint64_t)atol(argv[2]) * (uint64_t)atol(argv[3]);
	seconds = produce((uint64_t)atol(argv[2]), made, &most);
	atomic_store(&x.stop, 1);
	atomic_fetch_add(&x.store->wake, 1);
	syscall(SYS_futex, &x.store->wake, FUTEX_WAKE, 1, NULL, NULL, 0);
	pthread_join(thread, NULL);
	lost = stats_read(STAT_SPANS_QUEUE_FULL) + stats_read(STAT_SPANS_NO_SLOT) +
	       stats_read(STAT_SPANS_FAILED) + stats_read(STAT_SPANS_LATE) +
	       stats_read(STAT_SPANS_DAMAGED);
	printf("%.0f %llu %llu %ld %.0f\n", (double)made / seconds,
	       (unsigned long long)stats_read(STAT_SPANS_EXPORTED), (unsigned long long)lost,
	       most - before, (double)exporter_ns / (double)made);
	return 0;
}
