/* SPDX-License-Identifier: Apache-2.0 */
/* What the sampler left out, and is kept all the same for how it ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "calls.h"
#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "keep.h"
#include "preload/sampler.h"
#include "spare.h"
#include "stats.h"
#include "store.h"

#define SECOND 1000000000ull

static struct record records[16];

static void set(const char *const *envp)
{
	config_parse(&config, (char *const *)(uintptr_t)envp);
	keep_take_mode();
	sampler_init();
	keep_init();
	stats_reset();
}

#define SET(...) set((const char *const[]){ __VA_ARGS__, NULL })
#define OFF "OTEL_TRACES_SAMPLER=parentbased_always_off"

/* Everything is accounted for: nothing is held, no slot is taken. */
static void assert_nothing_left(void)
{
	const struct store *st = store_get();
	const uint64_t *taken = (const uint64_t *)((const char *)st + STORE_TAKEN_MAP);

	store_give_spare();
	assert_int_equal(st->held, 0);
	for (uint32_t i = 0; i < store_slots() / 64; i++)
		assert_int_equal(taken[i], 0);
}

/* What has been sent since the last time, in records, and how many. */
static size_t receive(void)
{
	struct store *st = store_get();
	uint32_t index[ARRAY_LEN(records)];
	size_t n = store_collect(st, index, ARRAY_LEN(index));

	for (size_t i = 0; i < n; i++) {
		assert_true(store_read(st, index[i], &records[i]));
		slot_free(st, store_slot(st, index[i]));
	}
	assert_nothing_left();
	return n;
}

static struct bytes find(const struct record *r, enum attr key)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(r, &at, &head, &value))
		if (head.type < ITEM_NAME && head.key == key)
			return value;
	return (struct bytes){ NULL, 0 };
}

static const struct record *root_of(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (find(&records[i], ATTR_SELECTED).ptr)
			return &records[i];
	return NULL;
}

static void assert_selected(size_t n, const char *why)
{
	const struct record *root = root_of(n);
	struct bytes got;

	assert_non_null(root);
	got = find(root, ATTR_SELECTED);
	assert_int_equal(got.len, strlen(why));
	assert_memory_equal(got.ptr, why, got.len);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(records[i].head.flags & TRACE_FLAG_SAMPLED, 0);
		assert_memory_equal(&records[i].head.trace, &root->head.trace, 16);
	}
}

static struct span *call_of(struct span *server)
{
	struct span_context parent;
	char state[64];

	assert_true(span_ref_context(span_ref(server), &parent, state, sizeof(state)));
	return span_start(SPAN_CLIENT, &parent);
}

static void answer(struct span *s, int status)
{
	span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, status);
	if (status >= 500 || (status >= 400 && s->kind == SPAN_CLIENT))
		span_set_error(s, BYTES("5xx"));
	span_end(s);
}

/* A request with so many calls, all of this status, and its own; returns how many are told of. */
static size_t request(unsigned calls, int call_status, int status)
{
	struct span *server = span_start(SPAN_SERVER, NULL);

	for (unsigned i = 0; i < calls; i++)
		answer(call_of(server), call_status);
	answer(server, status);
	return receive();
}

static void test_whole_request_or_nothing(void **state)
{
	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error");
	assert_int_equal(request(3, 200, 200), 0);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 4);
	assert_int_equal(request(3, 200, 503), 4);
	assert_selected(4, "error");
	assert_int_equal(stats_read(STAT_SELECTED_ERROR), 1);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 4);
	/* The caller of what fails, too; but not of what the application did wrong. */
	assert_int_equal(request(2, 502, 200), 3);
	assert_selected(3, "error");
	assert_int_equal(request(2, 404, 200), 0);
	assert_int_equal(request(0, 0, 404), 0);
	assert_int_equal(stats_read(STAT_SPANS_STARTED), 4 + 4 + 3 + 3 + 1);
}

static void test_nothing_is_recorded_without(void **state)
{
	(void)state;
	SET(OFF);
	assert_int_equal(span_verdict(span_start(SPAN_SERVER, NULL)), VERDICT_DROP);
	slot_free(store_get(), store_slot(store_get(), 0));
	SET(OFF, "OTEL_INTERSPAN_KEEP=none,error");
	assert_int_equal(request(1, 500, 500), 0);
	SET(OFF, "OTEL_INTERSPAN_KEEP=error", "OTEL_SDK_DISABLED=true");
	assert_int_equal(request(1, 500, 500), 0);
}

