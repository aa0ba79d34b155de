/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "samples.h"
#include "selection.h"
#include "service_map.h"
#include "shape_table.h"
#include "test_view_fixture.h"

#define NOW_NS 1700000000000000000u /* 2023-11-14 22:13:20 UTC */

static void test_view_select_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns; /* 0: refused */
	} rows[] = {
		{ "5ns", 5 },
		{ "800us", 800000 },
		{ "250ms", 250000000 },
		{ "1.5s", 1500000000 },
		{ "2m", 120000000000 },
		{ "2h", 7200000000000 },
		{ "3d", 259200000000000 },
		{ "5", 0 },
		{ "-5s", 0 },
		{ "s", 0 },
		{ "", 0 },
		{ "5 s", 0 },
		{ "nans", 0 },
		{ "999999999999999d", 0 },
		{ "1e3s", 1000000000000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t ns = 0;

		if (parse_duration(rows[i].text, &ns) != (rows[i].ns != 0) || ns != rows[i].ns)
			fail_msg("'%s': %llu", rows[i].text, (unsigned long long)ns);
	}
}

static void test_view_select_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t s; /* 0: refused */
	} rows[] = {
		{ "10m", 1699999400 },
		{ "2023-11-14", 1699920000 },
		{ "2023-11-14T22:13:20", 1700000000 },
		{ "2023-11-14 22:13:20Z", 1700000000 },
		{ "2023-11-14T23:13:20+01:00", 1700000000 },
		{ "2023-11-14T17:43:20-04:30", 1700000000 },
		{ "2023-13-14", 0 },
		{ "2023-11-14T22:13", 0 },
		{ "2023-11-14T22:13:20+1", 0 },
		{ "2023-11-14T22:13:20+01:00x", 0 },
		{ "yesterday", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t ns = 0;

		if (parse_since(rows[i].text, NOW_NS, &ns) != (rows[i].s != 0) ||
		    ns != rows[i].s * 1000000000)
			fail_msg("'%s': %llu", rows[i].text, (unsigned long long)ns);
	}
}

/* A trace of 20 ms with spans of shop and stock, the latter failed. */
static void test_view_select_needs_all_that_is_asked_for(void **state)
{
	static const struct {
		struct selection s;
		const char *attrs[3];
		bool want;
	} rows[] = {
		{ .want = true },
		{ { .trace = "a1A1" }, { NULL }, true },
		{ { .trace = "a1b" }, { NULL }, false },
		{ { .service = "stock" }, { NULL }, true },
		{ { .service = "stoc" }, { NULL }, false },
		{ { .min_ns = 20000000 }, { NULL }, true },
		{ { .min_ns = 20000001 }, { NULL }, false },
		{ { .since_ns = BASE_NS }, { NULL }, true },
		{ { .since_ns = BASE_NS + 1 }, { NULL }, false },
		{ { .is_error = true }, { NULL }, true },
		{ { .is_error = true, .service = "x" }, { NULL }, false },
		{ { 0 }, { "url.path=/b" }, true },
		{ { 0 }, { "url.path" }, true },
		{ { 0 }, { "url.path=" }, false },
		{ { 0 }, { "http.response.status_code=500" }, true },
		{ { 0 }, { "http.response.status_code=50" }, false },
		{ { 0 }, { "service.name=shop", "url.path=/b" }, true },
		{ { 0 }, { "service.name=shop", "url.path=/c" }, false },
	};
	struct trace_report r;
	struct trace *t;
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "shop", OTLP_KIND_CLIENT, 1, 0, 0, 20000);
	made_http(&m, made_span(&m, "stock", OTLP_KIND_SERVER, 2, 1, 100, 9), "/b", 500)->status =
		OTLP_STATUS_ERROR;
	made_send(&m, 0);
	t = trace_store_next(&m.store, 0, BASE_NS, true);
	assert_true(trace_report_init(&r, t));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct selection s = rows[i].s;

		for (size_t j = 0; rows[i].attrs[j]; j++)
			assert_true(selection_add_attr(&s, rows[i].attrs[j]));
		if (selection_has(&s, t, &r) != rows[i].want)
			fail_msg("row %zu", i);
	}
	trace_report_done(&r);
	made_done(&m);
}

static void test_view_samples_percentiles_are_exact_while_they_are_few(void **state)
{
	struct samples s = { 0 };

	(void)state;
	assert_true(samples_percentile(&s, 50) == 0);
	for (uint64_t i = 100; i >= 1; i--)
		samples_add(&s, i);
	assert_true(samples_percentile(&s, 1) == 1 && samples_percentile(&s, 50) == 50);
	assert_true(samples_percentile(&s, 99) == 99 && samples_percentile(&s, 100) == 100);
	samples_add(&s, 1000);
	assert_true(samples_percentile(&s, 50) == 51 && s.max == 1000 && s.sum == 6050);
	samples_done(&s);
}

