/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When metrics about ourselves are sent; what is in them, a Collector says (interop/test_backends).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "counts.h"
#include "metrics.h"
#include "stats.h"
#include "test_exporter_server.h"

#define MS 1000000u

static struct server server;
static struct config cfg;
static struct exporter x;
static struct resource resource;
static struct operations operations;
static struct metrics metrics;
static char url[64];

static void begin(const char *const *script, const char *exporter)
{
	stats_reset();
	memset(&x, 0, sizeof(x));
	memset(&cfg, 0, sizeof(cfg));
	x.store = store_open();
	x.config = &cfg;
	assert_non_null(x.store);
	server_start(&server, script);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
	cfg.otlp_endpoint = bytes_from_str(url);
	cfg.metrics_exporter = bytes_from_str(exporter);
	cfg.metric_interval_ms = 3600000;
	cfg.metric_timeout_ms = 30000;
	resource_init_for(&resource, &cfg, BYTES("/bin/shop"), BYTES("host"));
	memset(&operations, 0, sizeof(operations));
	metrics_begin(&metrics, &x, &resource, &operations);
}

static void end(void)
{
	metrics_end(&metrics);
	server_stop(&server);
}

static const char *const fine[] = { OK_EMPTY, NULL };

/* Nothing by itself: behind spans alone, not before the interval is over, and at the end. */
static void test_metrics_go_out_behind_spans(void **state)
{
	(void)state;
	begin(fine, "OTLP");
	metrics_turn(&metrics, true);
	assert_int_equal(server.requests, 0);
	stats_inc(STAT_SPANS_STARTED);
	metrics_turn(&metrics, false);
	assert_int_equal(server.requests, 0);
	metrics_turn(&metrics, true);
	assert_int_equal(server.requests, 1);
	metrics_turn(&metrics, true); /* nothing new */
	assert_int_equal(server.requests, 1);
	metrics.next_ns = 0;
	stats_inc(STAT_SPANS_EXPORTED);
	metrics_turn(&metrics, false);
	assert_int_equal(server.requests, 2);
	stats_inc(STAT_SPANS_EXPORTED);
	metrics_turn(&metrics, false); /* the interval has begun anew */
	assert_int_equal(server.requests, 2);
	assert_memory_equal(server.head, "POST /v1/metrics HTTP/1.1\r\n", 27);
	assert_non_null(strstr(server.head, "\r\nContent-Type: application/x-protobuf\r\n"));
	end();
}

static void test_metrics_are_sent_to_a_place_of_their_own(void **state)
{
	char own[80];

	(void)state;
	begin(fine, "otlp");
	metrics_end(&metrics);
	snprintf(own, sizeof(own), "%s/elsewhere", url);
	cfg.otlp_metrics_endpoint = bytes_from_str(own);
	cfg.otlp_endpoint = BYTES("http://127.0.0.1:1");
	metrics_begin(&metrics, &x, &resource, &operations);
	stats_inc(STAT_SPANS_STARTED);
	metrics_turn(&metrics, true);
	assert_int_equal(server.requests, 1);
	assert_memory_equal(server.head, "POST /elsewhere HTTP/1.1\r\n", 26);
	end();
}

static void test_metrics_are_not_sent_unless_asked_for(void **state)
{
	static const char *const others[] = { "", "none", "console", "prometheus", "otlp2" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		begin(fine, others[i]);
		stats_inc(STAT_SPANS_STARTED);
		metrics_turn(&metrics, true);
		assert_int_equal(server.requests, 0);
		assert_null(metrics.transport);
		end();
	}
}

