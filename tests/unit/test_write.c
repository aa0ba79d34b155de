/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write door: what is on the wire, and what the application is told, whatever the kernel does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "write_app.h"

/* --- whatever happens --- */

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

static void test_write_agrees_with_the_model(void **state)
{
	static uint8_t tape[512];
	uint64_t seed = 1;

	(void)state;
	for (unsigned run = 0; run < 20000; run++) {
		/* Mostly all goes well, or nothing would get anywhere. */
		uint64_t calm = random_next(&seed) % 4;

		for (size_t i = 0; i < sizeof(tape); i++)
			tape[i] = random_next(&seed) % 4 < calm ? 0 : (uint8_t)random_next(&seed);
		app_run(tape, sizeof(tape));
	}
}

/* --- one request, all else going well --- */

static struct span *server;

static void begin(bool is_served)
{
	rig_begin(NULL, 0);
	server = is_served ? rig_serve() : NULL;
}

static void end(void)
{
	rig_end();
	span_discard(server);
}

/* In pieces of that size, the last one of which may be larger. */
static ssize_t write_pieces(const char *text, size_t len, size_t piece, size_t most)
{
	static struct iovec iov[1024];
	size_t n = 0, at = 0;

	while (at < len) {
		size_t part = n + 1 == most || piece > len - at ? len - at : piece;

		iov[n++] = (struct iovec){ (char *)(uintptr_t)text + at, part };
		at += part;
	}
	return rig_call(iov, n, true);
}

static void write_rest(const char *text, size_t len, size_t piece)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = write_pieces(text + at, len - at, piece, 1024);

		if (n < 0)
			assert_int_equal(errno, EAGAIN);
		else
			at += (size_t)n;
	}
}

/* Ids are random. */
static size_t masked(char *to)
{
	for (size_t i = 0; i < rig.wire_len; i++)
		to[i] = strchr("0123456789abcdef", rig.wire[i]) && rig.wire[i] ? '0' : rig.wire[i];
	return rig.wire_len;
}

static bool is_told(const char *text)
{
	struct model m = model_check(true);

	(void)text;
	return m.inserted + m.rewritten == 1;
}

/*
 * The kernel takes so many bytes, and then says EAGAIN: what is on the wire in the end is the same.
 */
static void walk_cuts(const struct app_text *t, size_t piece)
{
	static char whole[RIG_BYTES], cut[RIG_BYTES];
	size_t len = strlen(t->text), whole_len;

	begin(true);
	write_rest(t->text, len, piece);
	whole_len = masked(whole);
	assert_int_equal(is_told(t->text), t->told != TOLD_NEVER);
	end();
	for (unsigned at = 1; at < whole_len; at++) {
		begin(true);
		rig.cut = at;
		write_rest(t->text, len, piece);
		assert_int_equal(rig.wire_len, whole_len);
		masked(cut);
		assert_memory_equal(cut, whole, whole_len);
		assert_int_equal(is_told(t->text), t->told != TOLD_NEVER);
		end();
	}
}

static void test_write_is_the_same_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(app_texts); i++) {
		walk_cuts(&app_texts[i], SIZE_MAX);
		walk_cuts(&app_texts[i], 1);
	}
}

#define HEAD "GET /1 HTTP/1.1\r\nHost: h\r\n"
#define OURS_BYTES 70u /* "traceparent: ", value, CRLF */

static void write_text(const char *text)
{
	assert_int_equal(write_pieces(text, strlen(text), SIZE_MAX, 1024), strlen(text));
}

/* C9: a later version is told on as version 00, and what it had to say more is not. */
static void test_write_later_version(void **state)
{
	static const char got[] = "GET / HTTP/1.1\r\nx-discarded: cc-" RIG_TRACE "-" RIG_PARENT
				  "-01-what\r\ntraceparent: 00-" RIG_TRACE "-";

	(void)state;
	begin(true);
	write_text("GET / HTTP/1.1\r\ntraceparent: cc-" RIG_TRACE "-" RIG_PARENT
		   "-01-what\r\n\r\n");
	assert_memory_equal(rig.wire, got, sizeof(got) - 1);
	end();
}

