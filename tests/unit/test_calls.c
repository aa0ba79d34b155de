/* SPDX-License-Identifier: Apache-2.0 */
/* What a request has called, on its own span. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "calls_impl.h"
#include "compiler.h"
#include "config.h"
#include "stats.h"
#include "store.h"

static struct record record;

static int setup(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	config.max_spans_per_request = UINT32_MAX; /* but where that is what matters */
	return 0;
}

static void receive(struct span *s)
{
	struct store *st = store_get();
	uint32_t index;

	span_end(s);
	assert_int_equal(store_collect(st, &index, 1), 1);
	assert_true(store_read(st, index, &record));
	slot_free(st, store_slot(st, index));
}

static struct bytes find(enum attr key)
{
	struct bytes found = { NULL, 0 }, value;
	struct item_head head;
	size_t at = 0;

	while (record_next(&record, &at, &head, &value))
		if (head.type < ITEM_NAME && head.key == key) {
			assert_null(found.ptr); /* once */
			found = value;
		}
	return found;
}

static void assert_number(enum attr key, int64_t want)
{
	struct bytes found = find(key);

	assert_int_equal(found.len, sizeof(want));
	assert_memory_equal(found.ptr, &want, sizeof(want));
}

static void assert_text(enum attr key, const char *want)
{
	struct bytes found = find(key);

	assert_int_equal(found.len, strlen(want));
	assert_memory_equal(found.ptr, want, found.len);
}

static void assert_no(enum attr key)
{
	assert_null(find(key).ptr);
}

#define US 1000u

static void call(const struct span *s, const char *summary, uint64_t start_us, uint64_t end_us)
{
	struct call c = { BYTES("shop:8080"), BYTES("GET"), bytes_from_str(summary),
			  start_us * US,      end_us * US,  false };

	calls_add(span_ref(s), &c);
}

static void test_calls_tell_the_most_repeated(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	call(s, "/once", 10, 20);
	for (uint64_t i = 0; i < 30; i++)
		call(s, "/items/*", 100 + 10 * i, 107 + 10 * i);
	call(s, "/twice", 500, 600);
	call(s, "/twice", 600, 650);
	receive(s);
	assert_number(ATTR_CALLS_COUNT, 33);
	assert_number(ATTR_CALLS_DURATION, 10 + 30 * 7 + 150);
	assert_number(ATTR_CALLS_REPEATED_COUNT, 30);
	assert_number(ATTR_CALLS_REPEATED_DURATION, 210);
	assert_text(ATTR_CALLS_REPEATED_MODE, "serial");
	assert_text(ATTR_CALLS_REPEATED_PEER, "shop:8080");
	assert_text(ATTR_CALLS_REPEATED_OPERATION, "GET");
	assert_text(ATTR_CALLS_REPEATED_SUMMARY, "/items/*");
	assert_no(ATTR_CALLS_OTHER);
}

static void assert_nothing(void)
{
	for (unsigned key = ATTR_CALLS_COUNT; key <= ATTR_CALLS_REPEATED_SUMMARY; key++)
		assert_no((enum attr)key);
}

static void test_calls_say_nothing_where_there_were_none(void **state)
{
	struct span *other = span_start(SPAN_SERVER, NULL);
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	call(other, "/x", 1, 2);
	receive(s);
	assert_nothing();
	receive(other);
	assert_number(ATTR_CALLS_COUNT, 1);
	assert_number(ATTR_CALLS_DURATION, 1);
	assert_no(ATTR_CALLS_REPEATED_COUNT);
}

