/* SPDX-License-Identifier: Apache-2.0 */
/* Spans for Zipkin, against texts worked out from its v2 model and OpenTelemetry's mapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch.h"
#include "test_exporter_record.h"
#include "zipkin_json.h"

static struct otlp_encoder encoder;
static struct batch batch;
static struct record r;
static struct resource res;
static char text[1 << 20];

static int setup(void **state)
{
	(void)state;
	otlp_encoder_init(&encoder);
	batch_init(&batch, BATCH_ZIPKIN, &encoder);
	batch.service = BYTES("shop");
	record_start(&r);
	r.dropped_events = 0;
	r.dropped_links = 0;
	return 0;
}

static const char *encoded(void)
{
	size_t n = zipkin_span(&encoder, &r, BYTES("shop"), (uint8_t *)text);

	assert_true(n < zipkin_span_bound(&r, BYTES("shop")));
	text[n] = '\0';
	return text;
}

/* 0x0102030405060708 ns = 72623859790382 us; 16 ns are told as 1 us, since 0 would be unknown. */
#define HEAD "{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"id\":\"a1a2a3a4a5a6a7a8\","
#define SCOPE "\"otel.scope.name\":\"interspan\",\"otel.scope.version\":\"0.1.0\""

static void test_zipkin_client(void **state)
{
	(void)state;
	record_name(&r, "GET");
	record_str(&r, ATTR_SERVER_ADDRESS, "stock.internal");
	record_int(&r, ATTR_SERVER_PORT, 8080);
	record_str(&r, ATTR_NETWORK_PEER_ADDRESS, "10.1.7.9");
	record_int(&r, ATTR_NETWORK_PEER_PORT, 9090);
	assert_string_equal(
		encoded(), HEAD
		"\"name\":\"GET\",\"kind\":\"CLIENT\",\"timestamp\":72623859790382,"
		"\"duration\":1,\"localEndpoint\":{\"serviceName\":\"shop\"},"
		"\"remoteEndpoint\":{\"serviceName\":\"stock.internal\","
		"\"ipv4\":\"10.1.7.9\",\"port\":9090},\"tags\":{"
		"\"server.address\":\"stock.internal\",\"server.port\":\"8080\","
		"\"network.peer.address\":\"10.1.7.9\",\"network.peer.port\":\"9090\"," SCOPE "}}");
}

static void test_zipkin_server_with_everything(void **state)
{
	uint64_t at = 1000 + 2000000;

	(void)state;
	record_name(&r, "GET");
	record_str(&r, ATTR_NETWORK_PEER_ADDRESS, "2001:db8::1");
	record_item(&r, ITEM_EVENT, EVENT_FIRST_BYTE, &at, sizeof(at));
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, "\x01x", "a\"b\\");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, "\x01x", "\x01");
	r.head.has_parent = 1;
	memcpy(r.head.parent.bytes, "\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8", 8);
	r.head.kind = SPAN_SERVER;
	r.head.status = SPAN_STATUS_ERROR;
	record_item(&r, ITEM_EVENT_OF, 0,
		    "\xd8\x07\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\"\x01\x01\0kv\x01\x01\0l\x01", 27);
	record_item(&r, ITEM_LINK, 0, "123456789abcdef0ABCDEFGH\x03\x01\x00\x00\x00\x00", 30);
	r.dropped_links = 1;
	r.head.dropped_attrs = 4;
	r.head.end_ns = 1000 + 5000000;
	assert_string_equal(
		encoded(),
		HEAD "\"parentId\":\"b1b2b3b4b5b6b7b8\",\"name\":\"GET\",\"kind\":\"SERVER\","
		     "\"timestamp\":72623859790382,\"duration\":5000,"
		     "\"localEndpoint\":{\"serviceName\":\"shop\"},"
		     "\"annotations\":[{\"timestamp\":72623859792382,"
		     "\"value\":\"response.first_byte\"},{\"timestamp\":72623859790383,"
		     "\"value\":\"\\\"\\\\\\\"\\\":{\\\"k\\\":\\\"v\\\",\\\"l\\\":"
		     "\\\"\\\\u0001\\\"}\"}],\"tags\":{"
		     "\"network.peer.address\":\"2001:db8::1\",\"http.request.header.x\":"
		     "\"[\\\"a\\\\\\\"b\\\\\\\\\\\",\\\"\\\\u0001\\\"]\"," SCOPE ","
		     "\"otel.status_code\":\"ERROR\",\"error\":\"\","
		     "\"otel.dropped_attributes_count\":\"4\","
		     "\"otel.dropped_links_count\":\"2\"}}");
}

/* No kind for what is internal; an address that is a path is none for Zipkin. */
static void test_zipkin_internal(void **state)
{
	(void)state;
	record_name(&r, "n");
	r.head.kind = SPAN_INTERNAL;
	assert_null(strstr(encoded(), "\"kind\""));
	r.head.kind = SPAN_CLIENT;
	record_str(&r, ATTR_NETWORK_PEER_ADDRESS, "/run/x");
	assert_null(strstr(encoded(), "remoteEndpoint"));
}

static void test_zipkin_list(void **state)
{
	struct bytes body;

	(void)state;
	for (uint32_t pid = 7; pid < 9; pid++) {
		r.items_len = 0;
		r.head.pid = pid;
		record_name(&r, "n");
		assert_int_equal(batch_add(&batch, &r), BATCH_ADDED);
	}
	encoded();
	body = batch_finish(&batch, &res);
	assert_int_equal(body.len, 2 * strlen(text) + 3);
	assert_int_equal(body.ptr[0], '[');
	assert_memory_equal(body.ptr + 1, text, strlen(text));
	assert_int_equal(body.ptr[1 + strlen(text)], ',');
	assert_memory_equal(body.ptr + 2 + strlen(text), text, strlen(text));
	assert_int_equal(body.ptr[body.len - 1], ']');
	batch_done(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_zipkin_client, setup),
		cmocka_unit_test_setup(test_zipkin_server_with_everything, setup),
		cmocka_unit_test_setup(test_zipkin_internal, setup),
		cmocka_unit_test_setup(test_zipkin_list, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
