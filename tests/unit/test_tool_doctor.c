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

static void add_socket(struct held_socket *to, int fd, enum socket_state state, const char *here,
		       unsigned here_port, const char *there, unsigned there_port)
{
	*to = (struct held_socket){ .fd = fd,
				    .inode = 1000u + (unsigned)fd,
				    .state = state,
				    .here.port = here_port,
				    .there.port = there_port };
	strcpy(to->here.address, here);
	strcpy(to->there.address, there);
}

/* A hundred requests in, a few calls out, and one of each odd thing. */
static size_t some_sockets(struct held_socket *list, struct fates *told)
{
	static const struct {
		uint8_t fate;
		const char *there;
		unsigned port;
	} calls[] = {
		{ FATE_HTTP1 | FATE_CLIENT, "10.0.0.7", 8080 },
		{ FATE_HTTP1 | FATE_CLIENT, "10.0.0.7", 8080 },
		{ FATE_HTTP1 | FATE_CLIENT | FATE_IN_TLS, "192.0.2.9", 443 },
		{ FATE_HTTP1 | FATE_CLIENT | FATE_IN_TLS | FATE_GNUTLS, "192.0.2.9", 443 },
		{ FATE_HTTP1 | FATE_CLIENT | FATE_UNEDITED, "10.0.0.8", 80 },
		{ FATE_HTTP2 | FATE_CLIENT, "[2001:db8::1]", 50051 },
		{ FATE_OPAQUE | FATE_CLIENT, "10.0.0.5", 6379 },
		{ FATE_NONE, "10.0.0.4", 5432 },
		{ FATE_QUIET | FATE_CLIENT, "10.0.0.7", 8081 },
		{ 14, "10.0.0.1", 1 },
	};
	size_t n = 0;

	add_socket(&list[n++], 3, SOCKET_LISTENS, "0.0.0.0", 80, "", 0);
	add_socket(&list[n++], 4, SOCKET_LISTENS, "/run/\033[2Jx", 0, "", 0);
	for (int fd = 100; fd < 200; fd++) {
		told->of[fd] = FATE_HTTP1;
		add_socket(&list[n++], fd, SOCKET_OPEN, "10.0.0.2", 80, "10.0.0.9",
			   40000u + (unsigned)fd);
	}
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		told->of[10 + i] = calls[i].fate;
		add_socket(&list[n++], 10 + (int)i, SOCKET_OPEN, "10.0.0.2", 50000u + (unsigned)i,
			   calls[i].there, calls[i].port);
	}
	told->of[30] = FATE_BLIND;
	add_socket(&list[n++], 30, SOCKET_CLOSING, "/run/\033[2Jx", 0, "", 0);
	add_socket(&list[n++], 31, SOCKET_OPEN, "", 0, "", 0);
	add_socket(&list[n++], 5000, SOCKET_OPEN, "10.0.0.2", 50100, "10.0.0.7", 8080);
	told->is_told = true;
	return n;
}