static void test_sampled_ones_are_as_they_were(void **state)
{
	(void)state;
	SET("OTEL_INTERSPAN_KEEP=error");
	assert_int_equal(request(1, 500, 500), 2);
	assert_null(root_of(2));
	assert_int_equal(records[0].head.flags, 0x03);
}

static void test_slow_status_rule(void **state)
{
	struct span *s;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=slow>1s,status=404,method=POST,route=/a/*");
	s = span_start_at(SPAN_SERVER, NULL, 5 * SECOND);
	span_end_at(s, 6 * SECOND);
	assert_int_equal(receive(), 0);
	s = span_start_at(SPAN_SERVER, NULL, 5 * SECOND);
	span_end_at(s, 6 * SECOND + 1);
	assert_int_equal(receive(), 1);
	assert_selected(1, "slow");
	assert_int_equal(request(1, 200, 404), 2);
	assert_selected(2, "rule");
	s = span_start(SPAN_SERVER, NULL);
	keep_request(s, BYTES("GET"), BYTES("/b"));
	span_end(s);
	assert_int_equal(receive(), 0);
	s = span_start(SPAN_SERVER, NULL);
	keep_request(s, BYTES("GET"), BYTES("/a/b"));
	span_end(s);
	assert_int_equal(receive(), 1);
	assert_selected(1, "rule");
	/* What somebody asks about comes first. */
	SET(OFF, "OTEL_INTERSPAN_KEEP=method=POST,slow>1ns,error");
	s = span_start(SPAN_SERVER, NULL);
	keep_request(s, BYTES("POST"), BYTES("/"));
	answer(s, 500);
	assert_int_equal(receive(), 1);
	assert_selected(1, "error");
}

/* --- the short way: spare.h --- */

static const struct span_context remote = { .trace = { { 1 } },
					    .span = { { 2 } },
					    .is_remote = true };

static struct span *short_start(struct span_ref *ret)
{
	struct span *s;

	/* So that there is a slot at hand. */
	span_end(span_start(SPAN_SERVER, &remote));
	s = span_start_kept(&remote, TRACE_FLAG_RANDOM, ret);
	assert_non_null(s);
	return s;
}

/* What is one span's alone, and its place. */
static void strip(struct span *s)
{
	s->generation = 0;
	s->held &= UINT32_MAX;
	s->id = (struct span_id){ { 0 } };
	s->start_ns = s->start_unix_ns = 0;
}

/* In a slot in which another one has left what it could. */
static void test_short_start_is_as_any_other(void **state)
{
	struct span_context caller = remote;
	struct span copy[2];
	struct span_ref ref;
	struct span *s;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error,slow>1s");
	caller.flags = TRACE_FLAG_RANDOM;
	s = span_start(SPAN_SERVER, &caller);
	copy[0] = *s;
	span_set_str(s, ATTR_URL_PATH, BYTES("/x"));
	span_count_dropped(s, 3);
	span_keep_baggage(s, BYTES("a=b"));
	span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, 404);
	span_end(s);
	assert_ptr_equal(span_start_kept(&remote, TRACE_FLAG_RANDOM, &ref), s);
	copy[1] = *s;
	assert_ptr_equal(span_get(ref), s);
	assert_int_equal(copy[1].verdict, VERDICT_RECORD);
	assert_int_equal(copy[1].held >> 32, ref.generation);
	/* O45: both clocks, some milliseconds apart. */
	assert_true(clock_monotonic_ns() - s->start_ns < SECOND);
	assert_true(clock_realtime_ns() - s->start_unix_ns < SECOND);
	strip(&copy[0]);
	strip(&copy[1]);
	assert_memory_equal(&copy[0], &copy[1], sizeof(copy[0]));
	assert_true(span_end_kept(s, ref));
	assert_null(span_get(ref));
	assert_nothing_left();
}

