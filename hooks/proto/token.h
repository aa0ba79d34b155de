/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKEN_H
#define TOKEN_H
/* The token of RFC 9110 5.6.2: methods, header names, keys of baggage.  Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

static inline bool is_token_char(char c)
{
	/* One bit for each character from ' ' to DEL. */
	static const uint32_t chars[3] = {
		0x03ff6cfau, /* ! # $ % & ' * + - . 0-9 */
		0xc7fffffeu, /* A-Z ^ _ */
		0x57ffffffu, /* ` a-z | ~ */
	};
	unsigned int at = (uint8_t)c - 0x20u;

	return at < 96 && (chars[at / 32] >> at % 32 & 1);
}

/* How much of s, from its beginning, is token. */
static inline size_t token_len(struct bytes s)
{
	size_t n = 0;

	while (n < s.len && ((uint8_t)((s.ptr[n] | 0x20) - 'a') < 26 || is_token_char(s.ptr[n])))
		n++;
	return n;
}

#endif