static const char at_80[] =
	"ok      it has connections, or had some\n"
	"  seen  listens on 0.0.0.0:80, /run/?[2Jx; holds 113 connections; of all so far:\n"
	"        107 HTTP/1, 1 given up\n"
	"ok      102 connections: HTTP/1, traced\n"
	"  seen  asks 10.0.0.7:8080 x 2 (fd 10, 11); serves 10.0.0.9 on port 80 x 100 (fd\n"
	"        100, 101, 102, ...)\n"
	"ok      1 connection: HTTPS, read in OpenSSL, traced\n"
	"  seen  asks 192.0.2.9:443 (fd 12)\n"
	"ok      1 connection: HTTPS, read in GnuTLS, traced\n"
	"  seen  asks 192.0.2.9:443 (fd 13)\n"
	"ok      1 connection: nothing said yet\n"
	"  seen  asks 10.0.0.7:8081 (fd 18)\n"
	"ok      1 connection: local, without a name (socketpair), not looked at\n"
	"  seen  has a local socket (fd 31)\n"
	"note    1 connection: HTTP/1, traced, but no header is put into what it sends\n"
	"  seen  asks 10.0.0.8:80 (fd 14)\n"
	"  do    SO_ZEROCOPY, SO_TIMESTAMPING or TCP_REPAIR is set, and others count its\n"
	"        bytes: without that its requests carry their trace on\n"
	"note    1 connection: HTTP/2, passed through unseen\n"
	"  seen  asks [2001:db8::1]:50051 (fd 15)\n"
	"  do    where one may choose, have the client ask for HTTP/1.1\n"
	"note    1 connection: not understood, passed through: no spans of those\n"
	"  seen  asks 10.0.0.5:6379 (fd 16)\n"
	"  do    as expected of Redis, MySQL and all that is neither HTTP/1 nor\n"
	"        PostgreSQL\n"
	"note    1 connection: given up: several threads at once, sent to another\n"
	"        process, or read where no hook sees it\n"
	"  seen  serves /run/?[2Jx (closing) (fd 30); connections_blind=1\n"
	"  do    nothing more is told of those; new ones are looked at\n"
	"note    1 connection: not seen to begin, and not looked at\n"
	"  seen  asks 10.0.0.4:5432 (fd 17)\n"
	"  do    older than the library in this process (inherited, kept over exec), or\n"
	"        made where no hook sees it; new ones are looked at\n"
	"note    1 connection: numbers from 1024 on, of which is not told what was made\n"
	"  seen  asks 10.0.0.7:8080 (fd 5000)\n"
	"  do    up to 1048575 they are traced all the same\n"
	"note    1 connection: what was made of it is not told\n"
	"  seen  serves 10.0.0.1 on port 50009 (fd 19)\n"
	"  do    it is told once the process, or one of its family, has finished a span\n";
static const char at_200[] =
	"ok      it has connections, or had some\n"
	"  seen  listens on 0.0.0.0:80, /run/?[2Jx; holds 113 connections; of all so far: 107 "
	"HTTP/1, 1 given up\n"
	"ok      102 connections: HTTP/1, traced\n"
	"  seen  asks 10.0.0.7:8080 x 2 (fd 10, 11); serves 10.0.0.9 on port 80 x 100 (fd 100, "
	"101, 102, ...)\n"
	"ok      1 connection: HTTPS, read in OpenSSL, traced\n"
	"  seen  asks 192.0.2.9:443 (fd 12)\n"
	"ok      1 connection: HTTPS, read in GnuTLS, traced\n"
	"  seen  asks 192.0.2.9:443 (fd 13)\n"
	"ok      1 connection: nothing said yet\n"
	"  seen  asks 10.0.0.7:8081 (fd 18)\n"
	"ok      1 connection: local, without a name (socketpair), not looked at\n"
	"  seen  has a local socket (fd 31)\n"
	"note    1 connection: HTTP/1, traced, but no header is put into what it sends\n"
	"  seen  asks 10.0.0.8:80 (fd 14)\n"
	"  do    SO_ZEROCOPY, SO_TIMESTAMPING or TCP_REPAIR is set, and others count its bytes: "
	"without that its requests carry their trace on\n"
	"note    1 connection: HTTP/2, passed through unseen\n"
	"  seen  asks [2001:db8::1]:50051 (fd 15)\n"
	"  do    where one may choose, have the client ask for HTTP/1.1\n"
	"note    1 connection: not understood, passed through: no spans of those\n"
	"  seen  asks 10.0.0.5:6379 (fd 16)\n"
	"  do    as expected of Redis, MySQL and all that is neither HTTP/1 nor PostgreSQL\n"
	"note    1 connection: given up: several threads at once, sent to another process, or read "
	"where no hook sees it\n"
	"  seen  serves /run/?[2Jx (closing) (fd 30); connections_blind=1\n"
	"  do    nothing more is told of those; new ones are looked at\n"
	"note    1 connection: not seen to begin, and not looked at\n"
	"  seen  asks 10.0.0.4:5432 (fd 17)\n"
	"  do    older than the library in this process (inherited, kept over exec), or made where "
	"no hook sees it; new ones are looked at\n"
	"note    1 connection: numbers from 1024 on, of which is not told what was made\n"
	"  seen  asks 10.0.0.7:8080 (fd 5000)\n"
	"  do    up to 1048575 they are traced all the same\n"
	"note    1 connection: what was made of it is not told\n"
	"  seen  serves 10.0.0.1 on port 50009 (fd 19)\n"
	"  do    it is told once the process, or one of its family, has finished a span\n";

