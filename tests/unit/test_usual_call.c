/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proxy in a loop that asks the like of its last request again, with the header that we have
 * tagged: by the short way (usual_call.c) the wire, the counters and the spans are what they are by
 * the long one, which is taken where the connection was not looked for by the caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keep.h"
#include "sampler.h"
#include "write_model.h"

#define HEADERS "Host: shop:8080\r\nUser-Agent: u\r\n"
#define ANSWER_TO_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
#define ANSWER ANSWER_TO_HEAD "ok"
#define IDS_LEN 55u

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
/* Of a head that has this, too, there is no copy: it is sent in pieces. */
#define LONG "Cookie: " HUNDRED HUNDRED HUNDRED "\r\n"

static const char *more = ""; /* in front of the tagged header */
static struct span *server;
static char ids[IDS_LEN + 1]; /* as the proxy reads them */
static bool was_short;        /* while the last call was in the kernel */

/* Nothing was borrowed: in the long way what is written lies in a scratch. */
static void look_how(void)
{
	struct conn *c = conn_pin(RIG_FD);

	was_short = c && c->edits.count && !c->out.scratch;
	if (c)
		conn_unpin(c);
}

static void name_ids(const struct span *s)
{
	struct span_context own = span_get_context(s);

	traceparent_format(ids, &own.trace, &own.span, own.flags);
}

static void begin(const uint8_t *tape, size_t len, bool is_looked)
{
	rig_begin(tape, len);
	context_assume(RUNTIME_LIGHTTPD);
	conn_take_settings();
	stats_reset();
	server = rig_serve();
	tag_remember(span_ref(server), &server->id);
	name_ids(server);
	rig.is_looked = is_looked;
}

static void end(void)
{
	rig_end();
	span_discard(server);
	context_assume(0);
}

static void request_to(char *to, size_t cap, const char *method, const char *target)
{
	snprintf(to, cap, "%s %s HTTP/1.1\r\n" HEADERS "%straceparent: %s\r\n\r\n", method, target,
		 more, ids);
}

/* In one piece, and what is left of it; false: it was given up. */
static bool sends(const char *text)
{
	size_t at = 0;

	while (at < strlen(text) && !rig.is_broken) {
		struct iovec iov = { (char *)(uintptr_t)text + at, strlen(text) - at };
		ssize_t n = rig_call(&iov, 1, true);

		at += n > 0 ? (size_t)n : 0;
	}
	return at == strlen(text);
}

static bool asks(const char *target)
{
	char text[1024];

	request_to(text, sizeof(text), "GET", target);
	return sends(text);
}

static void is_answered(void)
{
	rig_answer(ANSWER);
}

/* What a connection speaks, and what its requests have in common, is known behind three. */
static void settle(void)
{
	for (int i = 0; i < 3; i++) {
		assert_true(asks("/a"));
		is_answered();
	}
}

static void assert_text(struct bytes got, const char *wanted)
{
	assert_int_equal(got.len, strlen(wanted));
	assert_memory_equal(got.ptr, wanted, got.len);
}

static void test_usual_call_tells_each_apart(void **state)
{
	static const char *const targets[] = { "/a", "/b", "/longer/than/that", "/", "/a" };
	static const char *const urls[] = { "http://shop:8080/a", "http://shop:8080/b",
					    "http://shop:8080/longer/than/that",
					    "http://shop:8080/", "http://shop:8080/a" };
	static const enum attr keys[] = { ATTR_URL_FULL, ATTR_HTTP_REQUEST_METHOD,
					  ATTR_SERVER_ADDRESS, ATTR_SERVER_PORT };

	(void)state;
	begin(NULL, 0, true);
	settle();
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		size_t before = rig.wire_len;
		struct bytes found[4];
		char id[SPAN_ID_HEX];
		const struct span *s;
		int64_t port;

		rig.meanwhile = look_how;
		assert_true(asks(targets[i]));
		assert_true(was_short);
		s = rig_under_way();
		span_find(s, keys, found, 4);
		assert_text(found[0], urls[i]);
		assert_text(found[1], "GET");
		assert_text(found[2], "shop");
		memcpy(&port, found[3].ptr, sizeof(port));
		assert_int_equal(port, 8080);
		assert_int_equal(s->kind, SPAN_CLIENT);
		assert_memory_equal(&s->parent, &server->id, sizeof(s->parent));
		assert_memory_equal(&s->trace, &server->trace, sizeof(s->trace));
		assert_int_equal(s->parent_is_remote, 0);
		hex_encode(id, s->id.bytes, sizeof(s->id.bytes));
		assert_non_null(memmem(rig.wire + before, rig.wire_len - before, id, sizeof(id)));
		is_answered();
	}
	assert_int_equal(model_check(true).rewritten, 3 + ARRAY_LEN(targets));
	assert_int_equal(stats_read(STAT_REWRITTEN), 3 + ARRAY_LEN(targets));
	end();
}

