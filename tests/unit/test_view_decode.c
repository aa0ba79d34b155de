/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_view_fixture.h"

#define HEX_ID "0af7651916cd43dd8448eb211c80319c"

/* One span in both encodings, written by hand from the wire tables (O94-O110). */
static const unsigned char pb[] = {
	0x0a, 0x7a, /* resource_spans */
	0x0a, 0x15, /* resource */
	0x0a, 0x13, /* attributes */
	0x0a, 0x0c, 's',  'e',  'r',  'v',  'i',  'c',  'e',  '.',  'n',  'a',  'm',  'e', /* key */
	0x12, 0x03, 0x0a, 0x01, 'w', /* value: string "w" */
	0x12, 0x61,                  /* scope_spans */
	0x12, 0x5f,                  /* spans */
	0x0a, 0x10, 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21,
	0x1c, 0x80, 0x31, 0x9c,                                           /* trace_id */
	0x12, 0x08, 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31,       /* span_id */
	0x22, 0x08, 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7,       /* parent_span_id */
	0x2a, 0x03, 'G',  'E',  'T',                                      /* name */
	0x30, 0x02,                                                       /* kind SERVER */
	0x39, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,             /* start 1 */
	0x41, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,             /* end 2^63 + 256 */
	0x4a, 0x10,                                                       /* attributes */
	0x0a, 0x01, 'n',  0x12, 0x0b,                                     /* n: */
	0x18, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* int -2 */
	0x7a, 0x06, 0x12, 0x02, 'n',  'o',  0x18, 0x02,                   /* status ERROR "no" */
	0x85, 0x01, 0x01, 0x03, 0x00, 0x00,                               /* flags 0x301 */
};

static const char json[] =
	"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
	"{\"stringValue\":\"w\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" HEX_ID "\","
	"\"spanId\":\"B7AD6B7169203331\",\"parentSpanId\":\"00f067aa0ba902b7\",\"name\":\"GET\","
	"\"kind\":2,\"startTimeUnixNano\":1,\"endTimeUnixNano\":\"9223372036854776064\","
	"\"attributes\":[{\"key\":\"n\",\"value\":{\"intValue\":\"-2\"}}],"
	"\"status\":{\"message\":\"no\",\"code\":2},\"flags\":769,\"unknownKey\":[1],"
	"\"events\":null}]}]}]}";

static void assert_is_the_span(const struct otlp_batch *b)
{
	static const uint8_t trace_id[16] = { 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
					      0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c };
	static const uint8_t span_id[8] = { 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31 };
	static const uint8_t parent_id[8] = { 0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7 };
	const struct otlp_span *s = b->first;

	assert_int_equal(b->count, 1);
	assert_int_equal(b->rejected, 0);
	assert_memory_equal(s->trace_id, trace_id, 16);
	assert_memory_equal(s->span_id, span_id, 8);
	assert_memory_equal(s->parent_id, parent_id, 8);
	assert_true(s->has_parent);
	assert_true(bytes_equal(s->name, BYTES("GET")));
	assert_true(bytes_equal(s->resource->service, BYTES("w")));
	assert_int_equal(s->kind, OTLP_KIND_SERVER);
	assert_true(s->start_ns == 1);
	assert_true(s->end_ns == 9223372036854776064u);
	assert_int_equal(s->attrs.count, 1);
	assert_int_equal(otlp_find(&s->attrs, "n")->type, OTLP_INT);
	assert_true(otlp_find(&s->attrs, "n")->integer == -2);
	assert_int_equal(s->status, OTLP_STATUS_ERROR);
	assert_true(bytes_equal(s->status_message, BYTES("no")));
	assert_int_equal(s->flags, 0x301);
}

static void test_view_decode_reads_protobuf(void **state)
{
	struct otlp_batch b;
	const char *why = NULL;

	(void)state;
	otlp_batch_init(&b, 1 << 20);
	assert_int_equal(otlp_decode_pb(&b, (struct bytes){ (const char *)pb, sizeof(pb) }, &why),
			 OTLP_GOOD);
	assert_is_the_span(&b);
	otlp_batch_done(&b);
}

