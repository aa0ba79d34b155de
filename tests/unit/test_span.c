/* SPDX-License-Identifier: Apache-2.0 */
/* What spans say.  Values and limits: test_span_value; many at once: test_span_storm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "span.h"
#include "stats.h"
#include "store.h"

static struct record record;
static struct item_head head;
static struct bytes value;
static size_t at;

static const struct span_context parent = {
	.trace = { { 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c,
		     0x80, 0x31, 0x9c } },
	.span = { { 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31 } },
	.flags = TRACE_FLAG_SAMPLED,
	.is_remote = true,
};

static struct span_context parent_with(uint8_t flags, const char *tracestate)
{
	struct span_context c = parent;

	c.flags = flags;
	c.tracestate = bytes_from_str(tracestate);
	return c;
}

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

static void test_span_follows_the_parent(void **state) /* E43, E44, C14, C19 - C21 */
{
	static const struct {
		int parent; /* flags; -1: none */
		uint8_t flags;
		enum verdict verdict;
	} rows[] = {
		{ -1, 0x03, VERDICT_SAMPLE },   { 0x00, 0x00, VERDICT_DROP },
		{ 0x01, 0x01, VERDICT_SAMPLE }, { 0x02, 0x02, VERDICT_DROP },
		{ 0x03, 0x03, VERDICT_SAMPLE }, { 0xff, 0x03, VERDICT_SAMPLE },
		{ 0xfc, 0x00, VERDICT_DROP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span_context p = parent_with((uint8_t)rows[i].parent, NULL);
		bool has_parent = rows[i].parent >= 0;
		struct span *s = span_start(SPAN_SERVER, has_parent ? &p : NULL);
		struct span_context c = span_get_context(s);

		assert_int_equal(span_verdict(s), rows[i].verdict);
		assert_int_equal(span_is_recording(s), rows[i].verdict == VERDICT_SAMPLE);
		assert_int_equal(c.flags, rows[i].flags);
		assert_false(c.is_remote);
		assert_int_equal(c.tracestate.len, 0);
		assert_false(trace_id_is_zero(&c.trace) || span_id_is_zero(&c.span));
		assert_int_equal(memcmp(&c.trace, &p.trace, 16) == 0, has_parent);
		assert_memory_not_equal(&c.span, &p.span, 8); /* also of a dropped one */
		span_end(s);
		if (rows[i].verdict != VERDICT_SAMPLE)
			continue;
		receive();
		assert_int_equal(record.head.has_parent, has_parent);
		assert_int_equal(record.head.parent_is_remote, has_parent);
		assert_int_equal(record.head.flags, rows[i].flags);
		assert_memory_equal(&record.head.id, &c.span, 8);
		if (has_parent)
			assert_memory_equal(&record.head.parent, &p.span, 8);
	}
}

static void test_span_takes_an_invalid_parent_for_none(void **state)
{
	struct span_context no_trace = parent, no_span = parent;

	(void)state;
	memset(&no_trace.trace, 0, 16);
	memset(&no_span.span, 0, 8);
	span_end(span_start(SPAN_CLIENT, &no_trace));
	receive();
	assert_false(record.head.has_parent);
	span_end(span_start(SPAN_CLIENT, &no_span));
	receive();
	assert_false(record.head.has_parent);
	assert_memory_not_equal(&record.head.trace, &parent.trace, 16);
}

static void test_span_carries_what_it_was_told(void **state)
{
	int64_t port = 8080, low = INT64_MIN;
	struct span *s = span_start(SPAN_CLIENT, &parent);

	(void)state;
	span_set_name(s, BYTES("GET"));
	span_set_str(s, ATTR_URL_PATH, BYTES("/a"));
	span_set_str(s, ATTR_URL_QUERY, BYTES("")); /* O42: empty is a value */
	span_set_int(s, ATTR_SERVER_PORT, port);
	span_set_int(s, ATTR_NETWORK_PEER_PORT, low);
	span_set_bool(s, ATTR_HTTP_ROUTE, true);
	span_set_bool(s, ATTR_HTTP_ROUTE, false);
	span_end(s);
	receive();
	assert_int_equal(record.head.kind, SPAN_CLIENT);
	assert_int_equal(record.head.status, SPAN_STATUS_UNSET);
	assert_int_equal(record.head.pid, getpid());
	assert_int_equal(record.head.tid, syscall(SYS_gettid));
	assert_int_equal(record.head.attrs, 6);
	assert_int_equal(record.head.dropped_attrs, 0);
	assert_item(ITEM_NAME, 0, "GET", 3);
	assert_item(ITEM_STR, ATTR_URL_PATH, "/a", 2);
	assert_item(ITEM_STR, ATTR_URL_QUERY, "", 0);
	assert_item(ITEM_INT, ATTR_SERVER_PORT, &port, 8);
	assert_item(ITEM_INT, ATTR_NETWORK_PEER_PORT, &low, 8);
	assert_item(ITEM_BOOL, ATTR_HTTP_ROUTE, "\1", 1);
	assert_item(ITEM_BOOL, ATTR_HTTP_ROUTE, "\0", 1);
	assert_no_item();
	assert_int_equal(stats_read(STAT_SPANS_STARTED), 1);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 1);
}

