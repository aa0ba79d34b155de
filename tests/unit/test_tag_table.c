/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header tag's table: whose span an id is found to be, and what becomes of entries when there
 * is no room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "rng.h"
#include "stats.h"
#include "store.h"
#include "tag.h"

static uint64_t count_of(enum stat_id which)
{
	return stats_read(which);
}

static int set_up(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	atomic_store(&span_ended_without_owner, NULL); /* no thread that reads the settings */
	stats_reset();
	return 0;
}

/* One whose entry is that one. */
static struct span_id id_at(unsigned place, uint64_t number)
{
	uint64_t word = (number + 1) << RNG_PLACE_BITS;
	struct span_id id;

	word |= (place ^ rng_place_mask(word)) % RNG_PLACES;
	memcpy(id.bytes, &word, sizeof(word));
	return id;
}

static struct span *open_tagged(const struct span_id *id)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	assert_non_null(s);
	if (id)
		s->id = *id;
	tag_remember(span_ref(s), &s->id);
	return s;
}

static void test_tag_is_found_while_its_span_is_open(void **state)
{
	struct span *s = open_tagged(NULL);
	struct trace_id trace = s->trace, other = { { 1 } };
	struct span_id id = s->id, unknown = { { 1, 2, 3 } };
	struct span_ref found = { 0, 0 };

	(void)state;
	assert_int_equal(tag_find(&trace, &unknown, &found), TAG_UNKNOWN);
	assert_int_not_equal(tag_find(&other, &id, &found), TAG_LIVE);
	assert_int_equal(found.slot, 0);
	assert_int_equal(tag_find(&trace, &id, &found), TAG_LIVE);
	assert_ptr_equal(span_get(found), s);
	span_discard(s);
	assert_int_equal(tag_find(&trace, &id, &found), TAG_STALE);
	s = span_start(SPAN_SERVER, NULL); /* in the same slot, perhaps */
	assert_int_equal(tag_find(&trace, &id, &found), TAG_STALE);
	span_discard(s);
}

/* A span that ends leaves its place, and stays known as one that has ended; nobody else's goes. */
static void test_tag_of_what_has_ended_is_stale(void **state)
{
	struct span *s = open_tagged(NULL), *other = open_tagged(NULL);
	struct trace_id trace = s->trace;
	struct span_id id = s->id;
	struct span_ref found;

	(void)state;
	tag_ended(span_ref(other), &id);
	assert_int_equal(tag_find(&trace, &id, &found), TAG_LIVE);
	tag_ended(span_ref(s), &id);
	assert_int_equal(tag_find(&trace, &id, &found), TAG_STALE);
	assert_int_equal(tag_find(&other->trace, &other->id, &found), TAG_LIVE);
	span_discard(s);
	span_discard(other);
}

/* Of a caller whose id the application still sees: found as long as it came once. */
static void test_tag_of_a_caller_is_found_unless_it_comes_twice(void **state)
{
	static const struct span_context caller = {
		.trace = { { 1 } },
		.span = { { 2 } },
		.flags = TRACE_FLAG_SAMPLED,
	};
	struct span *a = span_start(SPAN_SERVER, &caller), *b, *untrusted;
	struct span_id other = { { 3 } };
	struct span_ref found;

	(void)state;
	tag_remember(span_ref(a), &caller.span);
	assert_int_equal(tag_find(&caller.trace, &caller.span, &found), TAG_LIVE);
	assert_ptr_equal(span_get(found), a);
	b = span_start(SPAN_SERVER, &caller);
	tag_remember(span_ref(b), &caller.span);
	assert_int_equal(tag_find(&caller.trace, &caller.span, &found), TAG_STALE);
	span_discard(a); /* whose copy is it now? */
	assert_int_equal(tag_find(&caller.trace, &caller.span, &found), TAG_STALE);
	for (int i = 0; i < 10; i++) {
		tag_remember(span_ref(b), &caller.span);
		assert_int_equal(tag_find(&caller.trace, &caller.span, &found), TAG_STALE);
	}
	span_discard(b);
	untrusted = span_start(SPAN_SERVER, NULL);
	span_keep_caller(untrusted, &caller.trace, &other);
	tag_remember(span_ref(untrusted), &other);
	assert_int_equal(tag_find(&caller.trace, &other, &found), TAG_LIVE);
	assert_ptr_equal(span_get(found), untrusted);
	span_discard(untrusted);
}

