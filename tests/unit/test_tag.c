/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header tag: what a read leaves in the application's buffer, at every split and in every shape
 * of vector.  The socket is real and idle: bytes are "read" by filling the vector and saying so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "stats.h"
#include "store.h"
#include "tag.h"
#include "traceparent.h"

#define FD 700
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define VALUE "00-" TRACE "-" PARENT "-01"
#define HEAD(line) "GET /a?b=c HTTP/1.1\r\nHost: h\r\n" line "X-After: 1\r\n\r\n"

static uint64_t count_of(enum stat_id which)
{
	return stats_read(which);
}

static int set_up(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(dup2(fd, FD), FD);
	close(fd);
	config_parse(&config, NULL);
	atomic_store(&span_ended_without_owner, NULL); /* no thread that reads the settings */
	stats_reset();
	conn_accepted(FD);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	conn_fd_closing(FD);
	close(FD);
	return 0;
}

/* The application reads what is in its vector. */
static void read_vector(const struct iovec *iov, size_t count)
{
	struct conn_token t = conn_look(FD, true);
	size_t n = 0;

	assert_non_null(t.conn);
	for (size_t i = 0; i < count; i++)
		n += iov[i].iov_len;
	conn_read_done(FD, t, iov, count, (ssize_t)n, n, 0);
}

static void read_bytes(char *buf, size_t len)
{
	read_vector(&(struct iovec){ buf, len }, 1);
}

/* The open span of the request number i that has been read and not been answered. */
static struct span *request_span(unsigned i)
{
	struct conn *c = conn_pin(FD);
	struct span *s;

	assert_non_null(c);
	assert_in_range(i, 0, exchange_count(c) - 1);
	i += atomic_load(&c->exchanges.head) - atomic_load(&c->exchanges.from);
	s = span_get(c->exchanges.at[i % CONN_EXCHANGES].span);
	conn_unpin(c);
	assert_non_null(s);
	return s;
}

/* text with the first parent-id behind `behind` replaced; NULL: as it is. */
static void assert_tagged(const char *got, const char *text, const char *behind,
			  const struct span *tag)
{
	char wanted[4096];
	char *id;

	snprintf(wanted, sizeof(wanted), "%s", text);
	id = strstr(strstr(wanted, behind), PARENT);
	if (tag) {
		assert_non_null(id);
		hex_encode(id, tag->id.bytes, sizeof(tag->id.bytes));
	}
	assert_memory_equal(got, wanted, strlen(text));
}

static void assert_text(const char *got, const char *text, const struct span *tag)
{
	assert_tagged(got, text, "", tag);
}