static void test_view_samples_choose_fairly_when_they_are_many(void **state)
{
	struct samples s = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000000; i++)
		samples_add(&s, i);
	assert_true(s.cap == SAMPLES_MAX && s.count == 1000000);
	assert_in_range(samples_percentile(&s, 50), 450000, 550000);
	assert_in_range(samples_percentile(&s, 99), 980000, 1000000);
	samples_done(&s);
}

static void test_view_names_are_bounded(void **state)
{
	struct name_table t;
	char name[16];

	(void)state;
	assert_true(name_table_init(&t, 100));
	for (uint32_t i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "name %u", i);
		assert_int_equal(name_table_get(&t, bytes_from_str(name)), i < 100 ? i : NAME_NONE);
	}
	assert_int_equal(t.refused, 100);
	assert_int_equal(name_table_get(&t, BYTES("name 7")), 7);
	assert_int_equal(name_table_find(&t, BYTES("name 99")), 99);
	assert_int_equal(name_table_find(&t, BYTES("name 100")), NAME_NONE);
	assert_int_equal(name_table_find(&t, BYTES("")), NAME_NONE);
	name_table_done(&t);
}

/* calls: how many of shop's to stock, with ids in their paths; last_path: one more. */
static uint64_t shape_of(uint32_t calls, const char *last_path)
{
	struct trace_report r;
	struct made m;
	uint64_t hash;

	made_init(&m);
	made_http(&m, made_span(&m, "shop", OTLP_KIND_SERVER, 1, 0, 0, 20000), "/orders/1", 200);
	for (uint32_t i = 0; i < calls; i++)
		made_http(&m, made_span(&m, "shop", OTLP_KIND_CLIENT, i + 2, 1, 20 - i, 9),
			  i % 2 ? "http://stock/1" : "http://stock/2", 200);
	made_http(&m, made_span(&m, "shop", OTLP_KIND_CLIENT, 99, 1, 50, 9), last_path, 200);
	made_send(&m, 0);
	assert_true(trace_report_init(&r, trace_store_next(&m.store, 0, BASE_NS, true)));
	hash = shape_hash(&r);
	trace_report_done(&r);
	made_done(&m);
	return hash;
}

static void test_view_shape_is_of_kinds_not_of_numbers(void **state)
{
	(void)state;
	assert_true(shape_of(1, "http://stock/3") == shape_of(7, "http://stock/4"));
	assert_true(shape_of(0, "http://stock/3") == shape_of(1, "http://stock/4"));
	assert_true(shape_of(1, "http://stock/3") != shape_of(1, "http://stock/price"));
}

/*
 * Names are anybody's: none of the forms passes on what a terminal would obey, or leaves its line.
 */
static void test_view_map_prints_no_escape_raw(void **state)
{
	static const struct style st = { .width = 80, .has_utf8 = true };
	static const char *const evil[] = { "\033[2J",
					    "\xc2\x9b"
					    "31m",
					    "a\nb\"]\\", "\xe2\x80\xae", "\xff" };
	struct text out = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(evil); i++)
		for (enum map_form form = MAP_TEXT; form <= MAP_JSON; form++) {
			struct service_map map;
			struct trace_report r;
			struct made m;

			made_init(&m);
			made_text(&m, made_span(&m, evil[i], OTLP_KIND_CLIENT, 1, 0, 0, 20),
				  "server.address", evil[i]);
			made_send(&m, 0);
			assert_true(service_map_init(&map));
			assert_true(trace_report_init(
				&r, trace_store_next(&m.store, 0, BASE_NS, true)));
			service_map_add(&map, &r);
			text_clear(&out);
			service_map_print(&out, &st, &map, form);
			for (struct bytes b = { out.ptr, out.len }; b.len;) {
				uint32_t code = utf8_take(&b);

				if (code != '\n' && utf8_is_unsafe(code))
					fail_msg("row %zu, form %d: U+%04x", i, form, code);
			}
			trace_report_done(&r);
			service_map_done(&map);
			made_done(&m);
		}
	text_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_select_durations),
		cmocka_unit_test(test_view_select_times),
		cmocka_unit_test(test_view_select_needs_all_that_is_asked_for),
		cmocka_unit_test(test_view_samples_percentiles_are_exact_while_they_are_few),
		cmocka_unit_test(test_view_samples_choose_fairly_when_they_are_many),
		cmocka_unit_test(test_view_names_are_bounded),
		cmocka_unit_test(test_view_shape_is_of_kinds_not_of_numbers),
		cmocka_unit_test(test_view_map_prints_no_escape_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
