/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that cannot be looked at, or are not understood: the application's call is made as it is,
 * once, and says what the kernel says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>

#include "write_rig.h"

#define HEAD "GET / HTTP/1.1\r\nHost: h\r\n"
#define REQUEST HEAD "\r\n"
#define OURS_BYTES 70u /* "traceparent: ", value, CRLF */

static void begin(void)
{
	rig_begin(NULL, 0);
	stats_reset();
}

static void write_text(const char *text)
{
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };

	assert_int_equal(rig_call(&iov, 1, true), iov.iov_len);
}

/* What is written now is on the wire as it is. */
static void assert_passes(const char *text)
{
	size_t before = rig.wire_len;

	write_text(text);
	assert_int_equal(rig.wire_len - before, strlen(text));
	assert_memory_equal(rig.wire + before, text, strlen(text));
}

/* And this has a line of ours in front of its empty line. */
static void assert_told(const char *text)
{
	size_t before = rig.wire_len, head = (size_t)(strstr(text, "\r\n\r\n") + 2 - text);
	const char *wire = rig.wire + before;

	write_text(text);
	assert_int_equal(rig.wire_len - before, strlen(text) + OURS_BYTES);
	assert_memory_equal(wire, text, head);
	assert_memory_equal(wire + head, "traceparent: 00-", 16);
	assert_memory_equal(wire + head + OURS_BYTES, text + head, strlen(text) - head);
}

/* --- memory that cannot be read --- */

#define PAGE 4096u

static struct io_call made; /* the last call that was made, and how often */
static struct iovec made_of[8];
static unsigned passes, sends;

static ssize_t record(const struct io_call *call, const struct iovec *iov, size_t count, ssize_t n)
{
	assert_true(count <= 8);
	made = *call;
	made.iov = iov;
	made.count = count;
	memcpy(made_of, iov, count * sizeof(*iov));
	return n;
}

/* As the kernel: what lies in front of the fault is taken. */
static ssize_t pass_faults(const struct io_call *call)
{
	passes++;
	errno = EFAULT;
	return record(call, call->iov, call->count,
		      call->count == 1 ? -1 : (ssize_t)call->iov[0].iov_len);
}

static ssize_t send_all(const struct io_call *call, const struct iovec *iov, size_t count,
			bool is_more)
{
	ssize_t n = 0;

	(void)is_more;
	sends++;
	for (size_t i = 0; i < count; i++)
		n += (ssize_t)iov[i].iov_len;
	return record(call, iov, count, n);
}

static ssize_t call_with(struct iovec *iov, size_t count)
{
	struct io_call call = { .fd = RIG_FD,
				.iov = iov,
				.count = count,
				.can_edit = true,
				.pass = pass_faults,
				.send = send_all };

	passes = sends = 0;
	errno = 0;
	return conn_write(&call);
}

/* It is the kernel who says EFAULT, not a signal; from then on nobody knows what was sent. */
static void test_write_of_what_cannot_be_read(void **state)
{
	char *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char head[] = HEAD;
	struct iovec iov[] = { { head, sizeof(head) - 1 }, { hole, 10 } };

	(void)state;
	assert_ptr_not_equal(hole, MAP_FAILED);
	for (size_t first = 0; first < 2; first++) {
		begin();
		assert_int_equal(call_with(iov + first, 2 - first),
				 first ? -1 : (ssize_t)sizeof(head) - 1);
		if (first)
			assert_int_equal(errno, EFAULT);
		assert_int_equal(passes, 1);
		assert_int_equal(sends, 0);
		assert_ptr_equal(made.iov, iov + first);
		assert_int_equal(made.count, 2 - first);
		assert_int_equal(stats_read(STAT_CONNS_BLIND), 1);
		assert_passes(REQUEST);
		rig_end();
	}
	munmap(hole, PAGE);
}

