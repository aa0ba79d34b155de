/* SPDX-License-Identifier: Apache-2.0 */
#include "path_shape.h"

#include "scan.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	char l = ascii_lower(c);

	return is_digit(c) || (l >= 'a' && l <= 'f') || c == '-' || c == '_';
}

static bool is_word(char c)
{
	char l = ascii_lower(c);

	return is_hex(c) || (l >= 'g' && l <= 'z');
}

static bool is_id(struct bytes s)
{
	bool has_digit = false, is_all_hex = true;

	for (size_t i = 0; i < s.len; i++) {
		has_digit |= is_digit(s.ptr[i]);
		is_all_hex &= is_hex(s.ptr[i]);
		if (!is_word(s.ptr[i]))
			return false;
	}
	return has_digit && (s.len >= 20 || (s.len >= 8 && is_all_hex));
}

static bool is_version(struct bytes s)
{
	return (s.len == 2 || s.len == 3) && s.ptr[0] == 'v' && is_digit(s.ptr[1]) &&
	       is_digit(s.ptr[s.len - 1]);
}

static size_t put(char *to, size_t cap, size_t at, char c)
{
	if (at < cap)
		to[at++] = c;
	return at;
}

static size_t put_segment(char *to, size_t cap, size_t at, struct bytes s)
{
	bool is_kept = is_version(s);

	if (is_id(s))
		return put(to, cap, at, '*');
	for (size_t i = 0; i < s.len; i++)
		if (is_kept || !is_digit(s.ptr[i]))
			at = put(to, cap, at, s.ptr[i]);
		else if (i == 0 || !is_digit(s.ptr[i - 1]))
			at = put(to, cap, at, '*');
	return at;
}

static ALWAYS_INLINE scan_block digits_of(scan_block b)
{
	b -= '0';
	return (scan_block)(b < 10);
}

bool path_is_shape(struct bytes path)
{
	const char *end = path.ptr + path.len;

	return !path.len || scan_for(path.ptr, end, digits_of) == end;
}

size_t path_shape(char *to, size_t cap, struct bytes path)
{
	size_t at = 0;

	while (path.ptr) {
		at = put_segment(to, cap, at, bytes_split(&path, '/'));
		if (path.ptr)
			at = put(to, cap, at, '/');
	}
	return at;
}
