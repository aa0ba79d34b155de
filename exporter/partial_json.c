/* SPDX-License-Identifier: Apache-2.0 */
#include "partial_json.h"

#define DEPTH_MAX 32u
#define REJECTED_MAX (INT64_MAX / 10 - 1)

struct scan {
	const char *at;
	const char *end;
};

static char peek(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
	return s->at < s->end ? *s->at : '\0';
}

static bool take(struct scan *s, char c)
{
	if (peek(s) != c)
		return false;
	s->at++;
	return true;
}

/* The inside of a string, escapes and all. */
static bool string_take(struct scan *s, struct bytes *ret)
{
	if (!take(s, '"'))
		return false;
	ret->ptr = s->at;
	for (; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\' && ++s->at == s->end)
			return false;
	ret->len = (size_t)(s->at - ret->ptr);
	return take(s, '"');
}

/* A number, true, false, null. */
static bool word_take(struct scan *s, struct bytes *ret)
{
	peek(s);
	ret->ptr = s->at;
	while (s->at < s->end && !memchr(" \t\r\n,]}\"[{:", *s->at, 12))
		s->at++;
	ret->len = (size_t)(s->at - ret->ptr);
	return ret->len > 0;
}

/* Past whatever value comes: its brackets are counted, no more. */
static bool value_skip(struct scan *s)
{
	unsigned int depth = 0;
	struct bytes unused;

	do {
		char c = peek(s);

		if (c == '{' || c == '[') {
			s->at++;
			depth++;
		} else if (depth && (c == '}' || c == ']')) {
			s->at++;
			depth--;
		} else if (depth && (c == ',' || c == ':')) {
			s->at++;
		} else if (c == '"' ? !string_take(s, &unused) : !word_take(s, &unused)) {
			return false;
		}
	} while (depth && depth < DEPTH_MAX);
	return depth == 0;
}

static bool rejected_take(struct scan *s, int64_t *ret)
{
	struct bytes digits;

	if (peek(s) == '"' ? !string_take(s, &digits) : !word_take(s, &digits))
		return false;
	*ret = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9' || *ret > REJECTED_MAX)
			return false;
		*ret = *ret * 10 + (digits.ptr[i] - '0');
	}
	return true;
}

static bool message_take(struct scan *s, struct text *to)
{
	struct bytes raw;

	if (!string_take(s, &raw))
		return false;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];

		if (c == '\\') {
			c = raw.ptr[++i];
			c = c == 'n' || c == 't' || c == 'r' ? ' ' : c;
		}
		text_add_char(to, c);
	}
	return true;
}

/* The next member's key; false: there is none, or it is no object. */
static bool key_take(struct scan *s, bool is_first, struct bytes *ret)
{
	if (!is_first && !take(s, ','))
		return false;
	return string_take(s, ret) && take(s, ':');
}

static bool partial_take(struct scan *s, int64_t *ret_rejected, struct text *message)
{
	struct bytes key;

	if (!take(s, '{'))
		return value_skip(s); /* null */
	for (bool is_first = true; peek(s) != '}'; is_first = false) {
		bool is_good;

		if (!key_take(s, is_first, &key))
			return false;
		if (bytes_equal(key, BYTES("rejectedSpans")))
			is_good = rejected_take(s, ret_rejected);
		else if (bytes_equal(key, BYTES("errorMessage")))
			is_good = message_take(s, message);
		else
			is_good = value_skip(s); /* O79 */
		if (!is_good)
			return false;
	}
	return take(s, '}');
}

bool partial_json_read(struct bytes body, int64_t *ret_rejected, struct text *message)
{
	struct scan s = { body.ptr, body.ptr + body.len };
	int64_t rejected = 0;
	struct bytes key;

	if (!take(&s, '{'))
		return false;
	for (bool is_first = true; peek(&s) != '}'; is_first = false) {
		if (!key_take(&s, is_first, &key))
			return false;
		if (bytes_equal(key, BYTES("partialSuccess")) ?
			    !partial_take(&s, &rejected, message) :
			    !value_skip(&s))
			return false;
	}
	*ret_rejected = rejected;
	return true;
}