/* Another id, of which an entry of the same bucket says the same. */
static struct span_id twin_of(const struct span_id *id)
{
	uint64_t word = tag_word(id), twin = word;
	struct span_id ret;

	for (uint64_t i = 1; twin == word || tag_bucket_of(twin) != tag_bucket_of(word); i++) {
		uint64_t high = i * 0x9e3779b1u & 0xffffffffu;

		twin = high << 32 | (((word ^ word >> 32) ^ high) & 0xffffffu);
	}
	assert_int_equal(tag_known(twin), tag_known(word));
	memcpy(ret.bytes, &twin, sizeof(twin));
	return ret;
}

/* Whichever comes first, and whether the other's span is open or not, or the id is a caller's. */
static void test_tag_is_not_taken_for_one_that_looks_like_it(void **state)
{
	for (unsigned way = 0; way < 16; way++) {
		bool is_first = way & 1, has_ended = way & 2, is_caller = way & 4,
		     is_gone = way & 8;
		struct span *s, *other;
		struct span_context caller = { .trace = { { 1 } },
					       .span = { { 2, (uint8_t)way } } };
		struct span_id id, twin;
		struct trace_id trace;
		struct span_ref found = { 0, 0 };

		set_up(state);
		s = span_start(SPAN_SERVER, &caller);
		trace = s->trace;
		id = is_caller ? caller.span : s->id;
		twin = twin_of(&id);
		other = span_start(SPAN_SERVER, NULL);
		other->id = twin;
		if (is_first)
			tag_remember(span_ref(s), &id);
		tag_remember(span_ref(other), &twin);
		if (!is_first)
			tag_remember(span_ref(s), &id);
		if (has_ended)
			tag_ended(span_ref(other), &twin);
		assert_int_equal(tag_find(&trace, &id, &found), TAG_LIVE);
		assert_ptr_equal(span_get(found), s);
		assert_int_equal(tag_find(&other->trace, &twin, &found),
				 has_ended ? TAG_STALE : TAG_LIVE);
		if (is_gone) {
			tag_ended(span_ref(s), &id);
			span_discard(s);
			assert_int_equal(tag_find(&trace, &id, &found), TAG_STALE);
			span_discard(other);
		} else {
			span_discard(other);
			span_discard(s);
		}
	}
}

/* Nothing but the other one was ever there. */
static void test_tag_that_looks_like_one_is_unknown(void **state)
{
	struct span *s = open_tagged(NULL);
	struct trace_id trace = s->trace;
	struct span_id twin = twin_of(&s->id), id = s->id;
	struct span_ref found;

	(void)state;
	assert_int_equal(tag_find(&trace, &twin, &found), TAG_UNKNOWN);
	tag_ended(span_ref(s), &id);
	assert_int_equal(tag_find(&trace, &twin, &found), TAG_UNKNOWN);
	assert_int_equal(tag_find(&trace, &id, &found), TAG_STALE);
	span_discard(s);
}

static void test_tag_of_another_process_is_not_ours(void **state)
{
	struct span *s = open_tagged(NULL);
	int status = -1;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		struct span_ref found;

		_exit(tag_find(&s->trace, &s->id, &found) == TAG_LIVE);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	span_discard(s);
}

/*
 * Spans of one thread lie side by side: as many as there are entries are known after they have
 * ended, each in the next one, and no more.
 */
static void test_tag_table_is_filled_in_order(void **state)
{
	static const struct span_context caller = { .trace = { { 1 } }, .span = { { 2 } } };
	static struct span_id ids[RNG_PLACES + 1];
	struct span_ref found;

	(void)state;
	for (unsigned i = 0; i <= RNG_PLACES; i++) {
		struct span *s = span_start(SPAN_SERVER, &caller);

		ids[i] = s->id;
		tag_remember(span_ref(s), &s->id);
		assert_int_equal(rng_place(tag_word(&s->id)),
				 (rng_place(tag_word(&ids[0])) + i) % RNG_PLACES);
		tag_ended(span_ref(s), &s->id);
		span_discard(s);
	}
	assert_int_equal(tag_find(&caller.trace, &ids[0], &found), TAG_UNKNOWN);
	for (unsigned i = 1; i <= RNG_PLACES; i++)
		assert_int_equal(tag_find(&caller.trace, &ids[i], &found), TAG_STALE);
	assert_int_equal(count_of(STAT_TAG_LOST), 0);
}

