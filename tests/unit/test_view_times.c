/* SPDX-License-Identifier: Apache-2.0 */
#include "test_view_fixture.h"
#include "trace_times.h"

#define MS 1000u /* in microseconds, what made_span() counts in */

/* The numbers of the span with this id. */
static struct span_time time_of(const struct made *m, const struct trace_times *times, uint32_t id)
{
	for (uint32_t i = 0; i < m->tree.count; i++)
		if (memcmp(m->tree.nodes[i].span->span_id, &id, sizeof(id)) == 0)
			return times->at[i];
	fail_msg("no span %u", id);
	return (struct span_time){ 0 };
}

struct want {
	uint32_t id;
	uint64_t self_ms, critical_ms;
	bool is_critical;
};

static void check(struct made *m, const struct want *want, size_t n)
{
	struct trace_times times;

	made_trace(m);
	assert_true(trace_times_init(&times, &m->tree));
	for (size_t i = 0; i < n; i++) {
		struct span_time t = time_of(m, &times, want[i].id);

		if (t.self_ns != want[i].self_ms * 1000000 ||
		    t.critical_ns != want[i].critical_ms * 1000000 ||
		    t.is_critical != want[i].is_critical)
			fail_msg("span %u: self %llu, critical %llu ns, %d", want[i].id,
				 (unsigned long long)t.self_ns, (unsigned long long)t.critical_ns,
				 t.is_critical);
	}
	trace_times_done(&times);
	made_done(m);
}

static void test_view_times_self_is_what_no_child_covers(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 100 * MS);
	made_span(&m, "s", OTLP_KIND_CLIENT, 2, 1, 15 * MS, 20 * MS); /* 15-35 */
	made_span(&m, "s", OTLP_KIND_CLIENT, 3, 1, 10 * MS, 20 * MS); /* 10-30: beside it */
	made_span(&m, "s", OTLP_KIND_CLIENT, 4, 1, 65 * MS, 30 * MS); /* 65-95 */
	/* Covered 10-35 and 65-95: 55; on the path 15-35 and 65-95, and what is own of 50: 45. */
	check(&m,
	      (const struct want[]){ { 1, 45, 45, true },
				     { 2, 20, 20, true },
				     { 3, 20, 0, false },
				     { 4, 30, 30, true } },
	      4);
}

/* What still ran when the next one began was not waited for. */
static void test_view_times_path_goes_to_who_ended_last(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 100 * MS);
	made_span(&m, "s", OTLP_KIND_CLIENT, 2, 1, 0, 60 * MS);
	made_span(&m, "s", OTLP_KIND_CLIENT, 3, 1, 50 * MS, 50 * MS);
	check(&m,
	      (const struct want[]){ { 1, 0, 0, true }, { 2, 60, 0, false }, { 3, 50, 50, true } },
	      3);
}

static void test_view_times_path_goes_through_every_level(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "a", OTLP_KIND_CLIENT, 1, 0, 0, 100 * MS);
	made_span(&m, "b", OTLP_KIND_SERVER, 2, 1, 10 * MS, 80 * MS);
	made_span(&m, "b", OTLP_KIND_CLIENT, 3, 2, 20 * MS, 60 * MS);
	made_span(&m, "c", OTLP_KIND_SERVER, 4, 3, 30 * MS, 40 * MS);
	check(&m,
	      (const struct want[]){ { 1, 20, 20, true },
				     { 2, 20, 20, true },
				     { 3, 20, 20, true },
				     { 4, 40, 40, true } },
	      4);
}

/* Nobody waits for it, so it takes nothing from its parent. */
static void test_view_times_leave_out_work_behind_the_answer(void **state)
{
	struct trace_times times;
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 20 * MS);
	made_span(&m, "s", OTLP_KIND_INTERNAL, 2, 1, 10 * MS, 100 * MS);
	made_trace(&m);
	assert_true(trace_times_init(&times, &m.tree));
	assert_int_equal(time_of(&m, &times, 2).lasting, LASTING_AFTER_PARENT);
	assert_int_equal(time_of(&m, &times, 1).lasting, LASTING_FITS);
	assert_true(time_of(&m, &times, 1).critical_ns == 20000000);
	assert_false(time_of(&m, &times, 2).is_critical);
	trace_times_done(&times);
	made_done(&m);
}

