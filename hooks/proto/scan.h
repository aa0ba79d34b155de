/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCAN_H
#define SCAN_H
/*
 * Looks for the first byte of a kind, sixteen at a time.  Never reads at or behind end: what is
 * left there is looked at one by one.  Vectors of the compiler: but for one step, one code for all
 * processors.
 */
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "compiler.h"

typedef uint8_t scan_block __attribute__((vector_size(16)));

/* Which of the sixteen is the first that is set; 16: none. */
static ALWAYS_INLINE unsigned int scan_first(scan_block set)
{
#ifdef __SSE2__
	/* One instruction for what takes several everywhere else. */
	unsigned int bits = (unsigned int)_mm_movemask_epi8((__m128i)set);

	return bits ? (unsigned int)__builtin_ctz(bits) : 16;
#else
	uint64_t w[2];

	memcpy(w, &set, sizeof(w));
	if (!(w[0] | w[1]))
		return 16;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (unsigned int)(w[0] ? __builtin_ctzll(w[0]) : 64 + __builtin_ctzll(w[1])) / 8;
#else
	return (unsigned int)(w[0] ? __builtin_clzll(w[0]) : 64 + __builtin_clzll(w[1])) / 8;
#endif
#endif
}

/* LF, CR or NUL: where a line ends, or must not be. */
static ALWAYS_INLINE const char *scan_line(const char *s, const char *end)
{
	for (; end - s >= 16; s += 16) {
		scan_block b;
		unsigned int n;

		memcpy(&b, s, sizeof(b));
		n = scan_first((scan_block)((b == '\n') | (b == '\r') | (b == 0)));
		if (n < 16)
			return s + n;
	}
	while (s < end && *s != '\n' && *s != '\r' && *s)
		s++;
	return s;
}

/* A colon, or what no header's name may hold: blanks, controls, bytes above ASCII. */
static ALWAYS_INLINE const char *scan_name(const char *s, const char *end)
{
	for (; end - s >= 16; s += 16) {
		scan_block b;
		unsigned int n;

		memcpy(&b, s, sizeof(b));
		n = scan_first((scan_block)((b <= 0x20) | (b >= 0x7f) | (b == ':')));
		if (n < 16)
			return s + n;
	}
	while (s < end && (uint8_t)(*s - 0x21) < 0x7f - 0x21 && *s != ':')
		s++;
	return s;
}

#endif