/* Ids that meet in one place: the sixth pushes one out, and that one answers none. */
static void test_tag_table_is_bounded_and_counts(void **state)
{
	struct span *spans[6];
	struct span_ref found;
	unsigned live = 0;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct span_id id = id_at(1, i);

		spans[i] = open_tagged(&id);
	}
	for (unsigned i = 0; i < 6; i++)
		live += tag_find(&spans[i]->trace, &spans[i]->id, &found) == TAG_LIVE;
	assert_int_equal(live, 4);
	assert_int_equal(count_of(STAT_TAG_LOST), 2);
	/* Those that have ended make room. */
	for (unsigned i = 0; i < 6; i++)
		span_discard(spans[i]);
	for (unsigned i = 0; i < 4; i++) {
		struct span_id id = id_at(1, 6 + i);

		spans[i] = open_tagged(&id);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(tag_find(&spans[i]->trace, &spans[i]->id, &found), TAG_LIVE);
		span_discard(spans[i]);
	}
	assert_int_equal(count_of(STAT_TAG_LOST), 2);
}

/* An id that came twice stays one that did when one of its entries is pushed out. */
static void test_tag_that_came_twice_is_void_when_one_is_lost(void **state)
{
	struct span_context caller = { .trace = { { 1 } }, .span = id_at(0, 1ull << 40) };
	struct span *spans[5];
	struct span_ref found;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		spans[i] = span_start(SPAN_SERVER, &caller);
		tag_remember(span_ref(spans[i]), &caller.span);
	}
	for (unsigned i = 2; i < 5; i++) {
		struct span_id id = id_at(0, i);

		spans[i] = open_tagged(&id);
	}
	assert_int_equal(count_of(STAT_TAG_LOST), 1);
	assert_int_equal(tag_find(&caller.trace, &caller.span, &found), TAG_STALE);
	for (unsigned i = 0; i < 5; i++)
		span_discard(spans[i]);
}

/*
 * Threads that all meet in eight buckets: what is found is the span that was asked for, whoever
 * pushes whom out.  Other threads' spans end and their slots are taken again all the while.
 */
static void *storm(void *arg)
{
	uint64_t number = (uintptr_t)arg;

	for (unsigned i = 0; i < 5000; i++) {
		struct span_id id = id_at(i % 8 * TAG_BUCKET, number << 16 | i);
		struct span *s = open_tagged(&id);
		struct trace_id trace = s->trace;
		struct span_ref mine = span_ref(s), found;

		if (tag_find(&trace, &id, &found) == TAG_LIVE && found.slot != mine.slot)
			return (void *)1; /* another one's */
		span_discard(s);
		if (tag_find(&trace, &id, &found) == TAG_LIVE)
			return (void *)2; /* one that has ended */
	}
	return NULL;
}

static void test_tag_table_is_everybodys(void **state)
{
	pthread_t threads[4];
	void *bad;

	(void)state;
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm, (void *)i), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tag_is_found_while_its_span_is_open, set_up),
		cmocka_unit_test_setup(test_tag_of_what_has_ended_is_stale, set_up),
		cmocka_unit_test_setup(test_tag_of_a_caller_is_found_unless_it_comes_twice, set_up),
		cmocka_unit_test(test_tag_is_not_taken_for_one_that_looks_like_it),
		cmocka_unit_test_setup(test_tag_that_looks_like_one_is_unknown, set_up),
		cmocka_unit_test_setup(test_tag_of_another_process_is_not_ours, set_up),
		cmocka_unit_test_setup(test_tag_table_is_filled_in_order, set_up),
		cmocka_unit_test_setup(test_tag_table_is_bounded_and_counts, set_up),
		cmocka_unit_test_setup(test_tag_that_came_twice_is_void_when_one_is_lost, set_up),
		cmocka_unit_test(test_tag_table_is_everybodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
