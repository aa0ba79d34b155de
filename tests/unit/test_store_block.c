/* SPDX-License-Identifier: Apache-2.0 */
/* Items that are once in the store: who reads the spans gets what was set, whoever else shares. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common.h"
#include "config.h"
#include "span.h"
#include "stats.h"
#include "store_block.h"

static struct store *st;
static struct record record;

static int setup(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	st = store_open();
	return st ? 0 : -1;
}

/* As in a new store. */
static int forget(void **state)
{
	(void)state;
	memset(store_block(st, 0), 0, (size_t)STORE_BLOCKS * STORE_BLOCK_BYTES);
	return 0;
}

static unsigned blocks(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < STORE_BLOCKS; i++)
		n += store_block(st, i)->state == BLOCK_READY;
	return n;
}

static bool receive(void)
{
	uint32_t index;
	bool is_read;

	assert_int_equal(store_collect(st, &index, 1), 1);
	is_read = store_read(st, index, &record);
	slot_free(st, store_slot(st, index));
	return is_read;
}

/* Is it there, once, and is it this? */
static bool text_is(enum attr key, const char *text)
{
	struct item_head head;
	struct bytes value;
	unsigned found = 0, same = 0;
	size_t at = 0;

	while (record_next(&record, &at, &head, &value)) {
		if (head.type != ITEM_STR || head.key != key)
			continue;
		found++;
		same += bytes_equal(value, bytes_from_str(text));
	}
	assert_int_equal(at, record.items_len);
	return found == 1 && same == 1;
}

static void assert_text(enum attr key, const char *text)
{
	if (!text_is(key, text))
		fail_msg("not %s", text);
}

static void assert_number(enum attr key, int64_t want)
{
	struct item_head head;
	struct bytes value;
	unsigned found = 0;
	size_t at = 0;

	while (record_next(&record, &at, &head, &value)) {
		if (head.type != ITEM_INT || head.key != key)
			continue;
		assert_memory_equal(value.ptr, &want, sizeof(want));
		found++;
	}
	assert_int_equal(found, 1);
}

/* What follows from a connection's ends, and who asks whom. */
static void set_common(struct span *s, const char *agent, const char *peer, int64_t port)
{
	span_set_str(s, ATTR_HTTP_REQUEST_METHOD, BYTES("GET"));
	span_set_name(s, BYTES("GET"));
	span_set_str(s, ATTR_SERVER_ADDRESS, BYTES("shop.example"));
	span_set_int(s, ATTR_SERVER_PORT, 8080);
	span_set_str(s, ATTR_NETWORK_PEER_ADDRESS, bytes_from_str(peer));
	span_set_int(s, ATTR_NETWORK_PEER_PORT, port);
	span_set_str(s, ATTR_CLIENT_ADDRESS, bytes_from_str(peer));
	span_set_str(s, ATTR_USER_AGENT_ORIGINAL, bytes_from_str(agent));
}

static struct span_block block_of(enum span_kind kind, const char *agent, const char *peer,
				  int64_t port)
{
	struct span *s = span_start(kind, NULL);
	struct span_mark since = span_mark(s);
	struct span_block b;

	set_common(s, agent, peer, port);
	assert_true(span_block_take(&b, s, since));
	span_discard(s);
	return b;
}

static void assert_common(const char *agent, const char *peer, int64_t port)
{
	assert_text(ATTR_HTTP_REQUEST_METHOD, "GET");
	assert_text(ATTR_SERVER_ADDRESS, "shop.example");
	assert_number(ATTR_SERVER_PORT, 8080);
	assert_text(ATTR_NETWORK_PEER_ADDRESS, peer);
	assert_number(ATTR_NETWORK_PEER_PORT, port);
	assert_text(ATTR_CLIENT_ADDRESS, peer);
	assert_text(ATTR_USER_AGENT_ORIGINAL, agent);
	assert_true(record.types & 1u << ITEM_NAME);
}

/* Returns how many bytes of its slot it took. */
static uint32_t send_with(enum span_kind kind, const struct span_block *b)
{
	struct span *s = span_start(kind, NULL);
	uint32_t used;

	assert_true(span_set_with_block(s, ATTR_URL_PATH, BYTES("/a"), b));
	span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
	used = s->used;
	span_end(s);
	return used;
}

