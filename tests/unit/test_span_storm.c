/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans in signal handlers, threads and forked children at once: none lost, none doubled, none
 * mixed.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "span.h"
#include "stats.h"
#include "store.h"

#define MAX_SPANS 400000

static struct record record;
static struct span_id *ids;
static size_t received;

static int setup(void **state)
{
	(void)state;
	config_load(NULL);
	ids = calloc(MAX_SPANS, sizeof(*ids));
	return store_open() && ids ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(ids);
	return 0;
}

/* A span all of whose bytes are the same: a mixture shows. */
static struct span *start_marked(uint8_t mark, bool is_long)
{
	char text[1500];
	struct span_context parent = { .flags = TRACE_FLAG_SAMPLED };
	struct span *s;

	memset(&parent.trace, mark, sizeof(parent.trace));
	memset(&parent.span, mark, sizeof(parent.span));
	memset(text, mark, sizeof(text));
	parent.tracestate = (struct bytes){ text, 40 };
	s = span_start(SPAN_SERVER, &parent);
	span_set_str(s, ATTR_URL_PATH, (struct bytes){ text, is_long ? sizeof(text) : 20 });
	span_set_str(s, ATTR_URL_QUERY, (struct bytes){ text, 9 });
	return s;
}

static bool is_all(const void *p, size_t n, uint8_t mark)
{
	for (size_t i = 0; i < n; i++)
		if (((const uint8_t *)p)[i] != mark)
			return false;
	return true;
}

static bool is_unmixed(const struct record *r)
{
	struct item_head head;
	struct bytes value;
	uint8_t mark = r->head.trace.bytes[0];
	size_t at = 0;

	if (!is_all(&r->head.trace, 16, mark) || !is_all(&r->head.parent, 8, mark))
		return false;
	while (record_next(r, &at, &head, &value))
		if (!is_all(value.ptr, value.len, mark))
			return false;
	return at == r->items_len && r->head.attrs == 2;
}

static void collect(void)
{
	struct store *st = store_get();
	uint32_t index[64];
	size_t n;

	while ((n = store_collect(st, index, 64)))
		for (size_t i = 0; i < n; i++) {
			if (!store_read(st, index[i], &record) || !is_unmixed(&record))
				fail_msg("record %u is damaged", index[i]);
			assert_true(received < MAX_SPANS);
			ids[received++] = record.head.id;
			slot_free(st, store_slot(st, index[i]));
		}
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct span_id));
}

static void assert_arrived(size_t started)
{
	struct span *s = slot_take(store_get());

	collect();
	assert_int_equal(received, started);
	qsort(ids, received, sizeof(*ids), by_bytes);
	for (size_t i = 1; i < received; i++)
		assert_memory_not_equal(&ids[i - 1], &ids[i], sizeof(*ids));
	received = 0;
	assert_int_equal(store_get()->done, 0);
	assert_ptr_equal(s, store_slot(store_get(), 0)); /* nothing leaked: the lowest is free */
	slot_free(store_get(), s);
}

static _Atomic size_t handled;

static void on_alarm(int signal)
{
	struct span *s = start_marked('h', handled & 1);

	(void)signal;
	if (s) {
		handled++;
		span_end(s);
	}
}

/* No guard here: the store and the ids do not need it, only one span by two hands does. */
static void test_span_storm_of_signals(void **state)
{
	struct itimerval every = { { 0, 100 }, { 0, 100 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	size_t started = 0;

	(void)state;
	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 100; i++)
			span_end(start_marked('m', i % 10 == 0));
		started += 100;
		collect();
	}
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	assert_true(handled > 0);
	assert_int_equal(stats_read(STAT_SPANS_NO_SLOT) + stats_read(STAT_SPANS_QUEUE_FULL), 0);
	collect();
	assert_arrived(started + handled);
}

#define MAKERS 4
#define EACH 10000

static _Atomic int making;

static void make_spans(uint8_t mark)
{
	for (int i = 0; i < EACH; i++) {
		struct span *s = start_marked((uint8_t)(mark + i % 20), i % 50 == 0);

		while (store_get()->done > 1000)
			sched_yield();
		span_end(s);
	}
}

static void *make_in_thread(void *mark)
{
	make_spans((uint8_t)(uintptr_t)mark);
	making--;
	return NULL;
}

static void test_span_storm_of_threads(void **state)
{
	pthread_t threads[MAKERS];

	(void)state;
	making = MAKERS;
	for (uintptr_t i = 0; i < MAKERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, make_in_thread, (void *)('0' + 20 * i)),
			0);
	while (making) {
		collect();
		sched_yield();
	}
	for (int i = 0; i < MAKERS; i++)
		pthread_join(threads[i], NULL);
	collect();
	assert_arrived(MAKERS * EACH);
}

static void test_span_storm_of_forks(void **state)
{
	size_t children = 0;
	int running = 0;

	(void)state;
	while (children < 60 || running) {
		int status;
		pid_t child;

		while (children < 60 && running < 4) {
			child = fork();
			if (child == 0) {
				for (int i = 0; i < 100; i++)
					span_end(start_marked((uint8_t)('0' + i), i % 7 == 0));
				_exit(stats_read(STAT_SPANS_ENDED) == 100 ? 0 : 1);
			}
			children++;
			running++;
		}
		collect();
		child = waitpid(-1, &status, WNOHANG);
		if (child > 0) {
			assert_int_equal(status, 0);
			running--;
		}
		sched_yield();
	}
	collect();
	assert_arrived(60 * 100);
}

static _Atomic uint64_t current; /* struct span_ref of the span that the other thread has open */
static _Atomic uint32_t replaced;

static void *replace_spans(void *arg)
{
	/* Until the reader has seen enough, however the two are scheduled. */
	for (uint32_t i = 0; making; replaced = ++i) {
		struct span *s = start_marked((uint8_t)('0' + i % 70), false);
		struct span_ref ref = span_ref(s);

		atomic_store(&current, (uint64_t)ref.generation << 32 | ref.slot);
		if (i % 1024 == 0)
			sched_yield();
		/* Freed here, as an unsampled one is: the slot is used again at once. */
		span_discard(s);
	}
	return arg;
}

/* A context that is read while its span ends is whole, or there is none. */
static void test_span_storm_leaves_contexts_whole(void **state)
{
	enum { ENOUGH = 1000, ROUNDS = 300000 };
	size_t whole = 0;
	pthread_t thread;

	(void)state;
	making = 1;
	assert_int_equal(pthread_create(&thread, NULL, replace_spans, NULL), 0);
	while (whole < ENOUGH || replaced < ROUNDS) {
		uint64_t word = atomic_load(&current);
		struct span_ref ref = { (uint32_t)word, (uint32_t)(word >> 32) };
		struct span_context c;
		char text[64];

		if (!span_ref_context(ref, &c, text, sizeof(text)))
			continue;
		whole++;
		if (!is_all(&c.trace, 16, c.trace.bytes[0]) || c.tracestate.len != 40 ||
		    !is_all(text, 40, c.trace.bytes[0]))
			fail_msg("a mixture after %zu", whole);
	}
	making = 0;
	pthread_join(thread, NULL);
	assert_arrived(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_span_storm_of_signals),
		cmocka_unit_test(test_span_storm_of_threads),
		cmocka_unit_test(test_span_storm_of_forks),
		cmocka_unit_test(test_span_storm_leaves_contexts_whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
