/* SPDX-License-Identifier: Apache-2.0 */
#include "partial_json.h"

#include "json_scan.h"

#define REJECTED_MAX (INT64_MAX / 10 - 1)

static bool rejected_take(struct json *s, int64_t *ret)
{
	struct bytes digits;

	if (json_peek(s) == '"' ? !json_string(s, &digits) : !json_word(s, &digits))
		return false;
	*ret = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9' || *ret > REJECTED_MAX)
			return false;
		*ret = *ret * 10 + (digits.ptr[i] - '0');
	}
	return true;
}

static bool message_take(struct json *s, struct text *to)
{
	struct bytes raw;

	if (!json_string(s, &raw))
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

static bool partial_take(struct json *s, int64_t *ret_rejected, struct text *message)
{
	struct bytes key;

	if (!json_take(s, '{'))
		return json_skip(s); /* null */
	for (bool is_first = true; json_peek(s) != '}'; is_first = false) {
		bool is_good;

		if (!json_key(s, is_first, &key))
			return false;
		if (bytes_equal(key, BYTES("rejectedSpans")))
			is_good = rejected_take(s, ret_rejected);
		else if (bytes_equal(key, BYTES("errorMessage")))
			is_good = message_take(s, message);
		else
			is_good = json_skip(s); /* O79 */
		if (!is_good)
			return false;
	}
	return json_take(s, '}');
}

bool partial_json_read(struct bytes body, int64_t *ret_rejected, struct text *message)
{
	struct json s = { body.ptr, body.ptr + body.len };
	int64_t rejected = 0;
	struct bytes key;

	if (!json_take(&s, '{'))
		return false;
	for (bool is_first = true; json_peek(&s) != '}'; is_first = false) {
		if (!json_key(&s, is_first, &key))
			return false;
		if (bytes_equal(key, BYTES("partialSuccess")) ?
			    !partial_take(&s, &rejected, message) :
			    !json_skip(&s))
			return false;
	}
	*ret_rejected = rejected;
	return true;
}
