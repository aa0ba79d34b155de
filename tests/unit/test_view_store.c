/* SPDX-License-Identifier: Apache-2.0 */
#include "test_view_fixture.h"

/* In these tests the wall clock is BASE_NS at time 0 of the other clock. */
static struct trace *next_at(struct made *m, uint64_t now_ms)
{
	return trace_store_next(&m->store, now_ms, BASE_NS + now_ms * 1000000, false);
}

static void assert_finished_at(struct made *m, uint64_t ms)
{
	struct trace *t = NULL;
	uint64_t now;

	for (now = 0; now < 100000 && !t; now += 10)
		t = next_at(m, now);
	assert_non_null(t);
	assert_int_equal(now - 10, ms);
	trace_store_printed(&m->store, t);
	assert_null(next_at(m, 1000000));
}

static void test_view_store_whole_trace_is_finished_after_grace(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "curl", OTLP_KIND_CLIENT, 1, 0, 0, 1000);
	made_span(&m, "nginx", OTLP_KIND_SERVER, 2, 1, 0, 1000);
	made_send(&m, 0);
	assert_finished_at(&m, 300);
	made_done(&m);
}

static void test_view_store_waits_for_other_side_of_call(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	/* Ends 2 s before it arrives, so everybody's batch is out 3.5 s after that. */
	made_span(&m, "curl", OTLP_KIND_CLIENT, 1, 0, 0, 1000);
	m.batch.first->start_ns -= 2000000000u;
	m.batch.first->end_ns = m.batch.first->start_ns;
	made_send(&m, 0);
	assert_finished_at(&m, 3500);
	made_done(&m);
}

static void test_view_store_does_not_wait_for_sides_of_old_calls(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "curl", OTLP_KIND_CLIENT, 1, 0, 0, 1000);
	m.batch.first->start_ns -= 3600000000000u;
	m.batch.first->end_ns -= 3600000000000u;
	made_send(&m, 0);
	assert_finished_at(&m, 300);
	made_done(&m);
}

/* A clock that is ahead does not make us wait for it. */
static void test_view_store_waits_no_longer_for_clocks_ahead(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "nginx", OTLP_KIND_SERVER, 2, 1, 3600000000u, 1000);
	made_send(&m, 0);
	assert_finished_at(&m, 5500);
	made_done(&m);
}

static void test_view_store_waits_long_for_local_parent(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "flask", OTLP_KIND_INTERNAL, 2, 1, 0, 1000);
	made_send(&m, 0);
	assert_finished_at(&m, 60000);
	made_done(&m);
}

static void test_view_store_parent_that_comes_ends_the_wait(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "flask", OTLP_KIND_INTERNAL, 2, 1, 0, 1000);
	made_send(&m, 0);
	assert_null(next_at(&m, 10000));
	made_span(&m, "flask", OTLP_KIND_SERVER, 1, 0, 0, 1000);
	made_send(&m, 10000);
	assert_null(next_at(&m, 10299));
	assert_non_null(next_at(&m, 10300));
	made_done(&m);
}

static void test_view_store_reports_late_spans_once(void **state)
{
	struct trace *t;
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "a", OTLP_KIND_SERVER, 1, 0, 0, 1000);
	made_send(&m, 0);
	t = next_at(&m, 300);
	assert_non_null(t);
	assert_false(t->is_printed);
	trace_store_printed(&m.store, t);
	made_span(&m, "a", OTLP_KIND_INTERNAL, 2, 1, 0, 1000);
	made_send(&m, 1000);
	assert_null(next_at(&m, 1299));
	t = next_at(&m, 1300);
	assert_non_null(t);
	assert_true(t->is_printed);
	assert_int_equal(t->late, 1);
	assert_false(t->first->is_late);
	assert_true(t->first->next->is_late);
	trace_store_printed(&m.store, t);
	assert_null(next_at(&m, 1000000));
	assert_int_equal(m.store.counts.late, 1);
	made_done(&m);
}

