/* SPDX-License-Identifier: Apache-2.0 */
#include "test_view_fixture.h"

/* The span id (a number in these tests) of the i-th line to be printed. */
static uint32_t id_at(const struct made *m, uint32_t i)
{
	uint32_t id;

	memcpy(&id, m->tree.nodes[m->tree.order[i]].span->span_id, sizeof(id));
	return id;
}

static void test_view_tree_orders_children_by_start(void **state)
{
	static const uint32_t want[] = { 1, 3, 5, 4, 2 };
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 4, 3, 60, 1);
	made_span(&m, "s", OTLP_KIND_SERVER, 2, 1, 80, 1);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 100);
	made_span(&m, "s", OTLP_KIND_SERVER, 3, 1, 20, 50);
	made_span(&m, "s", OTLP_KIND_SERVER, 5, 3, 30, 1);
	made_trace(&m);
	for (uint32_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(id_at(&m, i), want[i]);
	assert_int_equal(m.tree.nodes[m.tree.order[2]].depth, 2);
	assert_int_equal(m.tree.nodes[m.tree.order[4]].depth, 1);
	assert_int_equal(m.tree.orphans, 0);
	made_done(&m);
}

/* O22: a batch that was sent again after a lost answer. */
static void test_view_tree_leaves_out_repeated_spans(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	for (int i = 0; i < 3; i++) {
		made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 100);
		made_span(&m, "s", OTLP_KIND_CLIENT, 2, 1, 5, 10);
	}
	/* The same id, but not the same span. */
	made_span(&m, "s", OTLP_KIND_CLIENT, 2, 1, 50, 10);
	made_trace(&m);
	assert_int_equal(m.tree.count, 3);
	assert_int_equal(m.tree.duplicates, 4);
	made_done(&m);
}

static void test_view_tree_holds_every_span_of_a_circle_once(void **state)
{
	static const uint32_t parents[][4] = {
		{ 1, 1, 2, 3 }, /* its own parent */
		{ 2, 1, 1, 2 }, { 2, 3, 4, 1 }, { 2, 1, 4, 3 }, { 2, 3, 2, 3 },
	};
	struct made m;

	(void)state;
	for (size_t row = 0; row < ARRAY_LEN(parents); row++) {
		uint32_t seen = 0;

		made_init(&m);
		for (uint32_t id = 1; id <= 4; id++)
			made_span(&m, "s", OTLP_KIND_SERVER, id, parents[row][id - 1], id, 1);
		made_trace(&m);
		if (m.tree.count != 4 || m.tree.orphans != (row == 3 ? 2 : 1))
			fail_msg("row %zu: %u spans, %u orphans", row, m.tree.count,
				 m.tree.orphans);
		for (uint32_t i = 0; i < 4; i++)
			seen |= 1u << id_at(&m, i);
		if (seen != 0x1e)
			fail_msg("row %zu: spans 0x%x", row, seen);
		made_done(&m);
	}
}

static void test_view_tree_copes_with_a_chain_of_100000(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	for (uint32_t id = 100000; id >= 1; id--)
		made_span(&m, "s", OTLP_KIND_SERVER, id, id - 1, id, 1);
	made_trace(&m);
	assert_int_equal(id_at(&m, 99999), 100000);
	assert_int_equal(m.tree.nodes[m.tree.order[99999]].depth, 99999);
	made_done(&m);
}

static void test_view_tree_spans_the_times_that_are_possible(void **state)
{
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 100, 50);
	made_span(&m, "s", OTLP_KIND_SERVER, 2, 1, 90, 20);
	made_span(&m, "s", OTLP_KIND_SERVER, 3, 1, 0, 0)->start_ns = 0;
	made_span(&m, "s", OTLP_KIND_SERVER, 4, 1, 10, 0)->end_ns = 5;
	made_trace(&m);
	assert_true(m.tree.start_ns == BASE_NS + 90000);
	assert_true(m.tree.end_ns == BASE_NS + 150000);
	made_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_tree_orders_children_by_start),
		cmocka_unit_test(test_view_tree_leaves_out_repeated_spans),
		cmocka_unit_test(test_view_tree_holds_every_span_of_a_circle_once),
		cmocka_unit_test(test_view_tree_copes_with_a_chain_of_100000),
		cmocka_unit_test(test_view_tree_spans_the_times_that_are_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
