/* SPDX-License-Identifier: Apache-2.0 */
/* Read after src/backend/parser/scan.l of PostgreSQL 15, and what 16 adds to numbers. */
#include "sql_lex.h"

#include "compiler.h"

enum class {
	OTHER,
	SPACE = 1,
	LETTER = 2, /* may begin a name */
	DIGIT = 4,
	DOLLAR = 8, /* may go on in a name */
};

static const uint8_t classes[256] = {
	['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER, ['_'] = LETTER, [0x80 ... 0xff] = LETTER,
	['0' ... '9'] = DIGIT,  ['$'] = DOLLAR,         [' '] = SPACE,  ['\t' ... '\r'] = SPACE,
};

static ALWAYS_INLINE unsigned int class_of(char c)
{
	return classes[(unsigned char)c];
}

/* The byte that many places on; NUL behind the end, which none of the callers looks for. */
static ALWAYS_INLINE char peek(const struct sql_lexer *l, size_t on)
{
	return on < (size_t)(l->end - l->at) ? l->at[on] : '\0';
}

static ALWAYS_INLINE bool is_at(const struct sql_lexer *l, size_t on, unsigned int wanted)
{
	return on < (size_t)(l->end - l->at) && class_of(l->at[on]) & wanted;
}

static ALWAYS_INLINE void skip(struct sql_lexer *l, unsigned int wanted)
{
	const char *at = l->at, *end = l->end;

	while (at < end && class_of(*at) & wanted)
		at++;
	l->at = at;
}

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

static void skip_line(struct sql_lexer *l)
{
	while (l->at < l->end && !is_newline(*l->at))
		l->at++;
}

static void skip_block(struct sql_lexer *l)
{
	size_t depth = 0;

	do {
		if (peek(l, 0) == '/' && peek(l, 1) == '*') {
			depth++;
			l->at += 2;
		} else if (peek(l, 0) == '*' && peek(l, 1) == '/') {
			depth--;
			l->at += 2;
		} else {
			l->at++;
		}
	} while (depth && l->at < l->end);
}

/* --- strings --- */

/*
 * Behind a closing quote: goes on to the next opening one, if that is on a later line and there is
 * nothing but comments to the end of lines between: then the same string goes on.
 */
static bool goes_on(struct sql_lexer *l)
{
	struct sql_lexer ahead = *l;
	bool has_newline = false;

	while (ahead.at < ahead.end) {
		if (peek(&ahead, 0) == '-' && peek(&ahead, 1) == '-') {
			skip_line(&ahead);
		} else if (is_at(&ahead, 0, SPACE)) {
			has_newline |= is_newline(*ahead.at);
			ahead.at++;
		} else {
			break;
		}
	}
	if (!has_newline || peek(&ahead, 0) != '\'')
		return false;
	*l = ahead;
	return true;
}

/*
 * In some encodings (SJIS, GBK) a backslash is also the second byte of a character: behind a byte
 * that is not ASCII it may escape the quote, or not.
 */
static bool is_second_byte(const struct sql_lexer *l, const char *from)
{
	return l->at > from && (unsigned char)l->at[-1] >= 0x80;
}

/* From behind the opening quote to the closing one, which l is at then; false: unsure. */
static bool skip_quoted(struct sql_lexer *l, char quote, enum sql_backslash b)
{
	const char *from = l->at;

	for (; l->at < l->end; l->at++) {
		if (*l->at == quote) {
			if (peek(l, 1) != quote)
				return true;
			l->at++;
		} else if (*l->at == '\\' && b != SQL_BACKSLASH_PLAIN) {
			char next = peek(l, 1);

			if (next == quote && b == SQL_BACKSLASH_UNKNOWN)
				return false;
			if ((next == quote || next == '\\') && is_second_byte(l, from))
				return false;
			l->at += l->at + 1 < l->end;
		}
	}
	return false;
}

/* l is at the opening quote. */
static enum sql_kind take_string(struct sql_lexer *l, enum sql_backslash b)
{
	do {
		l->at++;
		if (!skip_quoted(l, '\'', b))
			return SQL_UNSURE;
		l->at++;
	} while (goes_on(l));
	return SQL_STRING;
}

static enum sql_kind take_name(struct sql_lexer *l)
{
	l->at++;
	if (!skip_quoted(l, '"', SQL_BACKSLASH_PLAIN))
		return SQL_UNSURE;
	l->at++;
	return SQL_QUOTED;
}

/* At a dollar sign that ends no name. */
static enum sql_kind take_dollar(struct sql_lexer *l)
{
	struct sql_lexer tag = *l;
	size_t len;

	tag.at++;
	if (is_at(&tag, 0, DIGIT)) {
		skip(&tag, DIGIT);
		l->at = tag.at;
		return SQL_PARAM;
	}
	skip(&tag, LETTER | DIGIT);
	if (peek(&tag, 0) != '$') {
		l->at++;
		return SQL_SIGN;
	}
	len = (size_t)(tag.at + 1 - l->at);
	for (tag.at++; (size_t)(tag.end - tag.at) >= len; tag.at++)
		if (*tag.at == '$' && memcmp(tag.at, l->at, len) == 0) {
			l->at = tag.at + len;
			return SQL_STRING;
		}
	return SQL_UNSURE;
}

/* --- the rest --- */

/* Digits, and an underscore between two of them. */
static void skip_digits(struct sql_lexer *l)
{
	while (is_at(l, 0, DIGIT) || (peek(l, 0) == '_' && is_at(l, 1, DIGIT)))
		l->at++;
}

static bool is_hex(char c)
{
	char low = ascii_lower(c);

	return class_of(c) == DIGIT || (low >= 'a' && low <= 'f');
}

static bool skip_based(struct sql_lexer *l)
{
	char base = ascii_lower(peek(l, 1));

	if (peek(l, 0) != '0' || !(base == 'x' ? is_hex(peek(l, 2)) : is_at(l, 2, DIGIT)) ||
	    !(base == 'x' || base == 'o' || base == 'b'))
		return false;
	l->at += 2;
	while (is_hex(peek(l, 0)) || (peek(l, 0) == '_' && is_hex(peek(l, 1))))
		l->at++;
	return true;
}

static enum sql_kind take_number(struct sql_lexer *l)
{
	size_t sign;

	if (skip_based(l))
		return SQL_NUMBER;
	skip_digits(l);
	if (peek(l, 0) == '.' && peek(l, 1) != '.') {
		l->at++;
		skip_digits(l);
	}
	sign = peek(l, 1) == '+' || peek(l, 1) == '-';
	if (ascii_lower(peek(l, 0)) == 'e' && is_at(l, 1 + sign, DIGIT)) {
		l->at += 1 + sign;
		skip_digits(l);
	}
	return SQL_NUMBER;
}

static enum sql_kind take_word(struct sql_lexer *l)
{
	char first = ascii_lower(*l->at);

	if (peek(l, 1) == '\'' && (first == 'e' || first == 'b' || first == 'x' || first == 'n')) {
		l->at++;
		return take_string(l, first == 'e' ? SQL_BACKSLASH_ESCAPES :
				      first == 'n' ? l->backslash :
						     SQL_BACKSLASH_PLAIN);
	}
	if (first == 'u' && peek(l, 1) == '&' && (peek(l, 2) == '\'' || peek(l, 2) == '"')) {
		l->at += 2;
		return *l->at == '"' ? take_name(l) : take_string(l, l->backslash);
	}
	skip(l, LETTER | DIGIT | DOLLAR);
	return SQL_NAME;
}

static enum sql_kind take_sign(struct sql_lexer *l)
{
	char c = *l->at;

	if (c == '\'')
		return take_string(l, l->backslash);
	if (c == '"')
		return take_name(l);
	if (c == '$')
		return take_dollar(l);
	if (c == '.' && is_at(l, 1, DIGIT))
		return take_number(l);
	if (c == '-' && peek(l, 1) == '-') {
		skip_line(l);
		return SQL_COMMENT;
	}
	if (c == '/' && peek(l, 1) == '*') {
		skip_block(l);
		return SQL_COMMENT;
	}
	l->at++;
	return SQL_SIGN;
}

static enum sql_kind take(struct sql_lexer *l)
{
	switch (class_of(*l->at)) {
	case SPACE:
		skip(l, SPACE);
		return SQL_SPACE;
	case LETTER:
		return take_word(l);
	case DIGIT:
		return take_number(l);
	default:
		return take_sign(l);
	}
}

struct sql_token sql_next(struct sql_lexer *l)
{
	struct sql_token t = { SQL_STOP, { l->at, 0 } };

	if (l->at == l->end)
		return t;
	t.kind = take(l);
	if (t.kind == SQL_UNSURE)
		l->at = l->end;
	t.text.len = (size_t)(l->at - t.text.ptr);
	return t;
}