/* A usual head is sent as one piece, which the kernel takes in faster than three. */
static void test_usual_call_is_one_piece(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		more = i ? LONG : "";
		begin(NULL, 0, true);
		settle();
		rig.meanwhile = look_how;
		assert_true(asks("/a"));
		assert_true(was_short);
		assert_int_equal(rig.pieces, i ? 3 : 1);
		assert_int_equal(model_check(true).rewritten, 4);
		end();
	}
	more = "";
}

/* Wherever the kernel stops: what was begun goes on as the long way would have it. */
static void cut_everywhere(void)
{
	char text[512];
	size_t len;

	begin(NULL, 0, true);
	request_to(text, sizeof(text), "GET", "/a");
	end();
	len = strlen(text);
	for (unsigned at = 1; at <= 3 * len; at++) {
		begin(NULL, 0, true);
		settle();
		rig.cut = (unsigned)rig.wire_len + at;
		for (int k = 0; k < 3; k++) {
			assert_true(asks("/a"));
			is_answered();
		}
		assert_int_equal(rig.wire_len, 6 * len);
		assert_int_equal(model_check(true).rewritten, 6);
		assert_int_equal(stats_read(STAT_REWRITTEN), 6);
		assert_int_equal(stats_read(STAT_CONNS_BLIND), 0);
		end();
	}
}

static void test_usual_call_is_the_same_at_every_cut(void **state)
{
	(void)state;
	cut_everywhere();
	more = LONG;
	cut_everywhere();
	more = "";
}

/* --- beside the long way --- */

struct run {
	uint64_t stats[STATS];
	char wire[8192];
	size_t wire_len;
};

/* Ids are random: what is ours of them is told apart by the model. */
static void mask(char *s, size_t len)
{
	static const char name[] = "traceparent: 00-";
	size_t n = sizeof(name) - 1;

	for (char *at = s; (at = memmem(at, len - (size_t)(at - s), name, n)); at += n)
		for (size_t i = n + 33; i < n + 49 && (size_t)(at - s) + i < len; i++)
			at[i] = 'x';
}

static void run(struct run *to, const uint8_t *tape, size_t len, bool is_looked)
{
	static const char *const targets[] = { "/a", "/a", "/b", "/longer/than/that", "/q?x=y" };

	bool is_head;

	begin(NULL, 0, is_looked);
	settle();
	rig.tape = (struct tape){ tape, len };
	is_head = tape_next(&rig.tape, 16) > 12;
	for (int k = 0; k < 8 && !rig.is_broken; k++) {
		unsigned which = tape_next(&rig.tape, 16);
		char text[1024];

		if (which == 15) /* its server span ends, and another begins */
			tag_ended(span_ref(server), &server->id);
		request_to(text, sizeof(text), is_head ? "HEAD" : "GET",
			   targets[which % ARRAY_LEN(targets)]);
		if (which == 13) /* somebody else's */
			memcpy(strstr(text, "traceparent: 00-") + 16, "11", 2);
		if (sends(text))
			rig_answer(is_head ? ANSWER_TO_HEAD : ANSWER);
	}
	rig.is_broken = false;
	to->wire_len = rig.wire_len;
	memcpy(to->wire, rig.wire, rig.wire_len);
	mask(to->wire, to->wire_len);
	model_check(true);
	end();
	for (int i = 0; i < STATS; i++)
		to->stats[i] = stats_read((enum stat_id)i);
}

static void test_usual_call_beside_the_long_way(void **state)
{
	static struct run one, other;
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		uint8_t tape[64];

		for (size_t i = 0; i < sizeof(tape); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			/* Most calls go well. */
			tape[i] =
				seed >> 60 < 11 ? (uint8_t)(seed >> 33 & 7) : (uint8_t)(seed >> 33);
		}
		more = round % 4 ? "" : LONG;
		run(&one, tape, sizeof(tape), true);
		run(&other, tape, sizeof(tape), false);
		assert_int_equal(one.wire_len, other.wire_len);
		assert_memory_equal(one.wire, other.wire, one.wire_len);
		for (int i = 0; i < STATS; i++)
			if (one.stats[i] != other.stats[i])
				fail_msg("round %d: %s: %u, and %u", round,
					 stats_text((enum stat_id)i), (unsigned)one.stats[i],
					 (unsigned)other.stats[i]);
	}
	more = "";
}

/* --- what is not usual --- */

enum odd { QUERY, POST, ENDED, FOREIGN, OF_CALLER, STATE, SAID, NEVER, SETTING, ODDS };