/* A body is counted, not read: it may be a file that is not in memory, or not there at all. */
static void test_write_does_not_read_a_body(void **state)
{
	char *hole = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char head[] = "PUT / HTTP/1.1\r\nContent-Length: 4096\r\n\r\n";
	size_t closing = sizeof(head) - 1 - 2;
	struct iovec iov[] = { { head, sizeof(head) - 1 }, { hole, PAGE } };

	(void)state;
	assert_ptr_not_equal(hole, MAP_FAILED);
	begin();
	assert_int_equal(call_with(iov, 2), sizeof(head) - 1 + PAGE);
	assert_int_equal(passes, 0);
	assert_int_equal(sends, 1);
	assert_int_equal(made.count, 4);
	assert_ptr_equal(made_of[0].iov_base, head);
	assert_int_equal(made_of[0].iov_len, closing);
	assert_int_equal(made_of[1].iov_len, OURS_BYTES);
	assert_ptr_equal(made_of[2].iov_base, head + closing);
	assert_int_equal(made_of[2].iov_len, 2);
	assert_ptr_equal(made_of[3].iov_base, hole);
	assert_int_equal(made_of[3].iov_len, PAGE);
	assert_int_equal(stats_read(STAT_INJECTED), 1);
	assert_told(REQUEST); /* it has ended where it was said to */
	rig_end();
	munmap(hole, PAGE);
}

/* --- bytes that are no request --- */

/* Behind one: that one is told, and nothing after it is looked at any more. */
static void test_write_of_what_is_not_understood(void **state)
{
	(void)state;
	begin();
	assert_told(REQUEST "\x01\x02 no request\r\n\r\n");
	assert_int_equal(stats_read(STAT_INJECTED), 1);
	assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 1);
	assert_passes(REQUEST);
	rig_end();
}

/* --- calls that we may not look at --- */

/* A handler of a signal that has come while this thread was in our code (law 3). */
static void test_write_within_our_own_code(void **state)
{
	(void)state;
	begin();
	assert_told(REQUEST);
	assert_true(guard_enter());
	assert_passes(REQUEST);
	guard_leave();
	assert_int_equal(stats_read(STAT_CONNS_BLIND), 1);
	assert_passes(REQUEST);
	rig_end();
}

/* We have stood down (law 8), with connections that are under way. */
static void test_write_where_nothing_is_observed(void **state)
{
	(void)state;
	begin();
	assert_told(REQUEST);
	atomic_store(&host_observed, false);
	assert_passes(REQUEST);
	assert_int_equal(stats_read(STAT_CONNS_BLIND), 1);
	atomic_store(&host_observed, true);
	rig_end();
}

static void becomes_blind(void)
{
	conn_make_blind(RIG_FD);
}

/* Two requests in one call: the first one is on its way when the connection becomes blind. */
static void test_write_of_the_rest_when_blind(void **state)
{
	static const char both[] = REQUEST "POST /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";

	(void)state;
	begin();
	rig.meanwhile = becomes_blind;
	assert_told(both);
	assert_int_equal(rig.calls, 2);
	assert_int_equal(rig.mores, 1);
	assert_passes(REQUEST);
	rig_end();
}

/* --- no memory for heads --- */

#define HOGS 1100u

/* Whoever comes then is passed through, wherever in a head it is that memory is wanted. */
static void test_write_of_one_head_too_many(void **state)
{
	static struct half hogs[HOGS];
	static const struct {
		const char *begun, *rest;
	} rows[] = {
		{ REQUEST, REQUEST },
		{ "GET / HTTP/1.0\nHost: h\n\n", REQUEST }, /* that is for the slower parser */
		{ "GET / HTTP/1.1\r\nHo", "st: h\r\n\r\n" },
		{ "GET /", " HTTP/1.1\r\nHost: h\r\n\r\n" },
	};
	size_t n = 0;

	(void)state;
	begin();
	while (n < HOGS && half_borrow(&hogs[n]))
		n++;
	assert_in_range(n, 1000, 1024);
	rig_end();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		begin();
		assert_passes(rows[i].begun);
		assert_passes(rows[i].rest);
		assert_int_equal(stats_read(STAT_INJECTED), 0);
		assert_int_equal(stats_read(STAT_CONNS_OPAQUE), 1);
		rig_end();
	}
	while (n)
		half_return(&hogs[--n]);
	begin();
	assert_told(REQUEST);
	rig_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_of_what_cannot_be_read),
		cmocka_unit_test(test_write_does_not_read_a_body),
		cmocka_unit_test(test_write_of_what_is_not_understood),
		cmocka_unit_test(test_write_within_our_own_code),
		cmocka_unit_test(test_write_where_nothing_is_observed),
		cmocka_unit_test(test_write_of_the_rest_when_blind),
		cmocka_unit_test(test_write_of_one_head_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
