/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of spans and of whole requests, against texts worked out from the mapping (O70-O80). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch.h"
#include "otlp_json.h"
#include "partial.h"
#include "test_exporter_record.h"

static struct otlp_encoder encoder;
static struct batch batch;
static struct record r;
static struct resource res;
static char text[1 << 20];

static int setup(void **state)
{
	static struct config cfg;

	(void)state;
	cfg.service_name = BYTES("shop \"7\"");
	resource_init_for(&res, &cfg, BYTES("/bin/shop"), BYTES("box"));
	otlp_encoder_init(&encoder);
	batch_init(&batch, BATCH_JSON, &encoder);
	record_start(&r);
	r.dropped_events = 0;
	r.dropped_links = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	batch_done(&batch);
	return 0;
}

static const char *encoded(void)
{
	size_t n = otlp_json_span(&encoder, &r, (uint8_t *)text);

	assert_true(n <= otlp_json_span_bound(&r));
	text[n] = '\0';
	return text;
}

/* O50, O52, O71-O75: 0x0102030405060708 = 72623859790382856. */
static void test_json_span_is_as_specified(void **state)
{
	(void)state;
	record_name(&r, "GET");
	record_str(&r, ATTR_HTTP_REQUEST_METHOD, "GET");
	record_int(&r, ATTR_SERVER_PORT, 8080);
	assert_string_equal(
		encoded(),
		"{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"a1a2a3a4a5a6a7a8\","
		"\"flags\":257,\"name\":\"GET\",\"kind\":3,"
		"\"startTimeUnixNano\":\"72623859790382856\","
		"\"endTimeUnixNano\":\"72623859790382872\",\"attributes\":["
		"{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}},"
		"{\"key\":\"server.port\",\"value\":{\"intValue\":\"8080\"}}]}");
}

/* The members that are left out elsewhere. */
static void test_json_span_with_everything(void **state)
{
	uint64_t at = 1005;

	(void)state;
	record_name(&r, "GET");
	record_item(&r, ITEM_TRACESTATE, 0, "a=b", 3);
	record_item(&r, ITEM_EVENT, EVENT_FIRST_BYTE, &at, sizeof(at));
	record_item(&r, ITEM_EVENT_OF, 0, "\xed\x03\0\0\0\0\0\0\x01\0\x02\0\0\0\0\0e\x01\x01\0kv",
		    22);
	record_item(&r, ITEM_LINK, 0,
		    "123456789abcdef0ABCDEFGH\x03\x01\x03\x00\x00\x00"
		    "a=1\x01\x01\0kv",
		    38);
	record_item(&r, ITEM_LINK, 0, "123456789abcdef0ABCDEFGI\x00\x00\x00\x00\x00\x00", 30);
	r.dropped_links = 6;
	r.head.has_parent = 1;
	r.head.parent_is_remote = 1;
	memcpy(r.head.parent.bytes, "\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8", 8);
	r.head.kind = SPAN_SERVER;
	r.head.status = SPAN_STATUS_ERROR;
	r.head.dropped_attrs = 4;
	r.dropped_events = 5;
	assert_string_equal(
		encoded(),
		"{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"a1a2a3a4a5a6a7a8\","
		"\"traceState\":\"a=b\",\"parentSpanId\":\"b1b2b3b4b5b6b7b8\",\"flags\":769,"
		"\"name\":\"GET\",\"kind\":2,\"startTimeUnixNano\":\"72623859790382856\","
		"\"endTimeUnixNano\":\"72623859790382872\",\"droppedAttributesCount\":4,"
		"\"events\":[{\"timeUnixNano\":\"72623859790382861\","
		"\"name\":\"response.first_byte\"},"
		"{\"timeUnixNano\":\"72623859790382861\",\"name\":\"e\",\"attributes\":["
		"{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}],"
		"\"droppedAttributesCount\":2}],\"droppedEventsCount\":5,"
		"\"links\":[{\"traceId\":\"31323334353637383961626364656630\","
		"\"spanId\":\"4142434445464748\",\"traceState\":\"a=1\",\"attributes\":["
		"{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}],\"flags\":771},"
		"{\"traceId\":\"31323334353637383961626364656630\","
		"\"spanId\":\"4142434445464749\",\"flags\":256}],\"droppedLinksCount\":6,"
		"\"status\":{\"code\":2}}");
}

