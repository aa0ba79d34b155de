/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a head, and what where there is more than fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "head.h"
#include "signature.h"

static struct head h;
static char text[HEAD_TEXT_BYTES];
static char value[9000];

static int setup(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	head_init(&h);
	return 0;
}

static void field(const char *name, const char *s, size_t len, bool is_cut)
{
	struct http1 p = { .name = bytes_from_str(name), .value = { s, len }, .is_cut = is_cut };

	if (config_has_others())
		p.tell = HEAD_TELL_MORE;
	head_field(&h, text, &p);
}

static void propagate(const char *formats)
{
	char setting[64], *env[] = { setting, NULL };

	snprintf(setting, sizeof(setting), "OTEL_PROPAGATORS=%s", formats);
	config_parse(&config, env);
}

static void assert_kept(enum head_field which, const char *want)
{
	struct bytes got = head_get(&h, text, which);

	assert_true(head_has(&h, which));
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

static void assert_line(uint16_t *at, const char *want)
{
	struct bytes got;

	assert_true(head_line(text, at, &got));
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

/* Length of each line of baggage that was kept; returns how many. */
static size_t baggage_lines(size_t *ret_len, size_t max)
{
	uint16_t at = h.baggage_first;
	struct bytes line;
	size_t n = 0;

	while (n < max && head_line(text, &at, &line))
		ret_len[n++] = line.len;
	return n;
}

/* Members of ten bytes, a comma behind each: "k=1234567,k=1234567," */
static void fill(void)
{
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = "k=1234567,"[i % 10];
}

static void test_head_first_of_a_field_counts(void **state)
{
	(void)state;
	field("FORWARDED", "for=a", 5, false);
	field("forwarded", "for=b", 5, false);
	field("X-Forwarded-For", "1.2.3.4", 7, false);
	field("X-Forwarded-Host", "a.example", 9, false);
	field("X-Forwarded-Proto", "https", 5, false);
	field("x-forwarded-proto", "http", 4, false);
	field("Xhost", "no", 2, false);
	assert_kept(HEAD_FORWARDED, "for=a");
	assert_kept(HEAD_X_FORWARDED_FOR, "1.2.3.4");
	assert_kept(HEAD_X_FORWARDED_HOST, "a.example");
	assert_kept(HEAD_X_FORWARDED_PROTO, "https");
	assert_false(head_has(&h, HEAD_HOST));
	assert_false(head_has(&h, HEAD_USER_AGENT));
}

/* 1,024 bytes of a field, and none of a character that would be cut. */
static void test_head_long_field_is_cut_between_characters(void **state)
{
	(void)state;
	memset(value, 'a', sizeof(value));
	memcpy(value + 1023, "\xc3\xbc", 2);
	field("user-agent", value, 2000, false);
	assert_int_equal(head_get(&h, text, HEAD_USER_AGENT).len, 1023);
}

/* C66: 8,192 octets are carried whole. */
static void test_head_list_of_8192_is_whole(void **state)
{
	size_t len[4];

	(void)state;
	fill();
	field("baggage", value, 8192, false);
	assert_int_equal(baggage_lines(len, 4), 1);
	assert_int_equal(len[0], 8192);
	assert_false(h.is_full);
}

/* C66, C44: over the limit whole members go, from the right. */
static void test_head_longer_list_loses_whole_members(void **state)
{
	size_t len[4];

	(void)state;
	fill();
	field("baggage", value, 8193, false);
	assert_int_equal(baggage_lines(len, 4), 1);
	assert_int_equal(len[0], 8190); /* 819 members of ten */
	assert_true(h.is_full);
}

/* The parser itself had no room for the line's end: its last member may be half of one. */
static void test_head_list_cut_by_the_parser_loses_its_last_member(void **state)
{
	size_t len[4];

	(void)state;
	field("baggage", "a=1,b=22", 8, true);
	field("baggage", "secret=123", 10, true);
	assert_int_equal(baggage_lines(len, 4), 1);
	assert_int_equal(len[0], 4); /* "a=1," */
	assert_true(h.is_full);
}

/* Five long lines leave 8 bytes of 40,960, and no member is that short: none is kept, and told. */
static void test_head_lists_end_where_the_text_does(void **state)
{
	size_t len[8];

	(void)state;
	fill();
	for (int i = 0; i < 5; i++)
		field("baggage", value, i < 4 ? 8190 : 8160, false);
	assert_false(h.is_full);
	field("baggage", value, 100, false);
	assert_int_equal(baggage_lines(len, 8), 5);
	assert_true(h.is_full);
	assert_true(h.used <= HEAD_TEXT_BYTES);
}

/*
 * Of 40,960 bytes 8 are "no line", and each line takes 4 more than it is long: 12 bytes are left,
 * of which a field gets all that there are, and what comes then none.
 */
static void leave_12_bytes(void)
{
	fill();
	for (int i = 0; i < 5; i++)
		field("baggage", value, i < 4 ? 8190 : 8160, false);
	assert_int_equal(HEAD_TEXT_BYTES - h.used, 12);
}

static void test_head_field_is_cut_where_the_text_ends(void **state)
{
	(void)state;
	leave_12_bytes();
	field("user-agent", "0123456789abcdef", 16, false);
	field("host", "a", 1, false);
	assert_kept(HEAD_USER_AGENT, "0123456789ab");
	assert_kept(HEAD_HOST, "");
	assert_int_equal(h.used, HEAD_TEXT_BYTES);
}

/* Headers of other formats are counted where there is no room for them: they are not valid then. */
static void test_head_other_formats_end_where_the_text_does(void **state)
{
	struct format_values values;

	(void)state;
	propagate("baggage,b3");
	leave_12_bytes();
	field("B3", "1234567", 7, false); /* behind 4 bytes and one that says which it is */
	assert_int_equal(h.used, HEAD_TEXT_BYTES);
	field("X-B3-TraceId", "1", 1, false);
	assert_int_equal(h.others, 2);
	head_formats(&h, text, &values);
	assert_int_equal(values.of[FORMAT_B3].len, 7);
	assert_memory_equal(values.of[FORMAT_B3].ptr, "1234567", 7);
	assert_null(values.of[FORMAT_B3_TRACE].ptr);
}

/* C66: an item is kept whole or not at all, which is told; that it was there is known. */
static void test_head_items_are_whole(void **state)
{
	uint16_t at;

	(void)state;
	propagate("jaeger");
	memset(value, 'v', sizeof(value));
	field("uberctx-k", "1", 1, false);
	assert_false(h.is_full);
	field("uberctx-l", value, 8192, false); /* and its key: one more than a list has */
	assert_true(h.is_full);
	h.is_full = false;
	field("uberctx-m", value, 10, true);
	assert_true(h.is_full);
	assert_int_equal(h.items, 1 << PROPAGATOR_JAEGER);
	at = h.others_first;
	assert_line(&at, (char[]){ FORMAT_LINES + PROPAGATOR_JAEGER, 'k', '=', '1', '\0' });
	assert_int_equal(at, 0);
}

static void test_head_items_end_where_the_text_does(void **state)
{
	(void)state;
	propagate("baggage,ottrace");
	leave_12_bytes();
	/* 4 bytes, one that says what it is, the key, "=" and the value */
	field("ot-baggage-key", "1234", 4, false);
	assert_int_equal(HEAD_TEXT_BYTES - h.used, 12);
	assert_true(h.is_full);
	h.is_full = false;
	field("ot-baggage-key", "123", 3, false);
	assert_int_equal(h.used, HEAD_TEXT_BYTES);
	assert_false(h.is_full);
}

/* What is not read line by line either (C50). */
static void test_head_without_trace_context(void **state)
{
	(void)state;
	propagate("b3");
	field("traceparent", "x", 1, false);
	field("tracestate", "a=b", 3, false);
	field("baggage", "c=d", 3, false);
	assert_int_equal(h.fields.traceparents, 0);
	assert_false(head_has(&h, HEAD_TRACEPARENT));
	assert_int_equal(h.tracestates, 0);
	assert_int_equal(h.tracestate_first, 0);
	assert_int_equal(h.baggages, 0);
	assert_int_equal(h.baggage_first, 0);
}

static void test_head_more_lines_than_a_count_holds(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++)
		field("traceparent", "x", 1, false);
	assert_int_equal(h.fields.traceparents, 255); /* and not 44 */
	assert_kept(HEAD_TRACEPARENT, "x");
}

#define HEAD                                                                                 \
	"GET /?SignedHeaders=tracestate HTTP/1.1\r\nHost: a\r\nHost: b\r\n"                  \
	"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"           \
	"tracestate: a=b\r\ntracestate: c=d\r\nbaggage: e=f\r\nX-Forwarded-For: 1.2.3.4\r\n" \
	"Signature-Input: sig=(\"baggage\")\r\nUser-Agent: c\r\n\r\n"

static void whole(struct bytes in)
{
	struct http1_others others;
	struct http1 p;

	http1_init_request(&p);
	memset(&h, 0xee, sizeof(h)); /* of a head before */
	assert_true(http1_whole_request(&p, &in, &h.fields, &others));
	head_whole(&h, text, &others);
}

/* C1-C3, C30, C63: the same as line by line, and nothing is copied but what is in lists. */
static void test_head_whole(void **state)
{
	struct bytes in = BYTES(HEAD), host;
	uint16_t at;

	(void)state;
	whole(in);
	host = head_get(&h, text, HEAD_HOST);
	assert_true(host.ptr > in.ptr && host.ptr < in.ptr + in.len);
	assert_kept(HEAD_METHOD, "GET");
	assert_kept(HEAD_TARGET, "/?SignedHeaders=tracestate");
	assert_kept(HEAD_HOST, "a");
	assert_kept(HEAD_USER_AGENT, "c");
	assert_kept(HEAD_X_FORWARDED_FOR, "1.2.3.4");
	assert_kept(HEAD_TRACEPARENT, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	assert_false(head_has(&h, HEAD_FORWARDED));
	assert_int_equal(h.fields.traceparents, 1);
	assert_int_equal(h.tracestates, 2);
	assert_int_equal(h.baggages, 1);
	assert_int_equal(h.signed_names, SIGNED_TRACESTATE | SIGNED_BAGGAGE);
	at = h.tracestate_first;
	assert_line(&at, "a=b");
	assert_line(&at, "c=d");
	assert_int_equal(at, 0);
	at = h.baggage_first;
	assert_line(&at, "e=f");
	assert_int_equal(at, 0);
	assert_false(h.is_full || h.is_forced || h.others || h.captured_first || h.others_first);
}

static void test_head_whole_is_forgotten(void **state)
{
	(void)state;
	whole(BYTES(HEAD));
	head_forget(&h);
	for (unsigned i = 0; i < HEAD_FIELDS; i++)
		assert_null(head_get(&h, text, (enum head_field)i).ptr);
	assert_null(h.fields.base);
}

/* OTEL_PROPAGATORS without tracecontext (C50): nobody has sent a parent. */
static void test_head_whole_without_trace_context(void **state)
{
	(void)state;
	propagate("baggage");
	whole(BYTES(HEAD));
	assert_false(head_has(&h, HEAD_TRACEPARENT));
	assert_int_equal(h.fields.traceparents, 0);
	assert_int_equal(h.tracestates, 0);
	assert_int_equal(h.baggages, 1);
	assert_kept(HEAD_HOST, "a");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_head_##name, setup)
	static const struct CMUnitTest tests[] = {
		TEST(first_of_a_field_counts),
		TEST(long_field_is_cut_between_characters),
		TEST(list_of_8192_is_whole),
		TEST(longer_list_loses_whole_members),
		TEST(list_cut_by_the_parser_loses_its_last_member),
		TEST(lists_end_where_the_text_does),
		TEST(field_is_cut_where_the_text_ends),
		TEST(other_formats_end_where_the_text_does),
		TEST(items_are_whole),
		TEST(items_end_where_the_text_does),
		TEST(without_trace_context),
		TEST(more_lines_than_a_count_holds),
		TEST(whole),
		TEST(whole_is_forgotten),
		TEST(whole_without_trace_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
