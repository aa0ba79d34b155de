/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_shape.h"

#include "compiler.h"
#include "copy.h"
#include "scan.h"
#include "sql_text.h"
#include "sql_word.h"

#define KEY_BYTES 256u  /* of a text, from its beginning */
#define SHAPE_MAX 8192u /* of a text that may have one */

/* --- keys --- */

/* With what a value begins, or the second or third byte of one does: E'', U&'', .5 */
static ALWAYS_INLINE scan_block is_of_value(scan_block b)
{
	return (scan_block)(((scan_block)(b - '0') < 10) | (b == '\'') | (b == '$'));
}

static ALWAYS_INLINE uint64_t mix(uint64_t key, scan_block b)
{
	uint64_t w[2];

	memcpy(w, &b, sizeof(w));
	key = (key ^ w[0]) * 0x9e3779b97f4a7c15u;
	key = ((key ^ key >> 32) + w[1]) * 0xd6e8feb86659fd93u;
	return key ^ key >> 29;
}

/* The text up to its first value, or what looks like one: in blocks, zeros behind it. */
uint64_t sql_shape_key(struct bytes sql)
{
	const char *at = sql.ptr;
	const char *end = at + (sql.len < KEY_BYTES ? sql.len : KEY_BYTES);
	uint64_t key = 0;
	scan_block b = { 0 };
	size_t n;

	for (; scan_has_block(at, end); at += sizeof(b)) {
		unsigned int bits;

		b = scan_load(at);
		bits = scan_bits(is_of_value(b));
		if (bits) {
			end = at + scan_first(bits);
			break;
		}
		key = mix(key, b);
	}
	b = (scan_block){ 0 };
	n = (size_t)(end - at) & 15;
	copy_few(&b, at, n);
	n = scan_first(scan_bits(is_of_value(b)) | 1u << n);
	b = (scan_block){ 0 };
	copy_few(&b, at, n);
	return mix(key, b);
}

/* --- making one --- */

static bool is_value(const struct sql_token *t)
{
	return t->kind == SQL_STRING || t->kind == SQL_NUMBER;
}

size_t sql_shape_bytes(struct bytes sql, enum sql_backslash b, struct bytes text,
		       struct bytes summary)
{
	struct sql_lexer l = sql_lexer(sql, b);
	struct sql_token t;
	size_t values = 0;

	if (!sql.len || sql.len > SHAPE_MAX)
		return 0;
	while ((t = sql_next(&l)).kind != SQL_STOP) {
		values += is_value(&t);
		if (t.kind == SQL_UNSURE || values > SQL_SHAPE_VALUES ||
		    (t.kind == SQL_NAME && sql_word(t.text) == KW_PASSWORD))
			return 0;
	}
	return sizeof(struct sql_shape) + sql.len + text.len + summary.len;
}

/* Are the values told, too?  As sql_describe() decides it. */
static bool is_kept(struct bytes sql, enum sql_backslash b, bool has_parameters)
{
	struct sql_lexer l = sql_lexer(sql, b);
	struct sql_token t;

	do
		t = sql_next(&l);
	while (t.kind != SQL_STOP && t.kind != SQL_PARAM);
	return has_parameters && t.kind == SQL_PARAM;
}

static size_t add(struct sql_shape *to, size_t len, struct bytes part)
{
	memcpy(to->bytes + len, part.ptr, part.len);
	return len + part.len;
}

void sql_shape_make(struct sql_shape *to, struct bytes sql, enum sql_backslash b,
		    bool has_parameters, struct bytes text, struct bytes summary)
{
	bool is_all_fixed = is_kept(sql, b, has_parameters);
	struct sql_lexer l = sql_lexer(sql, b);
	struct sql_token t;
	size_t len = 0, gap_at = 0;

	to->backslash = (uint8_t)b;
	to->has_parameters = has_parameters;
	to->values = 0;
	while ((t = sql_next(&l)).kind != SQL_STOP) {
		if (!is_value(&t) || is_all_fixed) {
			len = add(to, len, t.text);
			continue;
		}
		to->value[to->values].gap = (uint16_t)(len - gap_at);
		to->value[to->values].kind = (uint8_t)t.kind;
		to->value[to->values++].first = *t.text.ptr;
		gap_at = len;
	}
	to->fixed_len = (uint16_t)len;
	to->text_len = (uint16_t)text.len;
	to->summary_len = (uint8_t)summary.len;
	(void)add(to, add(to, len, text), summary);
}

/* --- does one fit? --- */

static ALWAYS_INLINE bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static ALWAYS_INLINE bool begins_alike(char a, char b)
{
	return a == b || (is_digit(a) && is_digit(b));
}

static ALWAYS_INLINE bool may_go_on(char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26 || c == '_' || c == '.';
}

/* Digits with nothing behind them that a number could go on with; NULL: perhaps something else. */
static ALWAYS_INLINE const char *behind_digits(const char *at, const char *end)
{
	const char *from = at;

	while (at < end && is_digit(*at))
		at++;
	return at == from || (at < end && may_go_on(*at)) ? NULL : at;
}

static ALWAYS_INLINE bool skip_value(struct sql_lexer *l, enum sql_kind kind)
{
	const char *behind = kind == SQL_NUMBER ? behind_digits(l->at, l->end) : NULL;

	if (UNLIKELY(!behind))
		return sql_next(l).kind == kind;
	l->at = behind;
	return true;
}

bool sql_shape_fits(const struct sql_shape *s, struct bytes sql, enum sql_backslash b,
		    bool has_parameters)
{
	struct sql_lexer l = sql_lexer(sql, b);
	const char *fixed = s->bytes, *fixed_end = s->bytes + s->fixed_len;

	if (s->backslash != b || s->has_parameters != has_parameters || sql.len > SQL_INPUT_MAX)
		return false;
	for (unsigned int i = 0; i < s->values; i++) {
		size_t gap = s->value[i].gap;

		if ((size_t)(l.end - l.at) <= gap || !copy_is_same(l.at, fixed, gap) ||
		    !begins_alike(l.at[gap], s->value[i].first))
			return false;
		l.at += gap;
		fixed += gap;
		if (!skip_value(&l, (enum sql_kind)s->value[i].kind))
			return false;
	}
	return l.end - l.at == fixed_end - fixed &&
	       copy_is_same(l.at, fixed, (size_t)(fixed_end - fixed));
}