static void test_span_is_dated_by_one_anchor(void **state) /* O45 */
{
	uint64_t mono = clock_monotonic_ns();
	uint64_t real = clock_realtime_ns();
	struct span *s = span_start_at(SPAN_SERVER, NULL, mono - 5000000000u);

	(void)state;
	span_end_at(s, mono);
	receive();
	assert_int_equal(record.head.end_ns - record.head.start_ns, 5000000000u);
	/* 5 s ago by the wall clock as well, to what two readings may lie apart. */
	assert_in_range(record.head.start_unix_ns, real - 5000000000u - 50000000u,
			real - 5000000000u + 50000000u);
	span_end_at(span_start_at(SPAN_SERVER, NULL, mono), mono - 1);
	receive();
	assert_true(record.head.end_ns == record.head.start_ns);
}

static void test_span_keeps_the_first_error(void **state) /* H20, H21 */
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	assert_false(span_has_error(s));
	span_set_error(s, BYTES("500"));
	span_set_error(s, BYTES("reset"));
	assert_true(span_has_error(s));
	span_end(s);
	receive();
	assert_int_equal(record.head.status, SPAN_STATUS_ERROR);
	assert_item(ITEM_STR, ATTR_ERROR_TYPE, "500", 3);
	assert_no_item();
}