/* O77: the rest of the kinds; what is not UTF-8 is bytes, in base64 (O40, O72). */
static void test_json_values(void **state)
{
	static const char yes = 1;

	(void)state;
	record_name(&r, "n");
	record_item(&r, ITEM_BOOL, ATTR_URL_SCHEME, &yes, 1);
	record_int(&r, ATTR_SERVER_PORT, INT64_MIN);
	record_str(&r, ATTR_URL_PATH, "/\xff\xfe");
	record_str(&r, ATTR_URL_QUERY, "a\"b\\c\n\x01\x7f\xc3\xa4");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, "\x01x", "1");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, "\x01x", "2");
	encoded();
	assert_non_null(strstr(text, "{\"key\":\"url.scheme\",\"value\":{\"boolValue\":true}}"));
	assert_non_null(strstr(text, "{\"intValue\":\"-9223372036854775808\"}"));
	assert_non_null(strstr(text, "{\"key\":\"url.path\",\"value\":{\"bytesValue\":\"L//+\"}}"));
	assert_non_null(strstr(text, "{\"stringValue\":\"a\\\"b\\\\c\\n\\u0001\\u007f\xc3\xa4\"}"));
	assert_non_null(strstr(text, "{\"key\":\"http.request.header.x\",\"value\":{\"arrayValue\":"
				     "{\"values\":[{\"stringValue\":\"1\"},"
				     "{\"stringValue\":\"2\"}]}}}"));
}

/* The longest that a record can become. */
static void test_json_bound_holds(void **state)
{
	static char value[STORE_VALUE_MAX];

	(void)state;
	memset(value, 1, sizeof(value)); /* \u0001 each */
	for (int i = 0; i < 4; i++)
		record_item(&r, ITEM_STR, (uint16_t)(ATTR_URL_FULL + i), value, sizeof(value));
	record_name(&r, "n");
	encoded();
	assert_int_equal(text[strlen(text) - 1], '}');
	assert_true(strlen(text) > 4 * 6 * sizeof(value));
}

static void add(uint32_t pid, const char *name)
{
	r.items_len = 0;
	r.head.pid = pid;
	record_name(&r, name);
	assert_int_equal(batch_add(&batch, &r), BATCH_ADDED);
}

#define SPAN_OF(name)                                                                              \
	"{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"a1a2a3a4a5a6a7a8\","       \
	"\"flags\":257,\"name\":\"" name "\",\"kind\":3,\"startTimeUnixNano\":\"72623859790382856" \
	"\",\"endTimeUnixNano\":\"72623859790382872\"}"

/* One ResourceSpans a process (O46); the end of each is told apart from what lies between. */
static void test_json_request(void **state)
{
	struct bytes body;

	(void)state;
	add(7, "one");
	add(8, "two");
	add(7, "three");
	body = batch_finish(&batch, &res);
	assert_non_null(body.ptr);
	memcpy(text, body.ptr, body.len);
	text[body.len] = '\0';
	assert_memory_equal(text,
			    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":", 52);
	assert_non_null(strstr(text, "{\"key\":\"service.name\",\"value\":{\"stringValue\":"
				     "\"shop \\\"7\\\"\"}}"));
	assert_non_null(
		strstr(text, "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"7\"}}]},"
			     "\"scopeSpans\":[{\"scope\":{\"name\":\"interspan\",\"version\":\""));
	assert_non_null(strstr(
		text,
		"\"spans\":[" SPAN_OF("one") "," SPAN_OF(
			"three") "],"
				 "\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}],"
				 "\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}"));
	assert_non_null(strstr(text, "\"intValue\":\"8\"}}]},"));
	assert_non_null(strstr(text, "\"spans\":[" SPAN_OF("two") "],"));
	assert_memory_equal(text + body.len - 4, "\"}]}", 4);
}

/* O80 */
static void test_json_answers(void **state)
{
	static const struct {
		const char *body;
		int64_t rejected;
		const char *text;
	} rows[] = {
		{ "{}", 0, "" },
		{ "", 0, "" },
		{ " { \"partialSuccess\" : { } } ", 0, "" },
		{ "{\"partialSuccess\":null}", 0, "" },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too b\"}}", 3,
		  "too b" },
		{ "{\"partialSuccess\":{\"rejectedSpans\":3}}", 3, "" },
		{ "{\"partialSuccess\":{\"errorMessage\":\"a \\\"b\\\"\\n\"}}", 0, "a \"b\" " },
		{ "{\"x\":[1,{\"partialSuccess\":{\"rejectedSpans\":9}}],\"partialSuccess\":"
		  "{\"y\":{\"z\":[]},\"rejectedSpans\":\"12\"}}",
		  12, "" },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"-3\"}}", 0, "" },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"cut", 0, "" },
		{ "{\"partialSuccess\":{\"rejectedSpans\":\"99999999999999999999\"}}", 0, "" },
		{ "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0, "" },
		{ "<html>", 0, "" },
		{ "{\"a\":\"\\", 0, "" },
	};
	int64_t rejected;
	char said[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		partial_read(bytes_from_str(rows[i].body), BYTES("application/json; charset=utf-8"),
			     &rejected, said, sizeof(said));
		if (rejected != rows[i].rejected || strcmp(said, rows[i].text) != 0)
			fail_msg("%s: %d \"%s\"", rows[i].body, (int)rejected, said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json_span_is_as_specified, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_span_with_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_bound_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_request, setup, teardown),
		cmocka_unit_test(test_json_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
