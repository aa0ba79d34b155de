/* SPDX-License-Identifier: Apache-2.0 */
#include "decimal.h"

#include <stddef.h>

__extension__ typedef unsigned __int128 wide;

#define DIGITS 18 /* that count: times unit they still are 116 bits */

struct number {
	uint64_t digits;
	int count;    /* of them, without zeros ahead */
	int exponent; /* of ten */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes digits; false: there is none. */
static bool take_digits(struct bytes *s, struct number *n, bool is_fraction)
{
	const char *start = s->ptr;

	for (; s->len && is_digit(*s->ptr); *s = bytes_skip(*s, 1)) {
		if (n->count >= DIGITS) {
			n->exponent += !is_fraction;
			continue;
		}
		n->digits = n->digits * 10 + (uint64_t)(*s->ptr - '0');
		n->count += n->digits != 0;
		n->exponent -= is_fraction;
	}
	return s->ptr != start;
}

static bool take_exponent(struct bytes *s, struct number *n)
{
	int sign = 1, value = 0;

	*s = bytes_skip(*s, 1);
	if (s->len && (*s->ptr == '-' || *s->ptr == '+')) {
		sign = *s->ptr == '-' ? -1 : 1;
		*s = bytes_skip(*s, 1);
	}
	if (!s->len || s->len > 3)
		return false;
	for (; s->len && is_digit(*s->ptr); *s = bytes_skip(*s, 1))
		value = value * 10 + (*s->ptr - '0');
	n->exponent += sign * value;
	return true;
}

static bool scale(const struct number *n, uint64_t unit, uint64_t *ret)
{
	wide value = (wide)n->digits * unit;
	int exponent = n->exponent;

	for (; exponent > 0 && value; exponent--)
		if ((value *= 10) >> 63)
			return false;
	for (; exponent < -1 && value; exponent++)
		value /= 10;
	if (exponent == -1)
		value = (value + 5) / 10;
	*ret = (uint64_t)value;
	return !(value >> 63);
}

bool decimal_parse(struct bytes s, uint64_t unit, uint64_t *ret)
{
	struct number n = { 0, 0, 0 };
	bool has_digits = take_digits(&s, &n, false);

	if (s.len && *s.ptr == '.') {
		s = bytes_skip(s, 1);
		has_digits |= take_digits(&s, &n, true);
	}
	if (!has_digits)
		return false;
	if (s.len && (*s.ptr | 0x20) == 'e' && !take_exponent(&s, &n))
		return false;
	return !s.len && scale(&n, unit, ret);
}
