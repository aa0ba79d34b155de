/* SPDX-License-Identifier: Apache-2.0 */
/* What the exporter's side makes of records that are not what they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "store_block.h"

#define SLOTS 2048 /* eight times the queue below */
#define BATCH 64

static struct store *st;
static struct record record;

static int setup(void **state)
{
	static char queue[] = "OTEL_BSP_MAX_QUEUE_SIZE=256";
	char *envp[] = { queue, NULL };

	(void)state;
	config_load(envp);
	st = store_open();
	return st ? 0 : -1;
}

/* Number of slots that can be had now, by taking and freeing them all. */
static uint32_t free_slots(void)
{
	struct span *all[SLOTS + 1];
	uint32_t n = 0;

	while (n <= SLOTS && (all[n] = slot_take(st)))
		n++;
	for (uint32_t i = 0; i < n; i++)
		slot_free(st, all[i]);
	return n;
}

/* The same numbers in each run. */
static uint64_t noise(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void assert_sound(const struct record *r)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	assert_in_range(r->head.kind, SPAN_INTERNAL, SPAN_CLIENT);
	assert_int_equal(r->head.verdict, VERDICT_SAMPLE);
	assert_true(r->head.end_ns >= r->head.start_ns);
	assert_int_equal(r->items_len, r->head.used);
	while (record_next(r, &at, &head, &value)) {
		assert_true((const unsigned char *)value.ptr >= r->items);
		assert_true((const unsigned char *)value.ptr + value.len <=
			    r->items + r->items_len);
	}
	assert_int_equal(at, r->items_len);
}

static struct span *record_long(void)
{
	struct span_context none = { .flags = 0 };
	char text[1700];
	struct span *s = span_start(SPAN_CLIENT, &none);

	memset(text, 't', sizeof(text));
	span_set_name(s, BYTES("GET"));
	span_set_str(s, ATTR_URL_FULL, (struct bytes){ text, sizeof(text) });
	span_set_int(s, ATTR_SERVER_PORT, 80);
	span_set_bool(s, ATTR_URL_QUERY, true);
	return s;
}

static void test_store_read_refuses_what_does_not_fit_together(void **state)
{
	/* where, how many bytes, what to put there */
	static const struct {
		const char *name;
		size_t at, len;
		uint64_t value;
	} rows[] = {
#define ROW(field, value)                                                                       \
	{ #field " = " #value, offsetof(struct span, field), sizeof(((struct span *)0)->field), \
	  (uint64_t)(value) }
		ROW(state, SLOT_OPEN),
		ROW(state, SLOT_MORE),
		ROW(state, 77),
		ROW(next, 0),
		ROW(next, SLOTS + 1),
		ROW(next, UINT32_MAX),
		ROW(next, 1),
		ROW(slots, 0),
		ROW(slots, 1),
		ROW(slots, 3),
		ROW(slots, 5),
		ROW(slots, 81),
		ROW(slots, 65535),
		ROW(used, 0),
		ROW(used, 100),
		ROW(used, UINT32_MAX),
		ROW(used, 50000),
		ROW(kind, 0),
		ROW(kind, 4),
		ROW(status, 1),
		ROW(status, 3),
		ROW(verdict, VERDICT_DROP),
		ROW(verdict, VERDICT_RECORD),
		ROW(verdict, 3),
		ROW(flags, 0),
		ROW(flags, 2),
		ROW(flags, 0x81),
		ROW(has_parent, 1),
		ROW(has_parent, 2),
		ROW(parent_is_remote, 1),
		ROW(attrs, 0),
		ROW(attrs, 2),
		ROW(attrs, 4),
		ROW(attrs, 65535),
		ROW(pid, 0),
		ROW(end_ns, 0),
		ROW(end_ns, UINT64_MAX), /* in the time of day it would be before its start */
		ROW(id, 0),
#undef ROW
	};
	struct span *s = record_long();
	struct span good;

	(void)state;
	assert_int_equal(s->slots, 4);
	s->end_ns = s->start_ns;
	s->state = SLOT_DONE;
	good = *s;
	assert_true(store_read(st, store_index(st, s), &record));
	assert_sound(&record);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memcpy((char *)s + rows[i].at, &rows[i].value, rows[i].len);
		if (store_read(st, store_index(st, s), &record))
			fail_msg("%s", rows[i].name);
		*s = good;
	}
	assert_false(store_read(st, SLOTS, &record));
	assert_false(store_read(st, UINT32_MAX, &record));
	assert_false(store_read(st, s->next - 1, &record)); /* a continuation is no record */
	assert_true(store_read(st, store_index(st, s), &record));
	slot_free(st, s);
	assert_int_equal(free_slots(), SLOTS);
}

