/* SPDX-License-Identifier: Apache-2.0 */
/* Events with attributes, and links: as they are written into a span, and read from a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "span_told.h"
#include "stats.h"
#include "store.h"

static struct record record;

static void receive(struct span *s)
{
	struct store *st = store_get();
	uint32_t index;

	span_end(s);
	assert_int_equal(store_collect(st, &index, 1), 1);
	assert_true(store_read(st, index, &record));
	slot_free(st, store_slot(st, index));
}

static unsigned find(enum item_type type, struct bytes *ret)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;
	unsigned n = 0;

	while (record_next(&record, &at, &head, &value)) {
		if (head.type != type)
			continue;
		*ret = value;
		n++;
	}
	return n;
}

static struct span_context other(void)
{
	struct span_context c = { .flags = 3, .is_remote = true, .tracestate = BYTES("a=1,b=2") };

	memset(c.trace.bytes, 0x11, sizeof(c.trace.bytes));
	memset(c.span.bytes, 0x22, sizeof(c.span.bytes));
	return c;
}

static void test_told_link(void **state)
{
	const struct span_pair pairs[] = { { BYTES("k"), BYTES("v") }, { BYTES("l"), BYTES("") } };
	struct span_context to = other();
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct bytes value, key, text;
	struct item_link link;
	struct item_told told;

	(void)state;
	span_add_link(s, &to, pairs, 2);
	span_add_link(NULL, &to, pairs, 2);
	receive(s);
	assert_int_equal(find(ITEM_LINK, &value), 1);
	assert_true(item_link_split(value, &link, &told));
	assert_memory_equal(&link.trace, &to.trace, 16);
	assert_memory_equal(&link.span, &to.span, 8);
	assert_int_equal(link.flags, 3);
	assert_int_equal(link.is_remote, 1);
	assert_int_equal(link.dropped, 0);
	assert_true(bytes_equal(told.text, BYTES("a=1,b=2")));
	assert_true(item_pair_next(&told.pairs, &key, &text));
	assert_true(bytes_equal(key, BYTES("k")) && bytes_equal(text, BYTES("v")));
	assert_true(item_pair_next(&told.pairs, &key, &text));
	assert_true(bytes_equal(key, BYTES("l")) && text.len == 0);
	assert_false(item_pair_next(&told.pairs, &key, &text));
}

/* Whatever a caller sends: whole members of 512 bytes (C43), and the rest is counted. */
static void test_told_link_is_bounded(void **state)
{
	static char list[600];
	struct span_context to = other();
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct item_link link;
	struct item_told told;
	struct bytes value;

	(void)state;
	memset(list, 'a', sizeof(list));
	list[500] = ',';
	to.tracestate = (struct bytes){ list, sizeof(list) };
	span_add_link(s, &to, NULL, 0);
	receive(s);
	assert_int_equal(find(ITEM_LINK, &value), 1);
	assert_true(item_link_split(value, &link, &told));
	assert_int_equal(told.text.len, 500);
	assert_int_equal(stats_read(STAT_LIST_LOST), 1);
}

/* 16 attributes and 8 KiB at most; the rest is counted on the event. */
static void test_told_event_is_bounded(void **state)
{
	static char text[9000], key[256];
	struct span_pair pairs[20];
	struct span *s = span_start(SPAN_INTERNAL, NULL);
	struct bytes value, k, t;
	struct item_event event;
	struct item_told told;
	unsigned n = 0;

	(void)state;
	memset(text, 't', sizeof(text));
	memset(key, 'k', sizeof(key));
	for (size_t i = 0; i < 20; i++)
		pairs[i] = (struct span_pair){ { key, 1 + i }, BYTES("x") };
	pairs[0].key.len = 0;
	pairs[1].key.len = 256; /* neither is a key */
	span_add_event_with(s, BYTES("many"), 5, pairs, 20);
	receive(s);
	assert_int_equal(find(ITEM_EVENT_OF, &value), 1);
	assert_true(item_event_split(value, &event, &told));
	assert_int_equal(event.dropped, 4);
	while (item_pair_next(&told.pairs, &k, &t))
		assert_int_equal(k.len, 3 + n++);
	assert_int_equal(n, 14);

	s = span_start(SPAN_INTERNAL, NULL);
	pairs[0] = (struct span_pair){ BYTES("long"), { text, sizeof(text) } };
	span_add_event_with(s, (struct bytes){ text, sizeof(text) }, 5, pairs, 1);
	pairs[1] = (struct span_pair){ BYTES("more"), BYTES("x") };
	span_add_event_with(s, BYTES("long"), 6, pairs, 2);
	receive(s);
	assert_int_equal(find(ITEM_EVENT_OF, &value), 2);
	assert_true(item_event_split(value, &event, &told));
	assert_int_equal(value.len, 8192);
	assert_int_equal(event.ns, 6);
	assert_int_equal(event.dropped, 1);
	assert_true(item_pair_next(&told.pairs, &k, &t));
	assert_int_equal(t.len, 8192 - 16 - 4 - 3 - 4);
}

/* A record that is full takes none, and that is counted; what it has is whole. */
static void test_told_of_a_full_record(void **state)
{
	static char text[9000];
	struct span_pair pair = { BYTES("k"), { text, sizeof(text) } };
	struct span *s = span_start(SPAN_INTERNAL, NULL);
	struct bytes value;

	(void)state;
	memset(text, 't', sizeof(text));
	for (int i = 0; i < 6; i++)
		span_add_event_with(s, BYTES("e"), 1, &pair, 1);
	receive(s);
	assert_int_equal(find(ITEM_EVENT_OF, &value), 4);
	assert_int_equal(stats_read(STAT_SPAN_PARTS_LOST), 2);
}

/* What is not recorded has neither. */
static void test_told_of_what_is_not_recorded(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct span_context to = other();

	(void)state;
	span_exclude(s);
	span_add_link(s, &to, NULL, 0);
	span_add_event_with(s, BYTES("e"), 1, NULL, 0);
	assert_int_equal(span_mark(s).used, 0);
	span_discard(s);
}

static void test_told_damaged(void **state)
{
	char link[30] = { 0 };
	struct bytes pairs, key, text;
	struct item_event event;
	struct item_link l;
	struct item_told told;

	(void)state;
	assert_false(item_event_split((struct bytes){ link, 15 }, &event, &told));
	link[8] = 15;
	assert_false(item_event_split((struct bytes){ link, 30 }, &event, &told));
	assert_false(item_link_split((struct bytes){ link, 30 }, &l, &told)); /* no span id */
	link[16] = 1;
	assert_true(item_link_split((struct bytes){ link, 30 }, &l, &told));
	assert_false(item_link_split((struct bytes){ link, 29 }, &l, &told));
	link[25] = 2;
	assert_false(item_link_split((struct bytes){ link, 30 }, &l, &told)); /* remote or not */
	pairs = BYTES("\x00\x00\x00");
	assert_false(item_pair_next(&pairs, &key, &text)); /* an empty key */
	pairs = BYTES("\x01\x01\x00k");
	assert_false(item_pair_next(&pairs, &key, &text));
	pairs = BYTES("\x01\x00");
	assert_false(item_pair_next(&pairs, &key, &text));
}

static int setup(void **state)
{
	(void)state;
	config_load(NULL);
	return store_open() ? 0 : -1;
}

static int setup_each(void **state)
{
	(void)state;
	stats_reset();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(test_told_##name, setup_each)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(link),
		TEST(link_is_bounded),
		TEST(event_is_bounded),
		TEST(of_a_full_record),
		TEST(of_what_is_not_recorded),
		TEST(damaged),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
