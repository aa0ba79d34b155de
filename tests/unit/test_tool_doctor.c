/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "doctor.h"
#include "probe.h"
#include "proc_file.h"

static void test_tool_doctor_takes_urls_apart(void **state)
{
	static const struct {
		const char *url, *host, *port, *path; /* host NULL: refused */
	} rows[] = {
		{ "http://h", "h", "80", "" },
		{ "https://h/", "h", "443", "/" },
		{ "http://h:4318/v1/traces", "h", "4318", "/v1/traces" },
		{ "http://[::1]:4318/x?y", "::1", "4318", "/x?y" },
		{ "http://127.0.0.1:1", "127.0.0.1", "1", "" },
		{ "http://", NULL, NULL, NULL },
		{ "http://:80", NULL, NULL, NULL },
		{ "http://h:", NULL, NULL, NULL },
		{ "http://h:123456", NULL, NULL, NULL },
		{ "http://h:8x", NULL, NULL, NULL },
		{ "http://[::1", NULL, NULL, NULL },
		{ "http://h?x", NULL, NULL, NULL },
		{ "grpc://h", NULL, NULL, NULL },
		{ "", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct probe_url got;

		if (probe_url_parse(&got, rows[i].url) != (rows[i].host != NULL))
			fail_msg("%s", rows[i].url);
		if (!rows[i].host)
			continue;
		assert_string_equal(got.host, rows[i].host);
		assert_string_equal(got.port, rows[i].port);
		assert_string_equal(got.path, rows[i].path);
		assert_int_equal(got.is_https, rows[i].url[4] == 's');
	}
}

static void test_tool_doctor_knows_who_answers(void **state)
{
	static const struct {
		struct bytes said;
		enum probe_kind kind;
		unsigned status;
	} rows[] = {
		{ BYTES(""), PROBE_SILENT, 0 },
		{ BYTES("HTTP/1.1 200 OK\r\n\r\n"), PROBE_HTTP, 200 },
		{ BYTES("HTTP/1.0 404 Not Found\r\n\r\n"), PROBE_HTTP, 404 },
		{ BYTES("HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS "
			"server."),
		  PROBE_TLS, 400 },
		{ BYTES("HTTP/1.1 400 Bad Request\r\n\r\nwhat?"), PROBE_HTTP, 400 },
		/* SETTINGS, and GOAWAY of a server that got no preface. */
		{ BYTES("\0\0\6\4\0\0\0\0\0\0\5\0\0\x40\0"), PROBE_HTTP2, 0 },
		{ BYTES("\0\0\x08\7\0\0\0\0\0\0\0\0\0\0\0\0\1"), PROBE_HTTP2, 0 },
		{ BYTES("\x15\3\3\0\2\2\x46"), PROBE_TLS, 0 },
		{ BYTES("SSH-2.0-OpenSSH\r\n"), PROBE_OTHER, 0 },
		{ BYTES("HTTP/1.1 2x0 OK"), PROBE_OTHER, 0 },
		{ BYTES("H"), PROBE_OTHER, 0 },
		{ BYTES("\0\0\0\4"), PROBE_OTHER, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct probe_answer got;
		/* A copy of exactly so many bytes, so that a byte too many is seen. */
		char *copy = malloc(rows[i].said.len + 1);

		copy = realloc(copy, rows[i].said.len ? rows[i].said.len : 1);
		memcpy(copy, rows[i].said.ptr, rows[i].said.len);
		probe_judge(&got, (struct bytes){ copy, rows[i].said.len });
		free(copy);
		if (got.kind != rows[i].kind || got.status != rows[i].status)
			fail_msg("row %zu: %d, %u", i, got.kind, got.status);
	}
}

static void test_tool_doctor_finds_what_is_switched_off(void **state)
{
	static const struct {
		struct bytes env;
		const char *id; /* NULL: nothing to be found */
		enum finding_level level;
	} rows[] = {
		{ BYTES(""), NULL, LEVEL_OK },
		{ BYTES("OTEL_INTERSPAN_ENABLED=true\0OTEL_SDK_DISABLED=false\0"), NULL, LEVEL_OK },
		{ BYTES("A=b\0OTEL_INTERSPAN_ENABLED=FALSE\0"), "switched-off", LEVEL_BAD },
		{ BYTES("XOTEL_INTERSPAN_ENABLED=false\0"), NULL, LEVEL_OK },
		{ BYTES("OTEL_SDK_DISABLED=true\0"), "sdk-disabled", LEVEL_BAD },
		{ BYTES("OTEL_TRACES_EXPORTER=none\0"), "exporter", LEVEL_BAD },
		{ BYTES("OTEL_TRACES_EXPORTER=console\0"), "exporter", LEVEL_NOTE },
		{ BYTES("OTEL_TRACES_EXPORTER=otlp\0"), NULL, LEVEL_OK },
		{ BYTES("OTEL_TRACES_SAMPLER=always_off\0"), "sampled-out", LEVEL_BAD },
		{ BYTES("OTEL_TRACES_SAMPLER=traceidratio\0OTEL_TRACES_SAMPLER_ARG=0\0"),
		  "sampled-out", LEVEL_BAD },
		{ BYTES("OTEL_TRACES_SAMPLER=parentbased_traceidratio\0OTEL_TRACES_SAMPLER_ARG=0."
			"1\0"),
		  "sampled-out", LEVEL_NOTE },
		{ BYTES("OTEL_TRACES_SAMPLER=traceidratio\0"), NULL, LEVEL_OK },
		{ BYTES("OTEL_BSP_SCHEDULE_DELAY=60000\0"), "delayed", LEVEL_NOTE },
		{ BYTES("OTEL_BSP_SCHEDULE_DELAY=5000"), NULL, LEVEL_OK },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diagnosis d = { 0 };

		doctor_settings(&d, rows[i].env);
		if (d.count != (rows[i].id != NULL))
			fail_msg("row %zu: %u findings", i, d.count);
		if (rows[i].id) {
			assert_string_equal(d.list[0].id, rows[i].id);
			assert_int_equal(d.list[0].level, rows[i].level);
			assert_true(d.list[0].seen.len > 0);
		}
		diagnosis_done(&d);
	}
}

static void test_tool_doctor_prints_no_escape_raw(void **state)
{
	static const struct style st = { .width = 80, .has_utf8 = true };
	struct diagnosis d = { 0 };
	struct text out = { 0 };

	(void)state;
	for (uint32_t i = 0; i < DIAGNOSIS_MAX + 5; i++) {
		diagnose(&d, LEVEL_BAD, "x", "something");
		diagnosis_seen(&d, "%s",
			       "\033[2J\xc2\x9b"
			       "31m and\nmore");
	}
	assert_int_equal(d.count, DIAGNOSIS_MAX);
	diagnosis_print(&out, &st, &d);
	diagnosis_print_json(&out, &d);
	for (struct bytes b = { out.ptr, out.len }; b.len;) {
		uint32_t code = utf8_take(&b);

		assert_true(code == '\n' || !utf8_is_unsafe(code));
	}
	text_done(&out);
	diagnosis_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool_doctor_takes_urls_apart),
		cmocka_unit_test(test_tool_doctor_knows_who_answers),
		cmocka_unit_test(test_tool_doctor_finds_what_is_switched_off),
		cmocka_unit_test(test_tool_doctor_prints_no_escape_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