/* A record that claims another's continuation gets nothing of it, and frees nothing of it. */
static void test_store_read_keeps_records_apart(void **state)
{
	struct span *thief = record_long();
	struct span *owner = record_long();
	uint32_t own = thief->next;

	(void)state;
	thief->end_ns = thief->start_ns;
	owner->end_ns = owner->start_ns;
	thief->state = owner->state = SLOT_DONE;
	thief->next = owner->next;
	assert_false(store_read(st, store_index(st, thief), &record));
	slot_free(st, thief);
	assert_true(store_read(st, store_index(st, owner), &record));
	slot_free(st, owner);
	for (uint32_t next = own; next;) { /* what the thief left behind */
		struct slot_more *m = (struct slot_more *)store_slot(st, next - 1);

		next = m->next;
		m->next = 0;
		slot_free(st, (struct span *)m);
	}
	assert_int_equal(free_slots(), SLOTS);
}

static void test_store_read_gives_no_item_that_does_not_fit(void **state)
{
	static const struct {
		const char *name;
		struct item_head head;
		uint32_t items_len;
		bool want;
	} rows[] = {
		{ "fits", { ITEM_STR, 0, ATTR_URL_PATH, 4 }, 12, true },
		{ "empty", { ITEM_STR, 0, ATTR_URL_PATH, 0 }, 8, true },
		{ "value cut", { ITEM_STR, 0, ATTR_URL_PATH, 5 }, 12, false },
		{ "longest", { ITEM_STR, 0, ATTR_URL_PATH, 8192 }, 9000, true },
		{ "too long", { ITEM_STR, 0, ATTR_URL_PATH, 8193 }, 9000, false },
		{ "far too long", { ITEM_STR, 0, ATTR_URL_PATH, UINT32_MAX }, 12, false },
		{ "head cut", { ITEM_STR, 0, ATTR_URL_PATH, 0 }, 7, false },
		{ "unknown key", { ITEM_STR, 0, ATTRS, 4 }, 12, false },
		{ "unknown type", { 8, 0, 0, 4 }, 12, false },
		{ "flags", { ITEM_STR, 1, 0, 4 }, 12, false },
		{ "int of 4 bytes", { ITEM_INT, 0, ATTR_SERVER_PORT, 4 }, 12, false },
		{ "int of 8 bytes", { ITEM_INT, 0, ATTR_SERVER_PORT, 8 }, 16, true },
		{ "bool of 2 bytes", { ITEM_BOOL, 0, ATTR_SERVER_PORT, 2 }, 10, false },
		{ "name", { ITEM_NAME, 0, 0, 4 }, 12, true },
		{ "beyond the record", { ITEM_STR, 0, 0, 4 }, STORE_ITEMS_MAX + 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct item_head head;
		struct bytes value;
		size_t at = 0;

		memcpy(record.items, &rows[i].head, sizeof(head));
		record.items_len = rows[i].items_len;
		if (record_next(&record, &at, &head, &value) != rows[i].want)
			fail_msg("%s", rows[i].name);
		assert_int_equal(at, rows[i].want ? 8 + rows[i].head.len : 0);
	}
}

/* Bytes of a record flipped at random, in all its slots; then everything is asked of it. */
static void test_store_read_survives_damaged_records(void **state)
{
	uint32_t sound = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct span *s = record_long();
		uint32_t slots[4] = { 0 };
		char out[64];

		assert_non_null(s);
		s->end_ns = s->start_ns;
		for (uint32_t i = 0, next = store_index(st, s) + 1; i < 4; i++) {
			slots[i] = next - 1;
			next = i ? ((struct slot_more *)store_slot(st, slots[i]))->next : s->next;
		}
		s->state = SLOT_DONE;
		for (uint64_t n = noise() % 4; n; n--) {
			uint64_t r = noise();
			/* Mostly in the heads, where the numbers are. */
			size_t at = r >> 8 & 1 ? r >> 16 & 127 : r >> 16 & 511;

			((unsigned char *)store_slot(st, slots[r & 3]))[at] =
				(unsigned char)(r >> 40);
		}
		if (store_read(st, slots[0], &record)) {
			assert_sound(&record);
			sound++;
		}
		span_tracestate(s, out, sizeof(out));
		span_baggage(s, out, sizeof(out));
		s->verdict = VERDICT_SAMPLE;
		for (int i = 0; i < 3; i++)
			span_set_str(s, ATTR_URL_PATH, BYTES("/a/path/that/is/written"));
		slot_free(st, s);
		for (int i = 3; i >= 0; i--) { /* what the record did not own up to */
			((struct slot_more *)store_slot(st, slots[i]))->next = 0;
			slot_free(st, store_slot(st, slots[i]));
		}
		for (uint32_t i = 0; i < 64; i++)
			if (store_slot(st, i)->state == SLOT_MORE) {
				store_slot(st, i)->next = 0;
				slot_free(st, store_slot(st, i));
			}
	}
	assert_true(sound > 0);
	assert_int_equal(free_slots(), SLOTS);
}

static struct item_head number(uint64_t of)
{
	return (struct item_head){ .type = ITEM_BLOCK, .key = (uint16_t)(of % (STORE_BLOCKS + 9)) };
}

