/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEX_H
#define HEX_H
/*
 * Sixteen digits and the eight bytes that they are: vectors of the compiler, for all processors.
 * Lower case only (C4).  Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"

typedef uint8_t hex_digits __attribute__((vector_size(16)));
typedef int8_t hex_signed __attribute__((vector_size(16)));
typedef uint16_t hex_pairs __attribute__((vector_size(16)));
typedef uint8_t hex_bytes __attribute__((vector_size(8)));
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first of a pair is its low byte");

static ALWAYS_INLINE void hex_encode_8(char *to, const uint8_t *from)
{
	hex_bytes raw;
	hex_pairs pairs;
	hex_digits d;

	memcpy(&raw, from, sizeof(raw));
	pairs = __builtin_convertvector(raw, hex_pairs);
	d = (hex_digits)(pairs >> 4 | (pairs & 0x0f) << 8);
	d += '0' + ((hex_digits)(d > 9) & ('a' - '0' - 10));
	memcpy(to, &d, sizeof(d));
}

/* Bits are set in *wrong where a digit is none: gathered of several, to be looked at once. */
static ALWAYS_INLINE void hex_decode_8(uint8_t *to, const char *from, hex_digits *wrong)
{
	hex_digits d, letter, value;
	hex_pairs pairs;
	hex_bytes raw;

	memcpy(&d, from, sizeof(d));
	/* As signed numbers, which all processors compare; 80 and above are no digits then, too. */
	letter = (hex_digits)((hex_signed)d > '9');
	value = d - '0' - (letter & ('a' - '0' - 10));
	/* A letter is 10..15, a digit 0..9; all else is above, or wraps, and then it is above. */
	*wrong |= (value & 0xf0) | (letter & (hex_digits)((hex_signed)value < 10));
	pairs = (hex_pairs)value;
	raw = __builtin_convertvector((pairs << 4 | pairs >> 8) & 0xff, hex_bytes);
	memcpy(to, &raw, sizeof(raw));
}

static ALWAYS_INLINE bool hex_is_right(hex_digits wrong)
{
	uint64_t any[2];

	memcpy(any, &wrong, sizeof(any));
	return !(any[0] | any[1]);
}

#endif
