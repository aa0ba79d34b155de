/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

/*
 * Range of the second byte, by the first: this is what keeps out overlong forms, surrogates and
 * everything above U+10FFFF (Unicode 15, table 3-7).  Later bytes are 80..BF.
 */
static bool second_fits(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return second >= 0x80 && second <= 0xbf;
	}
}

static size_t length_by_first(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/*
 * Bytes of the character at the start of s, which is not empty; *ret_bad if they are none: then it
 * is how many bytes one U+FFFD stands for.
 */
static size_t next_character(struct bytes s, bool *ret_bad)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	size_t want = length_by_first(p[0]);

	*ret_bad = true;
	if (want == 0)
		return 1;
	for (size_t i = 1; i < want; i++) {
		if (i == s.len)
			return i;
		if (i == 1 ? !second_fits(p[0], p[1]) : (p[i] & 0xc0) != 0x80)
			return i;
	}
	*ret_bad = false;
	return want;
}

/* Leading ASCII, eight bytes at a time: nearly every value is nothing else. */
static size_t ascii_prefix(struct bytes s)
{
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t w;

		memcpy(&w, s.ptr + i, 8);
		if (w & 0x8080808080808080u)
			break;
	}
	while (i < s.len && !((uint8_t)s.ptr[i] & 0x80))
		i++;
	return i;
}

bool otlp_utf8_is_valid(struct bytes s)
{
	bool is_bad = false;

	for (s = bytes_skip(s, ascii_prefix(s)); s.len; s = bytes_skip(s, ascii_prefix(s))) {
		size_t n = next_character(s, &is_bad);

		if (is_bad)
			return false;
		s = bytes_skip(s, n);
	}
	return true;
}

size_t otlp_utf8_repair(char *to, struct bytes s)
{
	size_t len = 0;

	while (s.len) {
		bool is_bad;
		size_t n = next_character(s, &is_bad);

		if (is_bad || s.ptr[0] == '\0') {
			memcpy(to + len, "\xef\xbf\xbd", 3);
			len += 3;
		} else {
			memcpy(to + len, s.ptr, n);
			len += n;
		}
		s = bytes_skip(s, n);
	}
	to[len] = '\0';
	return len;
}