/* C3, C29: of several none is valid, so that a trace begins, and no state goes on. */
static void test_write_two_headers(void **state)
{
	static const char got[] = "GET / HTTP/1.1\r\nx-discarded: " RIG_VALUE
				  "\r\nx-replaced: a=b\r\nx-discarded: x\r\ntraceparent: 00-";
	uint64_t discarded = stats_read(STAT_DISCARDED), injected = stats_read(STAT_INJECTED);

	(void)state;
	begin(false);
	write_text("GET / HTTP/1.1\r\nTRACEPARENT: " RIG_VALUE
		   "\r\nTraceState: a=b\r\ntraceparent: x\r\n\r\n");
	assert_memory_equal(rig.wire, got, sizeof(got) - 1);
	assert_int_equal(stats_read(STAT_DISCARDED) - discarded, 3);
	assert_int_equal(stats_read(STAT_INJECTED) - injected, 1);
	end();
}

/* More than we keep places for: all are left alone, and the head gets no line. */
static void test_write_too_many_headers(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\n"
				   "tracestate: a=1\r\ntracestate: b=1\r\ntracestate: c=1\r\n"
				   "tracestate: d=1\r\ntracestate: e=1\r\ntracestate: f=1\r\n"
				   "tracestate: g=1\r\ntracestate: h=1\r\n\r\n";
	uint64_t refused = stats_read(STAT_INJECT_REFUSED);

	(void)state;
	begin(false);
	write_text(text);
	assert_int_equal(rig.wire_len, sizeof(text) - 1);
	assert_memory_equal(rig.wire, text, sizeof(text) - 1);
	assert_int_equal(stats_read(STAT_INJECT_REFUSED) - refused, 1);
	end();
}

/* --- an application that changes its mind about what is not taken yet --- */

/* Its first writes are taken up to cut, and then it goes on with rest. */
static void goes_on_with(const char *text, unsigned cut, const char *rest)
{
	rig.cut = cut;
	assert_int_equal(write_pieces(text, strlen(text), SIZE_MAX, 1), cut);
	write_rest(rest, strlen(rest), SIZE_MAX);
}

/* It has become a head with a header of ours. */
static void test_write_goes_on_with_a_header(void **state)
{
	static const char text[] = HEAD "\r\n";
	static const char got[] = HEAD "traceparent: 00-" RIG_TRACE "-";

	(void)state;
	begin(true);
	goes_on_with(text, 17, "Host: h\r\ntraceparent: " RIG_VALUE "\r\n\r\n");
	assert_int_equal(rig.wire_len, sizeof(text) - 1 + OURS_BYTES);
	assert_memory_equal(rig.wire, got, sizeof(got) - 1);
	assert_memory_not_equal(strstr(rig.wire, RIG_TRACE) + 33, RIG_PARENT, 16);
	end();
}

/* What was to be changed is not there any more: what is there stays as it is. */
static void test_write_goes_on_with_other_lines(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\ntraceparent: x\r\ntraceparent: y\r\n\r\n";
	static const char rest[] = "x-something: y\r\nX: 1\r\n\r\n";
	uint64_t refused = stats_read(STAT_INJECT_REFUSED);

	(void)state;
	begin(false);
	goes_on_with(text, 32, rest);
	assert_int_equal(rig.wire_len, 32 + sizeof(rest) - 1);
	assert_memory_equal(rig.wire, "GET / HTTP/1.1\r\nx-discarded: x\r\n", 32);
	assert_memory_equal(rig.wire + 32, rest, sizeof(rest) - 1);
	assert_int_equal(stats_read(STAT_INJECT_REFUSED) - refused, 1);
	end();
}

/* --- as many pieces as a call may have --- */

static void pieces(size_t count, unsigned calls)
{
	static char text[2048];
	size_t len = (size_t)snprintf(text, sizeof(text), HEAD "X-Fill: %01200d\r\n\r\n", 0);

	begin(false);
	assert_int_equal(write_pieces(text, len, 1, count), len);
	assert_int_equal(rig.calls, calls);
	assert_int_equal(rig.mores, calls - 1);
	assert_int_equal(rig.wire_len, len + OURS_BYTES);
	assert_int_equal(model_check(true).plain_told, 1);
	end();
}