static void assert_sent(const char *agent, const char *peer, int64_t port)
{
	assert_true(receive());
	assert_int_equal(record.head.attrs, 9);
	assert_common(agent, peer, port);
	assert_text(ATTR_URL_PATH, "/a");
	assert_number(ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
}

/*
 * Of a request that comes in, who sends it is his connection's; all else is there once for all. In
 * bytes: "/a" 10, the number 8, peer and client 8 + 8 each, port 16, status 16.
 */
static void test_store_block_is_what_connections_share(void **state)
{
	struct span_block a = block_of(SPAN_SERVER, "agent/1", "10.0.0.1", 4001);
	struct span_block b = block_of(SPAN_SERVER, "agent/1", "10.0.0.2", 4002);

	(void)state;
	span_block_share(&a, SPAN_SERVER);
	assert_int_equal(blocks(), 1);
	span_block_share(&b, SPAN_SERVER);
	assert_int_equal(blocks(), 1);
	assert_int_equal(send_with(SPAN_SERVER, &a), 10 + 8 + 16 + 16 + 16 + 16);
	assert_sent("agent/1", "10.0.0.1", 4001);
	assert_int_equal(send_with(SPAN_SERVER, &b), 10 + 8 + 16 + 16 + 16 + 16);
	assert_sent("agent/1", "10.0.0.2", 4002);
}

/* Whom the program asks is the same for all its connections to him. */
static void test_store_block_of_a_call_has_the_peer(void **state)
{
	struct span_block a = block_of(SPAN_CLIENT, "agent/1", "10.0.0.1", 8080);

	(void)state;
	span_block_share(&a, SPAN_CLIENT);
	assert_int_equal(blocks(), 1);
	assert_int_equal(send_with(SPAN_CLIENT, &a), 10 + 8 + 16 + 16);
	assert_sent("agent/1", "10.0.0.1", 8080);
}

static void test_store_block_is_another_where_anything_differs(void **state)
{
	static const char *const agents[] = { "agent/1", "agent/2", "agent/", "" };

	(void)state;
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_LEN(agents); i++) {
			struct span_block b = block_of(SPAN_SERVER, agents[i], "::1", 1);

			span_block_share(&b, SPAN_SERVER);
			send_with(SPAN_SERVER, &b);
			assert_sent(agents[i], "::1", 1);
		}
	assert_int_equal(blocks(), 4);
}

/* The same hash is not the same block. */
static void test_store_block_is_found_by_all_of_it(void **state)
{
	struct bytes items = BYTES("0123456789");
	uint32_t first = store_block_share(st, SPAN_CLIENT, items);

	(void)state;
	assert_in_range(first, STORE_BLOCKS / 2, STORE_BLOCKS - 1);
	assert_int_equal(store_block_share(st, SPAN_CLIENT, items), first);
	store_block(st, first)->items[9] ^= 1;
	assert_int_not_equal(store_block_share(st, SPAN_CLIENT, items), first);
}

/* With what a text begins that follows, as before; and it goes on behind what is shared. */
static void test_store_block_keeps_what_is_begun(void **state)
{
	struct bytes beginning[] = { BYTES("http://"), BYTES("shop.example") };
	struct span_block b = block_of(SPAN_CLIENT, "agent/1", "10.0.0.1", 8080);
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	span_block_begin(&b, ATTR_URL_FULL, beginning, 2);
	span_block_share(&b, SPAN_CLIENT);
	assert_true(span_set_block_and(s, &b, BYTES("/items/17")));
	assert_int_equal(s->used, 8 + 16 + 8 + 7 + 12 + 9);
	span_end(s);
	assert_true(receive());
	assert_int_equal(record.head.attrs, 8);
	assert_common("agent/1", "10.0.0.1", 8080);
	assert_text(ATTR_URL_FULL, "http://shop.example/items/17");
}

/* Strangers may send what they like: what there is no room for, spans have themselves. */
static void test_store_block_has_room_for_some(void **state)
{
	struct span_block b = block_of(SPAN_SERVER, "agent/1", "10.0.0.1", 1);
	char agent[32];

	(void)state;
	for (unsigned i = 0; i < 4 * STORE_BLOCKS; i++) {
		snprintf(agent, sizeof(agent), "agent/%u", i);
		b = block_of(SPAN_SERVER, agent, "10.0.0.1", i);
		span_block_share(&b, SPAN_SERVER);
		send_with(SPAN_SERVER, &b);
		assert_sent(agent, "10.0.0.1", i);
	}
	assert_int_equal(blocks(), STORE_BLOCKS / 2);
	assert_true(b.len > 8 + 16 + 16 + 16);
	b = block_of(SPAN_CLIENT, "agent/1", "10.0.0.1", 8080);
	span_block_share(&b, SPAN_CLIENT);
	assert_int_equal(blocks(), STORE_BLOCKS / 2 + 1);
}

