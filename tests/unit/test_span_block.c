/* SPDX-License-Identifier: Apache-2.0 */
/* Items that are copied from span to span are the items that were set one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common.h"
#include "config.h"
#include "copy.h"
#include "span.h"
#include "store.h"

static struct record record;
static struct item_head head;
static struct bytes value;
static size_t at;
static struct span_block block;

static int setup(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	return 0;
}

static void receive(void)
{
	struct store *st = store_get();
	uint32_t index;

	assert_int_equal(store_collect(st, &index, 1), 1);
	assert_true(store_read(st, index, &record));
	slot_free(st, store_slot(st, index));
	at = 0;
}

static void assert_text(enum item_type type, unsigned int key, const char *text)
{
	assert_true(record_next(&record, &at, &head, &value));
	assert_int_equal(head.type, type);
	assert_int_equal(head.key, key);
	assert_int_equal(value.len, strlen(text));
	assert_memory_equal(value.ptr, text, value.len);
}

static void assert_port(int64_t port)
{
	assert_true(record_next(&record, &at, &head, &value));
	assert_int_equal(head.type, ITEM_INT);
	assert_int_equal(head.key, ATTR_SERVER_PORT);
	assert_memory_equal(value.ptr, &port, sizeof(port));
}

static void assert_block(void)
{
	assert_text(ITEM_STR, ATTR_SERVER_ADDRESS, "shop");
	assert_port(8080);
	assert_text(ITEM_NAME, 0, "GET");
}

/* A span with an attribute of its own, and those that go into the block. */
static struct span *first(void)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct span_mark since;

	span_set_str(s, ATTR_URL_PATH, BYTES("/first"));
	since = span_mark(s);
	span_set_str(s, ATTR_SERVER_ADDRESS, BYTES("shop"));
	span_set_int(s, ATTR_SERVER_PORT, 8080);
	span_set_name(s, BYTES("GET"));
	assert_true(span_block_take(&block, s, since));
	return s;
}

static void test_span_block_is_what_was_set(void **state)
{
	struct span *s;

	(void)state;
	span_end(first());
	receive();
	assert_text(ITEM_STR, ATTR_URL_PATH, "/first");
	assert_block();
	s = span_start(SPAN_SERVER, NULL);
	span_set_str(s, ATTR_URL_PATH, BYTES("/second"));
	span_block_add(s, &block);
	span_set_str(s, ATTR_HTTP_ROUTE, BYTES("/r"));
	span_end(s);
	receive();
	assert_int_equal(record.head.attrs, 4);
	assert_text(ITEM_STR, ATTR_URL_PATH, "/second");
	assert_block();
	assert_text(ITEM_STR, ATTR_HTTP_ROUTE, "/r");
	assert_int_equal(at, record.items_len);
}

/* Wherever the first slot ends, and behind it. */
static void test_span_block_goes_over_the_end_of_a_slot(void **state)
{
	static const char long_path[SPAN_DATA_BYTES + 64];

	(void)state;
	span_end(first());
	receive();
	for (size_t len = SPAN_DATA_BYTES - 128; len < sizeof(long_path); len++) {
		struct span *s = span_start(SPAN_SERVER, NULL);

		span_set_str(s, ATTR_URL_PATH, (struct bytes){ long_path, len });
		span_block_add(s, &block);
		span_end(s);
		receive();
		assert_true(record_next(&record, &at, &head, &value));
		assert_int_equal(value.len, len);
		assert_block();
		assert_int_equal(record.head.dropped_attrs, 0);
	}
}

/* O44: the limit is the limit, and what it costs is counted. */
static void test_span_block_minds_the_limit(void **state)
{
	struct span *s;

	(void)state;
	span_end(first());
	receive();
	s = span_start(SPAN_SERVER, NULL);
	for (unsigned i = 0; i < STORE_ATTRS_MAX - 1; i++)
		span_set_bool(s, ATTR_HTTP_ROUTE, true);
	span_block_add(s, &block);
	span_end(s);
	receive();
	assert_int_equal(record.head.attrs, STORE_ATTRS_MAX);
	assert_int_equal(record.head.dropped_attrs, 1);
}

static void test_span_block_takes_only_what_is_whole(void **state)
{
	static const char long_text[SPAN_BLOCK_BYTES];
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct span_mark since = span_mark(s);

	(void)state;
	assert_false(span_block_take(&block, NULL, span_mark(NULL)));
	span_set_str(s, ATTR_HTTP_ROUTE, (struct bytes){ long_text, sizeof(long_text) - 8 });
	assert_true(span_block_take(&block, s, since));
	span_set_bool(s, ATTR_HTTP_ROUTE, true);
	assert_false(span_block_take(&block, s, since));
	since = span_mark(s);
	span_count_dropped(s, 1);
	assert_false(span_block_take(&block, s, since));
	span_discard(s);
}