static void test_view_decode_reads_json(void **state)
{
	struct otlp_batch b;
	const char *why = NULL;

	(void)state;
	otlp_batch_init(&b, 1 << 20);
	assert_int_equal(otlp_decode_json(&b, BYTES(json), &why), OTLP_GOOD);
	assert_is_the_span(&b);
	otlp_batch_done(&b);
}

/* len bytes that end where the process may not read on. */
static char *before_guard_page(const void *from, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED && len <= page);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	return memcpy(map + page - len, from, len);
}

static void guard_page_done(char *at, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	munmap(at + len - page, 2 * page);
}

static void test_view_decode_refuses_every_cut_of_a_request(void **state)
{
	struct otlp_batch b;

	(void)state;
	for (size_t len = 1; len < sizeof(pb); len++) {
		char *at = before_guard_page(pb, len);
		const char *why = NULL;

		otlp_batch_init(&b, 1 << 20);
		if (otlp_decode_pb(&b, (struct bytes){ at, len }, &why) != OTLP_MALFORMED || !why)
			fail_msg("protobuf, %zu bytes", len);
		otlp_batch_done(&b);
		guard_page_done(at, len);
	}
	for (size_t len = 0; len < sizeof(json) - 1; len++) {
		char *at = before_guard_page(json, len);
		const char *why = NULL;

		otlp_batch_init(&b, 1 << 20);
		if (otlp_decode_json(&b, (struct bytes){ at, len }, &why) != OTLP_MALFORMED || !why)
			fail_msg("JSON, %zu bytes", len);
		otlp_batch_done(&b);
		guard_page_done(at, len);
	}
}

/* Any byte wrong: any answer, but an answer, and nothing read beyond the end. */
static void test_view_decode_survives_any_damaged_byte(void **state)
{
	struct otlp_batch b;
	const char *why;
	char *at = before_guard_page(pb, sizeof(pb));

	(void)state;
	for (size_t i = 0; i < sizeof(pb); i++)
		for (int bit = 0; bit < 8; bit++) {
			at[i] = (char)(pb[i] ^ 1 << bit);
			otlp_batch_init(&b, 1 << 20);
			if (otlp_decode_pb(&b, (struct bytes){ at, sizeof(pb) }, &why) == OTLP_GOOD)
				assert_true(b.count + b.rejected <= 1);
			otlp_batch_done(&b);
			at[i] = (char)pb[i];
		}
	guard_page_done(at, sizeof(pb));
}

static void test_view_decode_empty_request_is_good(void **state)
{
	struct otlp_batch b;
	const char *why;

	(void)state;
	otlp_batch_init(&b, 1 << 20);
	assert_int_equal(otlp_decode_pb(&b, BYTES(""), &why), OTLP_GOOD); /* O9 */
	assert_int_equal(otlp_decode_json(&b, BYTES("{}"), &why), OTLP_GOOD);
	assert_int_equal(otlp_decode_json(&b, BYTES("{\"resourceSpans\":null}"), &why), OTLP_GOOD);
	assert_int_equal(b.count, 0);
	otlp_batch_done(&b);
}

/* A request with one span, whose members are given. */
static enum otlp_verdict decode_span(struct otlp_batch *b, const char *members, const char **why)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
			 "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"" HEX_ID
			 "\",\"spanId\":\"b7ad6b7169203331\",%s}]}]}]}",
			 members);

	otlp_batch_init(b, 1 << 20);
	return otlp_decode_json(b, (struct bytes){ text, (size_t)n }, why);
}