/* O44: what is beyond the limit is counted, be it in a block or not. */
static void test_store_block_minds_the_limit(void **state)
{
	struct span_block b = block_of(SPAN_CLIENT, "agent/1", "10.0.0.1", 8080);
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	span_block_share(&b, SPAN_CLIENT);
	for (unsigned i = 0; i < STORE_ATTRS_MAX - 3; i++)
		span_set_bool(s, ATTR_HTTP_ROUTE, true);
	span_block_add(s, &b);
	span_end(s);
	assert_true(receive());
	assert_int_equal(record.head.attrs, 128);
	assert_int_equal(record.head.dropped_attrs, 4); /* of 7 */
	assert_text(ATTR_SERVER_ADDRESS, "shop.example");
	assert_number(ATTR_SERVER_PORT, 8080);
}

/* Where the first slot ends, and behind it. */
static void test_store_block_goes_over_the_end_of_a_slot(void **state)
{
	static const char path[SPAN_DATA_BYTES + 64];
	struct span_block b = block_of(SPAN_SERVER, "agent/1", "10.0.0.1", 4001);

	(void)state;
	span_block_share(&b, SPAN_SERVER);
	for (size_t len = SPAN_DATA_BYTES - 96; len < sizeof(path); len++) {
		struct span *s = span_start(SPAN_SERVER, NULL);

		span_set_str(s, ATTR_URL_PATH, (struct bytes){ path, len });
		span_block_add(s, &b);
		span_end(s);
		assert_true(receive());
		assert_int_equal(record.head.attrs, 8);
		assert_int_equal(record.head.dropped_attrs, 0);
		assert_common("agent/1", "10.0.0.1", 4001);
	}
}

/* What is too long for a slot is taken from all of them, so that the next one is short. */
static void test_store_block_is_taken_from_a_chain(void **state)
{
	static char path[SPAN_DATA_BYTES];
	struct span *s = span_start(SPAN_SERVER, NULL);
	struct span_mark since;
	struct span_block b;

	(void)state;
	for (size_t len = SPAN_DATA_BYTES - 200; len < sizeof(path); len++) {
		s = span_start(SPAN_SERVER, NULL);
		span_set_str(s, ATTR_URL_PATH, (struct bytes){ path, len });
		since = span_mark(s);
		set_common(s, "agent/1", "10.0.0.1", 4001);
		assert_true(span_block_take(&b, s, since));
		span_discard(s);
		span_block_share(&b, SPAN_SERVER);
		send_with(SPAN_SERVER, &b);
		assert_sent("agent/1", "10.0.0.1", 4001);
	}
	assert_int_equal(blocks(), 1);
}

static void test_store_block_is_looked_into(void **state)
{
	static const enum attr keys[] = { ATTR_SERVER_PORT, ATTR_URL_PATH, ATTR_SERVER_ADDRESS,
					  ATTR_HTTP_ROUTE };
	struct span_block b = block_of(SPAN_CLIENT, "agent/1", "10.0.0.1", 8080);
	struct span *s = span_start(SPAN_CLIENT, NULL);
	struct bytes found[4];
	int64_t port = 8080;

	(void)state;
	span_block_share(&b, SPAN_CLIENT);
	assert_true(span_set_with_block(s, ATTR_URL_PATH, BYTES("/a"), &b));
	span_find(s, keys, found, 4);
	assert_int_equal(found[0].len, sizeof(port));
	assert_memory_equal(found[0].ptr, &port, sizeof(port));
	assert_true(bytes_equal(found[1], BYTES("/a")));
	assert_true(bytes_equal(found[2], BYTES("shop.example")));
	assert_null(found[3].ptr);
	span_discard(s);
}

/* --- what else may have the mapping --- */

/* A number, as a span may have it. */
static struct item_head number(uint32_t block)
{
	return (struct item_head){ .type = ITEM_BLOCK, .key = (uint16_t)block };
}

static bool reads(const void *items, uint32_t len, uint16_t attrs)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	memcpy(span_data(s), items, len);
	s->used = len;
	s->attrs = attrs;
	span_end(s);
	return receive();
}

