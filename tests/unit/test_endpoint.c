/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "endpoint.h"

static struct config cfg;
static struct endpoint e;

static void join(const char *base, const char *traces)
{
	cfg.otlp_endpoint = bytes_from_str(base);
	cfg.otlp_traces_endpoint = bytes_from_str(traces);
	endpoint_init(&e, &cfg);
}

/* E101-E108 */
static void test_endpoint_joins_as_specified(void **state)
{
	static const struct {
		const char *base;
		const char *traces;
		const char *want;
		enum endpoint_kind kind;
	} rows[] = {
		{ "http://localhost:4318", "", "http://localhost:4318/v1/traces", ENDPOINT_HTTP },
		{ "http://c:4318/x", "", "http://c:4318/x/v1/traces", ENDPOINT_HTTP },
		{ "http://c:4318/x/", "", "http://c:4318/x/v1/traces", ENDPOINT_HTTP },
		{ "http://c/", "", "http://c/v1/traces", ENDPOINT_HTTP },
		{ "HTTP://c", "", "http://c/v1/traces", ENDPOINT_HTTP },
		{ "http://c/x?a=b#f", "", "http://c/x/v1/traces", ENDPOINT_HTTP },
		{ "http://base", "http://c:4318", "http://c:4318/", ENDPOINT_HTTP },
		{ "http://base", "http://c:4318/", "http://c:4318/", ENDPOINT_HTTP },
		{ "http://base", "http://c/my/path", "http://c/my/path", ENDPOINT_HTTP },
		{ "http://base", "http://c/v1/traces/", "http://c/v1/traces/", ENDPOINT_HTTP },
		{ "http://base", "http://c?k=v", "http://c/?k=v", ENDPOINT_HTTP },
		{ "http://base", "http://c/p?k=v", "http://c/p?k=v", ENDPOINT_HTTP },
		{ "http://[::1]:4318", "", "http://[::1]:4318/v1/traces", ENDPOINT_HTTP },
		{ "localhost:4318", "", "http://localhost:4318/v1/traces", ENDPOINT_HTTP },
		{ " http://c ", "", "http://c/v1/traces", ENDPOINT_HTTP },
		{ "https://c", "", "https://c/v1/traces", ENDPOINT_HTTPS },
		{ "", "", "http://localhost:4318/v1/traces", ENDPOINT_HTTP },
		{ "unix:///run/x", "", "http://localhost/v1/traces", ENDPOINT_HTTP },
		{ "http://c", "unix:/run/x", "http://localhost/v1/traces", ENDPOINT_HTTP },
		{ "unix:relative", "", "", ENDPOINT_UNKNOWN },
		{ "grpc://c", "", "", ENDPOINT_UNKNOWN },
		{ "http://a b", "", "", ENDPOINT_UNKNOWN },
		{ "http://c\r\nX: y", "", "", ENDPOINT_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		join(rows[i].base, rows[i].traces);
		if (e.kind != rows[i].kind)
			fail_msg("%s: kind %d", rows[i].base, (int)e.kind);
		if (e.kind != ENDPOINT_UNKNOWN)
			assert_string_equal(e.url, rows[i].want);
	}
}

#define EXPORT_PATH "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

/*
 * E97, E105-E107: the scheme decides; where there is none, INSECURE, and the one for traces first.
 */
static void test_endpoint_of_grpc(void **state)
{
	static const struct {
		const char *base;
		const char *traces;
		uint32_t insecure, traces_insecure;
		const char *want;
	} rows[] = {
		{ "", "", CONFIG_UNSET, CONFIG_UNSET, "http://localhost:4317" EXPORT_PATH },
		{ "http://c:4317/x/y?z", "", CONFIG_UNSET, CONFIG_UNSET,
		  "http://c:4317" EXPORT_PATH },
		{ "https://c", "", 1, 1, "https://c" EXPORT_PATH },
		{ "http://c", "", 0, 0, "http://c" EXPORT_PATH },
		{ "c:4317", "", CONFIG_UNSET, CONFIG_UNSET, "https://c:4317" EXPORT_PATH },
		{ "c:4317", "", 1, CONFIG_UNSET, "http://c:4317" EXPORT_PATH },
		{ "c:4317", "", 1, 0, "https://c:4317" EXPORT_PATH },
		{ "c:4317", "", 0, 1, "http://c:4317" EXPORT_PATH },
		{ "c", "http://d:1", 0, 0, "http://d:1" EXPORT_PATH },
		{ "unix:///run/x", "", CONFIG_UNSET, CONFIG_UNSET, "http://localhost" EXPORT_PATH },
	};

	(void)state;
	cfg.otlp_protocol = PROTOCOL_GRPC;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cfg.otlp_insecure = rows[i].insecure;
		cfg.otlp_traces_insecure = rows[i].traces_insecure;
		join(rows[i].base, rows[i].traces);
		if (strcmp(e.url, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].base, e.url);
		assert_true(endpoint_needs_tls_object(&e));
	}
	cfg.otlp_protocol = PROTOCOL_HTTP_PROTOBUF;
	join("http://c", "");
	assert_false(endpoint_needs_tls_object(&e));
	join("https://c", "");
	assert_true(endpoint_needs_tls_object(&e));
}