static void test_span_passes_the_trace_state_on(void **state) /* C46, C47 */
{
	char out[64];

	(void)state;
	for (uint8_t flags = 0; flags < 2; flags++) { /* unsampled spans propagate, too */
		struct span_context p =
			parent_with(flags, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
		struct span *s = span_start(SPAN_SERVER, &p);

		span_set_name(s, BYTES("GET"));
		span_keep_baggage(s, BYTES("user=7,plan=gold"));
		assert_int_equal(span_tracestate(s, out, sizeof(out)), 39);
		assert_memory_equal(out, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", 39);
		/* What does not fit is cut between members. */
		assert_int_equal(span_tracestate(s, out, 38), 17);
		assert_int_equal(span_tracestate(s, out, 18), 17);
		assert_int_equal(span_tracestate(s, out, 17), 17);
		assert_int_equal(span_tracestate(s, out, 16), 0);
		assert_int_equal(span_tracestate(s, out, 0), 0);
		assert_int_equal(span_baggage(s, out, sizeof(out)), 16);
		assert_memory_equal(out, "user=7,plan=gold", 16);
		span_end(s);
		if (flags == 0)
			continue;
		receive();
		assert_item(ITEM_TRACESTATE, 0, "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", 39);
		assert_item(ITEM_NAME, 0, "GET", 3);
		assert_item(ITEM_BAGGAGE, 0, "user=7,plan=gold", 16);
		assert_int_equal(record.head.attrs, 0);
	}
}

static bool is_called_by(const struct span *s, const struct trace_id *trace,
			 const struct span_id *id)
{
	return span_ref_is_called_by(span_ref(s), trace, id);
}

static void test_span_knows_its_caller(void **state)
{
	static const struct span_id other = { { 1 } };
	struct span_context p = parent_with(TRACE_FLAG_SAMPLED, "");
	struct span *child = span_start(SPAN_SERVER, &p), *root = span_start(SPAN_SERVER, NULL);
	struct span_ref ended = span_ref(child);

	(void)state;
	assert_true(is_called_by(child, &parent.trace, &parent.span));
	assert_false(is_called_by(child, &parent.trace, &other));
	assert_false(is_called_by(child, &root->trace, &parent.span));
	assert_false(is_called_by(root, &parent.trace, &parent.span));
	assert_false(is_called_by(NULL, &parent.trace, &parent.span));
	span_discard(child);
	assert_false(span_ref_is_called_by(ended, &parent.trace, &parent.span));
	/* One that is not trusted is no parent, and not told of: the item is not exported. */
	span_keep_caller(root, &parent.trace, &parent.span);
	assert_true(is_called_by(root, &parent.trace, &parent.span));
	assert_false(is_called_by(root, &parent.trace, &other));
	assert_false(is_called_by(root, &root->trace, &parent.span));
	span_end(root);
	receive();
	assert_int_equal(record.head.has_parent, 0);
	assert_true(record_next(&record, &at, &head, &value));
	assert_int_equal(head.type, ITEM_CALLER);
	assert_int_equal(value.len, 24);
}

static void test_span_reads_lists_over_several_slots(void **state)
{
	static char list[5000], out[5000];
	struct span_context p;
	struct span *s;

	(void)state;
	for (size_t i = 0; i < sizeof(list) - 1; i++)
		list[i] = i % 50 == 49 ? ',' : (char)('a' + i % 26);
	p = parent_with(1, list);
	s = span_start(SPAN_SERVER, &p);
	span_set_str(s, ATTR_URL_FULL, (struct bytes){ list, 3000 });
	span_keep_baggage(s, (struct bytes){ list + 1, 4000 });
	assert_int_equal(span_tracestate(s, out, sizeof(out)), 4999);
	assert_memory_equal(out, list, 4999);
	assert_int_equal(span_baggage(s, out, sizeof(out)), 4000);
	assert_memory_equal(out, list + 1, 4000);
	span_discard(s);
	assert_int_equal(stats_read(STAT_SPANS_DISCARDED), 1);
}

static void test_span_of_no_interest_is_not_recorded(void **state) /* E45 */
{
	struct span_context p = parent_with(0, NULL);
	struct span *s = span_start(SPAN_SERVER, &p);
	uint32_t index;

	(void)state;
	span_set_name(s, BYTES("GET"));
	span_set_str(s, ATTR_URL_PATH, BYTES("/secret"));
	span_set_int(s, ATTR_SERVER_PORT, 1);
	span_set_bool(s, ATTR_HTTP_ROUTE, true);
	assert_int_equal(s->used, 0);
	assert_non_null(span_get(span_ref(s))); /* and yet it is somebody's context */
	span_end(s);
	assert_int_equal(store_collect(store_get(), &index, 1), 0);
	assert_int_equal(stats_read(STAT_SPANS_UNSAMPLED), 1);
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 0);
}

static NO_INLINE void dirty_the_stack(void)
{
	volatile unsigned char dirt[1024];

	for (size_t i = 0; i < sizeof(dirt); i++)
		dirt[i] = 0xff;
}

/* A local span came over no wire, in no format, and its sampling is decided. */
static void test_span_context_is_whole(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct span_context c;

	(void)state;
	dirty_the_stack();
	assert_true(span_ref_context(span_ref(s), &c, NULL, 0));
	assert_false(c.is_remote || c.is_other || c.is_deferred || c.is_debug);
	assert_int_equal(c.local.slot, span_ref(s).slot);
	assert_int_equal(c.local.generation, span_ref(s).generation);
	span_discard(s);
}

static void test_span_null_is_ignored(void **state)
{
	struct span_ref none = { 0, 0 };
	struct span_context c = span_get_context(NULL);
	char out[8];

	(void)state;
	span_set_name(NULL, BYTES("x"));
	span_set_str(NULL, ATTR_URL_PATH, BYTES("x"));
	span_set_int(NULL, ATTR_SERVER_PORT, 1);
	span_set_bool(NULL, ATTR_HTTP_ROUTE, true);
	span_set_error(NULL, BYTES("x"));
	span_keep_baggage(NULL, BYTES("x"));
	span_keep_caller(NULL, &parent.trace, &parent.span);
	span_end(NULL);
	span_end_at(NULL, 1);
	span_discard(NULL);
	assert_true(trace_id_is_zero(&c.trace));
	assert_int_equal(span_verdict(NULL), VERDICT_DROP);
	assert_false(span_is_recording(NULL) || span_has_error(NULL));
	assert_int_equal(span_tracestate(NULL, out, 8) + span_baggage(NULL, out, 8), 0);
	assert_int_equal(span_ref(NULL).slot, 0);
	assert_null(span_get(none));
	assert_false(span_ref_context(none, &c, out, 8));
}

static void test_span_reference_dies_with_its_span(void **state)
{
	struct span_context p = parent_with(1, "a=1");
	struct span *s = span_start(SPAN_SERVER, &p);
	struct span_ref ref = span_ref(s);
	struct span_ref beyond = { store_slots() + 1, 0 };
	struct span_context c;
	char out[8];
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) /* known in a forked child */
		_exit(span_get(ref) == s && span_ref_context(ref, &c, out, 8) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ptr_equal(span_get(ref), s);
	assert_true(span_ref_context(ref, &c, out, sizeof(out)));
	assert_memory_equal(&c.trace, &parent.trace, 16);
	assert_int_equal(c.tracestate.len, 3);
	assert_memory_equal(c.tracestate.ptr, "a=1", 3);
	span_end(s);
	assert_null(span_get(ref));
	receive();
	s = span_start(SPAN_SERVER, NULL); /* a successor in the same slot */
	assert_int_equal(span_ref(s).slot, ref.slot);
	assert_null(span_get(ref));
	assert_false(span_ref_context(ref, &c, out, sizeof(out)));
	assert_null(span_get(beyond));
	span_discard(s);
}

static void test_span_ends_once(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	(void)state;
	span_end(s);
	span_end(s);
	receive();
	assert_int_equal(stats_read(STAT_SPANS_ENDED), 1);
}

static int calls;

static void count_call(struct store *st)
{
	assert_ptr_equal(st, store_get());
	calls++;
}

static void test_span_asks_for_an_exporter_when_none_lives(void **state)
{
	struct span_context p = parent_with(0, NULL);
	struct store *st = store_get();

	(void)state;
	span_ended_without_owner = count_call;
	span_end(span_start(SPAN_SERVER, NULL));
	assert_int_equal(calls, 1);
	receive();
	st->owner = (uint32_t)syscall(SYS_gettid);
	span_end(span_start(SPAN_SERVER, NULL));
	assert_int_equal(calls, 1);
	receive();
	st->owner |= STORE_OWNER_DIED;
	span_end(span_start(SPAN_SERVER, NULL));
	assert_int_equal(calls, 2);
	receive();
	span_end(span_start(SPAN_SERVER, &p)); /* not for a span that nobody gets */
	span_discard(span_start(SPAN_SERVER, NULL));
	assert_int_equal(calls, 2);
	st->owner = 0;
	span_ended_without_owner = NULL;
}

/* First of all: no store yet. */
static void test_span_does_without_memory(void **state)
{
	struct rlimit none = { 0, 0 };
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		setrlimit(RLIMIT_AS, &none);
		config_load(NULL);
		for (int i = 0; i < 3; i++)
			if (span_start(SPAN_SERVER, NULL))
				_exit(1);
		_exit(stats_read(STAT_SPANS_NO_SLOT) == 3 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_teardown(test_span_##name, teardown_each)

int main(void)
{
	const struct CMUnitTest without_store[] = {
		cmocka_unit_test(test_span_does_without_memory),
	};
	const struct CMUnitTest tests[] = {
		TEST(follows_the_parent),
		TEST(takes_an_invalid_parent_for_none),
		TEST(carries_what_it_was_told),
		TEST(is_dated_by_one_anchor),
		TEST(keeps_the_first_error),
		TEST(passes_the_trace_state_on),
		TEST(knows_its_caller),
		TEST(reads_lists_over_several_slots),
		TEST(of_no_interest_is_not_recorded),
		TEST(context_is_whole),
		TEST(null_is_ignored),
		TEST(reference_dies_with_its_span),
		TEST(ends_once),
		TEST(asks_for_an_exporter_when_none_lives),
	};
	int failed = cmocka_run_group_tests(without_store, NULL, NULL);

	return failed + cmocka_run_group_tests(tests, setup, NULL);
}
