/* SPDX-License-Identifier: Apache-2.0 */
/* Values of attributes: long, broken over slots, cut, and too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"
#include "span.h"
#include "stats.h"
#include "store.h"

static struct record record;
static struct item_head head;
static struct bytes value;
static size_t at;

/* The one finished span, in record; it is freed. */
static void receive(void)
{
	struct store *st = store_get();
	uint32_t index;

	assert_int_equal(store_collect(st, &index, 1), 1);
	assert_true(store_read(st, index, &record));
	slot_free(st, store_slot(st, index));
	assert_int_equal(store_collect(st, &index, 1), 0);
	at = 0;
}

static void assert_item(enum item_type type, unsigned int key, const void *bytes, size_t len)
{
	assert_true(record_next(&record, &at, &head, &value));
	assert_int_equal(head.type, type);
	assert_int_equal(head.key, key);
	assert_int_equal(value.len, len);
	assert_memory_equal(value.ptr, bytes, len);
}

static void assert_no_item(void)
{
	assert_false(record_next(&record, &at, &head, &value));
	assert_int_equal(at, record.items_len);
}

/* Every slot is free: nothing leaked.  A probe takes the lowest that there is. */
static void assert_all_free(void)
{
	struct span *s = slot_take(store_get());

	assert_ptr_equal(s, store_slot(store_get(), 0));
	slot_free(store_get(), s);
}

static int setup(void **state)
{
	(void)state;
	config_load(NULL);
	return store_open() ? 0 : -1;
}

static int teardown_each(void **state)
{
	(void)state;
	assert_all_free();
	stats_reset();
	return 0;
}

/* Each length of a value, so that heads and values break at each place of a slot. */
static void test_span_value_chains_slots_at_every_length(void **state)
{
	static char text[STORE_VALUE_MAX];
	int64_t port = 443;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i * 7 % 26);
	for (size_t len = 0; len < sizeof(text); len += len < 2100 ? 1 : 97) {
		struct span *s = span_start(SPAN_CLIENT, NULL);

		span_set_str(s, ATTR_URL_FULL, (struct bytes){ text, len });
		span_set_int(s, ATTR_SERVER_PORT, port);
		span_set_str(s, ATTR_URL_QUERY, (struct bytes){ text + 1, 700 });
		span_set_str(s, ATTR_URL_PATH, (struct bytes){ text + 3, 5 });
		span_end(s);
		receive();
		assert_int_equal(record.head.attrs, 4);
		assert_item(ITEM_STR, ATTR_URL_FULL, text, len);
		assert_item(ITEM_INT, ATTR_SERVER_PORT, &port, 8);
		assert_item(ITEM_STR, ATTR_URL_QUERY, text + 1, 700);
		assert_item(ITEM_STR, ATTR_URL_PATH, text + 3, 5);
		assert_no_item();
	}
}

static void test_span_value_limits_the_attributes(void **state) /* O44 */
{
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	for (int i = 0; i < 131; i++)
		span_set_int(s, ATTR_SERVER_PORT, i);
	span_end(s);
	receive();
	assert_int_equal(record.head.attrs, 128);
	assert_int_equal(record.head.dropped_attrs, 3);
}

static void test_span_value_limits_the_bytes(void **state) /* O44 */
{
	static char text[8192];
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 6; i++) /* 39 * 1008 + 912 bytes hold four of 8200 */
		span_set_str(s, ATTR_URL_FULL, (struct bytes){ text, sizeof(text) });
	span_set_int(s, ATTR_SERVER_PORT, 1); /* a small one still fits */
	span_end(s);
	receive();
	assert_int_equal(record.head.attrs, 5);
	assert_int_equal(record.head.dropped_attrs, 2);
}

static void test_span_value_drops_what_a_full_store_cannot_hold(void **state)
{
	static struct span *held[STORE_MAX_SLOTS / 64];
	static char text[3000];
	struct span *s = span_start(SPAN_CLIENT, NULL);
	uint32_t n = 0;

	(void)state;
	while (n < sizeof(held) / sizeof(held[0]) && (held[n] = slot_take(store_get())))
		n++;
	assert_int_equal(n, store_slots() - 1);
	assert_null(span_start(SPAN_CLIENT, NULL));
	assert_int_equal(stats_read(STAT_SPANS_NO_SLOT), 1);
	slot_free(store_get(), held[--n]);
	span_set_str(s, ATTR_URL_FULL, (struct bytes){ text, sizeof(text) }); /* needs three */
	span_set_str(s, ATTR_URL_PATH, BYTES("/a"));
	span_end(s);
	while (n)
		slot_free(store_get(), held[--n]);
	receive();
	assert_int_equal(record.head.attrs, 1);
	assert_int_equal(record.head.dropped_attrs, 1);
	assert_item(ITEM_STR, ATTR_URL_PATH, "/a", 2);
}

static void test_span_value_cuts_values_between_characters(void **state) /* O40 */
{
	static const struct {
		const char *name;
		const char *tail; /* what begins at byte 8189 */
		size_t want;
	} rows[] = {
		{ "fits", "abc", 8192 },
		{ "ascii", "abcd", 8192 },
		{ "two bytes, whole", "a\xc3\xa9x", 8192 },
		{ "two bytes, broken", "ab\xc3\xa9", 8191 },
		{ "three bytes, broken", "a\xe2\x82\xac", 8190 },
		{ "four bytes, broken", "\xf0\x9f\x98\x80", 8189 },
		{ "not UTF-8", "\x80\x80\x80\x80\x80", 8192 },
	};
	static char text[8200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span *s = span_start(SPAN_CLIENT, NULL);

		memset(text, i == 6 ? 0x80 : 'x', sizeof(text));
		strcpy(text + 8189, rows[i].tail);
		span_set_str(s, ATTR_URL_FULL, (struct bytes){ text, strlen(text) });
		span_end(s);
		receive();
		if (!record_next(&record, &at, &head, &value) || value.len != rows[i].want)
			fail_msg("%s: %zu", rows[i].name, value.len);
	}
}

#define TEST(name) cmocka_unit_test_teardown(test_span_value_##name, teardown_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(chains_slots_at_every_length),
		TEST(limits_the_attributes),
		TEST(limits_the_bytes),
		TEST(drops_what_a_full_store_cannot_hold),
		TEST(cuts_values_between_characters),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