static void test_store_block_that_is_damaged(void **state)
{
	struct {
		struct item_head head;
		char text[2];
	} good = { { ITEM_STR, 0, ATTR_URL_PATH, 2 }, "/a" };
	struct bytes items = { (const char *)&good, sizeof(good.head) + 2 };
	uint32_t n = store_block_share(st, SPAN_SERVER, items);
	struct store_block *b = store_block(st, n);
	struct item_head h = number(n), bad = h;
	uint64_t damaged = stats_read(STAT_SPANS_DAMAGED);

	(void)state;
	assert_true(reads(&h, 8, 1));
	assert_text(ATTR_URL_PATH, "/a");
	assert_false(reads(&h, 8, 2)); /* there are not so many */
	assert_false(reads(&h, 7, 1));
	bad.key = STORE_BLOCKS;
	assert_false(reads(&bad, 8, 1));
	bad.key = UINT16_MAX;
	assert_false(reads(&bad, 8, 1));
	bad = number(n + 1); /* free */
	assert_false(reads(&bad, 8, 1));
	bad = h;
	bad.flags = 1;
	assert_false(reads(&bad, 8, 1));
	b->state = BLOCK_WRITING;
	assert_false(reads(&h, 8, 1));
	b->state = BLOCK_READY;
	b->len = sizeof(b->items) + 1;
	assert_false(reads(&h, 8, 1));
	b->len = UINT32_MAX;
	assert_false(reads(&h, 8, 1));
	b->len = 0;
	assert_false(reads(&h, 8, 0));
	b->len = 9; /* its end is not there */
	assert_false(reads(&h, 8, 1));
	b->len = 10;
	b->items[0] = ITEM_LINK + 9;
	assert_false(reads(&h, 8, 1));
	b->items[0] = ITEM_STR;
	assert_true(reads(&h, 8, 1));
	assert_true(reads(&h, 8, 1));
	b->items[9] = 'b'; /* what is read is what is there now */
	assert_true(reads(&h, 8, 1));
	assert_text(ATTR_URL_PATH, "/b");
	assert_int_equal(stats_read(STAT_SPANS_DAMAGED), damaged + 12);
}

/* One that names itself, or each the next: an end is made of it. */
static void test_store_block_that_names_itself(void **state)
{
	struct item_head h = number(0), two[2] = { number(0), number(0) };

	(void)state;
	alarm(10);
	for (uint32_t i = 0; i < STORE_BLOCKS; i++) {
		struct store_block *b = store_block(st, i);

		two[0] = two[1] = number((i + 1) % STORE_BLOCKS);
		memcpy(b->items, two, sizeof(two));
		b->len = sizeof(two);
		b->state = BLOCK_READY;
	}
	assert_false(reads(&h, 8, 0));
	store_block(st, 0)->len = 8;
	h = number(0);
	memcpy(store_block(st, 0)->items, &h, sizeof(h));
	assert_false(reads(&h, 8, 0));
	alarm(0);
}

/* As many as a record could name, of as much as they could say. */
static void test_store_block_fills_no_more_than_a_record(void **state)
{
	static struct item_head all[SPAN_DATA_BYTES / sizeof(struct item_head)];
	struct store_block *b = store_block(st, 3);
	struct item_head text = { ITEM_STR, 0, ATTR_URL_PATH, sizeof(b->items) - 8 };

	(void)state;
	memcpy(b->items, &text, sizeof(text));
	b->len = sizeof(b->items);
	b->state = BLOCK_READY;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		all[i] = number(3);
	assert_true(reads(all, 8, 1));
	assert_true(reads(all, 32, 4));
	assert_true(reads(all, 32, 4));
	assert_int_equal(record.items_len, 4 * 500);
	assert_false(reads(all, 40, 5)); /* more than any of ours */
	assert_false(reads(all, sizeof(all), ARRAY_LEN(all)));
}