static void test_view_decode_refuses_json_of_wrong_types(void **state)
{
	static const char *const rows[] = {
		"\"kind\":\"SPAN_KIND_SERVER\"", /* O73 */
		"\"kind\":-1",
		"\"name\":7",
		"\"startTimeUnixNano\":\"x\"",
		"\"startTimeUnixNano\":\"-1\"",
		"\"startTimeUnixNano\":\" 1\"",
		"\"endTimeUnixNano\":\"18446744073709551616\"",
		"\"endTimeUnixNano\":1.5",
		"\"flags\":4294967296",
		"\"status\":[]",
		"\"status\":{\"code\":\"STATUS_CODE_ERROR\"}",
		"\"attributes\":{}",
		"\"attributes\":[1]",
		"\"attributes\":[{\"key\":1}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":1}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":1}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":\"9223372036854775808\"}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":1.5}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"boolValue\":1}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"doubleValue\":\"x\"}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"bytesValue\":\"*\"}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"arrayValue\":[]}}]",
		"\"attributes\":[{\"key\":\"k\",\"value\":{\"kvlistValue\":{\"values\":1}}}]",
		"\"events\":1",
		"\"links\":{}",
	};
	struct otlp_batch b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = NULL;

		if (decode_span(&b, rows[i], &why) != OTLP_MALFORMED || !why || b.count)
			fail_msg("%s", rows[i]);
		otlp_batch_done(&b);
	}
}

/* O72, O74, O76, O77 */
static void test_view_decode_reads_every_json_value(void **state)
{
	const struct otlp_value *v;
	struct otlp_batch b;
	const char *why = NULL;
	const struct otlp_attrs *attrs;

	(void)state;
	assert_int_equal(
		decode_span(&b,
			    "\"attributes\":["
			    "{\"key\":\"s\",\"value\":{\"stringValue\":\"a\\u0000b\"}},"
			    "{\"key\":\"i\",\"value\":{\"intValue\":-9223372036854775808}},"
			    "{\"key\":\"d\",\"value\":{\"doubleValue\":\"-Infinity\"}},"
			    "{\"key\":\"t\",\"value\":{\"boolValue\":true}},"
			    "{\"key\":\"x\",\"value\":{\"bytesValue\":\"+/8A\"}},"
			    "{\"key\":\"u\",\"value\":{\"bytesValue\":\"-_8\"}},"
			    "{\"key\":\"e\",\"value\":{}},{\"key\":\"f\"},"
			    "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1}"
			    ",{}]}}},"
			    "{\"key\":\"m\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"q\","
			    "\"value\":{\"doubleValue\":0.5}}]}}}]",
			    &why),
		OTLP_GOOD);
	attrs = &b.first->attrs;
	assert_true(bytes_equal(otlp_find_text(attrs, "s"), BYTES("a\0b")));
	assert_true(otlp_find(attrs, "i")->integer == INT64_MIN);
	assert_true(otlp_find(attrs, "d")->number == -(double)INFINITY);
	assert_true(otlp_find(attrs, "t")->boolean);
	assert_true(bytes_equal(otlp_find(attrs, "x")->text, BYTES("\xfb\xff\x00")));
	assert_true(bytes_equal(otlp_find(attrs, "u")->text, BYTES("\xfb\xff")));
	assert_int_equal(otlp_find(attrs, "e")->type, OTLP_EMPTY);
	assert_int_equal(otlp_find(attrs, "f")->type, OTLP_EMPTY);
	v = otlp_find(attrs, "a");
	assert_int_equal(v->count, 2);
	assert_true(v->items[0].integer == 1);
	v = otlp_find(attrs, "m");
	assert_true(v->map[0].value.number == 0.5);
	otlp_batch_done(&b);
}

