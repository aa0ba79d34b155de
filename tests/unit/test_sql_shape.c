/* SPDX-License-Identifier: Apache-2.0 */
/* A shape says of a text what sql_describe() says of it, or does not fit; and so do all of them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "db_span.h"
#include "sql_shape.h"
#include "sql_shapes.h"

#define PLAIN SQL_BACKSLASH_PLAIN
#define ESCAPES SQL_BACKSLASH_ESCAPES
#define UNKNOWN SQL_BACKSLASH_UNKNOWN

struct told {
	char text[SQL_TEXT_BYTES], summary[SQL_SUMMARY_BYTES];
	struct bytes is, in_short;
};

static void describe(struct told *t, struct bytes sql, enum sql_backslash b, bool has_parameters)
{
	struct sql_out text = { t->text, sizeof(t->text), 0, false };
	struct sql_out summary = { t->summary, sizeof(t->summary), 0, false };

	sql_describe(sql, b, has_parameters, &text, &summary);
	t->is = (struct bytes){ t->text, text.len };
	t->in_short = (struct bytes){ t->summary, summary.len };
}

/* The shape of a text; NULL: it has none.  Freed by the caller. */
static struct sql_shape *shape_of(struct bytes sql, enum sql_backslash b, bool has_parameters)
{
	static struct told t;
	struct sql_shape *s = NULL;
	size_t bytes;

	describe(&t, sql, b, has_parameters);
	bytes = sql_shape_bytes(sql, b, t.is, t.in_short);
	if (bytes) {
		s = malloc(bytes);
		sql_shape_make(s, sql, b, has_parameters, t.is, t.in_short);
	}
	return s;
}

/* --- which fit --- */

static const struct {
	const char *one, *other;
	bool has_parameters;
	bool fits;
} rows[] = {
	{ "SELECT a FROM t WHERE b = 12345;", "SELECT a FROM t WHERE b = 7;", 0, true },
	{ "SELECT a FROM t WHERE b = 12345;", "SELECT a FROM t WHERE b = 12345;", 0, true },
	{ "SELECT 1", "SELECT 12345678901234567890123456789012345678901234567890", 0, true },
	{ "SELECT 'a', 0x1F, 1.5e-3, .5", "SELECT '', 0, 2, .123", 0, true },
	{ "SELECT 'a', E'b\\'', $$c$$", "SELECT 'it''s', E'', $q$ $$ $q$", 0, true },
	{ "SELECT 1 WHERE a IN (1, 2, 3)", "SELECT 1 WHERE a IN (4, 5, 67)", 0, true },
	{ "SELECT 1 WHERE a IN (1, 2, 3)", "SELECT 1 WHERE a IN (4, 5)", 0, false },
	{ "SELECT 1", "SELECT 1 ", 0, false },
	{ "SELECT 1", "SELECT 'a'", 0, false },
	{ "SELECT 1", "SELECT x1", 0, false },
	{ "SELECT 1", "SELECT .5", 0, false },
	{ "SELECT 5x1", "SELECT 0x1", 0, false },
	{ "SELECT 0x1", "SELECT 5x1", 0, false },
	{ "SELECT 'a' 'b'", "SELECT 'a''b'", 0, false },
	{ "SELECT 'a', 'b'", "SELECT 'a', 'b", 0, false },
	{ "SELECT a.b FROM t", "SELECT a.c FROM t", 0, false },
	{ "SELECT a -- 1\n, 2", "SELECT a -- 2\n, 2", 0, false },
	{ "SELECT a -- 1\n, 2", "SELECT a -- 1\n, 3", 0, true },
	{ "SELECT \"a1\", 2", "SELECT \"a2\", 2", 0, false },
	/* D25: what is kept with its values has no other text. */
	{ "SELECT $1, 5", "SELECT $1, 6", true, false },
	{ "SELECT $1, 5", "SELECT $1, 5", true, true },
	{ "SELECT $1, 5", "SELECT $1, 6", false, true },
	{ "SELECT $1, 5", "SELECT $2, 5", false, false },
	{ "SELECT 5", "SELECT 6", true, true },
};

