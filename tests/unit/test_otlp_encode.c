/* SPDX-License-Identifier: Apache-2.0 */
/* Expected bytes are worked out by hand from the wire tables (O94-O112). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "otlp_encode_impl.h"
#include "test_exporter_record.h"
#include "utf8.h"

static struct otlp_encoder encoder, plain;
static struct record r;
static uint8_t out[8 * STORE_ITEMS_MAX], other[8 * STORE_ITEMS_MAX];

static int setup(void **state)
{
	(void)state;
	otlp_encoder_init(&encoder);
	record_start(&r);
	memset(out, 0xee, sizeof(out));
	return 0;
}

static Otlp__Span *encode_and_read(void)
{
	size_t len = otlp_encode_span(&encoder, &r, out);

	assert_true(len <= otlp_span_bound(&r));
	assert_int_equal(protobuf_c_message_pack(&encoder.span.base, other), len);
	assert_memory_equal(other, out, len);
	return otlp__span__unpack(NULL, len, out);
}

static void test_otlp_encode_span_is_these_bytes(void **state)
{
	/* clang-format off */
	static const uint8_t want[] = {
		/* 1 trace_id */
		0x0a, 0x10, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
		0x0d, 0x0e, 0x0f, 0x10,
		/* 2 span_id */
		0x12, 0x08, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8,
		/* 3 trace_state (O51) */
		0x1a, 0x03, 'a', '=', '1',
		/* 4 parent_span_id */
		0x22, 0x08, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8,
		/* 5 name */
		0x2a, 0x03, 'G', 'E', 'T',
		/* 6 kind: CLIENT (O105) */
		0x30, 0x03,
		/* 7, 8: fixed64; 16 ns later on the monotonic clock (O45) */
		0x39, 0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
		0x41, 0x18, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01,
		/* 9 attributes: a string, then an int */
		0x4a, 0x1c, 0x0a, 0x13, 'h', 't', 't', 'p', '.', 'r', 'e', 'q', 'u', 'e', 's', 't',
		'.', 'm', 'e', 't', 'h', 'o', 'd', 0x12, 0x05, 0x0a, 0x03, 'G', 'E', 'T',
		0x4a, 0x11, 0x0a, 0x0b, 's', 'e', 'r', 'v', 'e', 'r', '.', 'p', 'o', 'r', 't', 0x12,
		0x02, 0x18, 0x50,
		/* 10 dropped_attributes_count (O44) */
		0x50, 0x02,
		/* 15 status: code 3 = ERROR, no message (O56) */
		0x7a, 0x02, 0x18, 0x02,
		/* 16 flags, fixed32: sampled, has is_remote, is_remote (O52) */
		0x85, 0x01, 0x01, 0x03, 0x00, 0x00,
	};
	/* clang-format on */
	size_t len;

	(void)state;
	for (int i = 0; i < 8; i++)
		r.head.parent.bytes[i] = (uint8_t)(0xb1 + i);
	r.head.has_parent = 1;
	r.head.parent_is_remote = 1;
	r.head.status = SPAN_STATUS_ERROR;
	r.head.dropped_attrs = 2;
	record_item(&r, ITEM_TRACESTATE, 0, "a=1", 3);
	record_str(&r, ATTR_HTTP_REQUEST_METHOD, "GET");
	record_int(&r, ATTR_SERVER_PORT, 80);
	record_name(&r, "GET");
	len = otlp_encode_span(&encoder, &r, out);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
	assert_int_equal(out[len], 0xee);
}

/* O50: no parent is no bytes; O52: and is known not to be remote; O56: no status at all. */
static void test_otlp_encode_root_has_no_parent(void **state)
{
	Otlp__Span *s;

	(void)state;
	memset(r.head.parent.bytes, 0xcc, 8);
	s = encode_and_read();
	assert_int_equal(s->parent_span_id.len, 0);
	assert_int_equal(s->flags, 0x101);
	assert_null(s->status);
	assert_string_equal(s->trace_state, "");
	otlp__span__free_unpacked(s, NULL);
}

