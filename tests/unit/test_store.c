/* SPDX-License-Identifier: Apache-2.0 */
/* The slots, among threads, processes and the dying.  Hostile records: test_store_read. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "config.h"
#include "orphan.h"
#include "stats.h"
#include "store.h"

#define SLOTS 2048 /* eight times the queue below */
#define QUEUE 256
#define BATCH 64

static struct store *st;
static struct record record;

static int setup(void **state)
{
	static char queue[] = "OTEL_BSP_MAX_QUEUE_SIZE=256";
	static char batch[] = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=64";
	char *envp[] = { queue, batch, NULL };

	(void)state;
	config_load(envp);
	st = store_open();
	return st ? 0 : -1;
}

/* Number of slots that can be had now, by taking and freeing them all. */
static uint32_t free_slots(void)
{
	struct span *all[SLOTS + 1];
	uint32_t n = 0;

	while (n <= SLOTS && (all[n] = slot_take(st)))
		n++;
	for (uint32_t i = 0; i < n; i++)
		slot_free(st, all[i]);
	return n;
}

/* A record that is sound, and carries number. */
static void record_fill(struct span *s, uint32_t number)
{
	s->kind = SPAN_INTERNAL;
	s->verdict = VERDICT_SAMPLE;
	s->flags = TRACE_FLAG_SAMPLED;
	memset(&s->trace, 0x77, sizeof(s->trace));
	memcpy(s->trace.bytes, &number, sizeof(number));
	memset(&s->id, 0x55, sizeof(s->id));
	s->tid = number;
	s->start_ns = 1;
	s->end_ns = 2;
}

static bool record_produce(uint32_t number)
{
	struct span *s = slot_take(st);

	if (!s)
		return false;
	record_fill(s, number);
	return slot_publish(st, s);
}

/* Takes what is there; counts in seen[number].  Returns how many were sound. */
static uint32_t drain(uint8_t *seen, uint32_t numbers)
{
	uint32_t index[BATCH];
	uint32_t sound = 0;
	size_t n;

	while ((n = store_collect(st, index, BATCH)))
		for (size_t i = 0; i < n; i++) {
			uint32_t number;

			if (store_read(st, index[i], &record)) {
				memcpy(&number, record.head.trace.bytes, sizeof(number));
				sound++;
				if (seen && number < numbers && number == record.head.tid)
					seen[number]++;
			}
			slot_free(st, store_slot(st, index[i]));
		}
	return sound;
}

static void assert_each_once(const uint8_t *seen, uint32_t numbers)
{
	for (uint32_t i = 0; i < numbers; i++)
		if (seen[i] != 1)
			fail_msg("record %u arrived %u times", i, seen[i]);
}

static void test_store_has_the_size_that_settings_ask_for(void **state)
{
	(void)state;
	assert_int_equal(store_slots(), SLOTS);
	assert_int_equal(st->queue_limit, QUEUE);
	assert_int_equal(st->batch, BATCH);
	assert_ptr_equal(store_get(), st);
	assert_ptr_equal(store_open(), st);
}

/* What spans hold is nobody's business in a core file: "dd" is what the kernel says of that. */
static void test_store_is_not_dumped(void **state)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	uintptr_t from, to;
	bool is_store = false;
	unsigned found = 0;
	char line[512];

	(void)state;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			is_store = from <= (uintptr_t)st && (uintptr_t)st < to;
		if (!is_store || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		assert_non_null(strstr(line, " dd"));
		assert_true(to - (uintptr_t)st >= (size_t)SLOTS * STORE_SLOT_BYTES);
		found++;
	}
	fclose(maps);
	assert_int_equal(found, 1);
}

static void test_store_takes_the_lowest_free_slot(void **state)
{
	struct span *a = slot_take(st);
	struct span *b = slot_take(st);
	uint32_t generation = a->generation;

	(void)state;
	assert_ptr_equal(a, store_slot(st, 0));
	assert_ptr_equal(b, store_slot(st, 1));
	assert_int_equal(a->state, SLOT_OPEN);
	assert_int_equal(a->pid, getpid());
	memset((char *)&a->next, 0xff, sizeof(*a) - offsetof(struct span, next));
	a->next = 0;
	slot_free(st, a);
	assert_ptr_equal(slot_take(st), a);
	assert_int_equal(a->generation, generation + 1);
	assert_int_equal(a->used | a->has_parent | a->last | a->attrs, 0);
	slot_free(st, a);
	slot_free(st, b);
}

static uint32_t count_taken(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		n += store_slot(st, i)->state != SLOT_FREE;
	return n;
}

