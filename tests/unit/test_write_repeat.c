/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that sends the like of its last request again: what is on the wire, and what is told, is
 * what it would be without that one before it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "write_model.h"

#define HEADERS "Host: shop:8080\r\nUser-Agent: u\r\nAccept: */*\r\n"
#define GET "GET /a HTTP/1.1\r\n" HEADERS "\r\n"
#define IDS "traceparent: " RIG_VALUE "\r\n"
#define PROXIED "GET /a HTTP/1.1\r\n" HEADERS IDS "\r\n"

/* As one piece; false: the kernel has taken none of it. */
static bool sends(const char *text)
{
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };
	size_t at = 0;

	while (at < strlen(text)) {
		ssize_t n;

		iov.iov_base = (char *)(uintptr_t)text + at;
		iov.iov_len = strlen(text) - at;
		n = rig_call(&iov, 1, true);
		if (n < 0 && !at)
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static uint16_t kept(void)
{
	struct conn *c = conn_pin(RIG_FD);
	uint16_t len = c->request.len;

	conn_unpin(c);
	return len;
}

/* Wherever the kernel stops, in the first, the second and the third. */
static void test_write_repeat_is_the_same_at_every_cut(void **state)
{
	static const char *const texts[] = { GET, PROXIED };
	static const size_t on_the_wire[] = { sizeof(GET) - 1 + sizeof(IDS) - 1,
					      sizeof(PROXIED) - 1 };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned at = 0; at < 3 * on_the_wire[i]; at++) {
			struct span *server;
			struct model m;

			rig_begin(NULL, 0);
			server = rig_serve();
			rig.cut = at;
			for (int k = 0; k < 3; k++) {
				while (!sends(texts[i]))
					;
				rig_answer(ANSWER);
			}
			if (at < on_the_wire[i])
				assert_int_equal(kept(), strlen(texts[i]));
			assert_int_equal(rig.wire_len, 3 * on_the_wire[i]);
			m = model_check(true);
			assert_int_equal(m.inserted + m.rewritten, 3);
			rig_end();
			span_discard(server);
		}
}

/* Each names its own target, and its own ids. */
static void test_write_repeat_tells_each_apart(void **state)
{
	static const char *const targets[] = { "/a", "/b", "/longer?q=1", "/c" };
	static const char *const urls[] = { "http://shop:8080/a", "http://shop:8080/b",
					    "http://shop:8080/longer?q=1", "http://shop:8080/c" };
	struct span *server;

	(void)state;
	rig_begin(NULL, 0);
	server = rig_serve();
	/* What a connection speaks is known behind its first request. */
	assert_true(sends(PROXIED));
	rig_answer(ANSWER);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		static const enum attr keys[] = { ATTR_URL_FULL, ATTR_HTTP_REQUEST_METHOD };
		struct bytes found[2];
		char text[256], id[SPAN_ID_HEX];
		size_t before = rig.wire_len;

		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HEADERS IDS "\r\n", targets[i]);
		assert_int_equal(kept(), i ? strlen(PROXIED) : 0);
		assert_true(sends(text));
		span_find(rig_under_way(), keys, found, 2);
		assert_true(bytes_equal(found[0], bytes_from_str(urls[i])));
		assert_true(bytes_equal(found[1], BYTES("GET")));
		hex_encode(id, rig_under_way()->id.bytes, sizeof(rig_under_way()->id.bytes));
		assert_non_null(memmem(rig.wire + before, rig.wire_len - before, id, sizeof(id)));
		assert_memory_equal(&rig_under_way()->parent, &server->id, sizeof(server->id));
		rig_answer(ANSWER);
	}
	assert_int_equal(model_check(true).rewritten, 1 + ARRAY_LEN(targets));
	rig_end();
	span_discard(server);
}

