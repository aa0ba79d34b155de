/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers against a real connection: transport.c and deliver.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "alloc.h"
#include "clock.h"
#include "deliver.h"
#include "stats.h"
#include "test_exporter_server.h"

#define MS 1000000u

static struct server server;
static struct store store;
static struct config cfg;
static struct exporter x;
static struct endpoint endpoint;
static struct transport *transport;
static struct deliver deliver;
static struct response response;
static const struct tally tally = { &store, STAT_OTLP_EXPORTED, STAT_OTLP_DROPPED };
static char url[64];
static char logged[512];

void exporter_log(struct bytes message)
{
	snprintf(logged, sizeof(logged), "%.*s", (int)message.len, message.ptr);
}

static void begin(const char *const *script)
{
	stats_reset();
	logged[0] = '\0';
	memset(&store, 0, sizeof(store));
	memset(&x, 0, sizeof(x));
	if (script)
		server_start(&server, script);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
	cfg.otlp_endpoint = bytes_from_str(url);
	cfg.otlp_headers = BYTES("x-key=se%20cret");
	cfg.otlp_traces_timeout_ms = 3000;
	cfg.bsp_export_timeout_ms = 30000;
	x.store = &store;
	x.config = &cfg;
	endpoint_init(&endpoint, &cfg);
	transport = transport_new(&endpoint);
	assert_non_null(transport);
	deliver_init(&deliver, &x, transport, endpoint_timeout_ms(&cfg), tally);
}

static void end(void)
{
	size_t in_use;

	transport_free(transport);
	in_use = pool_in_use();
	/* All but what libcurl keeps for good is given back: the same each time. */
	assert_true(in_use < 4096);
	server_stop(&server);
}

static enum outcome post(struct bytes body)
{
	return transport_post(transport, &x, body, clock_monotonic_ns() + 2000u * MS, &response);
}

static uint64_t send_ten(void)
{
	uint64_t start = clock_monotonic_ns();

	atomic_fetch_add(&store.in_hand, 10);
	deliver_send(&deliver, BYTES("0123456789"), 10);
	assert_int_equal(atomic_load(&store.in_hand), 0);
	return (clock_monotonic_ns() - start) / MS;
}

static void assert_counts(uint64_t exported, uint64_t failed, uint64_t late)
{
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), exported);
	assert_int_equal(stats_read(STAT_SPANS_FAILED), failed);
	assert_int_equal(stats_read(STAT_SPANS_LATE), late);
}

/* O1-O8 */
static void test_transport_request_is_as_specified(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(script);
	assert_int_equal(post(BYTES("a\0b")), OUTCOME_ACCEPTED);
	assert_int_equal(response.status, 200);
	assert_int_equal(server.requests, 1); /* also orders what the server's thread has written */
	assert_int_equal(server.body_len, 3);
	assert_memory_equal(server.body, "a\0b", 3);
	assert_memory_equal(server.head, "POST /v1/traces HTTP/1.1\r\n", 26);
	assert_non_null(strstr(server.head, "\r\nContent-Type: application/x-protobuf\r\n"));
	assert_non_null(strstr(server.head, "\r\nContent-Length: 3\r\n"));
	assert_non_null(strstr(server.head, "\r\nUser-Agent: interspan/"));
	assert_non_null(strstr(server.head, " OTel-OTLP-Exporter-C/"));
	assert_non_null(strstr(server.head, "\r\nx-key: se cret\r\n"));
	assert_null(strcasestr(server.head, "traceparent"));
	assert_null(strcasestr(server.head, "expect"));
	assert_null(strcasestr(server.head, "accept-encoding"));
	end();
}

/*
 * O4, O5: the type of the body, and whether it is compressed.  One server for each: its thread
 * writes down the head of the next request where this one is read.
 */
static void test_transport_tells_that_it_is_gzip(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(script);
	transport_set_gzip(transport, true);
	assert_int_equal(post(BYTES("x")), OUTCOME_ACCEPTED);
	assert_int_equal(server.requests, 1);
	assert_non_null(strstr(server.head, "\r\nContent-Encoding: gzip\r\n"));
	end();
}

static void test_transport_tells_type_and_encoding(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(script);
	transport_set_gzip(transport, true);
	transport_set_gzip(transport, false);
	assert_int_equal(post(BYTES("x")), OUTCOME_ACCEPTED);
	assert_int_equal(server.requests, 1);
	assert_null(strcasestr(server.head, "content-encoding"));
	end();
	begin(script);
	transport_free(transport);
	endpoint.protocol = PROTOCOL_HTTP_JSON;
	transport = transport_new(&endpoint);
	assert_int_equal(post(BYTES("{}")), OUTCOME_ACCEPTED);
	assert_int_equal(server.requests, 1);
	assert_non_null(strstr(server.head, "\r\nContent-Type: application/json\r\n"));
	end();
}

