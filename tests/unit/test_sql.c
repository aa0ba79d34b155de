/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "sql_text.h"
#include "sql_word.h"

#define PLAIN SQL_BACKSLASH_PLAIN
#define ESCAPES SQL_BACKSLASH_ESCAPES
#define UNKNOWN SQL_BACKSLASH_UNKNOWN

static char text[SQL_TEXT_BYTES], summary[SQL_SUMMARY_BYTES];

/* The input lies at the end of its memory, for the sanitizer's sake. */
static struct bytes describe(struct bytes sql, enum sql_backslash b, bool has_parameters,
			     struct bytes *ret_summary)
{
	struct sql_out t = { text, sizeof(text), 0, false };
	struct sql_out s = { summary, sizeof(summary), 0, false };
	char *copy = malloc(sql.len + !sql.len);

	memcpy(copy, sql.ptr, sql.len);
	sql_describe((struct bytes){ copy, sql.len }, b, has_parameters, &t, &s);
	free(copy);
	*ret_summary = (struct bytes){ summary, s.len };
	return (struct bytes){ text, t.len };
}

static void assert_bytes(struct bytes is, const char *wanted, const char *sql)
{
	if (bytes_equal(is, bytes_from_str(wanted)))
		return;
	print_error("%s\n  is:     %.*s\n  wanted: %s\n", sql, (int)is.len, is.ptr, wanted);
	fail();
}

/* --- values: D25-D28 --- */

