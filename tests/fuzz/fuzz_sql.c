/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that may be SQL, behind a byte of settings.  Tokens together are the text; what is masked
 * has no value left, nor a word of one, and is masked no further; the summary is made of what the
 * text has.  A text that fits another one's shape is told of as that shape says.
 */
#include <stdlib.h>

#include "sql_comment.h"
#include "sql_shape.h"
#include "sql_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_tokens(struct bytes sql, enum sql_backslash b)
{
	struct sql_lexer l = sql_lexer(sql, b);
	const char *at = sql.ptr;
	struct sql_token t;

	while ((t = sql_next(&l)).kind != SQL_STOP) {
		check(t.text.ptr == at && t.text.len);
		at += t.text.len;
	}
	check(at == sql.ptr + sql.len);
}

static void check_masked(struct bytes text, enum sql_backslash b)
{
	struct sql_lexer l = sql_lexer(text, b);
	struct sql_token t;

	while ((t = sql_next(&l)).kind != SQL_STOP)
		check(t.kind != SQL_STRING && t.kind != SQL_NUMBER && t.kind != SQL_COMMENT &&
		      t.kind != SQL_UNSURE);
}

static void check_summary(struct bytes sql, struct bytes summary)
{
	while (summary.ptr) {
		struct bytes word = bytes_split(&summary, ' ');

		check(!word.len || memmem(sql.ptr, sql.len, word.ptr, word.len));
	}
}