static void test_otlp_encode_local_parent_is_not_remote(void **state)
{
	Otlp__Span *s;

	(void)state;
	r.head.has_parent = 1;
	r.head.flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM;
	s = encode_and_read();
	assert_int_equal(s->flags, 0x103);
	assert_int_equal(s->parent_span_id.len, 8);
	otlp__span__free_unpacked(s, NULL);
}

/* O40 */
static void test_otlp_encode_bad_utf8_is_bytes(void **state)
{
	Otlp__Span *s;

	(void)state;
	record_str(&r, ATTR_URL_PATH, "/caf\xe9");
	record_str(&r, ATTR_URL_QUERY, "gr\xc3\xbc\xc3\x9f");
	record_item(&r, ITEM_STR, ATTR_URL_FULL, "a\0b", 3);
	record_name(&r, "a\xff\xe2\x82z");
	s = encode_and_read();
	assert_int_equal(s->n_attributes, 3);
	assert_int_equal(s->attributes[0]->value->value_case, OTLP__ANY_VALUE__VALUE_BYTES_VALUE);
	assert_int_equal(s->attributes[0]->value->bytes_value.len, 5);
	assert_memory_equal(s->attributes[0]->value->bytes_value.data, "/caf\xe9", 5);
	assert_string_equal(s->attributes[1]->value->string_value, "gr\xc3\xbc\xc3\x9f");
	assert_int_equal(s->attributes[2]->value->bytes_value.len, 3);
	/* Each maximal bad sequence is one U+FFFD. */
	assert_string_equal(s->name, "a\xef\xbf\xbd\xef\xbf\xbdz");
	otlp__span__free_unpacked(s, NULL);
}

/* O39: the last write wins; O42: an empty value is a value. */
static void test_otlp_encode_keys_are_unique(void **state)
{
	Otlp__Span *s;

	(void)state;
	record_str(&r, ATTR_HTTP_ROUTE, "/old");
	record_str(&r, ATTR_URL_QUERY, "");
	record_int(&r, ATTR_SERVER_PORT, -1);
	record_item(&r, ITEM_BOOL, ATTR_URL_SCHEME, "\1", 1);
	record_str(&r, ATTR_HTTP_ROUTE, "/new");
	s = encode_and_read();
	assert_int_equal(s->n_attributes, 4);
	assert_string_equal(s->attributes[0]->key, "http.route");
	assert_string_equal(s->attributes[0]->value->string_value, "/new");
	assert_int_equal(s->attributes[1]->value->value_case, OTLP__ANY_VALUE__VALUE_STRING_VALUE);
	assert_string_equal(s->attributes[1]->value->string_value, "");
	assert_int_equal(s->attributes[2]->value->int_value, -1);
	assert_int_equal(s->attributes[3]->value->value_case, OTLP__ANY_VALUE__VALUE_BOOL_VALUE);
	assert_true(s->attributes[3]->value->bool_value);
	otlp__span__free_unpacked(s, NULL);
}

/* H35, H36: an array even of one, lines of one name together; O39: keys are unique. */
static void test_otlp_encode_named_attributes(void **state)
{
	Otlp__Span *s;

	(void)state;
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER,
		     "\x04"
		     "x-id",
		     "one");
	record_named(&r, ITEM_NAMED, ATTR_BAGGAGE_KEY,
		     "\x06"
		     "tenant",
		     "acme");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_RESPONSE_HEADER,
		     "\x04"
		     "x-id",
		     "other");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER,
		     "\x04"
		     "x-id",
		     "t\xffwo");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER,
		     "\x02"
		     "\xff\xff",
		     "no key");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER,
		     "\x7f"
		     "short",
		     "damaged");
	record_str(&r, ATTR_URL_PATH, "/");
	s = encode_and_read();
	assert_int_equal(s->n_attributes, 4);
	assert_string_equal(s->attributes[0]->key, "url.path");
	assert_string_equal(s->attributes[1]->key, "http.request.header.x-id");
	assert_int_equal(s->attributes[1]->value->value_case, OTLP__ANY_VALUE__VALUE_ARRAY_VALUE);
	assert_int_equal(s->attributes[1]->value->array_value->n_values, 2);
	assert_string_equal(s->attributes[1]->value->array_value->values[0]->string_value, "one");
	assert_int_equal(s->attributes[1]->value->array_value->values[1]->bytes_value.len, 4);
	assert_string_equal(s->attributes[2]->key, "tenant");
	assert_string_equal(s->attributes[2]->value->string_value, "acme");
	assert_string_equal(s->attributes[3]->key, "http.response.header.x-id");
	assert_int_equal(s->attributes[3]->value->array_value->n_values, 1);
	otlp__span__free_unpacked(s, NULL);
}