#define METRICS "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

/* Metrics about ourselves: an endpoint and a protocol of their own come first, TLS as for all. */
static void test_endpoint_of_metrics(void **state)
{
	static const struct {
		enum config_protocol all, metrics;
		const char *base, *own, *want;
		enum config_protocol want_protocol;
	} rows[] = {
		{ PROTOCOL_HTTP_PROTOBUF, PROTOCOL_UNSET, "http://c:1/x", "",
		  "http://c:1/x/v1/metrics", PROTOCOL_HTTP_PROTOBUF },
		{ PROTOCOL_HTTP_JSON, PROTOCOL_UNSET, "", "", "http://localhost:4318/v1/metrics",
		  PROTOCOL_HTTP_PROTOBUF },
		{ PROTOCOL_HTTP_JSON, PROTOCOL_UNSET, "http://c", "https://d/y", "https://d/y",
		  PROTOCOL_HTTP_PROTOBUF },
		{ PROTOCOL_GRPC, PROTOCOL_UNSET, "", "", "http://localhost:4317" METRICS,
		  PROTOCOL_GRPC },
		{ PROTOCOL_GRPC, PROTOCOL_UNSET, "https://c:2/z", "", "https://c:2" METRICS,
		  PROTOCOL_GRPC },
		{ PROTOCOL_HTTP_PROTOBUF, PROTOCOL_GRPC, "http://c", "http://d:3/z",
		  "http://d:3" METRICS, PROTOCOL_GRPC },
		{ PROTOCOL_GRPC, PROTOCOL_HTTP_PROTOBUF, "http://c", "", "http://c/v1/metrics",
		  PROTOCOL_HTTP_PROTOBUF },
		{ PROTOCOL_HTTP_PROTOBUF, PROTOCOL_UNSET, "http://c", "unix:/run/x",
		  "http://localhost/v1/metrics", PROTOCOL_HTTP_PROTOBUF },
	};

	(void)state;
	cfg.otlp_certificate = BYTES("/ca.pem");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cfg.otlp_protocol = rows[i].all;
		cfg.otlp_metrics_protocol = rows[i].metrics;
		cfg.otlp_endpoint = bytes_from_str(rows[i].base);
		cfg.otlp_metrics_endpoint = bytes_from_str(rows[i].own);
		endpoint_init_metrics(&e, &cfg);
		assert_string_equal(e.url, rows[i].want);
		assert_int_equal(e.protocol, rows[i].want_protocol);
		assert_true(bytes_equal(e.certificate, BYTES("/ca.pem")));
	}
	cfg.otlp_certificate = BYTES("");
	cfg.otlp_protocol = PROTOCOL_HTTP_PROTOBUF;
	cfg.otlp_endpoint = BYTES("");
}