static void test_tool_doctor_tells_what_connections_are(void **state)
{
	static struct held_socket list[200];
	static struct fates told;
	size_t n = some_sockets(list, &told);

	(void)state;
	for (unsigned width = 80; width <= 200; width += 120) {
		struct style st = { .width = width };
		struct diagnosis d = { 0 };
		struct text out = { 0 };

		doctor_connections(&d, list, n, &told,
				   BYTES("pid=1 connections_http1=107 connections_blind=1"));
		assert_false(d.is_bad);
		diagnosis_print(&out, &st, &d);
		text_add_char(&out, '\0');
		assert_string_equal(out.ptr, width == 80 ? at_80 : at_200);
		text_done(&out);
		diagnosis_done(&d);
	}
}

static void test_tool_doctor_takes_one_socket_for_one_connection(void **state)
{
	static const uint8_t rows[][3] = { /* of two descriptors; what is told */
					   { FATE_QUIET, FATE_HTTP2, FATE_HTTP2 },
					   { FATE_HTTP2, FATE_QUIET, FATE_HTTP2 },
					   { FATE_NONE, FATE_HTTP2, FATE_HTTP2 },
					   { FATE_HTTP2, FATE_NONE, FATE_HTTP2 },
					   { FATE_NONE, FATE_NONE, FATE_NONE }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct held_socket list[2];
		static struct fates told;
		struct diagnosis d = { 0 };

		told.is_told = true;
		told.of[5] = rows[i][0];
		told.of[6] = rows[i][1];
		add_socket(&list[0], 5, SOCKET_OPEN, "10.0.0.2", 80, "10.0.0.9", 40000);
		list[1] = list[0];
		list[1].fd = 6;
		doctor_connections(&d, list, 2, &told, BYTES(""));
		assert_int_equal(d.count, 2);
		assert_string_equal(d.list[1].id, rows[i][2] == FATE_HTTP2 ? "http2" : "unseen");
		diagnosis_done(&d);
	}
}

/* Of whom nothing is told, and of whom it is told that nothing is left. */
static void test_tool_doctor_says_that_nobody_tells(void **state)
{
	static struct fates told;
	struct held_socket list[1];
	struct diagnosis d = { 0 };

	(void)state;
	add_socket(&list[0], 5, SOCKET_OPEN, "10.0.0.2", 4000, "10.0.0.9", 80);
	doctor_connections(&d, list, 1, &told, BYTES(""));
	assert_string_equal(d.list[1].id, "untold");
	diagnosis_done(&d);
	doctor_connections(&d, list, 0, &told, BYTES("connections_http2=2 connections_opaque=2"));
	assert_string_equal(d.list[1].id, "http2");
	assert_string_equal(d.list[2].id, "opaque");
	assert_memory_equal(d.list[1].what.ptr, "connections that are gone: ", 27);
	assert_memory_equal(d.list[1].connections.ptr, "[]", 2);
	diagnosis_done(&d);
	doctor_connections(&d, list, 0, &told, BYTES(""));
	assert_int_equal(d.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool_doctor_takes_urls_apart),
		cmocka_unit_test(test_tool_doctor_knows_who_answers),
		cmocka_unit_test(test_tool_doctor_finds_what_is_switched_off),
		cmocka_unit_test(test_tool_doctor_prints_no_escape_raw),
		cmocka_unit_test(test_tool_doctor_tells_what_connections_are),
		cmocka_unit_test(test_tool_doctor_takes_one_socket_for_one_connection),
		cmocka_unit_test(test_tool_doctor_says_that_nobody_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