static void test_otlp_encode_many_named_attributes(void **state)
{
	char key[8];
	Otlp__Span *s;

	(void)state;
	for (unsigned i = 0; i < STORE_ATTRS_MAX; i++) {
		key[0] = 4;
		key[1] = 'k';
		key[2] = (char)('a' + i / 26);
		key[3] = (char)('a' + i % 26);
		key[4] = 'x';
		key[5] = '\0';
		record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, key, "v");
	}
	s = encode_and_read();
	assert_int_equal(s->n_attributes, 128);
	assert_string_equal(s->attributes[127]->key, "http.request.header.kexx");
	otlp__span__free_unpacked(s, NULL);
}

/* Times are those of the span's own clock; a connection may be older than its span. */
static void test_otlp_encode_events(void **state)
{
	uint64_t before = 990, within = 1010;
	Otlp__Span *s;

	(void)state;
	record_item(&r, ITEM_EVENT, EVENT_CONNECTION_OPENED, &before, sizeof(before));
	record_item(&r, ITEM_EVENT, EVENT_FIRST_BYTE, &within, sizeof(within));
	s = encode_and_read();
	assert_int_equal(s->n_events, 2);
	assert_string_equal(s->events[0]->name, "connection.opened");
	assert_int_equal(s->events[0]->time_unix_nano, 0x0102030405060708u - 10);
	assert_string_equal(s->events[1]->name, "response.first_byte");
	assert_int_equal(s->events[1]->time_unix_nano, 0x0102030405060708u + 10);
	otlp__span__free_unpacked(s, NULL);
	for (int i = 0; i < 130; i++)
		record_item(&r, ITEM_EVENT, EVENT_FIRST_BYTE, &within, sizeof(within));
	s = encode_and_read();
	assert_int_equal(s->n_events, 128);
	assert_int_equal(s->dropped_events_count, 4);
	otlp__span__free_unpacked(s, NULL);
}

/* Trace 31..40, span c1..c8; then a trace state and attributes, of a byte each. */
static const char a_link[] = "\x31\x32\x33\x34\x35\x36\x37\x38\x39\x3a\x3b\x3c\x3d\x3e\x3f\x40"
			     "\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8"
			     "\x05\x01\x03\x00\x02\x00"
			     "a=1"
			     "\x01\x02\x00kvw";

/* O53, O107: flags of what is linked, 0x04 of which nobody knows; dropped attributes. */
static void test_otlp_encode_link_is_these_bytes(void **state)
{
	/* clang-format off */
	static const uint8_t want[] = {
		0x6a, 0x33,
		0x0a, 0x10, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c,
		0x3d, 0x3e, 0x3f, 0x40,
		0x12, 0x08, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8,
		0x1a, 0x03, 'a', '=', '1',
		0x22, 0x09, 0x0a, 0x01, 'k', 0x12, 0x04, 0x0a, 0x02, 'v', 'w',
		0x28, 0x02,
		0x35, 0x01, 0x03, 0x00, 0x00,
		/* 14 dropped_links_count */
		0x70, 0x07,
		/* 16 flags of the span */
		0x85, 0x01, 0x01, 0x01, 0x00, 0x00,
	};
	/* clang-format on */
	size_t len;

	(void)state;
	record_name(&r, "n");
	record_item(&r, ITEM_LINK, 0, a_link, sizeof(a_link) - 1);
	r.dropped_links = 7;
	len = otlp_encode_span(&encoder, &r, out);
	assert_true(len > sizeof(want));
	assert_memory_equal(out + len - sizeof(want), want, sizeof(want));
	r.dropped_links = 0;
	otlp__span__free_unpacked(encode_and_read(), NULL);
}

