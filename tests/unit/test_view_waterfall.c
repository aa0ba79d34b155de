/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "test_view_fixture.h"
#include "waterfall.h"

static const struct style ascii80 = { .width = 80 };
static const struct style utf8_120 = { .width = 120, .has_utf8 = true };

static char *printed(struct made *m, const struct style *st)
{
	struct trace *t = made_trace(m);
	struct trace_report report;
	struct text out = { 0 };

	assert_true(trace_report_init(&report, t));
	waterfall_print(&out, st, t, &report);
	trace_report_done(&report);
	text_add_char(&out, '\0');
	assert_false(out.is_short);
	made_done(m);
	return out.ptr;
}

/* curl > nginx > nginx > flask > flask > users, where the last call fails. */
static void make_six(struct made *m)
{
	struct otlp_span *s;

	made_init(m);
	made_http(m, made_span(m, "curl", OTLP_KIND_CLIENT, 1, 0, 0, 12412),
		  "http://127.0.0.1:8080/orders/7?token=x", 200);
	made_http(m, made_span(m, "nginx", OTLP_KIND_SERVER, 2, 1, 300, 11900), "/orders/7", 200);
	made_http(m, made_span(m, "nginx", OTLP_KIND_CLIENT, 3, 2, 512, 11200),
		  "http://127.0.0.1:5000/orders/7", 200);
	made_http(m, made_span(m, "flask", OTLP_KIND_SERVER, 4, 3, 1500, 9800), "/orders/7", 200);
	s = made_span(m, "flask", OTLP_KIND_CLIENT, 5, 4, 2600, 7000);
	made_http(m, s, "http://127.0.0.1:5001/users/3", 500)->status = OTLP_STATUS_ERROR;
	made_text(m, s, "error.type", "500");
	s = made_span(m, "users", OTLP_KIND_SERVER, 6, 5, 3400, 5900);
	made_http(m, s, "/users/3", 500)->status = OTLP_STATUS_ERROR;
}

static void test_view_waterfall_fits_80_columns(void **state)
{
	static const char want[] =
		"trace a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1  12.4 ms  6 spans  4 services  2 errors\n"
		"span                                         start    took    self* critical\n"
		"curl CLIENT GET /orders/7 200                +0 us 12.4 ms  512 us* ------------\n"
		"`-nginx SERVER GET /orders/7 200           +300 us 11.9 ms  700 us* -----------#\n"
		"  `-nginx CLIENT GET /orders/7 200         +512 us 11.2 ms 1.40 ms* #----------#\n"
		"    `-flask SERVER GET /orders/7 200      +1.50 ms 9.80 ms 2.80 ms*  ##------##\n"
		"      `-flask CLIENT GET /use.. 500 ERROR +2.60 ms 7.00 ms 1.10 ms*   #------#\n"
		"        `-users GET /use.. 500 ERROR      +3.40 ms 5.90 ms 5.90 ms*    ######\n"
		"  culprit  users SERVER GET /users/3: 5.90 ms of 12.4 ms (47 %), its own time\n"
		"  error    users SERVER GET /users/3 500 ERROR failed after 9.30 ms, the first\n"
		"           of 2 failed spans; the trace as a whole did not fail\n"
		"\n";
	struct made m;
	char *got;

	(void)state;
	make_six(&m);
	got = printed(&m, &ascii80);
	assert_string_equal(got, want);
	free(got);
}