static void fits_what_differs_in_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes one = bytes_from_str(rows[i].one);
		struct bytes other = bytes_from_str(rows[i].other);
		struct sql_shape *s = shape_of(one, PLAIN, rows[i].has_parameters);

		assert_non_null(s);
		if (sql_shape_fits(s, other, PLAIN, rows[i].has_parameters) != rows[i].fits)
			fail_msg("%s\n%s", rows[i].one, rows[i].other);
		assert_false(sql_shape_fits(s, other, PLAIN, !rows[i].has_parameters));
		assert_false(sql_shape_fits(s, other, ESCAPES, rows[i].has_parameters));
		if (rows[i].fits)
			assert_int_equal(sql_shape_key(one), sql_shape_key(other));
		free(s);
	}
}

/* Law 3: what may be a secret is not kept, not even in our memory. */
static void some_have_none(void **state)
{
	static const char *const texts[] = { "",
					     "SELECT 'abc",
					     "SELECT \"abc",
					     "SELECT $a$b$a",
					     "ALTER ROLE bob PASSWORD \"x\"",
					     "create user bob with encrypted password x login" };
	char many[200] = "SELECT 1";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_null(shape_of(bytes_from_str(texts[i]), PLAIN, false));
	for (size_t i = 1; i <= SQL_SHAPE_VALUES; i++)
		strcat(many, ",2");
	assert_null(shape_of(bytes_from_str(many), PLAIN, false));
}

/* --- by chance --- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static const char *const parts[] = {
	"SELECT ", " FROM t ", "a",    "e",   "x",    "u&",   "n",    "b",  "IN (",  ")",
	"(",       ",",        ".",    "..",  "-",    "--",   "\n",   " ",  "/*",    "*/",
	"$",       "$1",       "$a",   "$$",  "$q$",  "_",    "\"",   "'",  "\\",    "\\'",
	";",       "TRUE",     "IS ",  "?",   "'a'",  "'b''", "E'c'", "1",  "23",    "0x1F",
	".5",      "6.7",      "8e9",  "0b1", "1_0",  "'\n'", "::",   "DO", "x'1f'", "\xc3\xa9",
	"GROUP ",  "ROLE ",    "AS c", "u",   "U&'x", "in(",  " IN ", "''", "'",     "'x' ",
};

static size_t make_text(char *to, uint32_t *seed)
{
	size_t n = 0, many = 1 + next_random(seed) % 9;

	for (size_t i = 0; i < many; i++)
		n += (size_t)sprintf(to + n, "%s", parts[next_random(seed) % ARRAY_LEN(parts)]);
	return n;
}

/* Another one nearby: bytes changed, put in or taken out; digits above all. */
static size_t change(char *to, const char *from, size_t len, uint32_t *seed)
{
	static const char bytes[] = "0123456789019'.$eExXuU&_-abc \n\\\"";
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		uint32_t r = next_random(seed);
		bool is_digit = from[i] >= '0' && from[i] <= '9';
		bool is_changed = (r & 255) < (is_digit ? 128u : 24u);
		char other = bytes[(r >> 8) % (is_digit ? 12 : sizeof(bytes) - 1)];

		if (!is_changed || r & 0x10000)
			to[n++] = from[i];
		if (is_changed && r & 0x20000)
			to[n++] = other;
	}
	return n;
}

static bool check_pair(struct bytes one, struct bytes other, enum sql_backslash b,
		       bool has_parameters)
{
	static struct told is;
	struct sql_shape *s = shape_of(one, b, has_parameters);
	char *copy = malloc(other.len + !other.len); /* its end is the end of its memory */
	bool fits;

	memcpy(copy, other.ptr, other.len);
	other.ptr = copy;
	fits = s && sql_shape_fits(s, other, b, has_parameters);
	if (fits) {
		describe(&is, other, b, has_parameters);
		if (!bytes_equal(is.is, sql_shape_text(s)) ||
		    !bytes_equal(is.in_short, sql_shape_summary(s)) ||
		    sql_shape_key(one) != sql_shape_key(other))
			fail_msg("%.*s\n%.*s\nis %.*s\nnot %.*s", (int)one.len, one.ptr,
				 (int)other.len, other.ptr, (int)is.is.len, is.is.ptr,
				 (int)sql_shape_text(s).len, sql_shape_text(s).ptr);
	}
	free(copy);
	free(s);
	return fits;
}