/* What a child shares its parent reads, and the other way round; who dies in it costs one. */
static void test_store_block_is_of_all_processes(void **state)
{
	struct span_block mine = block_of(SPAN_SERVER, "agent/1", "10.0.0.1", 4001);
	uint32_t index[2];
	bool found[2];
	pid_t pid;
	int status;

	(void)state;
	span_block_share(&mine, SPAN_SERVER);
	pid = fork();
	if (pid == 0) {
		struct span_block b = block_of(SPAN_SERVER, "agent/1", "10.0.0.9", 4009);

		span_block_share(&b, SPAN_SERVER);
		send_with(SPAN_SERVER, &b);
		b = block_of(SPAN_SERVER, "agent/2", "10.0.0.9", 4009);
		span_block_share(&b, SPAN_SERVER);
		send_with(SPAN_SERVER, &b);
		_exit(blocks() == 2 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(store_collect(st, index, 2), 2);
	for (int i = 0; i < 2; i++) { /* by the order of their slots */
		assert_true(store_read(st, index[i], &record));
		found[i] = text_is(ATTR_USER_AGENT_ORIGINAL, "agent/2");
		assert_common(found[i] ? "agent/2" : "agent/1", "10.0.0.9", 4009);
	}
	assert_true(found[0] != found[1]);
	store_give_back(st, index, 2);
	store_block(st, store_block_share(st, SPAN_SERVER, BYTES("half of it")))->state =
		BLOCK_WRITING;
	assert_int_equal(blocks(), 2);
	(void)store_block_share(st, SPAN_SERVER, BYTES("half of it"));
	assert_int_equal(blocks(), 3);
}

/* Threads that share the same at once, and read what others have shared. */
static void *share_all(void *arg)
{
	unsigned *wrong = arg;

	for (unsigned i = 0; i < 4 * STORE_BLOCKS; i++) {
		uint32_t text[4] = { i / 2 % 128, i / 2 % 128, 7, i / 2 % 128 }, n;
		struct bytes items = { (const char *)text, sizeof(text) };

		n = store_block_share(st, SPAN_CLIENT, items);
		if (n != NO_BLOCK && !bytes_equal(store_block_items(st, n), items))
			++*wrong;
	}
	return NULL;
}

static void test_store_block_is_shared_by_threads(void **state)
{
	pthread_t threads[4];
	unsigned wrong[4] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, share_all, &wrong[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(wrong[i], 0);
	assert_true(blocks() >= 100); /* of 128, some of which several may have made at once */
}

/* --- what a connection keeps --- */

static void test_common_shares_from_the_second_on(void **state)
{
	struct common_key k = { BYTES("GET"), BYTES("shop"), BYTES("agent/1"), 11 };
	struct common c = { .version = 0 };
	struct span *s = span_start(SPAN_SERVER, NULL);
	uint32_t used;

	(void)state;
	set_common(s, "agent/1", "10.0.0.1", 4001);
	common_keep(&c, &k, s, (struct span_mark){ 0, 0 });
	used = s->used;
	span_discard(s);
	assert_int_equal(blocks(), 0); /* for a connection's only request */
	s = span_start(SPAN_SERVER, NULL);
	assert_true(common_recall(&c, &k, s));
	assert_int_equal(blocks(), 1);
	assert_true(s->used < used);
	span_end(s);
	assert_true(receive());
	assert_common("agent/1", "10.0.0.1", 4001);
	/* Another key, and what is kept for it: asked anew. */
	k.agent = BYTES("agent/2");
	s = span_start(SPAN_SERVER, NULL);
	set_common(s, "agent/2", "10.0.0.1", 4001);
	common_keep(&c, &k, s, (struct span_mark){ 0, 0 });
	span_discard(s);
	s = span_start(SPAN_SERVER, NULL);
	assert_true(common_recall(&c, &k, s));
	assert_int_equal(blocks(), 2);
	span_end(s);
	assert_true(receive());
	assert_common("agent/2", "10.0.0.1", 4001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_store_block_is_what_connections_share, forget),
		cmocka_unit_test_setup(test_store_block_of_a_call_has_the_peer, forget),
		cmocka_unit_test_setup(test_store_block_is_another_where_anything_differs, forget),
		cmocka_unit_test_setup(test_store_block_is_found_by_all_of_it, forget),
		cmocka_unit_test_setup(test_store_block_keeps_what_is_begun, forget),
		cmocka_unit_test_setup(test_store_block_has_room_for_some, forget),
		cmocka_unit_test_setup(test_store_block_minds_the_limit, forget),
		cmocka_unit_test_setup(test_store_block_goes_over_the_end_of_a_slot, forget),
		cmocka_unit_test_setup(test_store_block_is_taken_from_a_chain, forget),
		cmocka_unit_test_setup(test_store_block_is_looked_into, forget),
		cmocka_unit_test_setup(test_store_block_that_is_damaged, forget),
		cmocka_unit_test_setup(test_store_block_that_names_itself, forget),
		cmocka_unit_test_setup(test_store_block_fills_no_more_than_a_record, forget),
		cmocka_unit_test_setup(test_store_block_is_of_all_processes, forget),
		cmocka_unit_test_setup(test_store_block_is_shared_by_threads, forget),
		cmocka_unit_test_setup(test_common_shares_from_the_second_on, forget),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