/* As many as they came, in their order, and damaged ones left out. */
static void test_otlp_encode_links(void **state)
{
	char link[sizeof(a_link)];
	Otlp__Span *s;

	(void)state;
	memcpy(link, a_link, sizeof(link));
	for (int i = 0; i < 130; i++) {
		link[16] = (char)i;
		record_item(&r, ITEM_LINK, 0, link, 30 + 3);
	}
	record_item(&r, ITEM_LINK, 0, link, 29);
	link[26] = 4; /* longer than what there is */
	record_item(&r, ITEM_LINK, 0, link, 33);
	memset(link, 0, 16);
	record_item(&r, ITEM_LINK, 0, link, 33);
	s = encode_and_read();
	assert_int_equal(s->n_links, 128);
	assert_int_equal(s->dropped_links_count, 2);
	for (int i = 0; i < 128; i++)
		assert_int_equal(s->links[i]->span_id.data[0], i);
	assert_int_equal(s->links[0]->n_attributes, 0);
	otlp__span__free_unpacked(s, NULL);
}

/* Of spans that say the same, all have their link. */
static void test_otlp_encode_links_each_time(void **state)
{
	(void)state;
	record_name(&r, "n");
	record_item(&r, ITEM_LINK, 0, a_link, sizeof(a_link) - 1);
	for (int i = 0; i < 4; i++) {
		size_t len = otlp_encode_span(&encoder, &r, out);
		Otlp__Span *s = otlp__span__unpack(NULL, len, out);

		assert_int_equal(s->n_links, 1);
		otlp__span__free_unpacked(s, NULL);
	}
}

/* O39, O40; what is left of a pair that is cut off is nothing. */
static void test_otlp_encode_event_attributes(void **state)
{
	static const char event[] =
		"\xf2\x03\0\0\0\0\0\0\x04\0\x01\0\0\0\0\0name"
		"\x01\x01\0ab\x02\x01\0cc\xff\x01\x00\0a\x01\x01\0\xff#\x01\x09\0zz";
	Otlp__Span *s;

	(void)state;
	record_item(&r, ITEM_EVENT_OF, 0, event, sizeof(event) - 1);
	record_item(&r, ITEM_EVENT_OF, 0, event, 19);
	s = encode_and_read();
	assert_int_equal(s->n_events, 1);
	assert_string_equal(s->events[0]->name, "name");
	assert_int_equal(s->events[0]->time_unix_nano, 0x0102030405060708u + 10);
	assert_int_equal(s->events[0]->n_attributes, 2);
	assert_string_equal(s->events[0]->attributes[0]->key, "a");
	assert_string_equal(s->events[0]->attributes[0]->value->string_value, "");
	assert_string_equal(s->events[0]->attributes[1]->key, "cc");
	assert_int_equal(s->events[0]->attributes[1]->value->bytes_value.len, 1);
	assert_int_equal(s->events[0]->dropped_attributes_count, 1);
	otlp__span__free_unpacked(s, NULL);
}

static void named_number(uint8_t type, const char *key, const void *value, size_t len)
{
	char packed[16];

	memcpy(packed, key, 2);
	memcpy(packed + 2, value, len);
	record_item(&r, type, ATTR_BAGGAGE_KEY, packed, 2 + len);
}