static void a_shape_says_what_the_lexer_says(void **state)
{
	char one[256], other[512];
	uint32_t seed = 15;
	int other_ones = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		enum sql_backslash b = (enum sql_backslash)(next_random(&seed) % 3);
		bool has_parameters = next_random(&seed) & 1;
		struct bytes x = { one, make_text(one, &seed) };
		struct bytes y = { other, change(other, one, x.len, &seed) };

		other_ones += check_pair(x, y, b, has_parameters) && !bytes_equal(x, y);
		/* Of itself there is a shape, or none. */
		(void)check_pair(x, x, b, has_parameters);
	}
	assert_true(other_ones > 5000);
}

/* --- all that a process has run --- */

static bool is_told(struct db_scratch **room, const char *sql)
{
	static _Thread_local struct told is;
	static _Thread_local const struct sql_shape *last;
	struct db_text t = db_describe(room, &last, bytes_from_str(sql), PLAIN, false);

	describe(&is, bytes_from_str(sql), PLAIN, false);
	return bytes_equal(t.text, is.is) && bytes_equal(t.summary, is.in_short);
}

static void the_second_is_kept(void **state)
{
	struct db_scratch *room = NULL;
	uint64_t key;

	(void)state;
	for (int i = 0; i < 4; i++) {
		char sql[64];

		sprintf(sql, "SELECT a FROM kept WHERE b = %d", i);
		assert_int_equal(sql_shapes_find(bytes_from_str(sql), PLAIN, false, &key) != NULL,
				 i >= 2);
		assert_true(is_told(&room, sql));
	}
	db_scratch_put(room);
}

/* Far more than there is room for: each is told of, and what is kept stays. */
static void more_than_there_is_room_for(void **state)
{
	struct db_scratch *room = NULL;
	char sql[64], name[16] = "";
	uint64_t key;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		for (int at = 0, rest = i; at < 6; at++, rest /= 10)
			name[at] = (char)('a' + rest % 10);
		for (int again = 0; again < 3; again++) {
			sprintf(sql, "SELECT %s FROM t WHERE c = %d", name, again);
			assert_true(is_told(&room, sql));
		}
	}
	assert_null(sql_shapes_find(bytes_from_str(sql), PLAIN, false, &key));
	assert_non_null(
		sql_shapes_find(BYTES("SELECT a FROM kept WHERE b = 5"), PLAIN, false, &key));
	db_scratch_put(room);
}

static void *run(void *arg)
{
	struct db_scratch *room = NULL;
	char sql[64];
	bool is_good = true;

	(void)arg;
	for (int i = 0; i < 2000 && is_good; i++) {
		sprintf(sql, "UPDATE t%c SET a = '%d' WHERE b = %d", 'a' + i % 20, i, i / 3);
		is_good = is_told(&room, sql);
	}
	db_scratch_put(room);
	return is_good ? arg : NULL;
}

static void threads_have_them_in_common(void **state)
{
	pthread_t thread[4];
	void *is_good;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, run, thread), 0);
	for (size_t i = 0; i < ARRAY_LEN(thread); i++) {
		assert_int_equal(pthread_join(thread[i], &is_good), 0);
		assert_non_null(is_good);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fits_what_differs_in_values),
		cmocka_unit_test(some_have_none),
		cmocka_unit_test(a_shape_says_what_the_lexer_says),
		cmocka_unit_test(threads_have_them_in_common),
		cmocka_unit_test(the_second_is_kept),
		cmocka_unit_test(more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