static bool is_letter(char c)
{
	return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* All but values and comments. */
static size_t rest_of(struct bytes sql, enum sql_backslash b, char *to)
{
	struct sql_lexer l = sql_lexer(sql, b);
	struct sql_token t;
	size_t n = 0;

	while ((t = sql_next(&l)).kind != SQL_STOP) {
		bool is_told = t.kind == SQL_NAME || t.kind == SQL_QUOTED || t.kind == SQL_PARAM;

		if (!is_told)
			to[n++] = '?';
		else
			memcpy(to + n, t.text.ptr, t.text.len);
		n += is_told ? t.text.len : 0;
	}
	return n;
}

/* A word of six letters out of a value or a comment is told only if it stands elsewhere, too. */
static void check_leaks(struct bytes sql, enum sql_backslash b, struct bytes text)
{
	static char rest[1 << 16];
	struct sql_lexer l = sql_lexer(sql, b);
	struct sql_token t;
	size_t rest_len;

	if (sql.len > sizeof(rest))
		return;
	rest_len = rest_of(sql, b, rest);
	while ((t = sql_next(&l)).kind != SQL_STOP) {
		if (t.kind != SQL_STRING && t.kind != SQL_COMMENT && t.kind != SQL_UNSURE)
			continue;
		for (size_t at = 0, end; at < t.text.len; at = end + 1) {
			for (end = at; end < t.text.len && is_letter(t.text.ptr[end]); end++)
				;
			if (end - at < 6 || !memmem(text.ptr, text.len, t.text.ptr + at, end - at))
				continue;
			check(memmem(rest, rest_len, t.text.ptr + at, end - at));
		}
	}
}

/* A comment of ours changes nothing of what the text says. */
static void check_comment(struct bytes sql, enum sql_backslash b)
{
	static char with[1 << 16], one[SQL_TEXT_BYTES], other[SQL_TEXT_BYTES], summary[8];
	struct sql_out s = { summary, sizeof(summary), 0, false };
	struct sql_out was = { one, sizeof(one), 0, false },
		       is = { other, sizeof(other), 0, false };
	size_t at, n;

	if (sql.len > SQL_INPUT_MAX - SQL_COMMENT_MAX || !sql_comment_place(sql, b, &at))
		return;
	check(at <= sql.len);
	memcpy(with, sql.ptr, at);
	n = sql_comment_write(with + at, BYTES("00-1-2-01"), BYTES("a=b'*/"));
	check(n <= SQL_COMMENT_MAX);
	memcpy(with + at + n, sql.ptr + at, sql.len - at);
	sql_describe(sql, b, false, &was, &s);
	s.len = 0;
	sql_describe((struct bytes){ with, sql.len + n }, b, false, &is, &s);
	if (was.is_full || is.is_full)
		return;
	/* Where it stood there may be a blank ahead of the semicolon. */
	for (size_t i = 0, k = 0; i < was.len || k < is.len;) {
		if (i < was.len && k < is.len && one[i] == other[k]) {
			i++;
			k++;
			continue;
		}
		check(k < is.len && other[k] == ' ');
		k++;
	}
}

static void check_fits(const struct sql_shape *shape, struct bytes sql, enum sql_backslash b,
		       bool has_parameters)
{
	static char text[SQL_TEXT_BYTES], summary[SQL_SUMMARY_BYTES];
	struct sql_out t = { text, sizeof(text), 0, false };
	struct sql_out s = { summary, sizeof(summary), 0, false };

	if (!sql_shape_fits(shape, sql, b, has_parameters))
		return;
	sql_describe(sql, b, has_parameters, &t, &s);
	check(bytes_equal((struct bytes){ text, t.len }, sql_shape_text(shape)));
	check(bytes_equal((struct bytes){ summary, s.len }, sql_shape_summary(shape)));
}

/* Others are made of it: a byte in four is another, and digits are digits mostly. */
static void check_shape(struct bytes sql, enum sql_backslash b, bool has_parameters, char *text,
			char *summary)
{
	static char other[1 << 13];
	struct sql_out t = { text, SQL_TEXT_BYTES, 0, false };
	struct sql_out s = { summary, SQL_SUMMARY_BYTES, 0, false };
	uint32_t seed = (uint32_t)sql_shape_key(sql);
	struct sql_shape *shape;
	size_t bytes;

	sql_describe(sql, b, has_parameters, &t, &s);
	bytes = sql_shape_bytes(sql, b, (struct bytes){ text, t.len },
				(struct bytes){ summary, s.len });
	if (!bytes)
		return;
	shape = malloc(bytes);
	sql_shape_make(shape, sql, b, has_parameters, (struct bytes){ text, t.len },
		       (struct bytes){ summary, s.len });
	check_fits(shape, sql, b, has_parameters);
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < sql.len; i++) {
			bool is_digit = sql.ptr[i] >= '0' && sql.ptr[i] <= '9';

			seed = seed * 1664525u + 1013904223u;
			other[i] = sql.ptr[i];
			if (is_digit && seed >> 30)
				other[i] = "0123456789'.ex$_"[seed >> 8 & 15];
			else if (!(seed >> 28))
				other[i] = "019'.$eExXuU&_-a\\ \n\""[(seed >> 8) % 20];
		}
		check_fits(shape, (struct bytes){ other, sql.len }, b, has_parameters);
	}
	free(shape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[SQL_TEXT_BYTES], again[SQL_TEXT_BYTES], summary[SQL_SUMMARY_BYTES];
	enum sql_backslash b;
	struct bytes sql;
	size_t len;

	if (size < 1)
		return 0;
	b = (enum sql_backslash)(data[0] % 3);
	sql = (struct bytes){ (const char *)data + 1, size - 1 };
	check_tokens(sql, b);
	check_comment(sql, b);
	check_shape(sql, b, data[0] & 64, text, summary);
	for (size_t cap = 16; cap <= sizeof(text); cap *= 8) {
		struct sql_out t = { text, cap, 0, false };
		struct sql_out s = { summary, cap < sizeof(summary) ? cap : sizeof(summary), 0,
				     false };

		sql_describe(sql, b, data[0] & 64, &t, &s);
		check_summary(sql, (struct bytes){ summary, s.len });
		if (data[0] & 64)
			continue;
		check_masked((struct bytes){ text, t.len }, b);
		check_leaks(sql, b, (struct bytes){ text, t.len });
		check_leaks(sql, b, (struct bytes){ summary, s.len });
		len = t.len;
		t = (struct sql_out){ again, cap, 0, false };
		s.len = 0;
		sql_describe((struct bytes){ text, len }, b, false, &t, &s);
		check(t.len == len && memcmp(again, text, len) == 0);
	}
	return 0;
}
