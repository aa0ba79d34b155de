/* SPDX-License-Identifier: Apache-2.0 */
/* Span limits (E72-E85): what is left of a record, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "span_limits.h"
#include "span_told.h"
#include "test_exporter_record.h"

static struct record record;
static struct span_limits limits;
static struct config c;

static void set(const char *const *envp)
{
	config_parse(&c, (char *const *)(uintptr_t)envp);
	span_limits_init(&limits, &c);
}

#define SET(...) set((const char *const[]){ __VA_ARGS__, NULL })

/* Items as "key=value key=value". */
static const char *shown(void)
{
	static char text[2048];
	struct item_head head;
	struct bytes value, rest, v;
	size_t at = 0, len = 0;

	text[0] = '\0';
	while (record_next(&record, &at, &head, &value)) {
		if (head.type == ITEM_EVENT)
			len += (size_t)sprintf(text + len, "event%d ", head.key);
		else if (head.type == ITEM_INT)
			len += (size_t)sprintf(text + len, "%d=# ", head.key);
		else if ((head.type == ITEM_ELEMENT || head.type == ITEM_NAMED) &&
			 item_named_split(value, &rest, &v))
			len += (size_t)sprintf(text + len, "%d.%.*s=%.*s ", head.key, (int)rest.len,
					       rest.ptr, (int)v.len, v.ptr);
		else
			len += (size_t)sprintf(text + len, "%d=%.*s ", head.key, (int)value.len,
					       value.ptr);
	}
	return text;
}

/* Keys 1, 2, 3; 1 again, which replaces its value; a header of two lines; two events; a name. */
static void make(void)
{
	uint64_t ns = 1005;

	record_start(&record);
	record.dropped_events = 0;
	record_str(&record, (enum attr)1, "one");
	record_int(&record, (enum attr)2, 2);
	record_item(&record, ITEM_EVENT, 0, &ns, sizeof(ns));
	record_str(&record, (enum attr)3, "three");
	record_str(&record, (enum attr)1, "again");
	record_named(&record, ITEM_ELEMENT, (enum attr)4, "\x01h", "first");
	record_named(&record, ITEM_ELEMENT, (enum attr)4, "\x01h", "second");
	record_item(&record, ITEM_EVENT, 1, &ns, sizeof(ns));
	record_name(&record, "a name");
}

static void test_without_limits_all_stays(void **state)
{
	(void)state;
	SET("OTEL_SERVICE_NAME=x");
	make();
	span_limits_apply(&limits, &record);
	assert_string_equal(shown(), "1=one 2=# event0 3=three 1=again 4.h=first 4.h=second event1 "
				     "0=a name ");
	assert_int_equal(record.head.dropped_attrs, 0);
}

