/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H
/*
 * As much of JSON as answers to us need: values are looked for by their keys, and passed over by
 * their brackets.  Pure; views into what is read.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bytes.h"

#define JSON_DEPTH_MAX 32u

struct json {
	const char *at;
	const char *end;
};

static inline char json_peek(struct json *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
	return s->at < s->end ? *s->at : '\0';
}

static inline bool json_take(struct json *s, char c)
{
	if (json_peek(s) != c)
		return false;
	s->at++;
	return true;
}

/* The inside of a string, escapes and all. */
static inline bool json_string(struct json *s, struct bytes *ret)
{
	if (!json_take(s, '"'))
		return false;
	ret->ptr = s->at;
	for (; s->at < s->end && *s->at != '"'; s->at++)
		if (*s->at == '\\' && ++s->at == s->end)
			return false;
	ret->len = (size_t)(s->at - ret->ptr);
	return json_take(s, '"');
}

/* A number, true, false, null. */
static inline bool json_word(struct json *s, struct bytes *ret)
{
	json_peek(s);
	ret->ptr = s->at;
	while (s->at < s->end && !memchr(" \t\r\n,]}\"[{:", *s->at, 12))
		s->at++;
	ret->len = (size_t)(s->at - ret->ptr);
	return ret->len > 0;
}

/* Past whatever value comes: its brackets are counted, no more. */
static inline bool json_skip(struct json *s)
{
	unsigned int depth = 0;
	struct bytes unused;

	do {
		char c = json_peek(s);

		if (c == '{' || c == '[') {
			s->at++;
			depth++;
		} else if (depth && (c == '}' || c == ']')) {
			s->at++;
			depth--;
		} else if (depth && (c == ',' || c == ':')) {
			s->at++;
		} else if (c == '"' ? !json_string(s, &unused) : !json_word(s, &unused)) {
			return false;
		}
	} while (depth && depth < JSON_DEPTH_MAX);
	return depth == 0;
}

/* The next member's key; false: there is none, or it is no object. */
static inline bool json_key(struct json *s, bool is_first, struct bytes *ret)
{
	if (!is_first && !json_take(s, ','))
		return false;
	return json_string(s, ret) && json_take(s, ':');
}

#endif