/* A slot that is put by is this process's next one, and nobody else's. */
static void test_store_spare_is_of_one_process(void **state)
{
	struct span *s = slot_take(st), *next;
	uint32_t generation = s->generation;
	struct span_ref old = span_ref(s);
	int status;
	pid_t pid;

	(void)state;
	slot_put_by(st, s);
	assert_null(span_get(old));
	assert_int_equal(count_taken(), 1);
	pid = fork();
	if (pid == 0) {
		struct span *mine = slot_take(st);

		slot_put_by(st, mine);
		_exit(mine == s || slot_take(st) != mine);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	next = slot_take(st);
	assert_ptr_equal(next, s);
	assert_int_equal(next->generation, generation + 1);
	assert_int_equal(next->pid, getpid());
	orphans_of(pid, 0); /* what the child still held */
	slot_free(st, next);
	assert_int_equal(count_taken(), 0);
}

/* It goes back when the process ends; of one that was killed, it is an orphan. */
static void test_store_spare_goes_back(void **state)
{
	struct span *a = slot_take(st), *b = slot_take(st);
	pid_t pid;

	(void)state;
	slot_put_by(st, a);
	slot_put_by(st, b); /* there is one already */
	assert_int_equal(count_taken(), 1);
	store_give_spare();
	store_give_spare();
	assert_int_equal(count_taken(), 0);
	pid = fork();
	if (pid == 0) {
		slot_put_by(st, slot_take(st));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(count_taken(), 1);
	orphans_of(pid, 0);
	assert_int_equal(count_taken(), 0);
}

static void test_store_hands_out_all_and_then_none(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++)
		assert_int_equal(free_slots(), SLOTS);
}

static void test_store_extends_wholly_or_not(void **state)
{
	struct span *s = slot_take(st);
	struct span *rest[SLOTS];
	uint32_t n = 0;

	(void)state;
	assert_true(slot_extend(st, s, 3));
	assert_int_equal(s->slots, 4);
	assert_int_equal(s->last, 4);
	while ((rest[n] = slot_take(st)))
		n++;
	assert_int_equal(n, SLOTS - 4);
	slot_free(st, rest[--n]);
	assert_false(slot_extend(st, s, 2));
	assert_int_equal(s->slots, 4);
	assert_true(slot_extend(st, s, 1));
	slot_free(st, s);
	while (n)
		slot_free(st, rest[--n]);
	assert_int_equal(free_slots(), SLOTS);
}

/* What is collected is given back word by word: each its own, those of several slots among them. */
static void test_store_gets_back_what_was_collected_alone(void **state)
{
	static const uint32_t index[] = { 0, 1, 65, 66, 67 };
	struct span *all[68];

	(void)state;
	for (uint32_t i = 0; i < 68; i++)
		all[i] = slot_take(st);
	assert_true(slot_extend(st, all[1], 1)); /* 68, 69 */
	assert_true(slot_extend(st, all[67], 1));
	store_give_back(st, index, 5);
	for (size_t i = 0; i < 5; i++)
		assert_ptr_equal(slot_take(st), store_slot(st, index[i]));
	assert_ptr_equal(slot_take(st), store_slot(st, 68));
	assert_ptr_equal(slot_take(st), store_slot(st, 69));
	for (uint32_t i = 0; i < 70; i++)
		slot_free(st, store_slot(st, i));
	assert_int_equal(free_slots(), SLOTS);
}

static void test_store_limits_the_chain(void **state)
{
	struct span *s = slot_take(st);
	int n = 1;

	(void)state;
	assert_false(slot_extend(st, s, 21));
	while (slot_extend(st, s, 1))
		n++;
	assert_int_equal(n, STORE_RECORD_SLOTS);
	slot_free(st, s);
	assert_int_equal(free_slots(), SLOTS);
}

static void test_store_limits_the_queue(void **state)
{
	uint8_t seen[QUEUE] = { 0 };

	(void)state;
	stats_reset();
	for (uint32_t i = 0; i < QUEUE; i++)
		assert_true(record_produce(i));
	for (int i = 0; i < 5; i++)
		assert_false(record_produce(0));
	assert_int_equal(stats_read(STAT_SPANS_QUEUE_FULL), 5);
	assert_int_equal(st->done, QUEUE);
	assert_int_equal(drain(seen, QUEUE), QUEUE);
	assert_each_once(seen, QUEUE);
	assert_int_equal(st->done, 0);
	assert_int_equal(free_slots(), SLOTS);
}

static void test_store_publishes_once(void **state)
{
	struct span *s = slot_take(st);

	(void)state;
	record_fill(s, 0);
	assert_true(slot_publish(st, s));
	assert_false(slot_publish(st, s));
	assert_int_equal(st->done, 1);
	assert_int_equal(drain(NULL, 0), 1);
	assert_false(slot_publish(st, s));
	assert_int_equal(st->done, 0);
}

/* A slot that is far behind gets its turn although earlier ones are always busy. */
static void test_store_collects_in_turn(void **state)
{
	struct span *low[100];
	struct span *far;
	uint32_t index[10];
	bool found = false;

	(void)state;
	for (int i = 0; i < 100; i++)
		low[i] = slot_take(st);
	far = slot_take(st);
	record_fill(far, 7);
	assert_true(slot_publish(st, far));
	for (int i = 0; i < 100; i++)
		slot_free(st, low[i]);
	for (int round = 0; round < 200 && !found; round++) {
		size_t n;

		for (uint32_t i = 0; i < 20; i++)
			record_produce(i);
		n = store_collect(st, index, 10);
		for (size_t i = 0; i < n; i++) {
			found |= index[i] == 100;
			slot_free(st, store_slot(st, index[i]));
		}
	}
	assert_true(found);
	drain(NULL, 0);
	assert_int_equal(st->done, 0);
}

static void test_store_wakes_for_the_first_and_for_a_batch(void **state)
{
	uint32_t wake = st->wake;

	(void)state;
	record_produce(0);
	assert_int_equal(st->wake, wake); /* nobody sleeps */
	drain(NULL, 0);
	st->asleep = 1;
	for (uint32_t i = 1; i <= BATCH + 10; i++) {
		record_produce(i);
		assert_int_equal(st->wake - wake, i < BATCH ? 1 : 2);
	}
	st->asleep = 0;
	drain(NULL, 0);
}

static void test_store_forgets_who_was_killed_while_publishing(void **state)
{
	uint32_t index[1];

	(void)state;
	st->done = 3;
	assert_int_equal(store_collect(st, index, 1), 0);
	assert_int_equal(st->done, 3); /* it may just be slow */
	usleep(1100000);
	assert_int_equal(store_collect(st, index, 1), 0);
	assert_int_equal(st->done, 0);
	record_produce(1); /* the bit of one who was only slow: no underflow */
	st->done = 0;
	assert_int_equal(store_collect(st, index, 1), 1);
	assert_int_equal(st->done, 0);
	slot_free(st, store_slot(st, index[0]));
}

/* --- many at once --- */

#define PRODUCERS 4
#define EACH 20000

static _Atomic int producing;

static void produce_range(uint32_t first)
{
	for (uint32_t i = first; i < first + EACH;)
		if (record_produce(i))
			i++;
		else
			sched_yield();
}

static void *produce_thread(void *first)
{
	produce_range((uint32_t)(uintptr_t)first);
	producing--;
	return NULL;
}

static void test_store_loses_and_doubles_nothing_with_threads(void **state)
{
	static uint8_t seen[PRODUCERS * EACH];
	pthread_t threads[PRODUCERS];

	(void)state;
	producing = PRODUCERS;
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, produce_thread, (void *)(i * EACH)), 0);
	while (producing) {
		drain(seen, PRODUCERS * EACH);
		sched_yield();
	}
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	drain(seen, PRODUCERS * EACH);
	assert_each_once(seen, PRODUCERS * EACH);
	assert_int_equal(st->done, 0);
	assert_int_equal(free_slots(), SLOTS);
}

