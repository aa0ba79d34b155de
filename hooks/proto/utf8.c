/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdint.h>

static bool is_ascii8(const char *s)
{
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	return !(w & 0x8080808080808080u);
}

/*
 * Length of the character that s begins with.  0: it is bad, and *ret_bad bytes of it are what one
 * U+FFFD stands for (Unicode 3.9, "maximal subpart"); s.len > 0.
 */
static size_t char_len(struct bytes s, size_t *ret_bad)
{
	const uint8_t *b = (const uint8_t *)s.ptr;
	size_t want = b[0] < 0x80 ? 1 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	/* The second byte's range is what rules out overlong forms, surrogates, and U+110000. */
	uint8_t low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
	uint8_t high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;
	size_t n = 1;

	*ret_bad = 1;
	if (b[0] >= 0x80 && (b[0] < 0xc2 || b[0] > 0xf4))
		return 0;
	for (; n < want; n++) {
		if (n == s.len || b[n] < low || b[n] > high) {
			*ret_bad = n;
			return 0;
		}
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

bool utf8_is_valid(struct bytes text)
{
	size_t bad;

	while (text.len) {
		size_t n = text.len >= 8 && is_ascii8(text.ptr) ? 8 : char_len(text, &bad);

		if (!n)
			return false;
		text = bytes_skip(text, n);
	}
	return true;
}

size_t utf8_cut(struct bytes text, size_t max)
{
	size_t bad, start = max;

	if (text.len <= max)
		return text.len;
	/* Back to the first byte of the character at the cut: at most three before it. */
	while (start && max - start < 3 && ((uint8_t)text.ptr[start] & 0xc0) == 0x80)
		start--;
	/* Only what is a character may not be cut; bytes that are none may be cut anywhere. */
	if (start == max || start + char_len(bytes_skip(text, start), &bad) <= max)
		return max;
	return start;
}

size_t utf8_repair(char *to, size_t cap, struct bytes text)
{
	size_t len = 0;

	while (text.len) {
		size_t bad = 0;
		size_t n = char_len(text, &bad);
		struct bytes out = n ? (struct bytes){ text.ptr, n } : BYTES("\xef\xbf\xbd");

		if (out.len > cap - len)
			break;
		memcpy(to + len, out.ptr, out.len);
		len += out.len;
		text = bytes_skip(text, n ? n : bad);
	}
	return len;
}