static void test_count_is_of_keys(void **state) /* E73, E75, E84, E85 */
{
	static const struct {
		const char *general, *own, *want;
		unsigned dropped;
	} rows[] = {
		{ "", "3", "1=one 2=# event0 3=three 1=again event1 0=a name ", 1 },
		{ "3", "", "1=one 2=# event0 3=three 1=again event1 0=a name ", 1 },
		{ "1", "4",
		  "1=one 2=# event0 3=three 1=again 4.h=first 4.h=second event1 0=a name ", 0 },
		{ "4", "1", "1=one event0 1=again event1 0=a name ", 3 },
		{ "", "0", "event0 event1 0=a name ", 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char general[64] = "OTEL_ATTRIBUTE_COUNT_LIMIT=";
		char own[64] = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=";

		strcat(general, rows[i].general);
		strcat(own, rows[i].own);
		SET(general, own);
		make();
		span_limits_apply(&limits, &record);
		assert_string_equal(shown(), rows[i].want);
		assert_int_equal(record.head.dropped_attrs, rows[i].dropped);
	}
}

static void test_count_adds_to_what_the_store_dropped(void **state) /* E85 */
{
	(void)state;
	SET("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=0");
	make();
	record.head.dropped_attrs = UINT16_MAX - 1;
	span_limits_apply(&limits, &record);
	assert_int_equal(record.head.dropped_attrs, UINT16_MAX);
	assert_int_equal(record.head.attrs, 0);
}

static void test_texts_are_cut_between_characters(void **state) /* E72, E74, E85 */
{
	(void)state;
	SET("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=1000", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=2");
	make();
	record_str(&record, (enum attr)5, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	record_named(&record, ITEM_NAMED, (enum attr)6, "\x04long", "abc");
	span_limits_apply(&limits, &record);
	assert_string_equal(shown(), "1=on 2=# event0 3=th 1=ag 4.h=fi 4.h=se event1 0=a name "
				     "5=\xc3\xa4\xe2\x82\xac 6.long=ab ");
	assert_int_equal(record.head.dropped_attrs, 0);
	SET("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT=0");
	make();
	span_limits_apply(&limits, &record);
	assert_string_equal(shown(), "1= 2=# event0 3= 1= 4.h= 4.h= event1 0=a name ");
}

static void test_events_are_counted(void **state) /* E76 */
{
	(void)state;
	SET("OTEL_SPAN_EVENT_COUNT_LIMIT=1");
	make();
	span_limits_apply(&limits, &record);
	assert_string_equal(shown(),
			    "1=one 2=# event0 3=three 1=again 4.h=first 4.h=second 0=a name ");
	assert_int_equal(record.dropped_events, 1);
	SET("OTEL_SPAN_EVENT_COUNT_LIMIT=0");
	make();
	span_limits_apply(&limits, &record);
	assert_int_equal(record.dropped_events, 2);
}

static void test_links_are_counted(void **state) /* E77, O44: the first ones stay */
{
	char link[31] = "123456789abcdef0ABCDEFGH";

	(void)state;
	SET("OTEL_SPAN_LINK_COUNT_LIMIT=2");
	record_start(&record);
	record.dropped_links = 0;
	for (char id = '1'; id <= '5'; id++) {
		link[23] = id;
		record_item(&record, ITEM_LINK, 0, link, 30);
	}
	span_limits_apply(&limits, &record);
	assert_int_equal(record.dropped_links, 3);
	assert_int_equal(record.items_len, 2 * (8 + 30));
	assert_int_equal(record.items[8 + 23], '1');
	assert_int_equal(record.items[8 + 30 + 8 + 23], '2');
}

/* Keys a, b, a, c: three. */
#define PAIRS          \
	"\x01\x03\x00" \
	"aone"         \
	"\x01\x03\x00" \
	"btwo"         \
	"\x01\x05\x00" \
	"aagain"       \
	"\x01\x01\x00" \
	"c3"

static void make_told(void)
{
	static const char event[] = "\xed\x03\0\0\0\0\0\0\x01\0\x04\0\0\0\0\0e" PAIRS;
	static const char link[] = "123456789abcdef0ABCDEFGH\x03\x01\x00\x00\x05\x00" PAIRS;

	record_start(&record);
	record_item(&record, ITEM_EVENT_OF, 0, event, sizeof(event) - 1);
	record_item(&record, ITEM_LINK, 0, link, sizeof(link) - 1);
	span_limits_apply(&limits, &record);
}

/* "a=one b=two (dropped)" of the item of that type. */
static const char *pairs_of(uint8_t type)
{
	static char text[200];
	struct item_event event = { .dropped = 0 };
	struct item_link link = { .dropped = 0 };
	struct item_told told = { .pairs = { NULL, 0 } };
	struct bytes value, k, t;
	struct item_head head;
	size_t at = 0, len = 0;

	while (record_next(&record, &at, &head, &value))
		if (head.type == type)
			assert_true(type == ITEM_LINK ? item_link_split(value, &link, &told) :
							item_event_split(value, &event, &told));
	while (item_pair_next(&told.pairs, &k, &t))
		len += (size_t)sprintf(text + len, "%.*s=%.*s ", (int)k.len, k.ptr, (int)t.len,
				       t.ptr);
	sprintf(text + len, "(%d)", event.dropped + link.dropped);
	return text;
}

/* E78, E79, E84, E85, and what the store itself has dropped. */
static void test_attributes_of_events_and_links(void **state)
{
	(void)state;
	SET("OTEL_SERVICE_NAME=x");
	make_told();
	assert_string_equal(pairs_of(ITEM_EVENT_OF), "a=one b=two a=again c=3 (4)");
	SET("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT=1", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=2");
	make_told();
	assert_string_equal(pairs_of(ITEM_EVENT_OF), "a=one a=again (6)");
	assert_string_equal(pairs_of(ITEM_LINK), "a=one b=two a=again (6)");
	SET("OTEL_ATTRIBUTE_COUNT_LIMIT=0", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=3");
	make_told();
	assert_string_equal(pairs_of(ITEM_EVENT_OF), "(8)");
	assert_string_equal(pairs_of(ITEM_LINK), "a=one b=two a=again c=3 (5)");
	SET("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=2");
	make_told();
	assert_string_equal(pairs_of(ITEM_LINK), "a=on b=tw a=ag c=3 (5)");
	SET("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT=0");
	make_told();
	assert_string_equal(pairs_of(ITEM_EVENT_OF), "a= b= a= c= (4)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_limits_all_stays),
		cmocka_unit_test(test_count_is_of_keys),
		cmocka_unit_test(test_count_adds_to_what_the_store_dropped),
		cmocka_unit_test(test_texts_are_cut_between_characters),
		cmocka_unit_test(test_events_are_counted),
		cmocka_unit_test(test_links_are_counted),
		cmocka_unit_test(test_attributes_of_events_and_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