static const struct row {
	const char *sql;
	const char *wanted;
	enum sql_backslash backslash;
	bool has_parameters;
} rows[] = {
	{ "SELECT * FROM users WHERE name = 'bob'", "SELECT * FROM users WHERE name = ?", PLAIN,
	  0 },
	{ "SELECT 'it''s', ''", "SELECT ?, ?", PLAIN, 0 },
	{ "SELECT E'it\\'s', e'\\\\', 'x'", "SELECT ?, ?, ?", PLAIN, 0 },
	{ "SELECT U&'d\\0061t' UESCAPE '!', u&\"d\\0061t\"", "SELECT ? UESCAPE ?, u&\"d\\0061t\"",
	  PLAIN, 0 },
	{ "SELECT N'a', B'01', x'1F'", "SELECT ?, ?, ?", PLAIN, 0 },
	{ "SELECT like'a', ae'b'", "SELECT like?, ae?", PLAIN, 0 },
	{ "SELECT $$a'b$$, $t$ $$ $x$ $t$, $1$2", "SELECT ?, ?, $1$2", PLAIN, 0 },
	{ "SELECT a$1, a$b$c$b$", "SELECT a$1, a$b$c$b$", PLAIN, 0 },
	{ "DO $$BEGIN PERFORM 'x'; END$$", "DO ?", PLAIN, 0 },
	{ "SELECT 'a'\n -- more\n 'b', 'c' 'd'", "SELECT ?, ? ?", PLAIN, 0 },
	{ "SELECT E'a'\n'b\\'c', d", "SELECT ?, d", PLAIN, 0 },
	{ "SELECT 1, 1.5, .5, 1., 1e5, 1.5E-10, 0x1F, 0b01, 0o17, 1_000, -7",
	  "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, -?", PLAIN, 0 },
	{ "SELECT a[1:2], t1.c2, 1..2", "SELECT a[?:?], t1.c2, ?.?", PLAIN, 0 },
	{ "SELECT 5e'a\\'b', 5f", "SELECT ??, ?f", PLAIN, 0 },
	{ "SELECT TRUE, false, NULL WHERE a IS TRUE AND b IS NOT FALSE",
	  "SELECT ?, ?, NULL WHERE a IS TRUE AND b IS NOT FALSE", PLAIN, 0 },
	{ "SELECT DATE '2020-01-01', '1 day'::interval", "SELECT DATE ?, ?::interval", PLAIN, 0 },
	{ "SELECT \"a'b\", \"c\"\"d\", 'e\"f'", "SELECT \"a'b\", \"c\"\"d\", ?", PLAIN, 0 },
	{ "SELECT 1 -- pw 'x\n, 2 /* a /* 'b */ c */ + 3", "SELECT ? \n, ?  + ?", PLAIN, 0 },
	{ "  /* first */ SELECT a/**/b --last", "SELECT a b", PLAIN, 0 },
	{ "SELECT 1 /*traceparent='00-1-2-01'*/", "SELECT ?", PLAIN, 0 },
	{ "SELECT $a/**/$ 'x' $a$", "SELECT $a $ ? ?", PLAIN, 0 },
	/* Two readings: whatever may be a value is one. */
	{ "SELECT 'a\\', 'b', 'c'", "SELECT ?, ?, ?", PLAIN, 0 },
	{ "SELECT 'a\\', b', c", "SELECT ?, c", ESCAPES, 0 },
	{ "SELECT 'a\\', 'b', 'c'", "SELECT ?", UNKNOWN, 0 },
	{ "SELECT 'a\\\\', 'b\\n'", "SELECT ?, ?", UNKNOWN, 0 },
	{ "SELECT E'\x83\\', 'b'", "SELECT ?", PLAIN, 0 },
	{ "SELECT E'\x83\\\\', 'b'", "SELECT ?", PLAIN, 0 },
	/* No end. */
	{ "SELECT 'abc", "SELECT ?", PLAIN, 0 },
	{ "SELECT E'abc\\", "SELECT ?", PLAIN, 0 },
	{ "SELECT $a$b$a", "SELECT ?", PLAIN, 0 },
	{ "SELECT \"abc", "SELECT ?", PLAIN, 0 },
	{ "SELECT a /* b", "SELECT a", PLAIN, 0 },
	{ "", "", PLAIN, 0 },
	{ " \n", "", PLAIN, 0 },
	/* D27 */
	{ "SELECT 1 WHERE a IN (1, -2,'x' ) AND b in(TRUE)", "SELECT ? WHERE a IN (?) AND b in(?)",
	  PLAIN, 0 },
	{ "WHERE a NOT IN (?, ?)", "WHERE a NOT IN (?)", PLAIN, 0 },
	{ "WHERE a IN (1, b, 2)", "WHERE a IN (?, b, ?)", PLAIN, 0 },
	{ "WHERE a IN (SELECT 1)", "WHERE a IN (SELECT ?)", PLAIN, 0 },
	{ "WHERE a IN ()", "WHERE a IN ()", PLAIN, 0 },
	{ "WHERE a IN (1, 2", "WHERE a IN (?, ?", PLAIN, 0 },
	{ "VALUES (1, 2)", "VALUES (?, ?)", PLAIN, 0 },
	/* D25: parameters keep the text, and only where there are some. */
	{ "SELECT a FROM t WHERE b = $1 AND c = 'x' LIMIT 10",
	  "SELECT a FROM t WHERE b = $1 AND c = 'x' LIMIT 10", PLAIN, true },
	{ "SELECT a IN ($1, $2), 1 IN (1, 2) -- x", "SELECT a IN ($1, $2), 1 IN (1, 2)", PLAIN,
	  true },
	{ "SELECT a FROM t WHERE c = 'x' LIMIT 10", "SELECT a FROM t WHERE c = ? LIMIT ?", PLAIN,
	  true },
	{ "SELECT $$ $1 $$, 5", "SELECT ?, ?", PLAIN, true },
	{ "SELECT $1, 'x", "SELECT $1, ?", PLAIN, true },
	/* Law 3 */
	{ "ALTER ROLE bob PASSWORD 'x'", "ALTER ROLE bob PASSWORD ?", PLAIN, 0 },
	{ "ALTER ROLE bob PASSWORD \"x\"", "ALTER ROLE bob PASSWORD ?", PLAIN, 0 },
	{ "create user bob with encrypted password x login",
	  "create user bob with encrypted password ? login", PLAIN, 0 },
	{ "CREATE ROLE bob PASSWORD NULL", "CREATE ROLE bob PASSWORD NULL", PLAIN, 0 },
	{ "UPDATE u SET password = 'x' WHERE id = $1", "UPDATE u SET password = ? WHERE id = $1",
	  PLAIN, true },
	{ "CREATE TABLE t (password text)", "CREATE TABLE t (password text)", PLAIN, 0 },
	{ "CREATE USER MAPPING FOR a SERVER b OPTIONS (user 'x', password 'y')",
	  "CREATE USER MAPPING FOR a SERVER b OPTIONS (user ?, password ?)", PLAIN, 0 },
	{ "CREATE SUBSCRIPTION s CONNECTION 'host=a password=b' PUBLICATION p",
	  "CREATE SUBSCRIPTION s CONNECTION ? PUBLICATION p", PLAIN, 0 },
};

static void masks_values(void **state)
{
	struct bytes s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		assert_bytes(describe(bytes_from_str(r->sql), r->backslash, r->has_parameters, &s),
			     r->wanted, r->sql);
	}
}

/* --- summaries: D29-D38 --- */

