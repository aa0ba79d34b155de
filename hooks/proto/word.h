/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORD_H
#define WORD_H
/*
 * Is a header's name, or a value, this word in any case?  Eight bytes at a time: setting 0x20 makes
 * letters small, keeps a dash and a digit, and makes nothing but a CR into a dash, which cannot be
 * in a line that the parser took.  Pure.
 */
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

static ALWAYS_INLINE uint64_t word_part8(const char *s)
{
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	return w | 0x2020202020202020u;
}

static ALWAYS_INLINE uint32_t word_part4(const char *s)
{
	uint32_t w;

	memcpy(&w, s, sizeof(w));
	return w | 0x20202020u;
}

/* word: letters, in lower case, and dashes; at least four of them. */
static ALWAYS_INLINE bool word_is(struct bytes s, struct bytes word)
{
	uint64_t differ = 0;

	if (s.len != word.len)
		return false;
	if (word.len < 8)
		return !((word_part4(s.ptr) ^ word_part4(word.ptr)) |
			 (word_part4(s.ptr + word.len - 4) ^ word_part4(word.ptr + word.len - 4)));
	for (size_t i = 0; i + 8 < word.len; i += 8)
		differ |= word_part8(s.ptr + i) ^ word_part8(word.ptr + i);
	return !(differ | (word_part8(s.ptr + word.len - 8) ^ word_part8(word.ptr + word.len - 8)));
}

#endif