static void test_store_loses_and_doubles_nothing_with_processes(void **state)
{
	static uint8_t seen[PRODUCERS * EACH];
	int left = PRODUCERS;
	int status;

	(void)state;
	for (uint32_t i = 0; i < PRODUCERS; i++)
		if (fork() == 0) {
			produce_range(i * EACH);
			_exit(0);
		}
	while (left) {
		drain(seen, PRODUCERS * EACH);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			left--;
		}
		sched_yield();
	}
	drain(seen, PRODUCERS * EACH);
	assert_each_once(seen, PRODUCERS * EACH);
	assert_int_equal(st->done, 0);
	assert_int_equal(free_slots(), SLOTS);
}

static void *churn_thread(void *arg)
{
	struct span *held[SLOTS];

	for (int round = 0; round < 200; round++) {
		uint32_t n = 0;

		while (n < SLOTS && (held[n] = slot_take(st)))
			n++;
		while (n)
			slot_free(st, held[--n]);
	}
	return arg;
}

/* The full map is a hint that must not go stale: after all the fighting every slot can be had. */
static void test_store_finds_all_slots_after_it_was_full(void **state)
{
	pthread_t threads[PRODUCERS];

	(void)state;
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn_thread, NULL), 0);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(free_slots(), SLOTS);
}

