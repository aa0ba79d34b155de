/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_comment.h"

#include "sql_word.h"

static bool is_of_rows(enum sql_word w)
{
	switch (w) {
	case KW_SELECT:
	case KW_INSERT:
	case KW_UPDATE:
	case KW_DELETE:
	case KW_MERGE:
	case KW_WITH:
	case KW_VALUES:
	case KW_CALL:
		return true;
	default:
		return false;
	}
}

bool sql_comment_place(struct bytes sql, enum sql_backslash b, size_t *ret_at)
{
	struct sql_lexer l = sql_lexer(sql, b);
	bool is_first = true, is_over = false;
	size_t at = 0;

	for (;;) {
		struct sql_token t = sql_next(&l);

		if (t.kind == SQL_STOP)
			break;
		if (t.kind == SQL_SPACE)
			continue;
		if (t.kind == SQL_COMMENT || t.kind == SQL_UNSURE || is_over)
			return false;
		if (is_first && (t.kind != SQL_NAME || !is_of_rows(sql_word(t.text))))
			return false;
		is_first = false;
		is_over = t.kind == SQL_SIGN && *t.text.ptr == ';';
		if (!is_over)
			at = (size_t)(l.at - sql.ptr);
	}
	*ret_at = at;
	return !is_first;
}

/* As in a URL: what is not letter, digit or one of -._~ (D69). */
static size_t put_encoded(char *to, size_t cap, struct bytes text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		unsigned char low = c | 0x20;
		bool is_plain = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ||
				(c && strchr("-._~", c));

		if (n + 3 > cap)
			return 0;
		if (is_plain) {
			to[n++] = (char)c;
			continue;
		}
		to[n++] = '%';
		to[n++] = digits[c >> 4];
		to[n++] = digits[c & 15];
	}
	return n;
}

static size_t put(char *to, struct bytes part)
{
	memcpy(to, part.ptr, part.len);
	return part.len;
}

size_t sql_comment_write(char *to, struct bytes traceparent, struct bytes tracestate)
{
	size_t n = put(to, BYTES(" /*traceparent='")), state;
	char encoded[SQL_COMMENT_MAX - 128];

	n += put(to + n, traceparent);
	n += put(to + n, BYTES("'"));
	state = put_encoded(encoded, sizeof(encoded), tracestate);
	if (state) {
		n += put(to + n, BYTES(",tracestate='"));
		n += put(to + n, (struct bytes){ encoded, state });
		n += put(to + n, BYTES("'"));
	}
	return n + put(to + n, BYTES("*/"));
}