static void test_view_waterfall_uses_120_columns(void **state)
{
	static const char want[] =
		"trace a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1  10.0 ms  3 spans  2 services\n"
		"span                         start    took    self* critical\n"
		"curl CLIENT GET /a 200       +0 us 10.0 ms    0 us* "
		"──────────────────────────────\n"
		"├─nginx SERVER GET /b 200    +0 us 5.00 ms 5.00 ms* ███████████████\n"
		"└─nginx SERVER GET /c 200 +5.00 ms 5.00 ms 5.00 ms*                "
		"███████████████\n"
		"  culprit  nginx SERVER GET /b: 5.00 ms of 10.0 ms (50 %), its own time\n"
		"\n";
	struct made m;
	char *got;

	(void)state;
	made_init(&m);
	made_http(&m, made_span(&m, "nginx", OTLP_KIND_SERVER, 3, 1, 5000, 5000), "/c", 200);
	made_http(&m, made_span(&m, "nginx", OTLP_KIND_SERVER, 2, 1, 0, 5000), "/b", 200);
	made_http(&m, made_span(&m, "curl", OTLP_KIND_CLIENT, 1, 0, 0, 10000), "http://h/a", 200);
	got = printed(&m, &utf8_120);
	assert_string_equal(got, want);
	free(got);
}

static void test_view_waterfall_marks_orphans_and_broken_clocks(void **state)
{
	static const char want[] =
		"trace a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1  1.00 ms  2 spans  1 service\n"
		"span                         start    took    self* critical\n"
		"? nginx SERVER GET /a 200    +0 us 1.00 ms 1.00 ms* ############\n"
		"`-nginx CLIENT GET /b 200           clock?\n"
		"  culprit  nginx SERVER GET /a: 1.00 ms of 1.00 ms (100 %), its own time\n"
		"  orphan   nginx SERVER GET /a: the caller's span did not come: is the caller\n"
		"           traced, does it send here, did it keep this trace?\n"
		"  clock?: no start, or an end before it\n"
		"\n";
	struct otlp_span *s;
	struct made m;
	char *got;

	(void)state;
	made_init(&m);
	made_http(&m, made_span(&m, "nginx", OTLP_KIND_SERVER, 2, 9, 0, 1000), "/a", 200);
	s = made_span(&m, "nginx", OTLP_KIND_CLIENT, 3, 2, 0, 0);
	made_http(&m, s, "http://h/b", 200)->start_ns = 0;
	got = printed(&m, &ascii80);
	assert_string_equal(got, want);
	free(got);
}

static void test_view_waterfall_shows_shortest_span_as_one_cell(void **state)
{
	struct made m;
	char *got;

	(void)state;
	made_init(&m);
	made_http(&m, made_span(&m, "s", OTLP_KIND_SERVER, 1, 0, 0, 16000), "/", 200);
	made_http(&m, made_span(&m, "s", OTLP_KIND_CLIENT, 2, 1, 8000, 0), "http://h/m", 200);
	made_http(&m, made_span(&m, "s", OTLP_KIND_CLIENT, 3, 1, 16000, 0), "http://h/e", 200);
	got = printed(&m, &ascii80);
	assert_non_null(strstr(got, "+8.00 ms    0 us    0 us        #\n"));
	assert_non_null(strstr(got, "+16.0 ms    0 us    0 us             #\n"));
	free(got);
}

/* Characters, for texts without wide ones. */
static size_t columns(const char *line, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += (line[i] & 0xc0) != 0x80;
	return n;
}

static void assert_lines_fit(const char *out, unsigned width)
{
	for (const char *line = out; *line;) {
		size_t len = strcspn(line, "\n");

		if (columns(line, len) > width)
			fail_msg("wider than %u: %.*s", width, (int)len, line);
		line += len + 1;
	}
}

static void test_view_waterfall_cuts_title_before_outcome(void **state)
{
	struct otlp_span *s;
	struct made m;
	char *got;

	(void)state;
	made_init(&m);
	s = made_span(&m, "a-service-with-a-name", OTLP_KIND_SERVER, 1, 0, 0, 10);
	made_http(&m, s, "/a/very/long/path/which/goes/on/and/on/and/on", 503);
	s->status = OTLP_STATUS_ERROR;
	got = printed(&m, &ascii80);
	assert_lines_fit(got, 80);
	assert_non_null(strstr(got, "GET /a"));
	assert_non_null(strstr(got, ".. 503 ERROR "));
	free(got);
}