/* O94: double_value is a fixed64; its bytes are those of the machine. */
static void test_otlp_encode_numbers(void **state)
{
	static const uint8_t want[] = { 0x4a, 0x0e, 0x0a, 0x01, 'd', 0x12, 0x09, 0x21,
					0,    0,    0,    0,    0,   0,    0xf8, 0xbf };
	const double d = -1.5;
	const int64_t i = INT64_MIN;
	Otlp__Span *s;
	size_t len;

	(void)state;
	named_number(ITEM_NAMED_DOUBLE,
		     "\x01"
		     "d",
		     &d, sizeof(d));
	record_name(&r, "n");
	len = otlp_encode_span(&encoder, &r, out);
	assert_memory_equal(out + len - 6 - sizeof(want), want, sizeof(want));
	named_number(ITEM_NAMED_INT,
		     "\x01"
		     "i",
		     &i, sizeof(i));
	named_number(ITEM_NAMED_INT,
		     "\x01"
		     "x",
		     &i, 7); /* damaged */
	s = encode_and_read();
	assert_int_equal(s->n_attributes, 3);
	assert_int_equal(s->attributes[1]->value->int_value, INT64_MIN);
	assert_int_equal(s->attributes[2]->value->value_case, OTLP__ANY_VALUE__VALUE__NOT_SET);
	otlp__span__free_unpacked(s, NULL);
}

/* More attributes than there is room for, of the shortest: the bound holds. */
static void test_otlp_encode_many_event_attributes(void **state)
{
	static char event[8000] = "\xf2\x03\0\0\0\0\0\0\0\0\0\0\0\0\0";
	Otlp__Span *s;

	(void)state;
	for (size_t at = 16; at + 4 <= sizeof(event); at += 4)
		memcpy(event + at, (char[]){ 1, 0, 0, (char)('!' + at / 4 % 90) }, 4);
	for (int i = 0; i < 4; i++)
		record_item(&r, ITEM_EVENT_OF, 0, event, sizeof(event));
	for (int i = 0; i < 5; i++)
		record_item(&r, ITEM_EVENT_OF, 0, event, 16 + 4 * 90);
	s = encode_and_read();
	assert_int_equal(s->n_events, 9);
	assert_int_equal(s->events[4]->n_attributes, 90);
	assert_int_equal(s->events[5]->n_attributes, 512 - 5 * 90);
	assert_int_equal(s->events[5]->dropped_attributes_count, 6 * 90 - 512);
	assert_int_equal(s->events[8]->dropped_attributes_count, 90);
	otlp__span__free_unpacked(s, NULL);
}

/*
 * C73: baggage is the application's own, and stays in the process; so do ids that are not trusted.
 */
static void test_otlp_encode_keeps_baggage_in(void **state)
{
	static const char caller[25] = "secretsecretsecretsecret";
	size_t len;

	(void)state;
	record_name(&r, "n");
	len = otlp_encode_span(&encoder, &r, out);
	record_item(&r, ITEM_BAGGAGE, 0, "user=secret", 11);
	record_item(&r, ITEM_CALLER, 0, caller, 24);
	assert_int_equal(otlp_encode_span(&encoder, &r, out), len);
	for (size_t i = 0; i + 6 <= len; i++)
		assert_memory_not_equal(out + i, "secret", 6);
}

/* O55 */
static void test_otlp_encode_name_is_never_empty(void **state)
{
	Otlp__Span *s;

	(void)state;
	s = encode_and_read();
	assert_string_equal(s->name, "client");
	otlp__span__free_unpacked(s, NULL);
	record_name(&r, "first");
	record_name(&r, "second");
	s = encode_and_read();
	assert_string_equal(s->name, "second");
	otlp__span__free_unpacked(s, NULL);
}

