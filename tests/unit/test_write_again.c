/* SPDX-License-Identifier: Apache-2.0 */
/* A head that is written again and again until the kernel takes it is one head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "traceparent.h"
#include "tracer.h"
#include "write_app.h"

#define FOREIGN                                                                          \
	"GET /h HTTP/1.1\r\nHost: h\r\ntraceparent: 00-11111111111111111111111111111111" \
	"-2222222222222222-01\r\n\r\n"
#define PLAIN "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

static ssize_t write_once(const char *text)
{
	const struct iovec piece = { (char *)(uintptr_t)text, strlen(text) };

	return rig_call(&piece, 1, true);
}

/* times: what the kernel says EAGAIN to. */
static void write_after(const char *text, unsigned times)
{
	static const uint8_t again[] = { 8 };

	for (unsigned i = 0; i < times; i++) {
		rig.tape = (struct tape){ again, 1 };
		assert_int_equal(write_once(text), -1);
		assert_int_equal(errno, EAGAIN);
	}
	rig.tape.len = 0;
	assert_int_equal(write_once(text), strlen(text));
}

/* Eight headers that nobody knows tell of a tracer; in this order: a flag is never taken back. */
static void test_write_again_is_one_foreign_header(void **state)
{
	(void)state;
	tracer_saw_request();
	for (unsigned i = 0; i < 7; i++) {
		rig_begin(NULL, 0);
		write_after(FOREIGN, 100);
		rig_end();
		assert_false(tracer_is_here());
	}
	rig_begin(NULL, 0);
	write_after(FOREIGN, 0);
	rig_end();
	assert_true(tracer_is_here());
}

/* Nor is it one that never left. */
static void test_write_again_and_never_sent(void **state)
{
	static const uint8_t broken[] = { 10 };

	(void)state;
	atomic_store(&runtime_seen_flags, 0);
	for (unsigned i = 0; i < 8; i++) {
		struct span *server;

		rig_begin(broken, sizeof(broken));
		server = rig_serve();
		assert_int_equal(write_once(FOREIGN), -1);
		assert_int_equal(errno, EPIPE);
		rig_end();
		span_discard(server);
	}
	assert_false(tracer_is_here());
}

static void test_write_again_is_one_without_a_parent(void **state)
{
	uint64_t before = stats_read(STAT_PARENT_NONE);

	(void)state;
	rig_begin(NULL, 0);
	write_after(PLAIN, 3);
	rig_end();
	assert_int_equal(stats_read(STAT_PARENT_NONE) - before, 1);
	assert_int_equal(model_check(true).plain_told, 1);
}

/* The tag of a request that has ended, which an application took with it. */
static void test_write_again_is_one_stale_tag(void **state)
{
	uint64_t before = stats_read(STAT_TAG_STALE);
	struct span_context own;
	struct span *server;
	char head[256] = "GET /t HTTP/1.1\r\ntraceparent: ";
	size_t len = strlen(head);

	(void)state;
	rig_begin(NULL, 0);
	server = rig_serve();
	own = span_get_context(server);
	tag_remember(span_ref(server), &own.span);
	traceparent_format(head + len, &own.trace, &own.span, 1);
	memcpy(head + len + TRACEPARENT_LEN, "\r\n\r\n", 5);
	span_discard(server); /* as when it has ended */
	write_after(head, 3);
	rig_end();
	assert_int_equal(stats_read(STAT_TAG_STALE) - before, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_again_is_one_foreign_header),
		cmocka_unit_test(test_write_again_and_never_sent),
		cmocka_unit_test(test_write_again_is_one_without_a_parent),
		cmocka_unit_test(test_write_again_is_one_stale_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
