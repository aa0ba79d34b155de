/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations by PostgreSQL's protocol, cut in every way, and the spans that come of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler.h"
#include "host.h"
#include "pg3.h"
#include "pgwire_run.h"
#include "stats.h"
#include "write.h"

/* Version 3.0, user, database. */
#define HELLO "C*{~^C~~user~u~database~d~~}"
#define READY "SR{~~~~} S{standard_conforming_strings~on~} K{12345678} Z{I}"

static const struct {
	const char *what;
	const char *lines[12];
	const char *told;
} talks[] = {
	{ "a simple query and its rows",
	  { HELLO, READY, "CQ{SELECT 'a\\', 5 FROM t~}", "ST{~~} D{~~} D{~~} C{SELECT 2~} Z{I}" },
	  "SELECT t|SELECT ?, ? FROM t #2\n" },
	{ "several statements in one are one",
	  { HELLO, READY, "CQ{BEGIN; SELECT 1; COMMIT~}",
	    "SC{BEGIN~}D{~}C{SELECT 1~}C{COMMIT~}Z{I}" },
	  "BEGIN SELECT COMMIT|BEGIN; SELECT ?; COMMIT #1\n" },
	{ "an error",
	  { HELLO, READY, "CQ{SELECT 1/0~}", "SE{SERROR~C22012~Mdivision by zero~~} Z{I}" },
	  "SELECT|SELECT ?/?!22012\n" },
	{ "a warning is none",
	  { HELLO, READY, "CQ{COMMIT~}", "SN{SWARNING~C25P01~~} C{COMMIT~} Z{I}" },
	  "COMMIT|COMMIT\n" },
	{ "parsed, bound and run at once",
	  { HELLO, READY, "CP{~SELECT $1 LIMIT 5~~~} B{~~~~} D{P~} E{~~~~~} S{}",
	    "S1{} 2{} T{} D{} C{SELECT 1~} Z{I}" },
	  "SELECT|SELECT $1 LIMIT 5 #1\n" },
	{ "prepared first, and run twice by its name",
	  { HELLO, READY, "CP{s~SELECT $1 FROM t~~~} D{Ss~} S{}", "S1{} t{} T{} Z{I}",
	    "CB{~s~~} E{~~~~~} S{}", "S2{} D{} C{SELECT 1~} Z{I}", "CB{p~s~~} E{p~~~~~} S{}",
	    "S2{} C{SELECT 0~} Z{I}" },
	  "PREPARE SELECT t|SELECT $1 FROM t\nSELECT t|SELECT $1 FROM t #1\nSELECT t|SELECT $1 "
	  "FROM "
	  "t\n" },
	{ "many runs of one statement are a batch", /* D22, D24 */
	  { HELLO, READY, "CP{s~INSERT INTO t VALUES ($1)~~~} H{}", "S1{}",
	    "CB{~s~~} E{~~~~~} B{~s~~} E{~~~~~} B{~s~~} E{~~~~~} S{}",
	    "S2{}C{INSERT 0 1~}2{}C{INSERT 0 1~}2{}C{INSERT 0 1~}Z{I}" },
	  "PREPARE INSERT t|INSERT INTO t VALUES ($1)\n"
	  "BATCH INSERT t|INSERT INTO t VALUES ($1) x3\n" },
	{ "pipelined: after an error nothing is run up to the sync",
	  { HELLO, READY,
	    "CP{~SELECT $1~~~}B{~~~~}E{~~~~~} P{~SELECT a~~~}B{~~~~}E{~~~~~} P{~SELECT "
	    "$2~~~}B{~~~~}"
	    "E{~~~~~}S{} P{~SELECT $3~~~}B{~~~~}E{~~~~~}S{}",
	    "S1{}2{}C{SELECT 1~} E{C42703~~} Z{I} 1{}2{}C{SELECT 1~}Z{I}" },
	  "SELECT|SELECT $1\nSELECT|SELECT a!42703\nSELECT|SELECT $2!pipeline_aborted\n"
	  "SELECT|SELECT $3\n" },
	{ "a statement that could not be prepared leaves no text",
	  { HELLO, READY, "CP{s~SELECT $1~~~}S{}", "SE{C42P05~~}Z{I}", "CB{~s~~}E{~~~~~}S{}",
	    "S2{}C{SELECT 1~}Z{I}" },
	  "PREPARE SELECT|SELECT $1!42P05\nd\n" },
	{ "a copy, whose data is nobody's business",
	  { HELLO, READY, "CQ{COPY t FROM STDIN~}", "SG{~~~}", "Cd{secret}d{Q~~~~}c{}",
	    "SC{COPY 2~}Z{I}" },
	  "COPY t|COPY t FROM STDIN\n" },
	{ "a suspended portal and an empty query",
	  { HELLO, READY, "CP{~SELECT $1~~~}B{c~~~}E{c~~~~~}S{}", "S1{}2{}D{}s{}Z{I}", "CQ{~}",
	    "SI{}Z{I}" },
	  "SELECT|SELECT $1 #1\nd\n" },
	{ "no password, no entry", { HELLO, "SE{SFATAL~C28P01~~}" }, "CONNECT d!28P01\n" },
	{ "the server ends it",
	  { HELLO, READY, "CQ{SELECT 1~}", "SE{SFATAL~C57P01~~}" },
	  "SELECT|SELECT ?!57P01\n" },
	{ "an answer to nothing", { HELLO, READY, "SZ{I}", "CQ{SELECT 1~}", "SZ{I}" }, "" },
	{ "a type that does not exist", { HELLO, READY, "CQ{SELECT 1~}", "Sy{}" }, "" },
	{ "something else", { "C!~!~!a!b!c!d!e!f!g!h" }, "" },
	{ "cancel", { "C*{^D\x92^V^n~~~~~~~~}" }, "" },
};

