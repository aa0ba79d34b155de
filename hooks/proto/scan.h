/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCAN_H
#define SCAN_H
/*
 * Looks for the first byte of a kind, sixteen at a time.  Never reads before s, nor at or behind
 * end.  Vectors of the compiler: but for one step, one code for all processors.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "compiler.h"
#include "copy.h"

typedef uint8_t scan_block __attribute__((vector_size(16)));
typedef int8_t scan_signed __attribute__((vector_size(16)));

/* Of each byte: is it of the kind? */
typedef scan_block scan_kind(scan_block b);

static ALWAYS_INLINE scan_block scan_load(const char *s)
{
	scan_block b;

	memcpy(&b, s, sizeof(b));
	return b;
}

/* A bit for each of the sixteen that is set; that of the first one is the lowest. */
static ALWAYS_INLINE unsigned int scan_bits_anywhere(scan_block set)
{
	uint64_t w[2];

	memcpy(w, &set, sizeof(w));
	for (int i = 0; i < 2; i++) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		w[i] = __builtin_bswap64(w[i]);
#endif
		/* Bit 0 of byte n becomes bit 56 + n. */
		w[i] = (w[i] & 0x0101010101010101u) * 0x0102040810204080u >> 56;
	}
	return (unsigned int)(w[0] | w[1] << 8);
}

static ALWAYS_INLINE unsigned int scan_bits(scan_block set)
{
#ifdef __SSE2__
	/* One instruction for what takes several everywhere else. */
	return (unsigned int)_mm_movemask_epi8((__m128i)set);
#else
	return scan_bits_anywhere(set);
#endif
}

/* bits: not 0. */
static ALWAYS_INLINE size_t scan_first(uint64_t bits)
{
#ifdef __x86_64__
	/* As the compiler has it, which then extends the sign of what is never negative. */
	__asm__("rep bsfq %1, %0" : "=r"(bits) : "r"(bits) : "cc");
	return bits;
#else
	return (size_t)__builtin_ctzll(bits);
#endif
}

/* Integers: the sixteenth byte before end may lie in front of all. */
static ALWAYS_INLINE bool scan_has_block(const char *s, const char *end)
{
	return (uintptr_t)s <= (uintptr_t)end - 16;
}

/* The sixteen before s have been looked at; the last ones may be once more. */
static ALWAYS_INLINE const char *scan_on(const char *s, const char *end, scan_kind *kind)
{
	unsigned int bits;

	for (; scan_has_block(s, end); s += 16) {
		bits = scan_bits(kind(scan_load(s)));
		if (bits)
			return s + scan_first(bits);
	}
	bits = scan_bits(kind(scan_load(end - 16)));
	return bits ? end - 16 + scan_first(bits) : end;
}

static ALWAYS_INLINE const char *scan_for(const char *s, const char *end, scan_kind *kind)
{
	unsigned int bits;

	if (UNLIKELY(!scan_has_block(s, end))) {
		scan_block b = { 0 };
		size_t n = (size_t)(end - s) & 15; /* it is less; gcc sees that only so */

		copy_few(&b, s, n);
		return s + scan_first(scan_bits(kind(b)) | 1u << n);
	}
	bits = scan_bits(kind(scan_load(s)));
	return bits ? s + scan_first(bits) : scan_on(s + 16, end, kind);
}

static ALWAYS_INLINE scan_block scan_is_control(scan_block b)
{
	return (scan_block)(b < 0x20);
}

/* Neither a colon nor what no header's name may hold: blanks, controls, bytes above ASCII. */
static ALWAYS_INLINE scan_block scan_is_name(scan_block b)
{
	/*
	 * One more than DEL, and all above ASCII but the last, are negative.  A colon is in both.
	 */
	return (scan_block)(((scan_signed)(b + 1) > 0x21) ^ (scan_signed)(b == ':'));
}

/* The same as bits: the first of sixteen that ends a name. */
static ALWAYS_INLINE unsigned int scan_name_ends(const char *s)
{
	scan_block b = scan_load(s);

#ifdef __SSE2__
	/* From '!' to '~' are 94; what is added to the others, with saturation, sets the sign. */
	__m128i from = (__m128i)(b - '!');
	__m128i wrong = _mm_adds_epu8(from, _mm_set1_epi8(0x80 - 94));

	return (unsigned int)_mm_movemask_epi8(_mm_or_si128(wrong, (__m128i)(b == ':')));
#else
	return ~scan_bits(scan_is_name(b)) & 0xffff;
#endif
}

/* A bit for each of sixteen that is no control character. */
static ALWAYS_INLINE unsigned int scan_plain(const char *s)
{
#ifdef __SSE2__
	__m128i b = _mm_loadu_si128((const void *)s);

	return (unsigned int)_mm_movemask_epi8(_mm_adds_epu8(b, _mm_set1_epi8(0x80 - ' ')));
#else
	return ~scan_bits(scan_is_control(scan_load(s))) & 0xffff;
#endif
}

static ALWAYS_INLINE scan_block scan_ends_name(scan_block b)
{
	return ~scan_is_name(b);
}

/* What neither a method nor a target may hold. */
static ALWAYS_INLINE scan_block scan_ends_word(scan_block b)
{
	return (scan_block)((b <= 0x20) | (b == 0x7f));
}

static ALWAYS_INLINE const char *scan_name(const char *s, const char *end)
{
	return scan_for(s, end, scan_ends_name);
}

static ALWAYS_INLINE const char *scan_word(const char *s, const char *end)
{
	return scan_for(s, end, scan_ends_word);
}

/* LF, CR or NUL: where a line ends, or must not be.  Other controls, tabs mostly, are rare. */
static ALWAYS_INLINE const char *scan_line(const char *s, const char *end)
{
	for (;; s++) {
		s = scan_for(s, end, scan_is_control);
		if (s == end || *s == '\r' || *s == '\n' || !*s)
			return s;
	}
}

/* As scan_name(), a length, and the first control character from there on, in one pass. */
static ALWAYS_INLINE const char *scan_header(const char *s, const char *end, size_t *ret_name_len)
{
	const char *name_end;
	size_t name_len;
	unsigned int controls;
	scan_block b;

	if (UNLIKELY(!scan_has_block(s, end))) {
		name_end = scan_name(s, end);
		*ret_name_len = (size_t)(name_end - s);
		return scan_for(name_end, end, scan_is_control);
	}
	b = scan_load(s);
	name_len = scan_first(~scan_bits(scan_is_name(b)));
	controls = scan_bits(scan_is_control(b));
	if (UNLIKELY(name_len == 16))
		name_len = (size_t)(scan_on(s + 16, end, scan_ends_name) - s);
	*ret_name_len = name_len;
	return controls ? s + scan_first(controls) : scan_on(s + 16, end, scan_is_control);
}

#endif