/* All lengths at which the length of a length changes, of values, names and arrays. */
static void test_otlp_encode_lengths(void **state)
{
	static const int64_t numbers[] = { 0,     1,         127, 128,       16383,
					   16384, INT64_MAX, -1,  INT64_MIN, 1ll << 34 };
	static char text[20000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	for (size_t n = 0; n < sizeof(text); n = n < 300 ? n + 1 : n * 9 / 8) {
		char key[4] = "\x02kk";

		record_start(&r);
		text[n] = '\0';
		record_str(&r, ATTR_HTTP_ROUTE, text);
		record_int(&r, ATTR_SERVER_PORT, numbers[n % 10]);
		record_item(&r, ITEM_BOOL, ATTR_URL_SCHEME, n & 1 ? "\1" : "\0", 1);
		for (int i = 0; i < 3; i++)
			record_item(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, key, 3);
		if (n < 200)
			record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, key, text);
		record_item(&r, ITEM_OWN_EVENT, 0, "\0\0\0\0\0\0\0\0name", 8 + n % 5);
		record_name(&r, text);
		text[n] = 'a';
		r.head.dropped_attrs = (uint16_t)n;
		r.head.start_unix_ns = n % 3 ? n : 0;
		otlp__span__free_unpacked(encode_and_read(), NULL);
	}
}

/* The longest record there can be, all of it bad bytes, stays within the bound. */
static void test_otlp_encode_bound_holds(void **state)
{
	static char bad[STORE_VALUE_MAX];

	(void)state;
	memset(bad, 0xff, sizeof(bad));
	record_item(&r, ITEM_NAME, 0, bad, sizeof(bad));
	record_item(&r, ITEM_TRACESTATE, 0, bad, sizeof(bad));
	for (uint16_t key = 0; key < 2; key++)
		record_item(&r, ITEM_STR, key, bad, sizeof(bad));
	record_item(&r, ITEM_NAME, 0, bad, STORE_ITEMS_MAX - r.items_len - 8);
	assert_int_equal(r.items_len, STORE_ITEMS_MAX);
	otlp__span__free_unpacked(encode_and_read(), NULL);
}

/* What is known from other spans or not: the bytes are those of this one's tree. */
static void assert_is_its_own(int repeats)
{
	for (int i = 0; i < repeats; i++) {
		size_t len = otlp_encode_span(&encoder, &r, out);
		const Otlp__Span *s = otlp_fill_span(&plain, &r);

		assert_int_equal(protobuf_c_message_pack(&s->base, other), len);
		assert_memory_equal(other, out, len);
		r.head.id.bytes[0]++;
		r.head.start_unix_ns++;
		r.head.end_ns += 3;
		r.head.status ^= SPAN_STATUS_ERROR;
		r.head.has_parent ^= 1;
		r.head.dropped_attrs++;
		r.dropped_events++;
	}
}

/* Lists that differ in one byte, wherever it is, and in what is not in a list. */
static void test_otlp_encode_known_lists(void **state)
{
	char text[] =
		"SELECT abalance FROM pgbench_accounts WHERE aid = ? AND bid = ? AND filler = ?";

	(void)state;
	otlp_encoder_init(&plain);
	for (size_t n = 0; n < sizeof(text); n++) {
		record_start(&r);
		r.dropped_events = 0;
		if (n % 4 == 0)
			record_item(&r, ITEM_TRACESTATE, 0, "a=1,b=2", n % 8 ? 7 : 3);
		record_str(&r, ATTR_DB_QUERY_TEXT, text);
		record_int(&r, ATTR_SERVER_PORT, 5433);
		record_name(&r, n % 5 ? "SELECT pgbench_accounts" : "");
		assert_is_its_own(3);
		r.head.kind = SPAN_SERVER;
		assert_is_its_own(3);
		text[n] ^= 1;
	}
}

/* Of the lists that are known, how many have so many holes. */
static unsigned known_with(unsigned holes)
{
	unsigned n = 0;

	for (size_t i = 0; i < OTLP_KNOWN_LISTS; i++)
		n += encoder.known[i].kind && encoder.known[i].n_holes == holes;
	return n;
}

static void know_nothing(void)
{
	otlp_encoder_init(&plain);
	memset(encoder.known, 0, sizeof(encoder.known));
}