static void test_view_waterfall_chain_of_any_depth_fits(void **state)
{
	static const struct style styles[] = { { .width = 80 },
					       { .width = 300 },
					       { .width = 80, .has_utf8 = true } };
	struct made m;
	char *got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(styles); i++) {
		made_init(&m);
		for (uint32_t id = 1; id <= 500; id++)
			made_http(&m,
				  made_span(&m, "someservice", OTLP_KIND_SERVER, id, id - 1, id, 9),
				  "/some/path/of/a/length", 200);
		got = printed(&m, &styles[i]);
		assert_lines_fit(got, styles[i].width);
		assert_non_null(strstr(got, "499> "));
		free(got);
	}
}

static void test_view_waterfall_prints_no_escape_raw(void **state)
{
	static const char *const evil[] = { "\033[2J\033]0;title\007",
					    "\xc2\x9b"
					    "31m",
					    "a\rb\nc\td",
					    "\xe2\x80\xae"
					    "reversed",
					    "\xff\xfe\x80",
					    "\x7f\x08\x08" };
	struct otlp_span *s;
	struct made m;
	char *got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(evil); i++) {
		made_init(&m);
		s = made_span(&m, evil[i], OTLP_KIND_SERVER, 1, 0, 0, 10);
		made_http(&m, s, evil[i], 500);
		s = made_span(&m, "x", OTLP_KIND_INTERNAL, 2, 1, 0, 10);
		s->name = bytes_from_str(evil[i]);
		s->status = OTLP_STATUS_ERROR;
		s->status_message = bytes_from_str(evil[i]);
		got = printed(&m, &utf8_120);
		for (const char *p = got; *p; p++)
			if ((*p != '\n' && (unsigned char)*p < ' ') || *p == 0x7f)
				fail_msg("row %zu: byte 0x%02x in the output", i,
					 (unsigned char)*p);
		assert_null(strstr(got, "\xc2\x9b"));
		assert_null(strstr(got, "\xe2\x80\xae"));
		assert_lines_fit(got, 120);
		free(got);
	}
}

static void test_view_waterfall_colours_errors_red_and_ends_every_colour(void **state)
{
	struct style st = { .width = 120, .has_color = true };
	struct made m;
	char *got;

	(void)state;
	make_six(&m);
	got = printed(&m, &st);
	assert_non_null(strstr(got, "\033[31musers \033[31mSERVER GET /users/3 500 ERROR\033[0m"));
	for (const char *line = got; *line; line += strcspn(line, "\n") + 1) {
		const char *last = NULL;

		for (const char *p = line; *p != '\n'; p++)
			last = *p == '\033' ? p : last;
		if (last && memcmp(last, "\033[0m", 4) != 0)
			fail_msg("colour does not end: %.*s", (int)strcspn(line, "\n"), line);
	}
	free(got);
}

static void test_view_waterfall_counts_rows_it_leaves_out(void **state)
{
	struct made m;
	char *got;

	(void)state;
	made_init(&m);
	for (uint32_t id = 1; id <= WATERFALL_ROWS_MAX + 7; id++)
		made_span(&m, "s", OTLP_KIND_INTERNAL, id, id > 1, id, 9);
	got = printed(&m, &ascii80);
	assert_non_null(strstr(got, "  1007 spans  "));
	assert_non_null(strstr(got, "\n  7 more rows (--json has all spans)\n"));
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_waterfall_fits_80_columns),
		cmocka_unit_test(test_view_waterfall_uses_120_columns),
		cmocka_unit_test(test_view_waterfall_marks_orphans_and_broken_clocks),
		cmocka_unit_test(test_view_waterfall_shows_shortest_span_as_one_cell),
		cmocka_unit_test(test_view_waterfall_cuts_title_before_outcome),
		cmocka_unit_test(test_view_waterfall_chain_of_any_depth_fits),
		cmocka_unit_test(test_view_waterfall_prints_no_escape_raw),
		cmocka_unit_test(test_view_waterfall_colours_errors_red_and_ends_every_colour),
		cmocka_unit_test(test_view_waterfall_counts_rows_it_leaves_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
