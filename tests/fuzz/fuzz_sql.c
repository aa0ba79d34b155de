/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text that may be SQL, behind a byte of settings.  Tokens together are the text; what is masked
 * has no value left, and is masked no further; the summary is made of what the text has.
 */
#include <stdlib.h>

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
	for (size_t cap = 16; cap <= sizeof(text); cap *= 8) {
		struct sql_out t = { text, cap, 0, false };
		struct sql_out s = { summary, cap < sizeof(summary) ? cap : sizeof(summary), 0,
				     false };

		sql_describe(sql, b, data[0] & 64, &t, &s);
		check_summary(sql, (struct bytes){ summary, s.len });
		if (data[0] & 64)
			continue;
		check_masked((struct bytes){ text, t.len }, b);
		len = t.len;
		t = (struct sql_out){ again, cap, 0, false };
		s.len = 0;
		sql_describe((struct bytes){ text, len }, b, false, &t, &s);
		check(t.len == len && memcmp(again, text, len) == 0);
	}
	return 0;
}