/* Half of them name others, and a quarter would be sound. */
static void drown_blocks(void)
{
	for (uint32_t i = 0; i < STORE_BLOCKS; i++) {
		struct store_block *b = store_block(st, i);
		uint32_t len = (uint32_t)(noise() % 600);
		struct item_head head = { ITEM_STR, 0, ATTR_URL_PATH, len - sizeof(head) };

		if (i % 2)
			head = number(noise());
		else if (i % 4)
			head.len = (uint32_t)(noise() % 600);
		b->state = (uint32_t)(noise() % 3);
		b->len = len;
		memcpy(b->items, &head, sizeof(head));
	}
}

/*
 * The whole mapping is noise, the header too: nothing is right any more, nothing crashes or hangs.
 */
static int drown(void)
{
	static const struct span sound = { .pid = 1,
					   .kind = SPAN_SERVER,
					   .verdict = VERDICT_SAMPLE,
					   .flags = TRACE_FLAG_SAMPLED,
					   .slots = 1,
					   .trace = { { 1 } },
					   .id = { { 1 } } };
	uint32_t opened = 0;
	uint64_t *words = (uint64_t *)st;
	size_t n = (STORE_SLOT_AREA + (size_t)SLOTS * STORE_SLOT_BYTES) / 8;
	uint32_t index[BATCH];
	char out[64];

	alarm(60);
	for (int round = 0; round < 8; round++) {
		for (size_t i = 0; i < n; i++)
			words[i] = noise() & (round & 1 ? 0x00ff00ff00ff00ffu : UINT64_MAX);
		drown_blocks();
		for (uint32_t i = 0; i < SLOTS; i++) {
			struct span *s = store_slot(st, i);
			struct item_head block = number(noise());

			/* Some that would be sound, but for what they name. */
			if (i % 4 == 0) {
				memcpy(s, &sound, sizeof(*s));
				s->used = 8 * (uint32_t)(noise() % 4);
				s->attrs = (uint16_t)(noise() % 3);
				for (uint32_t at = 0; at < s->used; at += 8)
					memcpy(span_data(s) + at, &block, sizeof(block));
			}
			s->state = (uint32_t)(noise() % 4);
			span_set_str(s, ATTR_URL_PATH, BYTES("/a"));
			span_tracestate(s, out, sizeof(out));
			span_baggage(s, out, sizeof(out));
			if (i % 4 == 0)
				s->state = SLOT_DONE;
			if (store_read(st, i, &record)) {
				assert_sound(&record);
				opened += record.blocks > 0;
			}
			if (i % 3 == 0)
				slot_free(st, s);
			span_end(span_start(SPAN_SERVER, NULL));
		}
		for (int i = 0; i < 100; i++) {
			size_t got = store_collect(st, index, BATCH);

			for (size_t k = 0; k < got; k++)
				if (index[k] >= SLOTS)
					return __LINE__;
		}
	}
	return opened ? 0 : __LINE__;
}

static bool reads(struct span *s, const char *want)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;

	if (!store_read(st, store_index(st, s), &record))
		return false;
	assert_true(record_next(&record, &at, &head, &value));
	assert_int_equal(head.type, ITEM_STR);
	assert_true(bytes_equal(value, bytes_from_str(want)));
	return true;
}

/* What is as it was last time is not looked at again; what differs anywhere is. */
static void test_store_read_looks_at_what_differs(void **state)
{
	static const char *const values[] = { "/path/a/0123", "/path/b/0123", "/path/b/0124" };
	struct span *s[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		s[i] = span_start(SPAN_CLIENT, NULL);
		span_set_str(s[i], ATTR_URL_PATH, bytes_from_str(values[i]));
		span_set_int(s[i], ATTR_SERVER_PORT, 80);
		s[i]->end_ns = s[i]->start_ns;
		s[i]->state = SLOT_DONE;
	}
	for (int i = 0; i < 6; i++)
		assert_true(reads(s[i % 3], values[i % 3]));
	assert_true(reads(s[2], values[2]));
	s[2]->attrs++;
	assert_false(reads(s[2], values[2]));
	s[2]->attrs--;
	assert_true(reads(s[2], values[2]));
	span_data(s[2])[0] = ITEM_OWN_EVENT + 1;
	assert_false(reads(s[2], values[2]));
	assert_false(reads(s[2], values[2]));
	for (int i = 0; i < 3; i++)
		slot_free(st, s[i]);
}

static void run_apart(int (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(body() & 255);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		fail_msg("child: status %#x", (unsigned int)status);
}

/* Last: what the child does to the mapping stays. */
static void test_store_read_survives_noise(void **state)
{
	(void)state;
	run_apart(drown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_read_refuses_what_does_not_fit_together),
		cmocka_unit_test(test_store_read_keeps_records_apart),
		cmocka_unit_test(test_store_read_gives_no_item_that_does_not_fit),
		cmocka_unit_test(test_store_read_survives_damaged_records),
		cmocka_unit_test(test_store_read_looks_at_what_differs),
		cmocka_unit_test(test_store_read_survives_noise),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
