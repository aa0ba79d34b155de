/* SPDX-License-Identifier: Apache-2.0 */
/* What `interspan status` makes of an exporter's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "status_show.h"

#define NOBODY 2000000000 /* no process has this number */

static char told_text[] =
	"exporter pid=7 tid=8 unix_ns=1 waiting=3 queue_limit=2048 kind=otlp "
	"endpoint=http://127.0.0.1:4318/v1/traces\n"
	"result failed=1 unix_ns=1 code=503 text=refused \"by\" \033[2Jit\n"
	"process pid=2000000000 spans_started=10 spans_ended=8 spans_unsampled=2 "
	"connections_http2=1\n"
	"process pid=9 spans_started=5 spans_dropped_queue_full=4 connections_http2=1 odd_one=6\n"
	"process pid=0 spans_started=1\n";

static const struct status_told told = { NOBODY, told_text, sizeof(told_text) - 1, false };
static const struct style style = { 80, false, true };

static char *shown(pid_t pid, bool is_json)
{
	static char out[4096];
	struct text t = { NULL, 0, 0, false };
	bool is_there =
		is_json ? status_show_json(&t, &told, pid) : status_show(&t, &style, &told, pid);

	if (!is_there)
		return NULL;
	snprintf(out, sizeof(out), "%.*s", (int)t.len, t.ptr);
	text_done(&t);
	return out;
}

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in\n%s", line, text);
}

static void test_tool_status_sums_up(void **state)
{
	const char *text = shown(0, false);

	(void)state;
	assert_has(text, "?, pid 2000000000, and 1 that it delivers for\n");
	assert_has(text, "  delivers to  http://127.0.0.1:4318/v1/traces (otlp)\n");
	assert_has(text, " ago, failed: HTTP 503 refused \"by\" ");
	assert_has(text, "  waiting      3 of at most 2048 spans\n");
	assert_has(text, "  spans        16 started, 2 sampled out, 8 ended, 0 exported\n");
	assert_has(text, "  dropped      4 as the queue was full\n");
	assert_has(text, "2 connections are HTTP/2, not traced yet\n");
	assert_has(text, "odd_one 6\n");
	assert_null(strchr(text, '\033'));
}

static void test_tool_status_of_one(void **state)
{
	const char *text = shown(9, false);

	(void)state;
	assert_has(text, "pid 9; its spans are delivered by pid 2000000000\n");
	assert_has(text, "  spans        5 started, 0 sampled out, 0 ended, 0 exported\n");
	assert_has(text, "1 connection is HTTP/2, not traced yet\n");
	assert_null(shown(10, false));
	assert_null(shown(10, true));
}

static void test_tool_status_json(void **state)
{
	(void)state;
	assert_string_equal(
		shown(9, true),
		"{\"pid\":2000000000,\"answered\":true,\"exporter\":{\"pid\":7,\"tid\":8,"
		"\"unix_ns\":1,\"waiting\":3,\"queue_limit\":2048,\"kind\":\"otlp\","
		"\"endpoint\":\"http://127.0.0.1:4318/v1/traces\"},\"result\":{\"failed\":1,"
		"\"unix_ns\":1,\"code\":503,\"text\":\"refused \\\"by\\\" \xef\xbf\xbd[2Jit\"},"
		"\"processes\":[{\"pid\":9,\"spans_started\":5,\"spans_dropped_queue_full\":4,"
		"\"connections_http2\":1,\"odd_one\":6}],\"tls\":[]}\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool_status_sums_up),
		cmocka_unit_test(test_tool_status_of_one),
		cmocka_unit_test(test_tool_status_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