/* O50: such spans are left out and counted, the others of the request are kept. */
static void test_view_decode_rejects_spans_with_bad_ids(void **state)
{
	static const char *const rows[] = {
		"\"traceId\":\"\"",
		"\"traceId\":\"00000000000000000000000000000000\"",
		"\"traceId\":\"0af7651916cd43dd\"",
		"\"traceId\":\"0af7651916cd43dd8448eb211c80319g\"",
		"\"spanId\":\"0000000000000000\"",
		"\"spanId\":7",
		"\"parentSpanId\":\"12\"",
	};
	struct otlp_batch b;
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum otlp_verdict verdict = decode_span(&b, rows[i], &why);

		if (verdict != OTLP_GOOD || b.count != 0 || b.rejected != 1 || !b.reason)
			fail_msg("%s: verdict %d, %u spans", rows[i], verdict, b.count);
		otlp_batch_done(&b);
	}
	/* Eight zero bytes are what some senders write for "none". */
	assert_int_equal(decode_span(&b, "\"parentSpanId\":\"0000000000000000\"", &why), OTLP_GOOD);
	assert_int_equal(b.count, 1);
	assert_false(b.first->has_parent);
	otlp_batch_done(&b);
}

/* An AnyValue of so many arrays in arrays, in a whole request; returns owned. */
static struct bytes nested_pb(size_t levels)
{
	/* Tags from the outside in: request, resource_spans, resource, attribute, value. */
	static const unsigned char outer[] = { 0x12, 0x0a, 0x0a, 0x0a };
	size_t cap = levels * 12 + 64, at = cap;
	char *p = malloc(cap);

	for (size_t i = 0; i < 2 * levels + sizeof(outer); i++) {
		size_t len = cap - at;
		unsigned char head[11];
		size_t n = 0;

		/* array_value (5) and values (1) in turn */
		head[n++] = i < 2 * levels ? (i % 2 ? 0x2a : 0x0a) : outer[i - 2 * levels];
		for (; len >= 0x80; len >>= 7)
			head[n++] = (unsigned char)(len | 0x80);
		head[n++] = (unsigned char)len;
		at -= n;
		memcpy(p + at, head, n);
	}
	memmove(p, p + at, cap - at);
	return (struct bytes){ p, cap - at };
}

static void test_view_decode_limits_nesting(void **state)
{
	static const struct {
		size_t levels;
		enum otlp_verdict want;
	} rows[] = { { OTLP_DEPTH_MAX - 1, OTLP_GOOD },
		     { 100, OTLP_MALFORMED },
		     { 500000, OTLP_MALFORMED } };
	struct otlp_batch b;
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes body = nested_pb(rows[i].levels);

		otlp_batch_init(&b, 1 << 24);
		assert_int_equal(otlp_decode_pb(&b, body, &why), rows[i].want);
		otlp_batch_done(&b);
		free((char *)(uintptr_t)body.ptr);
	}
}

/* Two bytes on the wire that become two hundred in memory. */
static void test_view_decode_limits_memory(void **state)
{
	size_t n = 4 << 20;
	char *body = malloc(n);
	struct otlp_batch b;
	const char *why;

	(void)state;
	for (size_t i = 0; i < n; i += 2)
		memcpy(body + i, "\x0a", 2); /* empty resource_spans */
	otlp_batch_init(&b, 1 << 22);
	assert_int_equal(otlp_decode_pb(&b, (struct bytes){ body, n }, &why), OTLP_TOO_LARGE);
	assert_int_equal(b.count, 0);
	memset(body, '[', n);
	for (size_t i = 1; i + 3 < n; i += 3)
		memcpy(body + i, "[],", 3);
	assert_int_equal(otlp_decode_json(&b, (struct bytes){ body, n }, &why), OTLP_TOO_LARGE);
	otlp_batch_done(&b);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view_decode_reads_protobuf),
		cmocka_unit_test(test_view_decode_reads_json),
		cmocka_unit_test(test_view_decode_refuses_every_cut_of_a_request),
		cmocka_unit_test(test_view_decode_survives_any_damaged_byte),
		cmocka_unit_test(test_view_decode_empty_request_is_good),
		cmocka_unit_test(test_view_decode_refuses_json_of_wrong_types),
		cmocka_unit_test(test_view_decode_reads_every_json_value),
		cmocka_unit_test(test_view_decode_rejects_spans_with_bad_ids),
		cmocka_unit_test(test_view_decode_limits_nesting),
		cmocka_unit_test(test_view_decode_limits_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