/* A header that a signature covers, in the target or by a header, stays as it is. */
static void test_write_repeat_leaves_signed_headers_alone(void **state)
{
	static const char *const signs[] = {
		"GET /a?X-Amz-SignedHeaders=host%3Btraceparent HTTP/1.1\r\n" HEADERS IDS "\r\n",
		"GET /a HTTP/1.1\r\n" HEADERS IDS "Signature-Input: s=(\"traceparent\")\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct span *server;
		size_t before;

		rig_begin(NULL, 0);
		server = rig_serve();
		for (int k = 0; k < 2; k++) {
			assert_true(sends(PROXIED));
			rig_answer(ANSWER);
		}
		before = rig.wire_len;
		assert_true(sends(signs[i]));
		assert_int_equal(rig.wire_len - before, strlen(signs[i]));
		assert_memory_equal(rig.wire + before, signs[i], strlen(signs[i]));
		rig_end();
		span_discard(server);
	}
}

/* What is known of a head that never left is nothing that the next one can be compared with. */
static void test_write_repeat_of_what_has_not_left(void **state)
{
	static const uint8_t refuses[] = { 8 };

	(void)state;
	rig_begin(NULL, 0);
	assert_true(sends("HEAD /a HTTP/1.1\r\n" HEADERS "\r\n"));
	rig_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
	for (int k = 0; k < 3; k++) {
		rig.tape = (struct tape){ refuses, k < 2 };
		assert_int_equal(sends(GET), k == 2);
		assert_int_equal(kept(), k == 2 ? strlen(GET) : 0);
	}
	/* It has a body, as an answer to HEAD has not. */
	rig_answer(ANSWER);
	assert_true(sends(GET));
	rig_answer(ANSWER);
	assert_int_equal(model_check(true).inserted, 3);
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
	rig_end();
}

/* A body, another head, a head in pieces, two heads at once: none of them is what came last. */
static void test_write_repeat_ends_with_another(void **state)
{
	static const char *const others[] = {
		"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
		"DELETE /a HTTP/1.1\r\n" HEADERS "\r\n",
		GET GET,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		rig_begin(NULL, 0);
		for (int k = 0; k < 2; k++) {
			assert_true(sends(GET));
			rig_answer(ANSWER);
		}
		assert_int_equal(kept(), strlen(GET));
		assert_true(sends(others[i]));
		assert_int_not_equal(kept(), strlen(GET));
		rig_answer(ANSWER);
		if (i == 2)
			rig_answer(ANSWER);
		assert_true(sends(GET));
		rig_answer(ANSWER);
		assert_int_equal(model_check(true).inserted, i == 2 ? 5 : 4);
		rig_end();
	}
	rig_begin(NULL, 0);
	for (int k = 0; k < 2; k++) {
		assert_true(sends(GET));
		rig_answer(ANSWER);
	}
	for (size_t at = 0; at < strlen(GET); at++)
		assert_true(sends((char[]){ GET[at], '\0' }));
	assert_int_equal(kept(), 0);
	rig_answer(ANSWER);
	assert_int_equal(model_check(true).inserted, 3);
	rig_end();
}

/* Also those that nobody takes. */
static uint64_t over(void)
{
	return stats_read(STAT_SPANS_ENDED) + stats_read(STAT_SPANS_QUEUE_FULL);
}

/* The answer to the like of the last request, in two reads. */
static void test_write_repeat_answer_at_every_cut(void **state)
{
	struct span *server;
	uint64_t ended;

	(void)state;
	rig_begin(NULL, 0);
	server = rig_serve();
	ended = over();
	for (size_t cut = 1; cut < sizeof(ANSWER); cut++) {
		char first[sizeof(ANSWER)];

		memcpy(first, ANSWER, cut);
		first[cut] = '\0';
		assert_true(sends(PROXIED));
		rig_answer(first);
		assert_int_equal(over(), ended + cut - 1 + (cut == sizeof(ANSWER) - 1));
		if (ANSWER[cut])
			rig_answer(&ANSWER[cut]);
		assert_int_equal(over(), ended + cut);
		rig.wire_len = 0;
	}
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 0);
	rig_end();
	span_discard(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_repeat_is_the_same_at_every_cut),
		cmocka_unit_test(test_write_repeat_tells_each_apart),
		cmocka_unit_test(test_write_repeat_leaves_signed_headers_alone),
		cmocka_unit_test(test_write_repeat_of_what_has_not_left),
		cmocka_unit_test(test_write_repeat_ends_with_another),
		cmocka_unit_test(test_write_repeat_answer_at_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