/* In the order in which they end, which is the order in which they are told. */
static void test_calls_overlap_or_not(void **state)
{
	static const struct row {
		uint64_t times[4][2];
		const char *mode;
	} rows[] = {
		{ { { 10, 20 }, { 20, 30 } }, "serial" },
		{ { { 10, 20 }, { 19, 30 } }, "overlapped" },
		{ { { 15, 20 }, { 10, 30 } }, "overlapped" },
		{ { { 10, 20 }, { 10, 20 } }, "overlapped" },
		{ { { 30, 40 }, { 10, 20 } }, "serial" }, /* told late */
		/* One that was tried again. */
		{ { { 10, 20 }, { 19, 30 }, { 30, 40 }, { 40, 50 } }, "serial" },
		{ { { 10, 20 }, { 19, 30 }, { 29, 40 }, { 40, 50 } }, "overlapped" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span *s = span_start(SPAN_SERVER, NULL);

		for (size_t j = 0; j < 4 && rows[i].times[j][1]; j++)
			call(s, "/x", rows[i].times[j][0], rows[i].times[j][1]);
		receive(s);
		assert_text(ATTR_CALLS_REPEATED_MODE, rows[i].mode);
	}
}

/* Peer, operation and summary count each, also where they are the same one behind another. */
static void test_calls_differ_by_each_part(void **state)
{
	static const struct call calls[] = {
		{ { "ab", 2 }, { "c", 1 }, { "d", 1 }, 1, 2, false },
		{ { "a", 1 }, { "bc", 2 }, { "d", 1 }, 1, 2, false },
		{ { "a", 1 }, { "b", 1 }, { "cd", 2 }, 1, 2, false },
		{ { "", 0 }, { "", 0 }, { "", 0 }, 1, 2, false },
	};
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		calls_add(span_ref(s), &calls[i]);
	receive(s);
	assert_number(ATTR_CALLS_COUNT, 4);
	assert_no(ATTR_CALLS_REPEATED_COUNT);
}

/* Told apart by each byte of a text, wherever it is, and by how many there are. */
static void test_calls_differ_by_each_byte(void **state)
{
	(void)state;
	for (size_t len = 1; len <= 25; len++)
		for (size_t at = 0; at < len; at++) {
			char text[25] = { 0 }, other[25] = { 0 };
			struct call c = { { "p", 1 }, { "GET", 3 }, { text, len }, 1, 2, false };
			struct span *s = span_start(SPAN_SERVER, NULL);

			calls_add(span_ref(s), &c);
			other[at] = 1;
			c.summary.ptr = other;
			calls_add(span_ref(s), &c);
			c.summary = (struct bytes){ text, len - 1 };
			calls_add(span_ref(s), &c);
			receive(s);
			assert_number(ATTR_CALLS_COUNT, 3);
			assert_no(ATTR_CALLS_REPEATED_COUNT);
		}
}

static void test_calls_cut_long_texts(void **state)
{
	static const char a[200] = { [0 ... 199] = 'a' };
	struct call c = { { a, 200 }, { a, 200 }, { a, 200 }, 1, 2, false };
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	calls_add(span_ref(s), &c);
	calls_add(span_ref(s), &c);
	receive(s);
	assert_int_equal(find(ATTR_CALLS_REPEATED_PEER).len, CALLS_PEER_MAX);
	assert_int_equal(find(ATTR_CALLS_REPEATED_OPERATION).len, CALLS_OPERATION_MAX);
	assert_int_equal(find(ATTR_CALLS_REPEATED_SUMMARY).len, CALLS_SUMMARY_MAX);
}

/* Sixteen kinds are told apart; the rest is counted. */
static void test_calls_of_too_many_kinds_are_counted(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	char summary[8] = "/a";

	(void)state;
	for (char i = 0; i < 20; i++) {
		summary[1] = (char)('a' + i);
		call(s, summary, 1, 2);
	}
	call(s, "/b", 3, 4);
	receive(s);
	assert_number(ATTR_CALLS_COUNT, 21);
	assert_number(ATTR_CALLS_OTHER, 4);
	assert_number(ATTR_CALLS_REPEATED_COUNT, 2);
	assert_text(ATTR_CALLS_REPEATED_SUMMARY, "/b");
}

static void test_calls_after_the_end_are_nobodys(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct span_ref ref = span_ref(s);
	struct call c = { BYTES("p"), BYTES("o"), BYTES("s"), 1, 2, false };
	uint64_t late = stats_read(STAT_CALLS_LATE);

	(void)state;
	calls_add(ref, &c);
	span_discard(s);
	calls_add(ref, &c);
	calls_add((struct span_ref){ 0, 0 }, &c); /* law 2: of nobody known */
	assert_int_equal(stats_read(STAT_CALLS_LATE), late + 1);
	s = span_start(SPAN_SERVER, NULL); /* in the same slot */
	assert_int_equal(span_ref(s).slot, ref.slot);
	calls_add(ref, &c);
	receive(s);
	assert_nothing();
}

/* One span for those that are one too many, of each kind, ahead of their request's. */
static void test_calls_are_folded(void **state)
{
	struct span *s = span_start_at(SPAN_SERVER, NULL, 5 * US);
	struct store *st = store_get();
	struct call c = { BYTES("shop:8080"), BYTES("GET"), BYTES("/a"), 0, 0, false };
	uint32_t index[4], failed = 0;

	(void)state;
	config.max_spans_per_request = 2;
	for (uint64_t i = 0; i < 5; i++) {
		c.start_ns = (10 + 10 * i) * US;
		c.end_ns = c.start_ns + (1 + i) * US;
		c.has_failed = i == 3;
		assert_int_equal(calls_add(span_ref(s), &c), i >= 2);
	}
	c.summary = BYTES("GET /b");
	c.has_failed = false;
	assert_true(calls_add(span_ref(s), &c));
	span_end_at(s, 100 * US);
	config.max_spans_per_request = UINT32_MAX;
	assert_int_equal(store_collect(st, index, 4), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(store_read(st, index[i], &record));
		if (record.head.kind == SPAN_SERVER)
			assert_number(ATTR_CALLS_COUNT, 6);
		else if (record.head.status == SPAN_STATUS_UNSET)
			assert_text(ATTR_FOLDED_SUMMARY, "GET /b");
		else
			failed = index[i];
	}
	assert_true(store_read(st, failed, &record));
	assert_int_equal(record.head.kind, SPAN_CLIENT);
	assert_int_equal(record.head.status, SPAN_STATUS_ERROR);
	assert_int_equal(record.head.start_ns, 30 * US);
	assert_int_equal(record.head.end_ns, 55 * US);
	assert_number(ATTR_FOLDED_COUNT, 3);
	assert_number(ATTR_FOLDED_DURATION, 3 + 4 + 5);
	assert_number(ATTR_FOLDED_SLOWEST, 5);
	assert_number(ATTR_FOLDED_ERRORS, 1);
	assert_text(ATTR_FOLDED_PEER, "shop:8080");
	assert_text(ATTR_FOLDED_SUMMARY, "/a");
	store_give_back(st, index, 3);
}

/* Also the first of its kind, and the only one, has a name then. */
static void test_calls_are_folded_from_the_first_on(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct call c = { BYTES("shop:8080"), BYTES("GET"), BYTES("/a"), US, 3 * US, false };
	struct store *st = store_get();
	uint32_t index[2];

	(void)state;
	config.max_spans_per_request = 0;
	assert_true(calls_add(span_ref(s), &c));
	span_end(s);
	config.max_spans_per_request = UINT32_MAX;
	assert_int_equal(store_collect(st, index, 2), 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(store_read(st, index[i], &record));
		if (record.head.kind == SPAN_SERVER) {
			assert_number(ATTR_CALLS_COUNT, 1);
			assert_number(ATTR_CALLS_DURATION, 2);
			continue;
		}
		assert_number(ATTR_FOLDED_COUNT, 1);
		assert_text(ATTR_FOLDED_PEER, "shop:8080");
		assert_text(ATTR_FOLDED_SUMMARY, "/a");
	}
	store_give_back(st, index, 2);
}

/*
 * A request whose place is another's goes to the next one, stays there when the place gets free,
 * and is told all the same.
 */
static void test_calls_stay_where_they_are(void **state)
{
	enum { APART = 1024 };
	static struct span *spans[APART + 1];
	struct call c = { BYTES("p"), BYTES("o"), BYTES("s"), US, 2 * US, false };
	struct store *st = store_get();
	uint32_t index[2];

	(void)state;
	for (size_t i = 0; i <= APART; i++)
		spans[i] = span_start(SPAN_SERVER, NULL);
	assert_int_equal(span_ref(spans[APART]).slot - span_ref(spans[0]).slot, APART);
	config.max_spans_per_request = 2;
	assert_false(calls_add(span_ref(spans[0]), &c));
	assert_false(calls_add(span_ref(spans[0]), &c));
	assert_false(calls_add(span_ref(spans[APART]), &c));
	receive(spans[0]);
	assert_number(ATTR_CALLS_COUNT, 2);
	assert_false(calls_add(span_ref(spans[APART]), &c));
	assert_true(calls_add(span_ref(spans[APART]), &c)); /* the third */
	span_end(spans[APART]);
	config.max_spans_per_request = UINT32_MAX;
	assert_int_equal(store_collect(st, index, 2), 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(store_read(st, index[i], &record));
		if (record.head.kind != SPAN_SERVER)
			continue;
		assert_number(ATTR_CALLS_COUNT, 3);
		assert_number(ATTR_CALLS_REPEATED_COUNT, 3);
		assert_text(ATTR_CALLS_REPEATED_SUMMARY, "s");
	}
	store_give_back(st, index, 2);
	for (size_t i = 1; i < APART; i++)
		span_discard(spans[i]);
}

/* The same of one that has called nothing else. */
static void test_calls_first_stays_where_it_is(void **state)
{
	enum { APART = 1024 };
	static struct span *spans[APART + 1];
	struct call c = { BYTES("p"), BYTES("o"), BYTES("s"), US, 2 * US, false };

	(void)state;
	for (size_t i = 0; i <= APART; i++)
		spans[i] = span_start(SPAN_SERVER, NULL);
	assert_false(calls_add(span_ref(spans[0]), &c));
	assert_false(calls_add(span_ref(spans[APART]), &c));
	receive(spans[0]);
	assert_number(ATTR_CALLS_COUNT, 1);
	assert_number(ATTR_CALLS_DURATION, 1);
	assert_false(calls_add(span_ref(spans[APART]), &c));
	receive(spans[APART]);
	assert_number(ATTR_CALLS_COUNT, 2);
	assert_number(ATTR_CALLS_DURATION, 2);
	assert_text(ATTR_CALLS_REPEATED_SUMMARY, "s");
	for (size_t i = 1; i < APART; i++)
		span_discard(spans[i]);
}

/* Threads that began at the same time: each knows of one call, and one of the two has its name. */
static void test_calls_in_two_entries_are_one_kind(void **state)
{
	static struct entry entries[2];
	struct found f = { { &entries[0], &entries[1] }, 2 };
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct group *g = &entries[i].groups[0];

		entries[i].count = 1;
		g->hash = 5;
		g->count = 1;
		g->duration_ns = (1 + i) * US;
	}
	entries[1].groups[0].summary = 2;
	memcpy(entries[1].groups[0].text, "/x", 2);
	entries[1].groups[0].text_state = TEXT_WHOLE;
	calls_tell(s, &f);
	receive(s);
	assert_number(ATTR_CALLS_COUNT, 2);
	assert_number(ATTR_CALLS_DURATION, 3);
	assert_number(ATTR_CALLS_REPEATED_COUNT, 2);
	assert_number(ATTR_CALLS_REPEATED_DURATION, 3);
	assert_text(ATTR_CALLS_REPEATED_SUMMARY, "/x");
}