/* So long at most: on a busy machine each yield is a turn of all others. */
static bool is_time_left(uint64_t begun_ns)
{
	return clock_monotonic_ns() - begun_ns < 3000000000u;
}

static _Atomic uint32_t round_begun, round_over;
static _Atomic bool is_enough;
static struct span *to_free;

enum { ROUNDS = 100000 };

static void *free_thread(void *arg)
{
	for (uint32_t round = 1;; round++) {
		for (uint32_t spins = 1; round_begun < round; spins++) {
			if (is_enough)
				return arg;
			if (spins % 1024 == 0)
				sched_yield();
		}
		slot_free(st, to_free);
		round_over = round;
	}
}

/* One takes the last slot of a word while another frees one in it: the word is not full. */
static void test_store_sees_a_slot_freed_while_the_last_is_taken(void **state)
{
	struct span *held[SLOTS + 1];
	uint64_t begun_ns = clock_monotonic_ns();
	pthread_t thread;
	uint32_t n = 0;

	(void)state;
	while ((held[n] = slot_take(st)))
		n++;
	assert_int_equal(n, SLOTS);
	slot_free(st, held[--n]);
	assert_int_equal(pthread_create(&thread, NULL, free_thread, NULL), 0);
	for (uint32_t round = 1; round <= ROUNDS && is_time_left(begun_ns); round++) {
		struct span *s;

		to_free = held[n - 1];
		round_begun = round;
		for (volatile uint32_t wait = round % 100; wait; wait--)
			; /* the two meet at each point of each other */
		s = slot_take(st);
		while (round_over < round)
			sched_yield();
		held[n - 1] = slot_take(st);
		if (!s || !held[n - 1])
			fail_msg("round %u", round);
		slot_free(st, s);
	}
	is_enough = true;
	pthread_join(thread, NULL);
	while (n)
		slot_free(st, held[--n]);
	assert_int_equal(free_slots(), SLOTS);
}

/* --- the dying --- */

/* Last: what the victims held stays taken. */
static void test_store_goes_on_when_producers_are_killed(void **state)
{
	enum { KILLS = 150 };
	uint64_t begun_ns = clock_monotonic_ns();
	uint32_t damaged;

	(void)state;
	stats_reset();
	for (int i = 0; i < KILLS && (i == 0 || is_time_left(begun_ns)); i++) {
		pid_t child = fork();

		if (child == 0)
			for (uint32_t n = 0;; n++)
				record_produce(n);
		for (int spin = 0; spin < 20 + i % 50; spin++) {
			drain(NULL, 0);
			sched_yield();
		}
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	drain(NULL, 0);
	damaged = (uint32_t)stats_read(STAT_SPANS_DAMAGED);
	assert_int_equal(damaged, 0);
	/* Each victim held one slot at most, and may have been about to publish one. */
	assert_in_range(count_taken(), 0, KILLS);
	assert_in_range(free_slots(), SLOTS - KILLS, SLOTS);
	assert_in_range(st->done, 0, KILLS);
	usleep(1100000);
	drain(NULL, 0);
	usleep(1100000);
	drain(NULL, 0);
	assert_int_equal(st->done, 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_true(record_produce(i));
	assert_int_equal(drain(NULL, 0), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_has_the_size_that_settings_ask_for),
		cmocka_unit_test(test_store_is_not_dumped),
		cmocka_unit_test(test_store_takes_the_lowest_free_slot),
		cmocka_unit_test(test_store_spare_is_of_one_process),
		cmocka_unit_test(test_store_spare_goes_back),
		cmocka_unit_test(test_store_hands_out_all_and_then_none),
		cmocka_unit_test(test_store_extends_wholly_or_not),
		cmocka_unit_test(test_store_gets_back_what_was_collected_alone),
		cmocka_unit_test(test_store_limits_the_chain),
		cmocka_unit_test(test_store_limits_the_queue),
		cmocka_unit_test(test_store_publishes_once),
		cmocka_unit_test(test_store_collects_in_turn),
		cmocka_unit_test(test_store_wakes_for_the_first_and_for_a_batch),
		cmocka_unit_test(test_store_forgets_who_was_killed_while_publishing),
		cmocka_unit_test(test_store_loses_and_doubles_nothing_with_threads),
		cmocka_unit_test(test_store_loses_and_doubles_nothing_with_processes),
		cmocka_unit_test(test_store_finds_all_slots_after_it_was_full),
		cmocka_unit_test(test_store_sees_a_slot_freed_while_the_last_is_taken),
		cmocka_unit_test(test_store_goes_on_when_producers_are_killed),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
