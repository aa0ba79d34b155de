/* SPDX-License-Identifier: Apache-2.0 */
/* Return addresses in a record, as text.  Whoever wrote the record may be hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "compiler.h"
#include "stack.h"
#include "stacks.h"

static struct record record;
static struct stacks stacks;

/* The stack that a test puts together. */
static char item[STORE_VALUE_MAX];
static size_t item_len;

static void put(const void *from, size_t len)
{
	memcpy(item + item_len, from, len);
	item_len += len;
}

static void put_frame(uint64_t at, uint8_t module)
{
	struct stack_frame f = { at, module };

	put(&f, sizeof(f));
}

static void put_module(const char *id, const char *path)
{
	struct stack_module m = { (uint8_t)strlen(id), (uint8_t)strlen(path) };

	put(&m, sizeof(m));
	put(id, m.id_len);
	put(path, m.path_len);
}

static void begin(uint8_t frames, uint8_t modules)
{
	struct stack_item head = { frames, modules };

	item_len = 0;
	put(&head, sizeof(head));
}

static void receive(size_t len)
{
	struct item_head head = { ITEM_STACK, 0, 0, (uint32_t)len };

	memset(&record.head, 0, sizeof(record.head));
	memcpy(record.items, &head, sizeof(head));
	memcpy(record.items + sizeof(head), item, len);
	record.items_len = (uint32_t)(sizeof(head) + len);
	record.types = 1u << ITEM_STACK;
	stacks_tell(&stacks, &record);
}

static struct bytes find(enum attr key)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	while (record_next(&record, &at, &head, &value))
		if (head.type == ITEM_STR && head.key == key)
			return value;
	return (struct bytes){ NULL, 0 };
}

static void assert_text(enum attr key, const char *want)
{
	struct bytes found = find(key);

	assert_int_equal(found.len, strlen(want));
	assert_memory_equal(found.ptr, want, found.len);
}

static void begin_usual(void)
{
	begin(4, 2);
	put_frame(0x1234, 0);
	put_frame(0xabcdef, 1);
	put_frame(UINT64_MAX, STACK_NO_MODULE);
	put_frame(0, 7); /* there is none of that number */
	put_module("\xde\xad", "/nowhere/libx.so");
	put_module("", "/nowhere/shop");
}

static void test_stacks_are_places_in_files(void **state)
{
	(void)state;
	begin_usual();
	receive(item_len);
	assert_int_equal(record.head.attrs, 1);
	assert_text(ATTR_CODE_STACKTRACE, "#0 /nowhere/libx.so+0x1234 (build id dead)\n"
					  "#1 /nowhere/shop+0xabcdef\n"
					  "#2 0xffffffffffffffff\n"
					  "#3 0x0");
}

/* What is cut, or goes on, tells nothing. */
static void test_stacks_that_are_no_stacks(void **state)
{
	size_t len;

	(void)state;
	begin_usual();
	len = item_len;
	for (size_t n = 0; n < len; n++) {
		receive(n);
		assert_int_equal(record.head.attrs, 0);
	}
	put("", 1);
	receive(item_len);
	assert_int_equal(record.head.attrs, 0);
	begin(STACK_FRAMES_MAX + 1, 0);
	memset(item + item_len, 0, sizeof(item) - item_len);
	receive(item_len + (STACK_FRAMES_MAX + 1) * sizeof(struct stack_frame));
	assert_int_equal(record.head.attrs, 0);
}

/* Lines that do not fit are left out as a whole; a record that is full, too. */
static void test_stacks_find_no_room(void **state)
{
	static char path[STACK_PATH_MAX + 1];
	size_t bytes = 0;

	(void)state;
	memset(path, 'p', STACK_PATH_MAX);
	begin(STACK_FRAMES_MAX, 1);
	for (uint8_t i = 0; i < STACK_FRAMES_MAX; i++)
		put_frame(i, 0);
	put_module("", path);
	receive(item_len);
	assert_in_range(find(ATTR_CODE_STACKTRACE).len, STACKS_TEXT_MAX - STACK_PATH_MAX - 16,
			STACKS_TEXT_MAX);
	for (size_t i = 0; i < find(ATTR_CODE_STACKTRACE).len; i++)
		bytes += find(ATTR_CODE_STACKTRACE).ptr[i] == 'p';
	assert_int_equal(bytes % STACK_PATH_MAX, 0);
	receive(item_len);
	record.head.attrs = STORE_ATTRS_MAX;
	record.items_len = (uint32_t)(sizeof(struct item_head) + item_len);
	stacks_tell(&stacks, &record);
	assert_int_equal(record.head.attrs, STORE_ATTRS_MAX);
	assert_int_equal(record.head.dropped_attrs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks_are_places_in_files),
		cmocka_unit_test(test_stacks_that_are_no_stacks),
		cmocka_unit_test(test_stacks_find_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