static void test_write_1024_pieces(void **state)
{
	(void)state;
	pieces(1, 1);
	pieces(25, 1);
	pieces(1022, 1); /* our line, and the piece that it cuts in two */
	pieces(1023, 2);
	pieces(1024, 2);
}

/* --- others --- */

static const char other[] = "GET /other HTTP/1.1\r\nHost: h\r\n\r\n";
static jmp_buf out_of_the_kernel;

static void other_writes(void)
{
	struct iovec iov = { (void *)(uintptr_t)other, sizeof(other) - 1 };
	struct io_call call = { .fd = RIG_FD,
				.iov = &iov,
				.count = 1,
				.can_edit = true,
				.pass = rig_pass,
				.send = rig_send };

	assert_int_equal(conn_write(&call), sizeof(other) - 1);
}

static void other_jumps(void)
{
	longjmp(out_of_the_kernel, 1);
}

/* A thread, or a signal's handler, writes while a call with a line of ours is in the kernel. */
static void test_write_by_two_at_once(void **state)
{
	(void)state;
	begin(false);
	rig.meanwhile = other_writes;
	assert_int_equal(write_pieces(HEAD "\r\n", sizeof(HEAD) + 1, 1, 1024), sizeof(HEAD) + 1);
	assert_int_equal(rig.calls, 2);
	assert_int_equal(rig.wire_len, sizeof(other) - 1 + sizeof(HEAD) + 1 + OURS_BYTES);
	assert_memory_equal(rig.wire, other, sizeof(other) - 1);
	assert_memory_equal(rig.wire + sizeof(other) - 1, HEAD "traceparent: 00-",
			    sizeof(HEAD) - 1 + 16);
	/* From now on nothing is looked at. */
	rig.wire_len = 0;
	other_writes();
	assert_int_equal(rig.wire_len, sizeof(other) - 1);
	assert_memory_equal(rig.wire, other, sizeof(other) - 1);
	end();
}

static char others_line[256];