/* A request as a proxy makes it; its numbers and times are others each time. */
static void record_call(int64_t number, int64_t at, const char *more)
{
	record_start(&r);
	r.head.kind = SPAN_CLIENT;
	r.head.start_ns = 3;
	r.dropped_events = 0;
	record_item(&r, ITEM_EVENT, EVENT_CONNECTION_REUSED, &at, sizeof(at));
	record_str(&r, ATTR_SERVER_ADDRESS, "shop");
	record_int(&r, ATTR_SERVER_PORT, number);
	record_int(&r, ATTR_NETWORK_PEER_PORT, -number);
	record_str(&r, ATTR_URL_SCHEME, "http");
	at += 7;
	record_item(&r, ITEM_EVENT, EVENT_FIRST_BYTE, &at, sizeof(at));
	record_name(&r, "GET");
	if (more)
		record_str(&r, ATTR_URL_PATH, more);
	record_int(&r, ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
}

static void test_otlp_encode_known_lists_have_holes(void **state)
{
	(void)state;
	know_nothing();
	for (unsigned bits = 0; bits < 63; bits++) {
		record_call((int64_t)(UINT64_MAX >> bits) - 1, (int64_t)bits * 131, NULL);
		assert_is_its_own(2);
	}
	assert_int_equal(known_with(5), 10); /* of as many lengths as numbers have */
	/* In the order of the list, whatever comes between, and at its end. */
	for (int64_t n = 0; n < 6; n++) {
		record_call(n, n, "/a");
		assert_is_its_own(2);
		record_call(n, n, n % 2 ? "/b" : "/c");
		assert_is_its_own(1);
	}
	for (int64_t n = 100; n < 104; n++) {
		record_call(n, n, "/a");
		record_name(&r, n % 2 ? "PUT" : "GET");
		assert_is_its_own(3);
	}
}

/* O39: a key that comes again has its first place and its last value, of whatever type. */
static void test_otlp_encode_known_lists_with_keys_again(void **state)
{
	(void)state;
	know_nothing();
	for (int64_t n = 0; n < 4; n++) {
		record_call(n, 5, NULL);
		record_int(&r, ATTR_SERVER_PORT, 100 + n);
		assert_is_its_own(3);
		record_call(n, 5, NULL);
		record_str(&r, ATTR_SERVER_PORT, "none");
		assert_is_its_own(3);
		record_call(n, 5, NULL);
		record_int(&r, ATTR_SERVER_ADDRESS, n);
		assert_is_its_own(3);
		record_call(n, 5, NULL);
		record_named(&r, ITEM_NAMED_INT, 0, "\x08order.id", "\1\2\3\4\5\6\7\1");
		assert_is_its_own(3);
	}
	/* Of times alone: numbers are told as they are.  Of two lengths, -0 and others. */
	assert_int_equal(known_with(2), 8);
}

/* As many numbers as there are attributes of that type, and none of them where it seems to be. */
static void test_otlp_encode_known_lists_with_names(void **state)
{
	char id[] = "\1\2\3\4\5\6\7\1";

	(void)state;
	know_nothing();
	for (int64_t n = 1; n < 9; n++) {
		record_call(n, 5, NULL);
		record_int(&r, ATTR_SERVER_PORT, n + 20);
		id[0] = (char)(n + 1);
		record_named(&r, ITEM_NAMED_INT, 0, "\x08order.id", id);
		assert_is_its_own(3);
	}
}

static void test_otlp_encode_known_lists_with_much(void **state)
{
	int64_t at = 3; /* the span's beginning */

	(void)state;
	know_nothing();
	record_call(1, 5, NULL);
	for (unsigned i = 0; i < OTLP_KNOWN_HOLES; i++)
		record_item(&r, ITEM_EVENT, EVENT_FIRST_BYTE, &at, sizeof(at));
	assert_is_its_own(4);
	record_call(1, 5, NULL);
	record_item(&r, ITEM_OWN_EVENT, 0, "\0\0\0\0\0\0\0\0name", 12);
	assert_is_its_own(4);
	assert_int_equal(known_with(5) + known_with(OTLP_KNOWN_HOLES), 0);
	/* A time that is none is not told: the list is known, and of no use to that one. */
	record_call(1, 5, NULL);
	assert_is_its_own(3);
	assert_int_equal(known_with(5), 1);
	r.head.start_unix_ns = 0;
	r.head.start_ns = 5;
	assert_is_its_own(3);
}

/* O45: times of events are a span's own.  What is too long is not kept. */
static void test_otlp_encode_known_lists_have_limits(void **state)
{
	static char text[2 * OTLP_KNOWN_PACKED];
	int64_t at = 5;

	(void)state;
	otlp_encoder_init(&plain);
	r.head.start_ns = 3;
	record_name(&r, "GET");
	record_item(&r, ITEM_EVENT, 0, &at, sizeof(at));
	assert_is_its_own(4);
	for (size_t n = 0; n < sizeof(text) - 1; n += 3) {
		record_start(&r);
		memset(text, n % 2 ? 'a' : 0xff, n);
		text[n] = '\0';
		record_name(&r, text);
		assert_is_its_own(3);
	}
}

/* O98, D126-D128 */
static void test_otlp_encode_scope_is_ours(void **state)
{
	Otlp__InstrumentationScope *s;
	size_t len = otlp_encode_scope(out);

	(void)state;
	assert_true(len <= OTLP_SCOPE_BOUND);
	s = otlp__instrumentation_scope__unpack(NULL, len, out);
	assert_string_equal(s->name, "interspan");
	assert_true(s->version[0]);
	otlp__instrumentation_scope__free_unpacked(s, NULL);
}

static void test_otlp_encode_prefix_is_these_bytes(void **state)
{
	(void)state;
	assert_int_equal(otlp_encode_prefix(out, 2, 300), 3);
	assert_memory_equal(out, "\x12\xac\x02", 3);
	assert_int_equal(otlp_encode_prefix(out, 16, 0), 3);
	assert_memory_equal(out, "\x82\x01\x00", 3);
}

static void test_otlp_encode_knows_utf8(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		bool is_valid;
	} rows[] = {
		{ "ascii", "0123456789abcdef", true },
		{ "two", "\xc3\xa4", true },
		{ "three", "\xe2\x82\xac", true },
		{ "four", "12345678\xf0\x9f\x98\x80", true },
		{ "last", "\xf4\x8f\xbf\xbf", true },
		{ "beyond", "\xf4\x90\x80\x80", false },
		{ "surrogate", "\xed\xa0\x80", false },
		{ "overlong 2", "\xc0\x80", false },
		{ "overlong 3", "\xe0\x80\x80", false },
		{ "overlong 4", "\xf0\x80\x80\x80", false },
		{ "cut", "abc\xe2\x82", false },
		{ "lone", "\x80", false },
		{ "late", "12345678\xff", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (utf8_is_valid(bytes_from_str(rows[i].text)) != rows[i].is_valid)
			fail_msg("%s", rows[i].name);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_otlp_encode_##name, setup)
	const struct CMUnitTest tests[] = {
		TEST(span_is_these_bytes),
		TEST(root_has_no_parent),
		TEST(local_parent_is_not_remote),
		TEST(bad_utf8_is_bytes),
		TEST(keys_are_unique),
		TEST(named_attributes),
		TEST(many_named_attributes),
		TEST(events),
		TEST(link_is_these_bytes),
		TEST(links),
		TEST(links_each_time),
		TEST(event_attributes),
		TEST(numbers),
		TEST(many_event_attributes),
		TEST(keeps_baggage_in),
		TEST(name_is_never_empty),
		TEST(lengths),
		TEST(bound_holds),
		TEST(known_lists),
		TEST(known_lists_have_holes),
		TEST(known_lists_with_keys_again),
		TEST(known_lists_with_names),
		TEST(known_lists_with_much),
		TEST(known_lists_have_limits),
		TEST(scope_is_ours),
		TEST(prefix_is_these_bytes),
		TEST(knows_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