/* The request, and all around it, so that it is not usual for that reason. */
static void make_odd(enum odd i, struct conn *c, char *text, size_t cap)
{
	if (i == STATE) {
		span_discard(server);
		server = span_start(SPAN_SERVER,
				    &(struct span_context){ .trace = { { 1 } },
							    .span = { { 2 } },
							    .flags = 1,
							    .is_remote = true,
							    .tracestate = BYTES("a=b") });
		tag_remember(span_ref(server), &server->id);
		name_ids(server);
	}
	request_to(text, cap, i == POST ? "PUT" : "GET", i == QUERY ? "/a?b" : "/a");
	if (i == ENDED) {
		tag_ended(span_ref(server), &server->id);
		span_discard(server);
		server = NULL;
	}
	if (i == FOREIGN)
		memcpy(strstr(text, "traceparent: 00-") + 16, "11", 2);
	if (i == OF_CALLER) {
		memcpy(strstr(text, RIG_TRACE) + 33, RIG_PARENT, 16);
		tag_remember(span_ref(server), &server->parent);
	}
	if (i == SAID)
		thread_self.said = span_ref(server);
	if (i == NEVER)
		atomic_store(&c->is_never_edited, true);
	if (i == SETTING) {
		config.propagate_to = BYTES("elsewhere");
		conn_take_settings();
	}
}

/* Of these the long way knows what becomes of them; told: they are children of the request. */
static void test_usual_call_leaves_the_others(void **state)
{
	(void)state;
	for (int i = 0; i < ODDS; i++) {
		bool is_told = i != ENDED && i != FOREIGN && i != NEVER && i != SETTING;
		char text[512], was[512];
		struct conn *c;
		size_t before;

		begin(NULL, 0, true);
		settle();
		before = rig.wire_len;
		c = conn_pin(RIG_FD);
		make_odd((enum odd)i, c, text, sizeof(text));
		strcpy(was, text);
		rig.meanwhile = look_how;
		was_short = false;
		assert_true(sends(text));
		assert_false(was_short);
		assert_true((memcmp(rig.wire + before, was, strlen(was)) != 0) == is_told);
		if (i == STATE)
			assert_int_equal(rig_under_way()->lists & LIST_OF(ITEM_TRACESTATE),
					 LIST_OF(ITEM_TRACESTATE));
		if (i == QUERY) {
			static const enum attr key = ATTR_URL_FULL;
			struct bytes found;

			span_find(rig_under_way(), &key, &found, 1);
			assert_text(found, "http://shop:8080/a?b");
		}
		conn_unpin(c);
		config.propagate_to.len = 0;
		end();
	}
}

/* --- what happens while a call is in the kernel --- */

static void answer_comes(void)
{
	look_how();
	is_answered();
}

static void becomes_blind(void)
{
	look_how();
	conn_make_blind(RIG_FD);
}

static void is_closed(void)
{
	look_how();
	conn_fd_closing(RIG_FD);
}

static void test_usual_call_and_what_comes_meanwhile(void **state)
{
	static void (*const what[])(void) = { answer_comes, becomes_blind, is_closed };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(what); i++)
		for (unsigned cut = 0; cut < 160; cut += 40) {
			begin(NULL, 0, true);
			settle();
			rig.cut = cut ? (unsigned)rig.wire_len + cut : 0;
			rig.meanwhile = what[i];
			was_short = false;
			assert_true(asks("/a"));
			assert_true(was_short);
			if (i == 0 && !cut) {
				assert_int_equal(stats_read(STAT_SPANS_ENDED) +
							 stats_read(STAT_SPANS_QUEUE_FULL),
						 4);
				rig.meanwhile = look_how;
				assert_true(asks("/a"));
				assert_true(was_short);
				is_answered();
			}
			end();
		}
}

/* No span: the request goes as it is, and is counted as one without. */
static void test_usual_call_without_a_slot(void **state)
{
	static uint32_t taken[1u << 16];
	struct store *st = store_open();
	size_t n = 0, before;
	struct span *s;
	char text[256];

	(void)state;
	begin(NULL, 0, true);
	settle();
	store_give_spare();
	while ((s = slot_take(st)))
		taken[n++] = store_index(st, s);
	before = rig.wire_len;
	request_to(text, sizeof(text), "GET", "/a");
	assert_true(sends(text));
	assert_memory_equal(rig.wire + before, text, strlen(text));
	assert_int_equal(stats_read(STAT_SPANS_NO_SLOT), 1);
	is_answered();
	while (n)
		slot_free(st, store_slot(st, taken[--n]));
	assert_true(asks("/a"));
	is_answered();
	assert_int_equal(stats_read(STAT_REWRITTEN), 4);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_call_tells_each_apart),
		cmocka_unit_test(test_usual_call_is_one_piece),
		cmocka_unit_test(test_usual_call_is_the_same_at_every_cut),
		cmocka_unit_test(test_usual_call_beside_the_long_way),
		cmocka_unit_test(test_usual_call_leaves_the_others),
		cmocka_unit_test(test_usual_call_and_what_comes_meanwhile),
		cmocka_unit_test(test_usual_call_without_a_slot),
	};

	sampler_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