/*
 * One request after the other finds the entry that the last one has left, whatever its slot: an
 * entry is a page, and a thousand slots' own would be 5 MiB of them.
 */
static void test_calls_take_turns_in_one_entry(void **state)
{
	enum { SLOTS = 900 };
	static struct span *spans[SLOTS];
	struct rusage before, after;

	(void)state;
	for (size_t i = 0; i < SLOTS; i++) {
		spans[i] = span_start(SPAN_SERVER, NULL);
		assert_non_null(spans[i]);
		span_set_str(spans[i], ATTR_URL_PATH, BYTES("/x")); /* its own memory is there */
	}
	call(spans[0], "/x", 1, 2);
	receive(spans[0]);
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	for (size_t i = 1; i < SLOTS; i++) {
		call(spans[i], "/x", 1, 2);
		receive(spans[i]);
		assert_number(ATTR_CALLS_COUNT, 1);
	}
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	assert_in_range(after.ru_minflt - before.ru_minflt, 0, SLOTS / 10);
}

/* More requests than there are entries: each is whole, or without any, and that is counted. */
static void test_calls_are_bounded(void **state)
{
	enum { MANY = 1200 };
	static struct span *spans[MANY];
	uint64_t full = stats_read(STAT_CALLS_FULL);
	uint32_t told = 0;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		spans[i] = span_start(SPAN_SERVER, NULL);
		assert_non_null(spans[i]);
		call(spans[i], "/x", 1, 2);
		call(spans[i], "/x", 2, 3);
	}
	for (size_t i = 0; i < MANY; i++) {
		receive(spans[i]);
		if (!find(ATTR_CALLS_COUNT).ptr)
			continue;
		told++;
		assert_number(ATTR_CALLS_COUNT, 2);
	}
	assert_int_equal(told, 1024);
	assert_int_equal(stats_read(STAT_CALLS_FULL) - full, 2 * (MANY - 1024));
}