/* All that is to be kept, or that others know of, is not ended in the short way. */
static void test_short_end_is_of_ordinary_ones(void **state)
{
	static const size_t told[] = { 0, 1, 1, 1, 2, 0, 0 };

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error,slow>1s,forced");
	for (int i = 0; i < 7; i++) {
		struct span_ref ref;
		struct span *s = short_start(&ref);

		if (i == 1)
			span_set_error(s, BYTES("x"));
		if (i == 2)
			s->start_ns -= SECOND + 1;
		if (i == 3)
			keep_force(s);
		if (i == 4)
			answer(call_of(s), 500);
		if (i == 5)
			answer(call_of(s), 200);
		if (i == 6)
			s->root = (struct span_ref){ 1, 1 };
		assert_true(span_end_kept(s, ref) == !i);
		if (i)
			span_end(s);
		assert_int_equal(receive(), told[i]);
	}
}

/* A call that ends later is on its own, and nothing of it stays. */
static void test_short_end_is_an_end(void **state)
{
	struct span_ref ref;
	struct span *call, *s;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error,slow>1s");
	s = short_start(&ref);
	call = call_of(s);
	assert_true(span_end_kept(s, ref));
	/* Also for who has seen it open, and comes now. */
	assert_int_equal(s->held, (uint64_t)ref.generation << 32 | HELD_CLOSED);
	answer(call, 200);
	assert_int_equal(receive(), 0);
	s = short_start(&ref);
	call = call_of(s);
	assert_true(span_end_kept(s, ref));
	answer(call, 500);
	assert_int_equal(receive(), 1);
	/* Started, and forgotten: two that made room, two requests, one call. */
	assert_int_equal(stats_read(STAT_SPANS_STARTED), 6);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 5);
}

/* Each rule alone, and beside others: the short way past them forgets what none of them keeps. */
static void test_ordinary_requests_by_rule(void **state)
{
	static const struct {
		const char *keep;
		uint64_t ns;
		int status;
		size_t told;
	} cases[] = {
		{ "error", 100 * SECOND, 404, 0 },
		{ "error", 1, 500, 1 },
		{ "forced", 100 * SECOND, 500, 0 },
		{ "slow>1s", SECOND, 500, 0 },
		{ "slow>1s", SECOND + 1, 200, 1 },
		{ "slow>=1s", SECOND - 1, 200, 0 },
		{ "slow>=1s", SECOND, 200, 1 },
		{ "slow>2s,slow>1s", SECOND + 1, 200, 1 },
		{ "slow>1s,slow>2s", SECOND + 1, 200, 1 },
		{ "error,slow>1s", SECOND, 200, 0 },
		{ "error,slow>1s", 1, 503, 1 },
		{ "error,slow>1s,status>=400", 1, 400, 1 },
		{ "error,slow>1s,status>=400", 1, 399, 0 },
		{ "slow>1s,all", 1, 200, 1 },
		{ "all,slow>1s", 1, 200, 1 },
		{ "status<300,slow>1s", 1, 200, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char setting[64];
		struct span *s;

		(void)snprintf(setting, sizeof(setting), "OTEL_INTERSPAN_KEEP=%s", cases[i].keep);
		SET(OFF, setting);
		s = span_start_at(SPAN_SERVER, NULL, 5 * SECOND);
		span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, cases[i].status);
		if (cases[i].status >= 500)
			span_set_error(s, BYTES("5xx"));
		span_end_at(s, 5 * SECOND + cases[i].ns);
		assert_int_equal(receive(), cases[i].told);
	}
}

/* Without a request a call decides on its own. */
static void test_call_without_a_request(void **state)
{
	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error");
	answer(span_start(SPAN_CLIENT, NULL), 200);
	assert_int_equal(receive(), 0);
	answer(span_start(SPAN_CLIENT, NULL), 500);
	assert_int_equal(receive(), 1);
	assert_selected(1, "error");
}

static void test_call_that_outlives_its_request(void **state)
{
	struct span *server, *good, *bad;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error");
	server = span_start(SPAN_SERVER, NULL);
	good = call_of(server);
	bad = call_of(server);
	span_end(server);
	/* In its slot there is another request now, of which they are none. */
	server = span_start(SPAN_SERVER, NULL);
	span_end(good);
	answer(bad, 500);
	span_end(server);
	assert_int_equal(receive(), 1);
	assert_int_equal(records[0].head.kind, SPAN_CLIENT);
	assert_selected(1, "error");
}

static void test_excluded_request_has_no_calls(void **state)
{
	struct span *server;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=all");
	server = span_start(SPAN_SERVER, NULL);
	span_exclude(server);
	answer(call_of(server), 500);
	span_end(server);
	assert_int_equal(receive(), 0);
}