static const struct {
	const char *sql;
	const char *wanted;
} summaries[] = {
	{ "SELECT * FROM wuser_table WHERE username = ?", "SELECT wuser_table" }, /* D33 */
	{ "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders "
	  "WHERE order_id = ?",
	  "INSERT shipping_details SELECT orders" },                            /* D34 */
	{ "SELECT * FROM songs, artists WHERE a = b", "SELECT songs artists" }, /* D35 */
	{ "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.a = c.a)",
	  "SELECT SELECT orders customers" }, /* D36 */
	/* D37, but that a string is a value in PostgreSQL */
	{ "SELECT * FROM \"song list\", 'artists'", "SELECT \"song list\"" },
	{ "select A.b, \"C\".\"d\"  from A . b", "select A" },
	{ "select 1 from s.t x, only u.v as y, lateral f(1) z left join w using (id) order by 1, 2",
	  "select s.t u.v w" },
	{ "SELECT extract(year FROM a), b IS DISTINCT FROM c FROM d", "SELECT d" },
	{ "SELECT 1 UNION ALL SELECT a FROM b ORDER BY c, d", "SELECT SELECT b" },
	{ "WITH x AS (SELECT 1 FROM a), y AS (DELETE FROM b USING c RETURNING *) UPDATE t SET v = "
	  "1 "
	  "FROM u",
	  "SELECT a DELETE b c UPDATE t u" },
	{ "MERGE INTO t USING s ON a = b WHEN MATCHED THEN UPDATE SET c = 1", "MERGE t s" },
	{ "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1 RETURNING b", "INSERT t" },
	{ "SELECT a FROM t FOR NO KEY UPDATE", "SELECT t" },
	{ "EXPLAIN (ANALYZE) DELETE FROM t", "EXPLAIN DELETE t" },
	{ "BEGIN; SELECT 1 FROM a; COMMIT", "BEGIN SELECT a COMMIT" },
	{ "SAVEPOINT s1234_x1", "SAVEPOINT" },
	{ "SET search_path = secret", "SET" },
	{ "CREATE TEMP TABLE IF NOT EXISTS t AS SELECT 1 FROM u", "CREATE TABLE t SELECT u" },
	{ "CREATE INDEX i ON t (a)", "CREATE INDEX" },
	{ "CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE ON UPDATE RESTRICT)",
	  "CREATE TABLE t" },
	{ "CREATE TRIGGER g BEFORE INSERT OR UPDATE ON t EXECUTE FUNCTION f()", "CREATE TRIGGER" },
	{ "DROP TABLE IF EXISTS a.b, c", "DROP TABLE a.b" },
	{ "TRUNCATE TABLE ONLY a, b", "TRUNCATE a b" },
	{ "GRANT SELECT ON t TO u", "GRANT" },
	{ "COPY t (a, b) FROM STDIN", "COPY t" },
	{ "COPY (SELECT * FROM t) TO STDOUT", "COPY SELECT t" },
	{ "CALL s.p(1, 'x')", "CALL s.p" },
	{ "PREPARE p AS SELECT a FROM t WHERE b = $1", "PREPARE SELECT t" },
	{ "EXECUTE p(1)", "EXECUTE" },
	{ "DECLARE c CURSOR FOR SELECT a FROM t", "DECLARE SELECT t" },
	{ "VALUES (1), (2)", "VALUES" },
	{ "nonsense FROM t", "" },
	{ "SELECT a FROM", "SELECT" },
	{ "SELECT a FROM ((b", "SELECT b" },
	{ "SELECT a FROM 'x", "SELECT" },
};

static void summarises(void **state)
{
	struct bytes s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(summaries); i++) {
		(void)describe(bytes_from_str(summaries[i].sql), PLAIN, false, &s);
		assert_bytes(s, summaries[i].wanted, summaries[i].sql);
	}
}

static void summary_ends_between_names(void **state) /* D31 */
{
	char sql[600] = "SELECT 1 FROM t", *at = sql + strlen(sql);
	struct bytes s;

	(void)state;
	for (int i = 10; i < 90; i++)
		at += sprintf(at, ",n%04d", i);
	(void)describe(bytes_from_str(sql), PLAIN, false, &s);
	assert_int_equal(s.len, 8 + 41 * 6);
	assert_memory_equal(s.ptr + s.len - 6, " n0050", 6);
}

static void knows_every_word(void **state)
{
	static const char *const words[] = {
#define KEYWORD(name) #name,
#include "sql_word.def"
#undef KEYWORD
	};
	char low[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct bytes word = bytes_from_str(words[i]);

		for (size_t at = 0; at < word.len; at++)
			low[at] = ascii_lower(word.ptr[at]);
		assert_int_equal(sql_word(word), i + 1);
		assert_int_equal(sql_word((struct bytes){ low, word.len }), i + 1);
		assert_int_not_equal(sql_word((struct bytes){ low, word.len - 1 }), i + 1);
	}
	assert_int_equal(sql_word(BYTES("")), KW_NONE);
	assert_int_equal(sql_word(BYTES("\xd3"
					"ELECT")),
			 KW_NONE);
	assert_int_equal(sql_word(BYTES("selected")), KW_NONE);
}