/* server.address and server.port: nothing of who asks. */
static void test_endpoint_has_an_address(void **state)
{
	static const struct {
		const char *url, *address;
		uint16_t port;
	} rows[] = {
		{ "http://c:4318/x?y=z", "c", 4318 },
		{ "https://c", "c", 443 },
		{ "http://c/p:1", "c", 80 },
		{ "http://me:secret@c:1", "c", 1 },
		{ "http://me:sec@ret@[::1]:2/", "::1", 2 },
		{ "http://[fe80::1]", "fe80::1", 80 },
		{ "http://c:", "c", 80 },
		{ "http://c:99999", "c", 80 },
		{ "unix:/run/x", "/run/x", 0 },
		{ "ftp://c", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t port = 7;
		struct bytes address;

		cfg.otlp_endpoint = bytes_from_str(rows[i].url);
		endpoint_init(&e, &cfg);
		address = endpoint_address(&e, &port);
		assert_int_equal(port, rows[i].port);
		assert_true(bytes_equal(address, bytes_from_str(rows[i].address)));
	}
	cfg.otlp_endpoint = BYTES("");
}

static void test_endpoint_knows_the_usual_mistake(void **state)
{
	(void)state;
	join("http://c:4317", "");
	assert_int_equal(e.hint, ENDPOINT_IS_FOR_GRPC);
	join("http://c:4318", "");
	assert_int_equal(e.hint, ENDPOINT_PLAUSIBLE);
	cfg.otlp_protocol = PROTOCOL_GRPC;
	join("http://c:4318", "");
	assert_int_equal(e.hint, ENDPOINT_IS_FOR_HTTP);
	join("http://c:4317", "");
	assert_int_equal(e.hint, ENDPOINT_PLAUSIBLE);
	cfg.otlp_protocol = PROTOCOL_HTTP_PROTOBUF;
}

/* E94-E96: a file for traces beats the one for all. */
static void test_endpoint_files(void **state)
{
	(void)state;
	cfg.otlp_certificate = BYTES("ca");
	cfg.otlp_client_key = BYTES("key");
	cfg.otlp_traces_client_key = BYTES("key2");
	cfg.otlp_traces_client_certificate = BYTES("cert");
	join("https://c", "");
	assert_string_equal(e.certificate.ptr, "ca");
	assert_string_equal(e.client_key.ptr, "key2");
	assert_string_equal(e.client_certificate.ptr, "cert");
}

static void test_endpoint_without_host_is_unknown(void **state)
{
	(void)state;
	join("http:///v1", "");
	assert_int_equal(e.kind, ENDPOINT_UNKNOWN);
	join("http://", "");
	assert_int_equal(e.kind, ENDPOINT_UNKNOWN);
}

static void test_endpoint_too_long_is_unknown(void **state)
{
	static char url[ENDPOINT_URL_MAX + 16] = "http://";

	(void)state;
	memset(url + 7, 'h', sizeof(url) - 8);
	join(url, "");
	assert_int_equal(e.kind, ENDPOINT_UNKNOWN);
}

static void headers(const char *all, const char *traces)
{
	cfg.otlp_endpoint = BYTES("http://c");
	cfg.otlp_headers = bytes_from_str(all);
	cfg.otlp_traces_headers = bytes_from_str(traces);
	endpoint_init(&e, &cfg);
}

/* E109, E110 */
static void test_endpoint_decodes_headers(void **state)
{
	(void)state;
	headers("Authorization=Basic%20abc%3D, x-a = 1%2C2 ,x-b=p=q,x-empty=", "");
	assert_int_equal(e.n_headers, 4);
	assert_int_equal(e.headers_refused, 0);
	assert_string_equal(e.headers[0], "Authorization: Basic abc=");
	assert_string_equal(e.headers[1], "x-a: 1,2");
	assert_string_equal(e.headers[2], "x-b: p=q");
	assert_string_equal(e.headers[3], "x-empty;");
}

static void test_endpoint_headers_for_traces_replace_the_rest(void **state)
{
	(void)state;
	headers("a=1,b=2", "c=3");
	assert_int_equal(e.n_headers, 1);
	assert_string_equal(e.headers[0], "c: 3");
}

/* E113; a decoded line break would be another header, or another request. */
static void test_endpoint_refuses_bad_headers(void **state)
{
	static const char *const rows[] = {
		"novalue",
		"=v",
		"a b=v",
		"a%0d%0aX=v",
		"a=%0d%0aX: y",
		"a=%zz",
		"a=%4",
		"Content-Type=text/plain",
		"content-encoding=gzip",
		"Host=evil",
		"CONTENT-LENGTH=0",
		"Transfer-Encoding=chunked",
		"a=%00",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char list[128] = "first=1,";

		strcat(list, rows[i]);
		strcat(list, ",last=2");
		headers(list, "");
		if (e.n_headers != 2 || e.headers_refused != 1)
			fail_msg("%s: %zu headers", rows[i], e.n_headers);
		assert_string_equal(e.headers[0], "first: 1");
		assert_string_equal(e.headers[1], "last: 2");
	}
}

/* E90, E93: what is said of traces beats what is said of all signals. */
static void test_endpoint_traces_have_their_own_protocol_and_compression(void **state)
{
	(void)state;
	headers("", ""); /* those of the test before are gone */
	cfg.otlp_protocol = PROTOCOL_HTTP_PROTOBUF;
	cfg.otlp_compression = COMPRESSION_GZIP;
	cfg.otlp_traces_protocol = PROTOCOL_UNSET;
	cfg.otlp_traces_compression = COMPRESSION_UNSET;
	endpoint_init(&e, &cfg);
	assert_int_equal(e.protocol, PROTOCOL_HTTP_PROTOBUF);
	assert_true(e.wants_gzip);
	cfg.otlp_traces_protocol = PROTOCOL_HTTP_JSON;
	cfg.otlp_traces_compression = COMPRESSION_NONE;
	endpoint_init(&e, &cfg);
	assert_int_equal(e.protocol, PROTOCOL_HTTP_JSON);
	assert_false(e.wants_gzip);
}

/* E8, E65, E92: 0 is no limit. */
static void test_endpoint_timeout_is_the_shortest(void **state)
{
	static const struct {
		uint32_t traces;
		uint32_t otlp;
		uint32_t bsp;
		uint32_t want;
	} rows[] = {
		{ CONFIG_UNSET, 10000, 30000, 10000 },
		{ 500, 10000, 30000, 500 },
		{ 0, 10000, 30000, 30000 },
		{ CONFIG_UNSET, 40000, 30000, 30000 },
		{ CONFIG_UNSET, 10000, 0, 10000 },
		{ 0, 10000, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cfg.otlp_traces_timeout_ms = rows[i].traces;
		cfg.otlp_timeout_ms = rows[i].otlp;
		cfg.bsp_export_timeout_ms = rows[i].bsp;
		assert_int_equal(endpoint_timeout_ms(&cfg), rows[i].want);
	}
}

/* --- each by the environment: for all signals, for traces, both --- */

static const char *seen_url(void)
{
	return e.url;
}

static const char *seen_protocol(void)
{
	return e.protocol == PROTOCOL_GRPC      ? "grpc" :
	       e.protocol == PROTOCOL_HTTP_JSON ? "json" :
						  "protobuf";
}

static const char *seen_compression(void)
{
	return e.wants_gzip ? "gzip" : "none";
}

static const char *seen_headers(void)
{
	return e.n_headers ? e.headers[e.n_headers - 1] : "";
}

static const char *seen_certificate(void)
{
	return e.certificate.len ? e.certificate.ptr : "";
}

static const char *seen_client_key(void)
{
	return e.client_key.len ? e.client_key.ptr : "";
}

static const char *seen_client_certificate(void)
{
	return e.client_certificate.len ? e.client_certificate.ptr : "";
}

static const char *seen_scheme(void)
{
	return strncmp(e.url, "https:", 6) == 0 ? "https" : "http";
}

static struct config parsed;

static const char *seen_timeout(void)
{
	static char ms[16];

	snprintf(ms, sizeof(ms), "%u", endpoint_timeout_ms(&parsed));
	return ms;
}

/* What is seen: unset, and of values for all signals and for traces. */
static const struct own_row {
	const char *id, *name;
	const char *also;            /* a setting without which it is not seen */
	const char *all, *own, *bad; /* bad: for traces, where all is set; NULL: any text will do */
	const char *want_none, *want_all, *want_own, *want_bad;
	const char *(*seen)(void);
} own_rows[] = {
	{ "E89", "ENDPOINT", NULL, "http://a:1/x", "http://b:2/y", NULL,
	  "http://localhost:4318/v1/traces", "http://a:1/x/v1/traces", "http://b:2/y", NULL,
	  seen_url },
	{ "E90", "PROTOCOL", NULL, "grpc", "http/json", "json", "protobuf", "grpc", "json", "grpc",
	  seen_protocol },
	{ "E91", "HEADERS", NULL, "a=1,b=2", "c=3", NULL, "", "b: 2", "c: 3", NULL, seen_headers },
	{ "E92", "TIMEOUT", NULL, "700", "600", "6s", "10000", "700", "600", "700", seen_timeout },
	{ "E93", "COMPRESSION", NULL, "gzip", "none", "zstd", "none", "gzip", "none", "gzip",
	  seen_compression },
	{ "E94", "CERTIFICATE", NULL, "/a.pem", "/b.pem", NULL, "", "/a.pem", "/b.pem", NULL,
	  seen_certificate },
	{ "E95", "CLIENT_KEY", NULL, "/a.pem", "/b.pem", NULL, "", "/a.pem", "/b.pem", NULL,
	  seen_client_key },
	{ "E96", "CLIENT_CERTIFICATE", NULL, "/a.pem", "/b.pem", NULL, "", "/a.pem", "/b.pem", NULL,
	  seen_client_certificate },
	/* E3: what is neither is false, and no reason to send in the clear. */
	{ "E97", "INSECURE", "PROTOCOL=grpc", "true", "false", "1", "https", "http", "https",
	  "https", seen_scheme },
};

static const char *seen_with(const struct own_row *r, const char *all, const char *own)
{
	static char text[4][128];
	char *envp[5] = { NULL };
	size_t n = 0;

	if (r->also) {
		snprintf(text[n], sizeof(text[n]), "OTEL_EXPORTER_OTLP_%s", r->also);
		envp[n] = text[n];
		n++;
		snprintf(text[n], sizeof(text[n]), "OTEL_EXPORTER_OTLP_ENDPOINT=c:4317");
		envp[n] = text[n];
		n++;
	}
	snprintf(text[n], sizeof(text[n]), "OTEL_EXPORTER_OTLP_%s=%s", r->name, all);
	envp[n] = text[n];
	n++;
	snprintf(text[n], sizeof(text[n]), "OTEL_EXPORTER_OTLP_TRACES_%s=%s", r->name, own);
	envp[n] = text[n];
	config_parse(&parsed, envp);
	endpoint_init(&e, &parsed);
	return r->seen();
}

static void expect(const struct own_row *r, const char *all, const char *own, const char *want)
{
	const char *got = seen_with(r, all, own);

	if (strcmp(got, want) != 0)
		fail_msg("%s: OTEL_EXPORTER_OTLP_%s=%s, for traces %s: %s, not %s", r->id, r->name,
			 all, own, got, want);
}

static void test_endpoint_each_for_traces_beats_the_one_for_all(void **state) /* E1, E89-E97 */
{
	(void)state;
	for (size_t i = 0; i < sizeof(own_rows) / sizeof(own_rows[0]); i++) {
		const struct own_row *r = &own_rows[i];

		expect(r, "", "", r->want_none);
		expect(r, r->all, "", r->want_all);
		expect(r, "", r->own, r->want_own);
		expect(r, r->all, r->own, r->want_own);
		if (r->bad)
			expect(r, r->all, r->bad, r->want_bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoint_joins_as_specified),
		cmocka_unit_test(test_endpoint_of_grpc),
		cmocka_unit_test(test_endpoint_of_metrics),
		cmocka_unit_test(test_endpoint_has_an_address),
		cmocka_unit_test(test_endpoint_knows_the_usual_mistake),
		cmocka_unit_test(test_endpoint_files),
		cmocka_unit_test(test_endpoint_without_host_is_unknown),
		cmocka_unit_test(test_endpoint_too_long_is_unknown),
		cmocka_unit_test(test_endpoint_decodes_headers),
		cmocka_unit_test(test_endpoint_headers_for_traces_replace_the_rest),
		cmocka_unit_test(test_endpoint_refuses_bad_headers),
		cmocka_unit_test(test_endpoint_traces_have_their_own_protocol_and_compression),
		cmocka_unit_test(test_endpoint_timeout_is_the_shortest),
		cmocka_unit_test(test_endpoint_each_for_traces_beats_the_one_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