static void test_request_that_never_was(void **state)
{
	struct span *server;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=all");
	server = span_start(SPAN_SERVER, NULL);
	answer(call_of(server), 500);
	span_discard(server);
	assert_int_equal(receive(), 0);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 1);
	assert_int_equal(stats_read(STAT_SPANS_DISCARDED), 1);
}

static void test_request_with_too_many_calls(void **state)
{
	const struct record *root;
	struct span *server;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error", "OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST=2");
	assert_int_equal(request(5, 200, 500), 3);
	root = root_of(3);
	assert_non_null(root);
	assert_int_equal(root->head.kind, SPAN_SERVER);
	assert_int_equal(find(root, ATTR_PARTIAL).len, 1);
	assert_int_equal(stats_read(STAT_KEEP_FULL), 3);
	/* That one has failed is known all the same. */
	SET(OFF, "OTEL_INTERSPAN_KEEP=error", "OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST=1");
	server = span_start(SPAN_SERVER, NULL);
	answer(call_of(server), 200);
	answer(call_of(server), 500);
	answer(server, 200);
	assert_int_equal(receive(), 2);
	assert_selected(2, "error");
}

/* A call that shares its span with others has failed: its request has. */
static void test_folded_calls_are_known_to_their_root(void **state)
{
	struct call c = { BYTES("p"), BYTES("GET"), BYTES("/a"), 1, 2, true };
	struct span *server, *s;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error", "OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST=1");
	server = span_start(SPAN_SERVER, NULL);
	for (unsigned i = 0; i < 3; i++) {
		s = call_of(server);
		if (i == 2)
			span_set_error(s, BYTES("timeout"));
		if (calls_add(span_ref(server), &c))
			span_fold(s);
		else
			span_end(s);
	}
	span_end(server);
	assert_int_equal(receive(), 3);
	assert_selected(3, "error");
	assert_null(find(root_of(3), ATTR_PARTIAL).ptr);
	assert_int_equal(stats_read(STAT_SPANS_FOLDED), 2);
}

static void test_request_that_is_too_old(void **state)
{
	struct span *server, *call;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=all");
	server = span_start_at(SPAN_SERVER, NULL, SECOND);
	call = call_of(server);
	span_end_at(call, 602 * SECOND);
	span_end_at(server, 603 * SECOND);
	assert_int_equal(receive(), 1);
	assert_int_equal(find(&records[0], ATTR_PARTIAL).len, 1);
	assert_int_equal(stats_read(STAT_KEEP_FULL), 1);
}

static void test_store_is_not_filled_by_what_waits(void **state)
{
	struct span *server;
	uint32_t calls = 0;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=all", "OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST=1000000");
	server = span_start(SPAN_SERVER, NULL);
	for (; stats_read(STAT_KEEP_FULL) == 0; calls++)
		span_end(call_of(server));
	assert_int_equal(calls, store_slots() / 2 + 1);
	assert_int_equal(store_get()->held, store_slots() / 2);
	span_discard(server);
	assert_nothing_left();
}

static void test_storm_is_limited_by_reason(void **state)
{
	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error,slow>1s", "OTEL_INTERSPAN_KEPT_PER_SECOND=1");
	for (unsigned i = 0; i < 4; i++) {
		struct span *s = span_start_at(SPAN_SERVER, NULL, 100 * SECOND);

		if (i < 3)
			span_set_error(s, BYTES("x"));
		span_end_at(s, 102 * SECOND);
	}
	assert_int_equal(receive(), 1);
	assert_int_equal(stats_read(STAT_KEEP_LIMITED_ERROR), 2);
	assert_int_equal(stats_read(STAT_KEEP_LIMITED_SLOW), 1);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 3);
}