static void test_span_joined_is_one_value(void **state)
{
	const struct bytes pieces[] = { BYTES("http://"), BYTES(""), BYTES("shop"), BYTES("/x") };
	static const char long_text[STORE_VALUE_MAX + 1];
	struct bytes too_long = { long_text, sizeof(long_text) };
	struct bytes next_slot = { long_text, SPAN_DATA_BYTES };
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	assert_true(span_set_joined(s, ATTR_URL_FULL, pieces, 4));
	assert_false(span_set_joined(s, ATTR_URL_FULL, &too_long, 1));
	assert_false(span_set_joined(s, ATTR_URL_FULL, &next_slot, 1));
	assert_true(span_set_joined(NULL, ATTR_URL_FULL, pieces, 4));
	span_end(s);
	receive();
	assert_int_equal(record.head.attrs, 1);
	assert_text(ITEM_STR, ATTR_URL_FULL, "http://shop/x");
}

/* --- what a connection keeps --- */

static struct common_key key_of(const char *method, const char *host, const char *agent)
{
	return (struct common_key){ bytes_from_str(method), bytes_from_str(host),
				    bytes_from_str(agent), 11 };
}

static void test_common_is_of_that_key_alone(void **state)
{
	struct common_key k = key_of("GET", "shop.example", "agent/1");
	struct common_key others[] = { key_of("GOT", "shop.example", "agent/1"),
				       key_of("GE", "Tshop.example", "agent/1"),
				       key_of("GET", "shop.example", NULL),
				       key_of("GET", "shop.exampla", "gent/1"),
				       key_of("GET", "shop.examplf", "agent/1") };
	struct common c = { .version = 0 };
	struct span *s = span_start(SPAN_SERVER, NULL);
	uint32_t serial;

	(void)state;
	assert_false(common_recall(&c, &k, s));
	span_set_str(s, ATTR_SERVER_ADDRESS, BYTES("shop"));
	common_keep(&c, &k, s, (struct span_mark){ 0, 0 });
	serial = c.serial;
	assert_int_not_equal(serial, 0);
	assert_true(common_recall(&c, &k, s));
	assert_int_equal(c.serial, serial);
	assert_int_equal(span_mark(s).attrs, 2);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(common_recall(&c, &others[i], s));
	k.version = 10;
	assert_false(common_recall(&c, &k, s));
	assert_int_equal(span_mark(s).attrs, 2);
	common_keep(&c, &k, s, span_mark(s));
	assert_int_not_equal(c.serial, serial);
	c.serial = UINT32_MAX;
	common_keep(&c, &k, s, span_mark(s));
	assert_int_not_equal(c.serial, 0);
	span_discard(s);
}

static void test_common_keeps_no_long_key(void **state)
{
	static const char agent[COMMON_KEY_BYTES] = { 'a' };
	struct common_key k = { BYTES("GET"), BYTES("h"), { agent, COMMON_KEY_BYTES - 4 }, 11 };
	struct common c = { .version = 0 };
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	common_keep(&c, &k, s, span_mark(s));
	assert_true(common_recall(&c, &k, s));
	k.agent.len++;
	common_keep(&c, &k, s, span_mark(s));
	assert_false(common_recall(&c, &k, s));
	span_discard(s);
}

static void test_copy_is_exact(void **state)
{
	unsigned char from[300], to[302];

	(void)state;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + 1);
	for (size_t n = 0; n <= sizeof(from); n++) {
		memset(to, 0xee, sizeof(to));
		copy_short(to + 1, from, n);
		assert_memory_equal(to + 1, from, n);
		assert_int_equal(to[0], 0xee);
		assert_int_equal(to[n + 1], 0xee);
		assert_true(copy_is_same(to + 1, from, n));
		for (size_t i = 0; i < n; i++) {
			to[1 + i] ^= 0x80;
			assert_false(copy_is_same(to + 1, from, n));
			to[1 + i] ^= 0x80;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_span_block_is_what_was_set),
		cmocka_unit_test(test_span_block_goes_over_the_end_of_a_slot),
		cmocka_unit_test(test_span_block_minds_the_limit),
		cmocka_unit_test(test_span_block_takes_only_what_is_whole),
		cmocka_unit_test(test_span_joined_is_one_value),
		cmocka_unit_test(test_common_is_of_that_key_alone),
		cmocka_unit_test(test_common_keeps_no_long_key),
		cmocka_unit_test(test_copy_is_exact),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
