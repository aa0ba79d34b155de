/* SPDX-License-Identifier: Apache-2.0 */
/* What is found, and what must not be; the words are in tests/golden. */
#include "call_name.h"
#include "test_view_fixture.h"
#include "verdict.h"

static uint32_t id_of(const struct trace_report *r, const struct finding *f)
{
	uint32_t id;

	memcpy(&id, r->tree.nodes[f->node].span->span_id, sizeof(id));
	return id;
}

/* The first finding of a kind; NULL: none. */
static const struct finding *found(const struct trace_report *r, enum finding_kind kind)
{
	for (uint32_t i = 0; i < r->verdict.count; i++)
		if (r->verdict.list[i].kind == kind)
			return &r->verdict.list[i];
	return NULL;
}

static void report(struct made *m, struct trace_report *r)
{
	struct trace *t;

	made_send(m, 0);
	t = trace_store_next(&m->store, 0, BASE_NS, true);
	assert_non_null(t);
	assert_true(trace_report_init(r, t));
}

static void done(struct made *m, struct trace_report *r)
{
	trace_report_done(r);
	made_done(m);
}

static struct otlp_span *failed(struct otlp_span *s)
{
	s->status = OTLP_STATUS_ERROR;
	return s;
}

/* Spans 1 > 2 > 3 and 1 > 4; which of them failed, and which is named. */
static void test_view_verdict_error_is_where_the_chain_ends(void **state)
{
	static const struct {
		uint32_t failed; /* bits: 1 << id */
		uint32_t want;   /* 0: none */
		bool is_survived;
	} rows[] = {
		{ 0, 0, false },
		{ 1 << 1, 1, false },
		{ 1 << 1 | 1 << 2 | 1 << 3, 3, false },
		{ 1 << 1 | 1 << 4, 4, false },
		/* 4 is over before 3. */
		{ 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, 4, false },
		/* 3 was survived by 2: what made 1 fail is 1 itself, or 4. */
		{ 1 << 1 | 1 << 3, 1, false },
		{ 1 << 1 | 1 << 3 | 1 << 4, 4, false },
		{ 1 << 3, 3, true },
		{ 1 << 3 | 1 << 4, 4, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const uint32_t parents[] = { 0, 0, 1, 2, 1 };
		static const uint32_t starts[] = { 0, 0, 100, 200, 150 };
		static const uint32_t lengths[] = { 0, 1000, 800, 600, 30 };
		const struct finding *f;
		struct trace_report r;
		struct made m;

		made_init(&m);
		for (uint32_t id = 1; id <= 4; id++)
			made_span(&m, "s", OTLP_KIND_INTERNAL, id, parents[id], starts[id],
				  lengths[id])
				->status = rows[i].failed >> id & 1 ? OTLP_STATUS_ERROR : 0;
		report(&m, &r);
		f = found(&r, FINDING_ERROR);
		if ((f ? id_of(&r, f) : 0) != rows[i].want ||
		    (f && f->is_survived != rows[i].is_survived))
			fail_msg("row %zu: span %u", i, f ? id_of(&r, f) : 0);
		done(&m, &r);
	}
}

static void test_view_verdict_n_plus_1_needs_many_serial_calls_that_matter(void **state)
{
	static const struct {
		const char *name;
		uint32_t count, step_us, took_us, trace_us;
		bool is_found;
	} rows[] = {
		{ "thirty", 30, 100, 90, 4000, true },
		{ "five", 5, 100, 90, 1000, true },
		{ "four", 4, 100, 90, 1000, false },
		{ "at once", 30, 1, 90, 4000, false },
		{ "two at a time", 30, 50, 90, 4000, false },
		{ "a hair of overlap", 30, 100, 101, 4000, true },
		{ "little of a long trace", 30, 100, 90, 100000, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct finding *f;
		struct trace_report r;
		struct made m;

		made_init(&m);
		made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, rows[i].trace_us);
		for (uint32_t n = 0; n < rows[i].count; n++)
			made_http(&m,
				  made_span(&m, "s", OTLP_KIND_CLIENT, n + 2, 1,
					    rows[i].step_us * n, rows[i].took_us),
				  n % 2 ? "http://gamma/items/1" : "http://gamma/items/2", 200);
		report(&m, &r);
		f = found(&r, FINDING_N_PLUS_1);
		if ((f != NULL) != rows[i].is_found || (f && f->count != rows[i].count))
			fail_msg("%s: %u", rows[i].name, f ? f->count : 0);
		if (f)
			assert_false(f->is_same);
		done(&m, &r);
	}
}

/* 30 calls of 98 in 115 ms, the longest 16 ms: at once they would leave 115 - 98 + 16. */
static void test_view_verdict_n_plus_1_says_what_it_would_be_in_parallel(void **state)
{
	const struct finding *f;
	struct trace_report r;
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 115000);
	for (uint32_t n = 0; n < 29; n++)
		made_http(&m, made_span(&m, "s", OTLP_KIND_CLIENT, n + 2, 1, 3000 * n, 2828),
			  "http://gamma/items/7", 200);
	made_http(&m, made_span(&m, "s", OTLP_KIND_CLIENT, 31, 1, 90000, 15988),
		  "http://gamma/items/7", 200);
	report(&m, &r);
	f = found(&r, FINDING_N_PLUS_1);
	assert_non_null(f);
	assert_int_equal(f->count, 30);
	assert_true(f->ns == 98000000 && f->of_ns == 115000000);
	assert_true(f->new_ns == 32988000);
	assert_true(f->is_same);
	/* Together they beat the 17 ms of span 1. */
	f = found(&r, FINDING_CULPRIT);
	assert_int_equal(f->count, 30);
	done(&m, &r);
}