static ssize_t keep_line(const struct io_call *call, const struct iovec *iov, size_t count,
			 bool is_more)
{
	size_t n = 0;

	(void)call;
	(void)is_more;
	for (size_t i = 0; i < count; i++) {
		assert_true(n + iov[i].iov_len < sizeof(others_line));
		memcpy(others_line + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	return (ssize_t)n;
}

/* The memory of a connection that is closed is the next one's. */
static void other_closes_and_asks(void)
{
	static const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = 0x5000 };
	static char head[] = HEAD "\r\n";
	struct iovec iov = { head, sizeof(head) - 1 };
	struct io_call call = {
		.iov = &iov, .count = 1, .can_edit = true, .pass = rig_pass, .send = keep_line
	};
	int fds[2];

	rig.meanwhile = NULL;
	conn_fd_closing(RIG_FD);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	conn_connected(fds[0], (const void *)&peer, sizeof(peer), false, 1);
	call.fd = fds[0];
	assert_int_equal(conn_write(&call), sizeof(head) - 1);
	conn_fd_closing(fds[0]);
	close(fds[0]);
	close(fds[1]);
}

/*
 * One thread closes what another one writes to: the lines in the kernel's hands stay what they are.
 */
static void test_write_of_what_is_closed_meanwhile(void **state)
{
	const char *ours, *others;

	(void)state;
	for (int i = 0; i < 2000; i++) { /* and nothing is lost: there are a thousand */
		begin(false);
		rig.meanwhile = other_closes_and_asks;
		write_text(HEAD "\r\n");
		assert_int_equal(rig.wire_len, sizeof(HEAD) + 1 + OURS_BYTES);
		ours = strstr(rig.wire, "traceparent: 00-");
		others = strstr(others_line, "traceparent: 00-");
		assert_non_null(ours);
		assert_non_null(others);
		assert_memory_not_equal(ours + 16, others + 16, 32);
		end();
	}
}

/* The same, and the kernel takes only part of our line: the rest of it still goes ahead. */
static void test_write_by_two_at_once_and_in_part(void **state)
{
	(void)state;
	for (unsigned part = 1; part < OURS_BYTES; part++) {
		begin(false);
		rig.meanwhile = other_writes;
		rig.cut = sizeof(other) - 1 + sizeof(HEAD) - 1 + part;
		assert_int_equal(write_pieces(HEAD "\r\n", sizeof(HEAD) + 1, SIZE_MAX, 1),
				 sizeof(HEAD) - 1);
		write_rest("\r\n", 2, SIZE_MAX);
		assert_int_equal(rig.wire_len, sizeof(other) - 1 + sizeof(HEAD) + 1 + OURS_BYTES);
		assert_memory_equal(rig.wire + rig.wire_len - 4, "\r\n\r\n", 4);
		end();
	}
}

/* How much of it has left is not known to anybody. */
static void test_write_left_by_a_longjmp(void **state)
{
	(void)state;
	begin(false);
	rig.meanwhile = other_jumps;
	if (!setjmp(out_of_the_kernel))
		write_text(HEAD "\r\n");
	other_writes();
	other_writes();
	assert_int_equal(rig.wire_len, 2 * (sizeof(other) - 1));
	assert_memory_equal(rig.wire, other, sizeof(other) - 1);
	end();
}

/* --- bytes that leave unseen --- */

static bool pay(void)
{
	errno = 0;
	return conn_pay(&(struct io_call){ .fd = RIG_FD, .can_edit = true, .send = rig_send });
}

/* sendfile() after part of our line: the rest goes ahead, or the call is not made. */
static void test_write_is_paid_for(void **state)
{
	static const uint8_t again[] = { 8 };

	(void)state;
	begin(false);
	assert_true(pay()); /* nothing is owed */
	rig.cut = sizeof(HEAD) - 1 + 20;
	assert_int_equal(write_pieces(HEAD "\r\n", sizeof(HEAD) + 1, SIZE_MAX, 1),
			 sizeof(HEAD) - 1);
	rig.cut = 0;
	rig.tape = (struct tape){ again, 1 };
	assert_false(pay());
	assert_int_equal(errno, EAGAIN);
	assert_true(pay());
	assert_int_equal(rig.wire_len, sizeof(HEAD) - 1 + OURS_BYTES);
	assert_true(pay());
	write_text("\r\n");
	assert_int_equal(model_check(true).plain_told, 1);
	end();
}

/* The number was closed where no hook saw it, and is a file's: no rest of a line goes there. */
static void owed_to_nobody(bool is_blind)
{
	int fd = dup(RIG_FD);

	begin(false);
	rig.cut = sizeof(HEAD) - 1 + 20;
	assert_int_equal(write_pieces(HEAD "\r\n", sizeof(HEAD) + 1, SIZE_MAX, 1),
			 sizeof(HEAD) - 1);
	rig.cut = 0;
	rig.wire_len = 0;
	if (is_blind)
		conn_make_blind(RIG_FD);
	assert_int_equal(dup2(STDOUT_FILENO, RIG_FD), RIG_FD);
	write_text("text");
	assert_int_equal(rig.wire_len, 4);
	end();
	assert_int_equal(dup2(fd, RIG_FD), RIG_FD);
	close(fd);
}

static void test_write_owed_to_nobody(void **state)
{
	(void)state;
	owed_to_nobody(false);
	owed_to_nobody(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_agrees_with_the_model),
		cmocka_unit_test(test_write_is_the_same_at_every_cut),
		cmocka_unit_test(test_write_later_version),
		cmocka_unit_test(test_write_two_headers),
		cmocka_unit_test(test_write_too_many_headers),
		cmocka_unit_test(test_write_goes_on_with_a_header),
		cmocka_unit_test(test_write_goes_on_with_other_lines),
		cmocka_unit_test(test_write_1024_pieces),
		cmocka_unit_test(test_write_by_two_at_once),
		cmocka_unit_test(test_write_by_two_at_once_and_in_part),
		cmocka_unit_test(test_write_left_by_a_longjmp),
		cmocka_unit_test(test_write_of_what_is_closed_meanwhile),
		cmocka_unit_test(test_write_is_paid_for),
		cmocka_unit_test(test_write_owed_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