/* --- bounds --- */

static void a_long_list_is_one_value(void **state)
{
	size_t n = 0;
	char *sql = malloc(SQL_INPUT_MAX);
	struct bytes s;

	(void)state;
	n += (size_t)sprintf(sql, "SELECT a FROM t WHERE b IN (0");
	while (n < SQL_INPUT_MAX - 20)
		n += (size_t)sprintf(sql + n, ",%zu", n);
	n += (size_t)sprintf(sql + n, ") OR c");
	assert_bytes(describe((struct bytes){ sql, n }, PLAIN, false, &s),
		     "SELECT a FROM t WHERE b IN (?) OR c", "a long list");
	free(sql);
}

static void what_is_too_long_is_cut_between_tokens(void **state)
{
	size_t n = SQL_TEXT_BYTES + 100;
	char *sql = malloc(n);
	struct bytes s, is;

	(void)state;
	memset(sql, 'a', n);
	memcpy(sql, "SELECT ", 7);
	memset(sql + SQL_TEXT_BYTES - 10, '"', 1);
	memset(sql + SQL_TEXT_BYTES + 10, '"', 1);
	is = describe((struct bytes){ sql, n }, PLAIN, false, &s);
	assert_int_equal(is.len, SQL_TEXT_BYTES - 10);
	free(sql);
}

/* --- statements made by chance: no value is left, and masking once is enough --- */

static const char *const values[] = {
	"'CANARY'",
	"'a''CANARY'",
	"E'\\'CANARY\\\\'",
	"e'CANARY'\n 'CANARY'",
	"$$CANARY$$",
	"$q$ $$'CANARY$q$",
	"U&'CANARY'",
	"N'CANARY'",
	"B'CANARY'",
	"x'CANARY'",
	"'CANARY' -- '\n 'CANARY'",
	"/* 'CANARY' */ 1",
	"'\"CANARY'",
	"'/* CANARY'",
	"'-- CANARY'",
	"'CANARY\\\\'",
	"E'a'\n'b\\'CANARY'",
	"-- CANARY '\n 7",
	"/*/* CANARY */*/",
	"$CANARY_$CANARY$CANARY_$",
	"12345",
};
static const char *const glue[] = { " ",
				    ",",
				    " = ",
				    "\n",
				    "(",
				    ")",
				    " IN (",
				    "::text ",
				    ";",
				    " + ",
				    " AND ",
				    "",
				    " \"a'b\" ",
				    " AS x ",
				    ".",
				    " - ",
				    "e",
				    "$",
				    " SELECT a FROM t WHERE ",
				    " IS ",
				    " $1 ",
				    "[" };

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void no_value_is_left(void **state)
{
	static char sql[2048], once[SQL_TEXT_BYTES];
	uint32_t seed = 8;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t n = 0, len;
		struct bytes s, is;

		for (int i = 0; i < 12; i++) {
			bool is_value = i & 1;
			uint32_t r = next_random(&seed);
			const char *part = is_value ? values[r % ARRAY_LEN(values)] :
						      glue[r % ARRAY_LEN(glue)];
			/* A name goes on with letters: E and $ there are no beginning. */
			bool is_apart = is_value && n && strchr("ex$", sql[n - 1]);

			n += (size_t)sprintf(sql + n, "%s%s", is_apart ? " " : "", part);
		}
		is = describe((struct bytes){ sql, n }, PLAIN, false, &s);
		if (memmem(is.ptr, is.len, "CANARY", 6) || memmem(s.ptr, s.len, "CANARY", 6) ||
		    memmem(is.ptr, is.len, "12345", 5))
			fail_msg("%.*s\nleaves %.*s", (int)n, sql, (int)is.len, is.ptr);
		memcpy(once, is.ptr, len = is.len);
		is = describe((struct bytes){ once, len }, PLAIN, false, &s);
		if (is.len != len || memcmp(is.ptr, once, len) != 0)
			fail_msg("%.*s\nonce %.*s\nagain %.*s", (int)n, sql, (int)len, once,
				 (int)is.len, is.ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(masks_values),
		cmocka_unit_test(summarises),
		cmocka_unit_test(summary_ends_between_names),
		cmocka_unit_test(knows_every_word),
		cmocka_unit_test(a_long_list_is_one_value),
		cmocka_unit_test(what_is_too_long_is_cut_between_tokens),
		cmocka_unit_test(no_value_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