static void test_view_verdict_orphans_tell_whose_the_parent_was(void **state)
{
	static const struct {
		uint8_t kind;
		uint32_t flags;
		enum orphan_cause want;
	} rows[] = {
		{ OTLP_KIND_SERVER, 0x300, ORPHAN_REMOTE },
		{ OTLP_KIND_CLIENT, 0x100, ORPHAN_LOCAL },
		{ OTLP_KIND_SERVER, 0x100, ORPHAN_LOCAL },
		{ OTLP_KIND_SERVER, 0, ORPHAN_REMOTE },
		{ OTLP_KIND_CLIENT, 0, ORPHAN_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct finding *f;
		struct trace_report r;
		struct made m;

		made_init(&m);
		made_span(&m, "s", rows[i].kind, 2, 9, 0, 10)->flags = rows[i].flags;
		report(&m, &r);
		f = found(&r, FINDING_ORPHAN);
		if (!f || f->cause != rows[i].want)
			fail_msg("row %zu: %d", i, f ? (int)f->cause : -1);
		done(&m, &r);
	}
}

static void test_view_verdict_is_short_however_many_there_are(void **state)
{
	struct trace_report r;
	struct made m;

	(void)state;
	made_init(&m);
	made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 10);
	for (uint32_t id = 2; id < 1000; id++)
		failed(made_span(&m, "s", OTLP_KIND_INTERNAL, id, 1, 5, 100000));
	report(&m, &r);
	assert_int_equal(r.verdict.left_out[FINDING_OUTLIVES], 998 - FINDINGS_MAX);
	assert_true(r.verdict.count <= FINDING_KINDS * FINDINGS_MAX);
	done(&m, &r);
}

static void test_view_names_leave_out_what_differs(void **state)
{
	static const struct {
		const char *url, *want;
	} rows[] = {
		{ "http://h/items/7", "GET /items/{}" },
		{ "http://h/items/7/parts/12ab", "GET /items/{}/parts/{}" },
		{ "http://h/api/v2/items", "GET /api/v2/items" },
		{ "http://h/9f1c2e9a-4b7d-4c33-9b3e-0d8f7a6b5c4d?x=1", "GET /{}" },
		{ "http://h/", "GET /" },
	};
	struct text got = { 0 };
	struct made m;

	(void)state;
	made_init(&m);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct otlp_span *s = made_span(&m, "s", OTLP_KIND_CLIENT, 1, 0, 0, 10);

		text_clear(&got);
		call_shape(&got, made_http(&m, s, rows[i].url, 200));
		text_add_char(&got, '\0');
		assert_string_equal(got.ptr, rows[i].want);
	}
	text_done(&got);
	made_done(&m);
}

static void test_view_names_leave_out_literals_of_sql(void **state)
{
	static const char *const rows[][2] = {
		{ "SELECT * FROM t1 WHERE id = 42", "SELECT * FROM t1 WHERE id = ?" },
		{ "SELECT 'it''s', 1.5", "SELECT ??, ?" },
		{ "WHERE id = $1 AND x_2 = 3", "WHERE id = $1 AND x_2 = ?" },
		{ "it's", "it's" },
		{ "'", "'" },
	};
	struct text got = { 0 };
	struct made m;

	(void)state;
	made_init(&m);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct otlp_span *s = made_span(&m, "s", OTLP_KIND_CLIENT, 1, 0, 0, 10);

		made_text(&m, s, "db.query.text", rows[i][0]);
		text_clear(&got);
		call_shape(&got, s);
		text_add_char(&got, '\0');
		assert_string_equal(got.ptr, rows[i][1]);
	}
	text_done(&got);
	made_done(&m);
}

static void test_view_names_the_place_of_a_call(void **state)
{
	static const char *const rows[][3] = {
		{ "code.function.name", "load", "load" },
		{ "code.file.path", "a.c", "a.c" },
		{ "code.stacktrace", "\n  at load (a.js:3)\n  at main (a.js:9)", "load (a.js:3)" },
		{ "code.stacktrace",
		  "Traceback (...):\n  File \"a\"\n    x()\n  File \"b\"\n    y()", "File \"b\"" },
		{ "code.stacktrace", "", "" },
		{ "code.stacktrace",
		  "#0 /lib/libcurl.so.4+0x15 (build id 26)\n#1 /usr/bin/curl+0x1b (build id 61)\n"
		  "#2 /lib/libc.so.6+0x27",
		  "/usr/bin/curl+0x1b" },
		{ "code.stacktrace", "#0 /lib/libc.so.6+0x27\n", "/lib/libc.so.6+0x27" },
		{ "code.stacktrace", "#0 ", "" },
		{ "other", "x", "" },
	};
	struct text got = { 0 };
	struct made m;

	(void)state;
	made_init(&m);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct otlp_span *s = made_span(&m, "s", OTLP_KIND_CLIENT, 1, 0, 0, 10);

		made_text(&m, s, rows[i][0], rows[i][1]);
		text_clear(&got);
		call_site(&got, s);
		text_add_char(&got, '\0');
		assert_string_equal(got.ptr, rows[i][2]);
	}
	text_done(&got);
	made_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_verdict_error_is_where_the_chain_ends),
		cmocka_unit_test(test_view_verdict_n_plus_1_needs_many_serial_calls_that_matter),
		cmocka_unit_test(test_view_verdict_n_plus_1_says_what_it_would_be_in_parallel),
		cmocka_unit_test(test_view_verdict_orphans_tell_whose_the_parent_was),
		cmocka_unit_test(test_view_verdict_is_short_however_many_there_are),
		cmocka_unit_test(test_view_names_leave_out_what_differs),
		cmocka_unit_test(test_view_names_leave_out_literals_of_sql),
		cmocka_unit_test(test_view_names_the_place_of_a_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