static void test_view_times_move_a_clock_and_what_it_wrote(void **state)
{
	static const struct {
		const char *name;
		int64_t start_us, took_us;
		enum clock_doubt clock;
		int64_t moved_us;
	} rows[] = {
		{ "inside", 1100, 50, CLOCK_FITS, 0 },
		{ "early: to the middle of the call", 900, 60, CLOCK_OF_HOST, 120 },
		{ "late: to the middle of the call", 20000, 60, CLOCK_OF_HOST, -18980 },
		{ "a little late", 1050, 100, CLOCK_FITS, 0 },
		{ "early and longer than the call", 900, 9000, CLOCK_OF_HOST, 100 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct trace_times times;
		struct span_time t, below;
		struct made m;

		made_init(&m);
		made_span(&m, "a", OTLP_KIND_CLIENT, 1, 0, 1000, 100);
		made_span(&m, "b", OTLP_KIND_SERVER, 2, 1, (uint64_t)rows[i].start_us,
			  (uint64_t)rows[i].took_us);
		made_span(&m, "b", OTLP_KIND_INTERNAL, 3, 2, (uint64_t)rows[i].start_us, 1);
		made_trace(&m);
		assert_true(trace_times_init(&times, &m.tree));
		t = time_of(&m, &times, 2);
		below = time_of(&m, &times, 3);
		if (t.clock != rows[i].clock || t.moved_ns != rows[i].moved_us * 1000 ||
		    below.moved_ns != t.moved_ns)
			fail_msg("%s: clock %d, moved %lld and %lld ns", rows[i].name, t.clock,
				 (long long)t.moved_ns, (long long)below.moved_ns);
		trace_times_done(&times);
		made_done(&m);
	}
}

/* Late by one clock: it was not waited for; it is not moved. */
static void test_view_times_late_answer_is_no_clock_error_on_one_host(void **state)
{
	struct otlp_span *a, *b;
	struct trace_times times;
	struct made m;

	(void)state;
	made_init(&m);
	a = made_span(&m, "a", OTLP_KIND_CLIENT, 1, 0, 0, 100 * MS);
	b = made_span(&m, "b", OTLP_KIND_SERVER, 2, 1, 50 * MS, 90 * MS);
	for (int i = 0; i < 2; i++) {
		struct otlp_resource *r = (i ? b : a)->resource;
		struct otlp_attr *list = arena_get_array(&m.batch.arena, 2, sizeof(*list));

		list[0] = r->attrs.list[0];
		list[1] = (struct otlp_attr){ BYTES("host.name"),
					      { OTLP_STRING, .text = BYTES("web1") } };
		r->attrs = (struct otlp_attrs){ list, 2 };
	}
	made_trace(&m);
	assert_true(trace_times_init(&times, &m.tree));
	assert_int_equal(time_of(&m, &times, 2).clock, CLOCK_FITS);
	assert_int_equal(time_of(&m, &times, 2).lasting, LASTING_AFTER_CALLER);
	/* The caller did wait for it, as long as it waited. */
	assert_true(time_of(&m, &times, 2).critical_ns == 50000000);
	trace_times_done(&times);
	made_done(&m);
}

/* Times are anybody's numbers. */
static void test_view_times_copes_with_the_ends_of_the_world(void **state)
{
	static const uint64_t ends[] = { 0, 1, 1u << 31, INT64_MAX, UINT64_MAX - 1, UINT64_MAX };
	struct trace_times times;
	struct made m;

	(void)state;
	for (size_t a = 0; a < ARRAY_LEN(ends); a++)
		for (size_t b = 0; b < ARRAY_LEN(ends) * ARRAY_LEN(ends); b++) {
			struct otlp_span *s;

			made_init(&m);
			made_span(&m, "a", OTLP_KIND_CLIENT, 1, 0, 0, 100);
			s = made_span(&m, "b", OTLP_KIND_SERVER, 2, 1, 0, 0);
			s->start_ns = ends[a];
			s->end_ns = ends[b % ARRAY_LEN(ends)];
			s = made_span(&m, "c", OTLP_KIND_SERVER, 3, 1, 0, 0);
			s->start_ns = ends[b / ARRAY_LEN(ends)];
			s->end_ns = UINT64_MAX;
			made_span(&m, "b", OTLP_KIND_CLIENT, 4, 2, 10, 10);
			made_trace(&m);
			assert_true(trace_times_init(&times, &m.tree));
			for (uint32_t i = 0; i < m.tree.count; i++) {
				assert_true(times.at[i].end_ns >= times.at[i].start_ns);
				assert_true(times.at[i].self_ns <=
					    times.at[i].end_ns - times.at[i].start_ns);
			}
			trace_times_done(&times);
			made_done(&m);
		}
}

static void test_view_times_copes_with_100000_spans(void **state)
{
	struct trace_times times;
	struct made m;

	(void)state;
	for (uint32_t wide = 0; wide < 2; wide++) {
		made_init(&m);
		made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 200000);
		for (uint32_t id = 2; id <= 100000; id++)
			made_span(&m, "s", OTLP_KIND_INTERNAL, id, wide ? 1 : id - 1, id,
				  wide ? 1 : 200000 - id);
		made_trace(&m);
		assert_true(trace_times_init(&times, &m.tree));
		assert_true(time_of(&m, &times, 100000).is_critical);
		trace_times_done(&times);
		made_done(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_times_self_is_what_no_child_covers),
		cmocka_unit_test(test_view_times_path_goes_to_who_ended_last),
		cmocka_unit_test(test_view_times_path_goes_through_every_level),
		cmocka_unit_test(test_view_times_leave_out_work_behind_the_answer),
		cmocka_unit_test(test_view_times_move_a_clock_and_what_it_wrote),
		cmocka_unit_test(test_view_times_late_answer_is_no_clock_error_on_one_host),
		cmocka_unit_test(test_view_times_copes_with_the_ends_of_the_world),
		cmocka_unit_test(test_view_times_copes_with_100000_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