/* O8: and no Expect: 100-continue for a long body. */
static void test_transport_keeps_one_connection(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };
	static char body[1500000]; /* libcurl expects from 1 MiB on */

	(void)state;
	begin(script);
	for (int i = 0; i < 20; i++)
		assert_int_equal(post((struct bytes){ body, sizeof(body) }), OUTCOME_ACCEPTED);
	assert_int_equal(server.connections, 1);
	assert_int_equal(server.requests, 20);
	assert_int_equal(server.body_len, sizeof(body));
	assert_null(strcasestr(server.head, "expect"));
	end();
}

/* O15: 200 with 3 rejected: counted, logged, never sent again. */
static void test_transport_partial_success_is_counted(void **state)
{
	static const char *const script[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: "
		"11\r\n\r\n"
		"\x0a\x09\x08\x03\x12\x05too b",
		OK_EMPTY,
		NULL,
	};

	(void)state;
	begin(script);
	send_ten();
	assert_counts(7, 3, 0);
	assert_int_equal(server.requests, 1);
	assert_string_equal(logged, "spans were lost: HTTP 200 too b");
	end();
}

/* O16: nothing rejected, but a message: success, and logged. */
static void test_transport_warning_is_success(void **state)
{
	static const char *const script[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: "
		"6\r\n\r\n"
		"\x0a\x04\x12\x02hm",
		NULL,
	};

	(void)state;
	begin(script);
	send_ten();
	assert_counts(10, 0, 0);
	assert_non_null(strstr(logged, "hm"));
	end();
}

/* O4, O23: a proxy's page, or nonsense: the request was accepted all the same. */
static void test_transport_unreadable_answer_is_success(void **state)
{
	static const char *const script[] = {
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: "
		"4\r\n\r\n\x0a\x02\x08\x03",
		"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: "
		"4\r\n\r\n"
		"\xff\xff\xff\xff",
		NULL,
	};

	(void)state;
	begin(script);
	send_ten();
	send_ten();
	assert_counts(20, 0, 0);
	assert_string_equal(logged, "");
	end();
}

/* O18-O20 */
static void test_transport_refusal_is_final(void **state)
{
	static const int codes[] = { 301, 400, 401, 403, 404, 408, 413, 500, 501 };
	char text[128];
	const char *script[] = { text, NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		snprintf(text, sizeof(text),
			 "HTTP/1.1 %d X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
			 codes[i]);
		begin(script);
		send_ten();
		assert_counts(0, 10, 0);
		assert_int_equal(server.requests, 1);
		assert_int_equal(stats_read(STAT_EXPORT_RETRIES), 0);
		assert_non_null(strstr(logged, "refused by the receiver"));
		end();
	}
}

/* O17, O25: not before the second that the receiver asked for. */
static void test_transport_busy_is_tried_again(void **state)
{
	static const char *const script[] = {
		"HTTP/1.1 503 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
		OK_EMPTY,
		NULL,
	};
	uint64_t took_ms;

	(void)state;
	begin(script);
	took_ms = send_ten();
	assert_in_range(took_ms, 1000, 2500);
	assert_counts(10, 0, 0);
	assert_int_equal(server.requests, 2);
	assert_int_equal(stats_read(STAT_EXPORT_RETRIES), 1);
	end();
}

/* O25: the date in a second and a half is more than a half and less than one and a half away. */
static void test_transport_busy_until_a_date(void **state)
{
	time_t when = (time_t)((clock_realtime_ns() + 1500u * MS) / 1000000000u);
	char text[128], date[64];
	const char *script[] = { text, OK_EMPTY, NULL };
	struct tm tm;

	(void)state;
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &tm));
	snprintf(text, sizeof(text),
		 "HTTP/1.1 429 X\r\nretry-after: %s\r\nContent-Length: 0\r\n\r\n", date);
	begin(script);
	send_ten();
	assert_true(clock_realtime_ns() / 1000000000u >= (uint64_t)when);
	assert_counts(10, 0, 0);
	assert_int_equal(server.requests, 2);
	end();
}

/* O17, O26: first 200 ms, then 400, a fifth more or less. */
static void test_transport_backs_off(void **state)
{
	static const char *const script[] = {
		"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 504 X\r\nContent-Length: 0\r\n\r\n",
		OK_EMPTY,
		NULL,
	};
	uint64_t took_ms;

	(void)state;
	begin(script);
	took_ms = send_ten();
	assert_in_range(took_ms, 480, 1500);
	assert_counts(10, 0, 0);
	assert_int_equal(server.requests, 3);
	end();
}

/* O22: reset in the middle of the request's body; closed without an answer. */
static void test_transport_broken_is_tried_again(void **state)
{
	static const char *const script[] = { SERVER_RESET, SERVER_CLOSE, OK_EMPTY, NULL };
	static char body[900000];

	(void)state;
	begin(script);
	deliver_send(&deliver, (struct bytes){ body, sizeof(body) }, 10);
	assert_counts(10, 0, 0);
	assert_in_range(server.requests, 3, 4);
	assert_int_equal(server.body_len, sizeof(body));
	end();
}