/* Whose users may not be there any more. */
static void test_calls_of_a_parent_are_not_a_childs(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	int status;
	pid_t child;

	(void)state;
	call(s, "/x", 1, 2);
	child = fork();
	if (child == 0) {
		struct span *own = span_start(SPAN_SERVER, NULL);

		call(own, "/y", 1, 2);
		receive(own);
		assert_number(ATTR_CALLS_COUNT, 1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	receive(s);
	assert_number(ATTR_CALLS_COUNT, 1);
}

/*
 * What was added behind a request's end (its span was there when one looked) stays: whoever has the
 * slot next is somebody else.
 */
static void test_calls_behind_an_end_are_not_the_successors(void **state)
{
	(void)state;
	/* One call has a place of its own, more have an entry. */
	for (int calls = 1; calls <= 2; calls++) {
		struct span *s = span_start(SPAN_SERVER, NULL);

		for (int i = 0; i < calls; i++)
			call(s, "/x", 1, 2);
		atomic_fetch_add(&s->generation, 1); /* as who takes the slot does */
		receive(s);
		assert_nothing();
	}
}

/* --- threads --- */

#define THREADS 4
#define CALLS 2000

static struct span_ref shared;

static void *call_in_thread(void *unused)
{
	struct call c = { BYTES("p"), BYTES("o"), BYTES("s"), US, 2 * US, false };

	for (int i = 0; i < CALLS; i++)
		calls_add(shared, &c);
	return unused;
}

static void test_calls_of_threads_are_all_counted(void **state)
{
	uint64_t late = stats_read(STAT_CALLS_LATE), full = stats_read(STAT_CALLS_FULL);
	pthread_t threads[THREADS];
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	shared = span_ref(s);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_in_thread, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	receive(s);
	assert_number(ATTR_CALLS_COUNT, THREADS * CALLS);
	assert_number(ATTR_CALLS_REPEATED_COUNT, THREADS * CALLS);
	assert_number(ATTR_CALLS_DURATION, THREADS * CALLS);
	assert_text(ATTR_CALLS_REPEATED_MODE, "overlapped");
	assert_text(ATTR_CALLS_REPEATED_SUMMARY, "s");
	assert_int_equal(stats_read(STAT_CALLS_LATE), late);
	assert_int_equal(stats_read(STAT_CALLS_FULL), full);
}

static _Atomic uint64_t current; /* a reference, as one word */
static _Atomic uint32_t is_over;

static void *call_whoever_is_there(void *unused)
{
	while (!is_over) {
		uint64_t word = current;
		struct span_ref ref = { (uint32_t)word, (uint32_t)(word >> 32) };
		char name[12];
		/* So that a call in somebody else's sums shows. */
		int len = snprintf(name, sizeof(name), "%u", ref.generation);
		struct call c = {
			BYTES("p"), BYTES("o"), { name, (size_t)len }, US, 2 * US, false
		};

		calls_add(ref, &c);
	}
	return unused;
}

/* Law 2: requests end, and their slots become others', while threads still tell of calls. */
static void test_calls_are_never_anothers(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_whoever_is_there, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		struct span *s = span_start(SPAN_SERVER, NULL);
		struct span_ref ref = span_ref(s);
		char name[12];

		current = (uint64_t)ref.generation << 32 | ref.slot;
		for (volatile int j = 0; j < 300; j++)
			;
		receive(s);
		snprintf(name, sizeof(name), "%u", ref.generation);
		assert_no(ATTR_CALLS_OTHER);
		if (find(ATTR_CALLS_REPEATED_SUMMARY).ptr)
			assert_text(ATTR_CALLS_REPEATED_SUMMARY, name);
	}
	is_over = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_tell_the_most_repeated),
		cmocka_unit_test(test_calls_first_stays_where_it_is),
		cmocka_unit_test(test_calls_say_nothing_where_there_were_none),
		cmocka_unit_test(test_calls_overlap_or_not),
		cmocka_unit_test(test_calls_differ_by_each_part),
		cmocka_unit_test(test_calls_differ_by_each_byte),
		cmocka_unit_test(test_calls_cut_long_texts),
		cmocka_unit_test(test_calls_of_too_many_kinds_are_counted),
		cmocka_unit_test(test_calls_after_the_end_are_nobodys),
		cmocka_unit_test(test_calls_are_folded),
		cmocka_unit_test(test_calls_are_folded_from_the_first_on),
		cmocka_unit_test(test_calls_stay_where_they_are),
		cmocka_unit_test(test_calls_in_two_entries_are_one_kind),
		cmocka_unit_test(test_calls_take_turns_in_one_entry),
		cmocka_unit_test(test_calls_are_bounded),
		cmocka_unit_test(test_calls_of_a_parent_are_not_a_childs),
		cmocka_unit_test(test_calls_behind_an_end_are_not_the_successors),
		cmocka_unit_test(test_calls_of_threads_are_all_counted),
		cmocka_unit_test(test_calls_are_never_anothers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