/* OTEL_METRIC_EXPORT_TIMEOUT, and never more than a second: spans wait meanwhile. */
static void test_metrics_hold_up_nobody(void **state)
{
	static const char *const silent[] = { SERVER_SILENCE, NULL };
	static const struct {
		uint32_t timeout_ms;
		uint64_t at_least_ms, at_most_ms;
	} rows[] = { { 200, 200, 990 }, { 30000, 1000, 10000 }, { 0, 1000, 10000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t start;

		begin(silent, "otlp");
		cfg.metric_timeout_ms = rows[i].timeout_ms;
		stats_inc(STAT_SPANS_STARTED);
		start = clock_monotonic_ns();
		metrics_turn(&metrics, true);
		start = (clock_monotonic_ns() - start) / MS;
		assert_true(start >= rows[i].at_least_ms);
		/*
		 * A busy machine may be late; not so late that it would have been the other bound.
		 */
		if (i > 0)
			assert_true(start <= rows[i].at_most_ms);
		end();
	}
}

static bool has(struct bytes body, const char *text)
{
	return memmem(body.ptr, body.len, text, strlen(text));
}

/* O47, O113: a scope, a schema of it and of the resource, and what each instrument is. */
static void test_metrics_tell_what_they_are(void **state)
{
	static const char schema[] = "\x1a\x27https://opentelemetry.io/schemas/1.44.0";
	char both[2 * sizeof(schema)];
	struct bytes body;

	(void)state;
	begin(fine, "otlp");
	body = metrics_encode(&metrics, 7);
	snprintf(both, sizeof(both), "%s%s", schema, schema);
	/* resource.attribute: service.name = unknown_service:shop, a string */
	assert_true(has(body, "\x0a\x0cservice.name\x12\x16\x0a\x14unknown_service:shop"));
	/* scope.name, metric.name, metric.description, metric.unit */
	assert_true(has(body, "\x0a\x09interspan"));
	assert_true(has(body, "\x0a\x15otel.sdk.span.started\x12\x17Spans that were started"
			      "\x1a\x06{span}"));
	/* metric.sum: at its end cumulative, monotonic; of what is under way only the first */
	assert_true(has(body, "DROP\x10\x02\x18\x01"));
	assert_true(has(body, "\x0a\x12otel.sdk.span.live\x12\x18Spans that are under way"));
	assert_memory_equal(body.ptr + body.len - 82, both, 82);
	end();
}

/* Of each process of the tree, and only so many as memory is there for. */
static void test_metrics_of_the_tree(void **state)
{
	size_t alone, both;
	struct counts *c;

	(void)state;
	begin(fine, "otlp");
	stats_add(STAT_SPANS_STARTED, 300);
	alone = metrics_encode(&metrics, 7).len;
	assert_true(alone > 1000);
	c = counts_of(x.store, 9);
	c->pid = 1;
	c->now.count[STAT_SPANS_STARTED] = 5;
	x.store->counted = 10;
	both = metrics_encode(&metrics, 7).len;
	assert_true(both > alone + 500);
	x.store->counted = UINT32_MAX; /* anybody's word */
	assert_int_equal(metrics_encode(&metrics, 7).len, both);
	for (uint32_t i = 1; i < STORE_COUNTS; i++)
		counts_of(x.store, i)->pid = 1;
	metrics.memory.limit = 128 << 10;
	assert_true(metrics_encode(&metrics, 7).len >= alone);
	for (uint32_t i = 1; i < STORE_COUNTS; i++)
		counts_of(x.store, i)->pid = 0;
	x.store->counted = 0;
	scratch_done(&metrics.memory);
	end();
}

/* --- O91 --- */

static void add(enum outcome outcome, long status, uint16_t grpc_answer, uint64_t ms)
{
	const struct response r = { .status = status, .grpc_answer = grpc_answer };

	operations_add(&operations, outcome, &r, ms * MS);
}

#define ZERO3 "\0\0\0"
#define ZERO6 ZERO3 ZERO3
#define ZERO7 ZERO6 "\0"

/*
 * Metric 2 of its scope: name, description, unit, a histogram (9) of one point (1), cumulative.
 * The point: since 5, at 7, two of together 2 s, all in one bucket, 0.5 s to 1.5 s.
 */
static const char two[] =
	"\x12\xc3\x02\x0a\x24otel.sdk.exporter.operation.duration"
	"\x12\x15How long exports took\x1a\x01s\x4a\x80\x02"
	"\x0a\xfb\x01"
	"\x11\x05" ZERO7 "\x19\x07" ZERO7 "\x21\x02" ZERO7 "\x29" ZERO7 "\x40"
	"\x32\x08\x02" ZERO7 "\x59" ZERO6 "\xe0\x3f"
	"\x61" ZERO6 "\xf8\x3f"
	"\x4a\x20\x0a\x19http.response.status_code\x12\x03\x18\xc8\x01"
	"\x4a\x1d\x0a\x0eserver.address\x12\x0b\x0a\x09"
	"127.0.0.1"
	"\x4a\x12\x0a\x0bserver.port\x12\x03\x18\xde\x21"
	"\x4a\x32\x0a\x13otel.component.name\x12\x1b\x0a\x19otlp_http_span_exporter/0"
	"\x4a\x30\x0a\x13otel.component.type\x12\x19\x0a\x17otlp_http_span_exporter"
	"\x10\x02";

static void test_metrics_tell_how_long_exports_took(void **state)
{
	static struct endpoint to;
	struct bytes body;

	(void)state;
	begin(fine, "otlp");
	cfg.traces_exporter = EXPORTER_OTLP;
	assert_false(has(metrics_encode(&metrics, 7), "otel.sdk.exporter.operation.duration"));
	cfg.otlp_endpoint = BYTES("http://me:secret@127.0.0.1:4318");
	endpoint_init(&to, &cfg);
	operations.to = &to;
	metrics.start_unix_ns = 5;
	add(OUTCOME_ACCEPTED, 200, 0, 1500);
	add(OUTCOME_ACCEPTED, 200, 0, 500);
	body = metrics_encode(&metrics, 7);
	assert_non_null(memmem(body.ptr, body.len, two, sizeof(two) - 1));
	assert_false(has(body, "secret"));
	/* Another process of the tree exports nothing itself. */
	counts_of(x.store, 9)->pid = 1;
	x.store->counted = 10;
	body = metrics_encode(&metrics, 7);
	body = bytes_skip(body, (size_t)((char *)memmem(body.ptr, body.len, two, sizeof(two) - 1) -
					 body.ptr) +
					sizeof(two) - 1);
	assert_false(has(body, "otel.sdk.exporter.operation.duration"));
	counts_of(x.store, 9)->pid = 0;
	x.store->counted = 0;
	end();
}

/* How they ended: by the last attempt; error.type is there for those that failed, and for all. */
static void test_metrics_tell_why_exports_failed(void **state)
{
	static const char key[] = "\x0a\x0a"
				  "error.type",
			  http[] = "http.response.status_code", rpc[] = "rpc.response.status_code";
	static const struct {
		enum outcome outcome;
		long status;
		uint16_t grpc_answer;
		const char *error, *code;
	} rows[] = {
		{ OUTCOME_ACCEPTED, 200, 0, NULL, http },
		{ OUTCOME_ACCEPTED, 200, 1, NULL, "rpc.response.status_code\x12\x04\x0a\x02OK" },
		{ OUTCOME_BUSY, 503, 0,
		  "\x12\x05\x0a\x03"
		  "503",
		  http },
		{ OUTCOME_REJECTED, 400, 0,
		  "\x12\x05\x0a\x03"
		  "400",
		  http },
		{ OUTCOME_BUSY, 200, 15, "\x12\x0d\x0a\x0bUNAVAILABLE", rpc },
		{ OUTCOME_REJECTED, 200, 17, "\x12\x11\x0a\x0fUNAUTHENTICATED", rpc },
		{ OUTCOME_REJECTED, 200, 18, "\x12\x09\x0a\x07UNKNOWN", rpc },
		{ OUTCOME_REJECTED, 200, 0, "\x12\x08\x0a\x06_OTHER", http },
		{ OUTCOME_UNREACHED, 0, 0, "\x12\x0d\x0a\x0bunreachable", NULL },
		{ OUTCOME_BROKEN, 0, 0,
		  "\x12\x13\x0a\x11"
		  "connection_broken",
		  NULL },
		{ OUTCOME_TIMEOUT, 0, 0, "\x12\x09\x0a\x07timeout", NULL },
		{ OUTCOME_IMPOSSIBLE, 0, 0, "\x12\x08\x0a\x06_OTHER", NULL },
	};

	(void)state;
	begin(fine, "otlp");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char wanted[64];
		struct bytes body;

		memset(&operations, 0, sizeof(operations));
		add(rows[i].outcome, rows[i].status, rows[i].grpc_answer, 1);
		body = metrics_encode(&metrics, 7);
		body.ptr = memmem(body.ptr, body.len, "operation.duration", 18);
		assert_non_null(body.ptr);
		body.len = 400;
		snprintf(wanted, sizeof(wanted), "%s%s", key, rows[i].error ? rows[i].error : "");
		assert_int_equal(has(body, wanted), rows[i].error != NULL);
		assert_int_equal(has(body, http), rows[i].code == http);
		assert_int_equal(has(body, rpc), rows[i].grpc_answer != 0);
		assert_true(!rows[i].code || has(body, rows[i].code));
	}
	end();
}