static void talk(size_t i, size_t piece)
{
	static struct run_bytes bytes;
	char told[2048];

	run_connect();
	for (const char *const *line = talks[i].lines; *line; line++) {
		run_line(&bytes, *line + 1);
		run_move(**line == 'S', bytes.at, bytes.len, piece);
	}
	run_close();
	run_told(told, sizeof(told));
	if (strcmp(told, talks[i].told) != 0)
		fail_msg("%s, in pieces of %zu\nis:\n%swanted:\n%s", talks[i].what, piece, told,
			 talks[i].told);
}

static void talks_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(talks); i++)
		for (size_t piece = 1; piece < 300; piece++)
			talk(i, piece);
}

/* SSLRequest (80877103) and its answer, by bytes: they have no place in a line. */
static void tls_is_asked_for(void **state)
{
	static const char ask[] = { 0, 0, 0, 8, 4, (char)0xd2, 22, 47 };
	static struct run_bytes bytes;
	char told[256];

	(void)state;
	run_connect();
	run_move(false, ask, sizeof(ask), 3);
	run_move(true, "N", 1, 1);
	run_line(&bytes, HELLO + 1);
	run_move(false, bytes.at, bytes.len, 5);
	run_line(&bytes, READY + 1);
	run_move(true, bytes.at, bytes.len, 5);
	run_line(&bytes, "Q{SELECT 7~}");
	run_move(false, bytes.at, bytes.len, 5);
	run_line(&bytes, "C{~}Z{I}");
	run_move(true, bytes.at, bytes.len, 5);
	run_close();
	run_told(told, sizeof(told));
	assert_string_equal(told, "SELECT|SELECT ?\n");
	/*
	 * Granted: what follows is a record of TLS, and the end of it for us, as nobody decrypts
	 * it.
	 */
	run_connect();
	run_move(false, ask, sizeof(ask), 8);
	run_move(true, "S", 1, 1);
	assert_true(fd_is_ours(RUN_FD));
	run_move(false, "\x16\x03\x01\x00\x05hello", 10, 10);
	assert_false(fd_is_ours(RUN_FD));
	run_close();
	/* By GSS: opaque. */
	run_connect();
	run_move(false, ask, sizeof(ask), 8);
	run_move(true, "G", 1, 1);
	assert_false(fd_is_ours(RUN_FD));
	run_close();
}