static void test_tag_takes_the_place_of_the_parent_id(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		bool is_tagged;
	} rows[] = {
		{ "plain", HEAD("traceparent: " VALUE "\r\n"), true },
		{ "any case (C1)", HEAD("TraceParent: " VALUE "\r\n"), true },
		{ "blanks around (C2)", HEAD("traceparent: \t " VALUE " \t \r\n"), true },
		{ "no blank", HEAD("traceparent:" VALUE "\r\n"), true },
		{ "bare LF", "GET / HTTP/1.1\ntraceparent: " VALUE "\n\n", true },
		{ "last header", "GET / HTTP/1.1\r\nHost: h\r\ntraceparent: " VALUE "\r\n\r\n",
		  true },
		{ "unsampled", HEAD("traceparent: 00-" TRACE "-" PARENT "-00\r\n"), true },
		{ "all flags (C13)", HEAD("traceparent: 00-" TRACE "-" PARENT "-ff\r\n"), true },
		{ "later version (C8)", HEAD("traceparent: cc-" TRACE "-" PARENT "-01-x\r\n"),
		  true },
		{ "HTTP/1.0", "GET / HTTP/1.0\r\ntraceparent: " VALUE "\r\n\r\n", true },
		{ "chunked",
		  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ntraceparent: " VALUE
		  "\r\n\r\n1\r\na\r\n0\r\n\r\n",
		  true },
		{ "folded before the value", HEAD("traceparent:\r\n " VALUE "\r\n"), true },
		{ "folded inside (C2)", HEAD("traceparent: 00-" TRACE "-" PARENT "\r\n -01\r\n"),
		  false },
		{ "folded behind", HEAD("traceparent: " VALUE "\r\n \r\n"), false },
		{ "folded in fields to come (C8)",
		  HEAD("traceparent: cc-" TRACE "-" PARENT "-01-\r\n what\r\n"), false },
		{ "twice (C3)", HEAD("traceparent: " VALUE "\r\ntraceparent: " VALUE "\r\n"),
		  false },
		{ "joined (C3)", HEAD("traceparent: " VALUE ", " VALUE "\r\n"), false },
		{ "version ff (C6)", HEAD("traceparent: ff-" TRACE "-" PARENT "-01\r\n"), false },
		{ "zero trace (C7)",
		  HEAD("traceparent: 00-00000000000000000000000000000000-" PARENT "-01\r\n"),
		  false },
		{ "longer (C5)", HEAD("traceparent: " VALUE "-x\r\n"), false },
		{ "signed",
		  HEAD("Authorization: AWS4-HMAC-SHA256 Credential=A, "
		       "SignedHeaders=host;traceparent, Signature=f\r\ntraceparent: " VALUE "\r\n"),
		  false },
		{ "signed, told behind",
		  HEAD("traceparent: " VALUE "\r\nSignature-Input: s=(\"traceparent\")\r\n"),
		  false },
		{ "signed by its URL",
		  "GET /?X-Amz-SignedHeaders=host%3Btraceparent HTTP/1.1\r\ntraceparent: " VALUE
		  "\r\n\r\n",
		  false },
		{ "others are signed",
		  HEAD("Authorization: AWS4-HMAC-SHA256 Credential=A, "
		       "SignedHeaders=host, Signature=f\r\ntraceparent: " VALUE "\r\n"),
		  true },
		{ "telemetry",
		  "POST /v1/traces HTTP/1.1\r\nUser-Agent: OTel-OTLP-Exporter-Python/1.27\r\n"
		  "Content-Length: 0\r\ntraceparent: " VALUE "\r\n\r\n",
		  false },
		{ "no end yet", "GET / HTTP/1.1\r\ntraceparent: " VALUE "\r\nHost: h\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char buf[1024];
		size_t len = strlen(rows[i].text);

		print_message("%s\n", rows[i].name);
		set_up(NULL);
		memcpy(buf, rows[i].text, len);
		read_bytes(buf, len);
		assert_text(buf, rows[i].text, rows[i].is_tagged ? request_span(0) : NULL);
		assert_int_equal(count_of(STAT_TAGGED), rows[i].is_tagged);
		tear_down(NULL);
	}
}

static void test_tag_leaves_other_headers_alone(void **state)
{
	static const char text[] =
		HEAD("X-Trace: " VALUE "\r\ntraceparent: " VALUE "\r\nX-Trace: " VALUE "\r\n");
	char buf[sizeof(text)];

	(void)state;
	memcpy(buf, text, sizeof(text));
	read_bytes(buf, sizeof(text) - 1);
	assert_tagged(buf, text, "traceparent: ", request_span(0));
}

/* Two reads: the header is tagged if the second has all of it, and otherwise stays whole. */
static void test_tag_at_every_split(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	const size_t len = sizeof(text) - 1;
	const size_t value = (size_t)(strstr(text, VALUE) - text);

	(void)state;
	for (size_t cut = 1; cut < len; cut++) {
		bool is_tagged = cut <= value;
		char buf[sizeof(text)];

		set_up(NULL);
		memcpy(buf, text, len);
		read_bytes(buf, cut);
		assert_text(buf, text, NULL);
		read_bytes(buf + cut, len - cut);
		assert_text(buf, text, is_tagged ? request_span(0) : NULL);
		assert_int_equal(count_of(STAT_TAGGED), is_tagged);
		assert_int_equal(count_of(STAT_TAG_LATE), !is_tagged);
		assert_memory_equal(request_span(0)->parent.bytes,
				    "\xb7\xad\x6b\x71\x69\x20\x33\x31", 8);
		tear_down(NULL);
	}
}

static void test_tag_stays_away_when_read_byte_by_byte(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	char buf[sizeof(text)];

	(void)state;
	memcpy(buf, text, sizeof(text));
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		read_bytes(buf + i, 1);
	assert_text(buf, text, NULL);
	assert_int_equal(count_of(STAT_TAG_LATE), 1);
}

/* Pieces of every size, in one call; the last has room that the call did not fill. */
static void test_tag_in_vectors(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE " \r\n");
	const size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t size = 3; size <= len; size++) {
		char buf[sizeof(text) + 256];
		struct iovec iov[64];
		size_t count = 0;
		struct conn_token t;

		set_up(NULL);
		memcpy(buf, text, len);
		for (size_t at = 0; at < len; at += size)
			iov[count++] = (struct iovec){ buf + at, size };
		t = conn_look(FD, true);
		conn_read_done(FD, t, iov, count, (ssize_t)len, count * size, 0);
		assert_text(buf, text, request_span(0));
		assert_int_equal(count_of(STAT_TAGGED), 1);
		tear_down(NULL);
	}
}