static void test_modes(void **state)
{
	static const struct {
		const char *mode, *more;
		unsigned sampler;
		const char *keep;
	} rows[] = {
		{ "OTEL_INTERSPAN_MODE=local", "X=", 8, "all" },
		{ "OTEL_INTERSPAN_MODE=Lab", "X=", 8, "all" },
		{ "OTEL_INTERSPAN_MODE=testing", OFF, 9, "" },
		{ "OTEL_INTERSPAN_MODE=production", "X=", 11, "error,slow>1s,forced" },
		{ "OTEL_INTERSPAN_MODE=production", OFF, 9, "error,slow>1s,forced" },
		{ "OTEL_INTERSPAN_MODE=production", "OTEL_INTERSPAN_KEEP=none", 11, "none" },
		{ "OTEL_INTERSPAN_MODE=staging", "X=", 8, "" },
		{ "OTEL_RESOURCE_ATTRIBUTES=a=b,deployment.environment.name=production", "X=", 11,
		  "error,slow>1s,forced" },
		{ "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=production",
		  "OTEL_INTERSPAN_MODE=local", 8, "all" },
		{ "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=staging", "X=", 8, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		SET(rows[i].mode, rows[i].more);
		assert_int_equal(config.traces_sampler, rows[i].sampler);
		assert_true(bytes_equal(config.keep, bytes_from_str(rows[i].keep)));
		if (rows[i].sampler == 11)
			assert_true(bytes_equal(config.traces_sampler_arg, BYTES("0.01")));
	}
}

/* --- threads --- */

#define THREADS 3
#define ROUNDS 3000

/* Generation and slot: a pointer would lead to whoever has the slot by then, not yet begun even. */
static _Atomic uint64_t current;
static _Atomic unsigned made;

#define OVER UINT64_MAX

static void *calls_for_whoever_is_there(void *unused)
{
	for (;;) {
		uint64_t word = atomic_load(&current);
		struct span_ref server = { (uint32_t)word, (uint32_t)(word >> 32) };
		struct span_context parent;
		char state[64];
		struct span *s;

		if (word == OVER)
			return unused;
		if (!span_ref_context(server, &parent, state, sizeof(state)))
			continue;
		s = span_start(SPAN_CLIENT, &parent);
		if (s)
			atomic_fetch_add(&made, 1);
		span_end(s);
	}
}

/* Whoever comes when it ends, each span is told of or forgotten, once, and no slot is lost. */
static void test_calls_that_end_with_their_request(void **state)
{
	pthread_t threads[THREADS];
	struct store *st = store_get();
	uint32_t index[64];
	uint64_t told = 0, n;

	(void)state;
	SET(OFF, "OTEL_INTERSPAN_KEEP=error", "OTEL_INTERSPAN_KEPT_PER_SECOND=1000000000");
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, calls_for_whoever_is_there, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct span *server = span_start(SPAN_SERVER, NULL);
		struct span_ref ref = span_ref(server);

		atomic_store(&current, (uint64_t)ref.generation << 32 | ref.slot);
		atomic_fetch_add(&made, 1);
		for (unsigned before = made; made < before + 3 && i % 8 == 0;)
			;
		if (i % 2)
			span_set_error(server, BYTES("x"));
		span_end(server);
		while ((n = store_collect(st, index, 64))) {
			told += n;
			store_give_back(st, index, n);
		}
	}
	atomic_store(&current, OVER);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	while ((n = store_collect(st, index, 64))) {
		told += n;
		store_give_back(st, index, n);
	}
	assert_int_equal(told, stats_read(STAT_SPANS_ENDED));
	assert_int_equal(
		told + stats_read(STAT_SPANS_UNSAMPLED) + stats_read(STAT_SPANS_QUEUE_FULL), made);
	assert_true(told >= ROUNDS / 8);
	assert_nothing_left();
}

static int setup(void **state)
{
	(void)state;
	config_load(NULL);
	return store_open() ? 0 : -1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_request_or_nothing),
		cmocka_unit_test(test_nothing_is_recorded_without),
		cmocka_unit_test(test_sampled_ones_are_as_they_were),
		cmocka_unit_test(test_slow_status_rule),
		cmocka_unit_test(test_ordinary_requests_by_rule),
		cmocka_unit_test(test_short_start_is_as_any_other),
		cmocka_unit_test(test_short_end_is_of_ordinary_ones),
		cmocka_unit_test(test_short_end_is_an_end),
		cmocka_unit_test(test_call_without_a_request),
		cmocka_unit_test(test_call_that_outlives_its_request),
		cmocka_unit_test(test_excluded_request_has_no_calls),
		cmocka_unit_test(test_request_that_never_was),
		cmocka_unit_test(test_request_with_too_many_calls),
		cmocka_unit_test(test_folded_calls_are_known_to_their_root),
		cmocka_unit_test(test_request_that_is_too_old),
		cmocka_unit_test(test_store_is_not_filled_by_what_waits),
		cmocka_unit_test(test_storm_is_limited_by_reason),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_calls_that_end_with_their_request),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