static void long_statements_are_cut(void **state)
{
	static struct run_bytes bytes;
	size_t len = 60000;
	uint32_t be = __builtin_bswap32((uint32_t)len + 4);
	char told[256];

	(void)state;
	run_connect();
	run_line(&bytes, HELLO + 1);
	run_move(false, bytes.at, bytes.len, 64);
	run_line(&bytes, READY + 1);
	run_move(true, bytes.at, bytes.len, 64);
	bytes.len = 0;
	run_put(&bytes, "Q", 1);
	run_put(&bytes, &be, 4);
	memset(bytes.at + 5, ' ', len);
	memcpy(bytes.at + 5, "SELECT 1 FROM t WHERE a = 'x", 28);
	bytes.at[5 + 40000] = '\'';
	bytes.at[5 + len - 1] = '\0';
	bytes.len += len;
	run_move(false, bytes.at, bytes.len, 1000);
	run_line(&bytes, "C{~}Z{I}");
	run_move(true, bytes.at, bytes.len, 1000);
	run_close();
	run_told(told, sizeof(told));
	assert_string_equal(told, "SELECT t|SELECT ? FROM t WHERE a = ?\n");
}

static void what_is_under_way_is_bounded(void **state)
{
	static struct run_bytes bytes;
	uint64_t full = stats_read(STAT_PIPELINE_FULL);
	char told[64];

	(void)state;
	run_connect();
	run_line(&bytes, HELLO + 1);
	run_move(false, bytes.at, bytes.len, 64);
	run_line(&bytes, READY + 1);
	run_move(true, bytes.at, bytes.len, 64);
	run_line(&bytes, "P{~SELECT $1~~~}B{~~~~}E{~~~~~}S{}");
	for (int i = 0; i < 129; i++)
		run_move(false, bytes.at, bytes.len, 64);
	assert_int_equal(stats_read(STAT_PIPELINE_FULL), full + 1);
	assert_false(fd_is_ours(RUN_FD));
	run_close();
	assert_int_equal(run_told(told, sizeof(told)), 0);
}

static bool is_passed;

static ssize_t pass(const struct io_call *call)
{
	is_passed = true;
	return (ssize_t)call->iov->iov_len;
}

static ssize_t send_other(const struct io_call *call, const struct iovec *iov, size_t count,
			  bool is_more)
{
	(void)call;
	(void)iov;
	(void)count;
	(void)is_more;
	fail_msg("other bytes than the application's");
	return -1;
}

/* Law 1: part of a row of a COPY that begins a write, and looks like a request. */
static void what_looks_like_a_request_is_not_edited(void **state)
{
	static char row[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	static struct run_bytes bytes;
	struct iovec iov = { row, sizeof(row) - 1 };
	struct io_call call = { .fd = RUN_FD,
				.iov = &iov,
				.count = 1,
				.can_edit = true,
				.pass = pass,
				.send = send_other };
	uint32_t be = __builtin_bswap32(4 + 64);
	char told[128];

	(void)state;
	atomic_store(&host_observed, true);
	run_connect();
	run_line(&bytes, HELLO + 1);
	run_move(false, bytes.at, bytes.len, 64);
	run_line(&bytes, READY + 1);
	run_move(true, bytes.at, bytes.len, 64);
	run_line(&bytes, "Q{COPY t FROM STDIN~}");
	run_move(false, bytes.at, bytes.len, 64);
	bytes.len = 0;
	run_put(&bytes, "d", 1);
	run_put(&bytes, &be, 4);
	run_move(false, bytes.at, bytes.len, 64);
	assert_int_equal(conn_write(&call), sizeof(row) - 1);
	assert_true(is_passed);
	assert_true(fd_is_ours(RUN_FD));
	run_close();
	run_told(told, sizeof(told));
	assert_string_equal(told, "COPY t|COPY t FROM STDIN\n");
}

static int set_up(void **state)
{
	static const char *const envp[] = { "OTEL_INTERSPAN_OPT_IN_ATTRIBUTES=*", NULL };

	(void)state;
	config_parse(&config, (char *const *)(uintptr_t)envp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talks_are_told),
		cmocka_unit_test(tls_is_asked_for),
		cmocka_unit_test(long_statements_are_cut),
		cmocka_unit_test(what_is_under_way_is_bounded),
		cmocka_unit_test(what_looks_like_a_request_is_not_edited),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