/* What the vector has room for behind that is not of this call, and may be of the one before. */
static void test_tag_arrival_ends_with_its_call(void **state)
{
	static char first[] = "abcdef", second[] = "ghijkl";
	const struct iovec iov[] = { { first, 6 }, { NULL, 0 }, { second, 6 } };
	const struct arrival a = { iov, 3, 9, 100 }, unseen = { NULL, 0, 9, 100 };
	char got[16];
	size_t run = 0;

	(void)state;
	assert_null(arrival_at(&a, 99, &run));
	assert_ptr_equal(arrival_at(&a, 100, &run), first);
	assert_int_equal(run, 6);
	assert_ptr_equal(arrival_at(&a, 105, &run), first + 5);
	assert_int_equal(run, 1);
	assert_ptr_equal(arrival_at(&a, 106, &run), second);
	assert_int_equal(run, 3);
	assert_ptr_equal(arrival_at(&a, 108, &run), second + 2);
	assert_int_equal(run, 1);
	assert_null(arrival_at(&a, 109, &run));
	assert_true(arrival_copy(&a, 102, got, 7));
	assert_memory_equal(got, "cdefghi", 7);
	assert_false(arrival_copy(&a, 102, got, 8));
	assert_false(arrival_copy(&a, 99, got, 1));
	assert_null(arrival_at(&unseen, 100, &run)); /* as sendfile()'s */
}

/* A vector that names memory twice: writing to one piece would change another. */
static void test_tag_not_where_pieces_overlap(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	const size_t len = sizeof(text) - 1;
	char buf[2 * sizeof(text)];
	struct iovec iov[] = { { buf, len }, { buf, len } };

	(void)state;
	memcpy(buf, text, len);
	read_vector(iov, 2);
	assert_text(buf, text, NULL);
	assert_int_equal(count_of(STAT_TAGGED), 0);
	assert_int_equal(count_of(STAT_TAG_REFUSED), 2);
}

static void test_tag_each_of_pipelined_requests(void **state)
{
	static const char one[] = HEAD("traceparent: " VALUE "\r\n");
	const size_t len = sizeof(one) - 1;
	char buf[5 * sizeof(one)];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		memcpy(buf + i * len, one, len);
	read_bytes(buf, 5 * len);
	for (unsigned i = 0; i < 5; i++) {
		const struct span *s = request_span(i);
		struct span_ref found;

		assert_text(buf + i * len, one, s);
		assert_int_equal(tag_find(&s->trace, &s->id, &found), TAG_LIVE);
		assert_ptr_equal(span_get(found), s);
	}
}

/* Behind the end of a body that lies in a piece of its own. */
static void test_tag_in_a_later_piece(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	char first[] = "PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\na", rest[] = "bc";
	char buf[sizeof(text)];

	(void)state;
	memcpy(buf, text, sizeof(text));
	read_bytes(first, sizeof(first) - 1);
	read_vector((struct iovec[]){ { rest, 2 }, { buf, sizeof(text) - 1 } }, 2);
	assert_memory_equal(rest, "bc", 2);
	assert_text(buf, text, request_span(1));
	assert_int_equal(count_of(STAT_TAGGED), 1);
}

/* What has been shown stays: n bytes of a peek at the beginning of the head. */
static void test_tag_never_after_a_peek_at_it(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	const size_t len = sizeof(text) - 1;
	const size_t value = (size_t)(strstr(text, VALUE) - text);
	char answer[] = "HTTP/1.1 204 No\r\n\r\n";
	char buf[sizeof(text)];

	(void)state;
	for (size_t n = 0; n <= len; n++) {
		set_up(NULL);
		conn_peek_done(FD, conn_peek_begin(FD), (ssize_t)n);
		conn_peek_done(FD, conn_peek_begin(FD), -1);
		memcpy(buf, text, len);
		read_bytes(buf, len);
		assert_text(buf, text, n <= value ? request_span(0) : NULL);
		assert_int_equal(count_of(STAT_TAG_PEEKED), n > value);
		/* The next one has not been seen. */
		conn_wrote(FD, conn_look(FD, false), &(struct iovec){ answer, sizeof(answer) - 1 },
			   1, sizeof(answer) - 1, 0);
		memcpy(buf, text, len);
		read_bytes(buf, len);
		assert_text(buf, text, request_span(0));
		tear_down(NULL);
	}
}