/* E129: a receiver that answers ever otherwise makes no more of it than there is room for. */
static void test_metrics_of_exports_have_a_bound(void **state)
{
	static const char overflow[] = "\x0a\x14otel.metric.overflow\x12\x02\x10\x01";
	struct bytes body;

	(void)state;
	begin(fine, "otlp");
	for (long status = 400; status < 416; status++)
		add(OUTCOME_REJECTED, status, 0, 1);
	body = metrics_encode(&metrics, 7);
	assert_true(has(body, "415"));
	assert_false(has(body, overflow));
	for (long status = 416; status < 600; status++)
		add(OUTCOME_REJECTED, status, 0, 1);
	add(OUTCOME_REJECTED, 415, 0, 1);
	body = metrics_encode(&metrics, 7);
	assert_true(has(body, overflow));
	assert_false(has(body, "416"));
	assert_int_equal(operations.of[15].count, 2);
	assert_int_equal(operations.of[16].count, 184);
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics_go_out_behind_spans),
		cmocka_unit_test(test_metrics_are_sent_to_a_place_of_their_own),
		cmocka_unit_test(test_metrics_are_not_sent_unless_asked_for),
		cmocka_unit_test(test_metrics_hold_up_nobody),
		cmocka_unit_test(test_metrics_tell_what_they_are),
		cmocka_unit_test(test_metrics_of_the_tree),
		cmocka_unit_test(test_metrics_tell_how_long_exports_took),
		cmocka_unit_test(test_metrics_tell_why_exports_failed),
		cmocka_unit_test(test_metrics_of_exports_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