static void test_view_store_forgets_printed_traces_first_and_counts_others(void **state)
{
	struct trace *t;
	struct made m;

	(void)state;
	made_init(&m);
	for (m.trace = 1; m.trace <= 3; m.trace++) {
		made_span(&m, "a", OTLP_KIND_SERVER, 1, 0, 0, 1000);
		made_send(&m, m.trace);
	}
	for (int i = 0; i < 2; i++) /* 1 and 2 are printed */
		trace_store_printed(&m.store, next_at(&m, 302));
	m.store.limit = m.store.bytes; /* one more pushes one out */
	made_span(&m, "a", OTLP_KIND_SERVER, 1, 0, 0, 1000);
	made_send(&m, 400);
	assert_int_equal(m.store.counts.forgotten_traces, 0);
	assert_int_equal(m.store.traces, 3);
	m.store.limit = 0;
	m.trace = 5;
	made_span(&m, "a", OTLP_KIND_SERVER, 1, 0, 0, 1000);
	made_send(&m, 500);
	/* 3, 4 and 5 itself; 2 went unnoticed. */
	assert_int_equal(m.store.counts.forgotten_traces, 3);
	assert_int_equal(m.store.counts.forgotten_spans, 3);
	assert_int_equal(m.store.bytes, 0);
	t = next_at(&m, 1000000);
	assert_null(t);
	made_done(&m);
}

static void test_view_store_is_bounded_by_its_limit(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	m.store.limit = 1 << 20;
	for (uint32_t id = 1; id <= 20000; id++) {
		made_span(&m, "a", OTLP_KIND_SERVER, id, 0, 0, 1000);
		memcpy(m.batch.first->trace_id, &id, sizeof(id));
		made_send(&m, id);
		assert_true(m.store.bytes <= m.store.limit);
	}
	assert_int_equal(m.store.counts.spans, 20000);
	assert_int_equal(m.store.counts.forgotten_traces + m.store.traces, 20000);
	made_done(&m);
}

static void test_view_store_says_when_to_come_back(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	assert_true(trace_store_due(&m.store) == UINT64_MAX);
	made_span(&m, "curl", OTLP_KIND_CLIENT, 1, 0, 0, 1000);
	made_send(&m, 50);
	assert_int_equal(trace_store_due(&m.store), 350);
	assert_null(next_at(&m, 350));
	/* The work ended 1 ms after BASE_NS: 49 ms before it came. */
	assert_int_equal(trace_store_due(&m.store), 50 + 5500 - 49);
	made_done(&m);
}

/* Of a file that is larger than the memory allowed: nothing is lost, and nothing told twice. */
static void test_view_store_makes_room_by_what_was_printed(void **state)
{
	struct made m;
	struct trace *t;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 10);
	made_send(&m, 0);
	t = trace_store_next(&m.store, 0, BASE_NS, true);
	trace_store_printed(&m.store, t);
	made_span(&m, "s", OTLP_KIND_SERVER, 2, 1, 0, 10);
	m.batch.first->trace_id[0] = 0xb2;
	made_send(&m, 0);
	trace_store_forget_printed(&m.store);
	assert_int_equal(m.store.traces, 1);
	assert_int_equal(m.store.counts.forgotten_spans, 0);
	t = trace_store_next(&m.store, 0, BASE_NS, true);
	assert_non_null(t);
	assert_int_equal(t->id[0], 0xb2);
	made_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_store_whole_trace_is_finished_after_grace),
		cmocka_unit_test(test_view_store_waits_for_other_side_of_call),
		cmocka_unit_test(test_view_store_does_not_wait_for_sides_of_old_calls),
		cmocka_unit_test(test_view_store_waits_no_longer_for_clocks_ahead),
		cmocka_unit_test(test_view_store_waits_long_for_local_parent),
		cmocka_unit_test(test_view_store_parent_that_comes_ends_the_wait),
		cmocka_unit_test(test_view_store_reports_late_spans_once),
		cmocka_unit_test(test_view_store_forgets_printed_traces_first_and_counts_others),
		cmocka_unit_test(test_view_store_is_bounded_by_its_limit),
		cmocka_unit_test(test_view_store_says_when_to_come_back),
		cmocka_unit_test(test_view_store_makes_room_by_what_was_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