static void test_tag_never_while_a_peek_is_under_way(void **state)
{
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	char buf[sizeof(text)];
	struct conn_token peek = conn_peek_begin(FD);

	(void)state;
	memcpy(buf, text, sizeof(text));
	read_bytes(buf, sizeof(text) - 1);
	assert_text(buf, text, NULL);
	conn_peek_done(FD, peek, 10);
	assert_int_equal(count_of(STAT_TAG_PEEKED), 1);
}

static void test_tag_off(void **state)
{
	static const char *const settings[][2] = {
		{ "OTEL_INTERSPAN_HEADER_TAG=false" },
		{ "OTEL_SDK_DISABLED=true" },
		{ "OTEL_INTERSPAN_EXCLUDED_URLS=/a*" },
	};
	static const char text[] = HEAD("traceparent: " VALUE "\r\n");
	char answer[] = "HTTP/1.1 204 No\r\n\r\n";
	char buf[sizeof(text)];

	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		set_up(NULL);
		config_parse(&config, (char *const *)(uintptr_t)settings[i]);
		for (int k = 0; k < 3; k++) { /* also what comes once more (repeat.h) */
			memcpy(buf, text, sizeof(text));
			read_bytes(buf, sizeof(text) - 1);
			assert_text(buf, text, NULL);
			conn_wrote(FD, conn_look(FD, false),
				   &(struct iovec){ answer, sizeof(answer) - 1 }, 1,
				   sizeof(answer) - 1, 0);
		}
		assert_int_equal(count_of(STAT_TAGGED), 0);
		assert_int_equal(count_of(STAT_CONNS_OPAQUE), 0);
		tear_down(NULL);
	}
}

/* Not trusted: a trace of our own, and not a digit of the caller's is left to be passed on. */
static void test_tag_replaces_all_of_a_caller_that_is_not_trusted(void **state)
{
	static const char *const env[] = { "OTEL_INTERSPAN_TRUST_INBOUND=false", NULL };
	static const struct trace_id trace = { { 0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
						 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c } };
	static const struct span_id parent = { { 0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31 } };
	static const struct {
		const char *text;
		size_t blanks;
	} rows[] = {
		{ HEAD("traceparent: " VALUE "\r\n"), 0 },
		{ HEAD("traceparent: 00-" TRACE "-" PARENT "-00\r\n"), 0 },
		{ HEAD("traceparent: cc-" TRACE "-" PARENT "-01-what\r\n"), 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char buf[1024], wanted[1024];
		size_t len = strlen(rows[i].text);
		const struct span *s;
		char *value;

		set_up(NULL);
		config_parse(&config, (char *const *)(uintptr_t)env);
		memcpy(buf, rows[i].text, len);
		read_bytes(buf, len);
		s = request_span(0);
		assert_int_equal(s->has_parent, 0);
		assert_int_equal(s->flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM);
		assert_memory_not_equal(s->trace.bytes, trace.bytes, 16);
		assert_true(span_ref_is_called_by(span_ref(s), &trace, &parent));
		memcpy(wanted, rows[i].text, len + 1);
		value = strstr(wanted, "traceparent: ") + 13;
		traceparent_format(value, &s->trace, &s->id, s->flags);
		memset(value + TRACEPARENT_LEN, ' ', rows[i].blanks);
		assert_memory_equal(buf, wanted, len);
		assert_int_equal(count_of(STAT_INBOUND_UNTRUSTED), 1);
		tear_down(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tag_takes_the_place_of_the_parent_id),
		cmocka_unit_test_setup_teardown(test_tag_leaves_other_headers_alone, set_up,
						tear_down),
		cmocka_unit_test(test_tag_at_every_split),
		cmocka_unit_test_setup_teardown(test_tag_stays_away_when_read_byte_by_byte, set_up,
						tear_down),
		cmocka_unit_test(test_tag_in_vectors),
		cmocka_unit_test(test_tag_arrival_ends_with_its_call),
		cmocka_unit_test_setup_teardown(test_tag_not_where_pieces_overlap, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_tag_each_of_pipelined_requests, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_tag_in_a_later_piece, set_up, tear_down),
		cmocka_unit_test(test_tag_never_after_a_peek_at_it),
		cmocka_unit_test_setup_teardown(test_tag_never_while_a_peek_is_under_way, set_up,
						tear_down),
		cmocka_unit_test(test_tag_off),
		cmocka_unit_test(test_tag_replaces_all_of_a_caller_that_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