/* An answer that broke off was an answer: the receiver has the spans. */
static void test_transport_cut_answer_is_success(void **state)
{
	static const char *const script[] = {
		"HTTP/1.0 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: "
		"50\r\n\r\n\x0a",
		NULL,
	};

	(void)state;
	begin(script);
	send_ten();
	assert_counts(10, 0, 0);
	assert_int_equal(server.requests, 1);
	end();
}

/* O11 */
static void test_transport_answer_is_capped(void **state)
{
	static char text[RESPONSE_BYTES_MAX + 100000];
	const char *script[] = { text, NULL };
	int n = snprintf(text, 200, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
			 RESPONSE_BYTES_MAX + 1);

	(void)state;
	memset(text + n, 'x', RESPONSE_BYTES_MAX + 1);
	begin(script);
	send_ten();
	assert_counts(0, 10, 0);
	assert_int_equal(server.requests, 1);
	end();
}

/* O21, O27: within the timeout; O26: not in a hot loop. */
static void test_transport_without_listener_gives_up(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };
	uint64_t took_ms;

	(void)state;
	begin(script);
	server_stop(&server);
	cfg.otlp_traces_timeout_ms = 800;
	deliver_init(&deliver, &x, transport, endpoint_timeout_ms(&cfg), tally);
	took_ms = send_ten();
	assert_in_range(took_ms, 160, 900);
	assert_counts(0, 10, 0);
	assert_in_range(stats_read(STAT_EXPORT_RETRIES), 1, 2);
	server_start(&server, script);
	end();
}

/* Whoever waits for a flush does not wait for a receiver that is not there. */
static void test_transport_without_listener_is_quick_when_hurried(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(script);
	server_stop(&server);
	store.flush_asked = 1;
	assert_true(send_ten() < 100);
	assert_counts(0, 10, 0);
	server_start(&server, script);
	end();
}

static void *ask_to_stop(void *unused)
{
	(void)unused;
	usleep(100000);
	atomic_store(&x.deadline_ns, clock_monotonic_ns() + 100u * MS);
	atomic_store(&x.stop, 1);
	atomic_fetch_add(&store.wake, 1);
	return NULL;
}

/* O29: a deadline ends a wait for an answer, and the loss is the deadline's. */
static void test_transport_deadline_ends_a_silence(void **state)
{
	static const char *const script[] = { SERVER_SILENCE, NULL };
	pthread_t t;

	(void)state;
	begin(script);
	assert_int_equal(pthread_create(&t, NULL, ask_to_stop, NULL), 0);
	assert_in_range(send_ten(), 190, 400);
	assert_counts(0, 0, 10);
	pthread_join(t, NULL);
	end();
}

/* O27: silence is a failure after the timeout. */
static void test_transport_silence_times_out(void **state)
{
	static const char *const script[] = { SERVER_SILENCE, NULL };

	(void)state;
	begin(script);
	cfg.otlp_traces_timeout_ms = 300;
	deliver_init(&deliver, &x, transport, endpoint_timeout_ms(&cfg), tally);
	assert_in_range(send_ten(), 300, 600);
	assert_counts(0, 10, 0);
	end();
}

static void test_transport_without_endpoint_drops(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(script);
	deliver_init(&deliver, &x, NULL, endpoint_timeout_ms(&cfg), tally);
	assert_true(send_ten() < 50);
	assert_counts(0, 10, 0);
	end();
}

/* Nothing else than http, whatever the URL says. */
static void test_transport_speaks_http_only(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(script);
	transport_free(transport);
	strcpy(endpoint.url, "file:///etc/passwd");
	transport = transport_new(&endpoint);
	assert_int_equal(post(BYTES("x")), OUTCOME_IMPOSSIBLE);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transport_request_is_as_specified),
		cmocka_unit_test(test_transport_tells_that_it_is_gzip),
		cmocka_unit_test(test_transport_tells_type_and_encoding),
		cmocka_unit_test(test_transport_keeps_one_connection),
		cmocka_unit_test(test_transport_partial_success_is_counted),
		cmocka_unit_test(test_transport_warning_is_success),
		cmocka_unit_test(test_transport_unreadable_answer_is_success),
		cmocka_unit_test(test_transport_refusal_is_final),
		cmocka_unit_test(test_transport_busy_is_tried_again),
		cmocka_unit_test(test_transport_busy_until_a_date),
		cmocka_unit_test(test_transport_backs_off),
		cmocka_unit_test(test_transport_broken_is_tried_again),
		cmocka_unit_test(test_transport_cut_answer_is_success),
		cmocka_unit_test(test_transport_answer_is_capped),
		cmocka_unit_test(test_transport_without_listener_gives_up),
		cmocka_unit_test(test_transport_without_listener_is_quick_when_hurried),
		cmocka_unit_test(test_transport_deadline_ends_a_silence),
		cmocka_unit_test(test_transport_silence_times_out),
		cmocka_unit_test(test_transport_without_endpoint_drops),
		cmocka_unit_test(test_transport_speaks_http_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
