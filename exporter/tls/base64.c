/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t base64_decode(struct bytes from, uint8_t *to, size_t room)
{
	uint32_t bits = 0;
	int n = 0;
	size_t len = 0;

	for (size_t i = 0; i < from.len && len < room; i++) {
		int digit = digit_of(from.ptr[i]);

		if (digit < 0)
			continue; /* the end of a line, or padding */
		bits = bits << 6 | (uint32_t)digit;
		n += 6;
		if (n < 8)
			continue;
		n -= 8;
		to[len++] = (uint8_t)(bits >> n);
	}
	return len;
}
