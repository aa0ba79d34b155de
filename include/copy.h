/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COPY_H
#define COPY_H
/*
 * memcpy() for the length of a usual value.  What the compiler makes of memcpy() with a length that
 * it does not know is a call through the PLT or "rep movs", whose start alone takes longer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "compiler.h"

#define COPY_LONG 256u /* from here on the library's copy wins */

/* Exactly n bytes, less than 16.  Pure. */
static ALWAYS_INLINE void copy_few(void *to, const void *from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (n >= 8) {
		memcpy(t, f, 8);
		memcpy(t + n - 8, f + n - 8, 8);
	} else if (n >= 4) {
		memcpy(t, f, 4);
		memcpy(t + n - 4, f + n - 4, 4);
	} else if (n) {
		t[0] = f[0];
		t[n / 2] = f[n / 2];
		t[n - 1] = f[n - 1];
	}
}

/* Exactly n bytes; from and to do not overlap.  Pure. */
static ALWAYS_INLINE void copy_short(void *to, const void *from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (n >= COPY_LONG) {
		memcpy(t, f, n);
	} else if (n >= 16) {
		for (size_t i = 0; i < n - 16; i += 16)
			memcpy(t + i, f + i, 16);
		memcpy(t + n - 16, f + n - 16, 16);
	} else {
		copy_few(t, f, n);
	}
}

typedef uint64_t copy_pair __attribute__((vector_size(16)));

static ALWAYS_INLINE copy_pair copy_differ(const unsigned char *a, const unsigned char *b)
{
	copy_pair v, w;

	memcpy(&v, a, sizeof(v));
	memcpy(&w, b, sizeof(w));
	return v ^ w;
}

/*
 * Are these n bytes the same?  A call of memcmp() takes as long as the comparison of a short text.
 * All are looked at: that they are the same is the usual case.
 */
static ALWAYS_INLINE bool copy_is_same(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	copy_pair differ = { 0, 0 };
	uint64_t first[2], last[2];
	uint32_t half[4];

	if (n < sizeof(half[0]))
		return !n || !((x[0] ^ y[0]) | (x[n / 2] ^ y[n / 2]) | (x[n - 1] ^ y[n - 1]));
	if (n < sizeof(first[0])) {
		memcpy(&half[0], x, sizeof(half[0]));
		memcpy(&half[1], y, sizeof(half[1]));
		memcpy(&half[2], x + n - sizeof(half[0]), sizeof(half[0]));
		memcpy(&half[3], y + n - sizeof(half[0]), sizeof(half[0]));
		return !((half[0] ^ half[1]) | (half[2] ^ half[3]));
	}
	if (n < sizeof(differ)) {
		memcpy(&first[0], x, sizeof(first[0]));
		memcpy(&first[1], y, sizeof(first[1]));
		memcpy(&last[0], x + n - sizeof(last[0]), sizeof(last[0]));
		memcpy(&last[1], y + n - sizeof(last[1]), sizeof(last[1]));
		return !((first[0] ^ first[1]) | (last[0] ^ last[1]));
	}
	for (size_t i = 0; i + sizeof(differ) < n; i += sizeof(differ))
		differ |= copy_differ(x + i, y + i);
	differ |= copy_differ(x + n - sizeof(differ), y + n - sizeof(differ));
	return !(differ[0] | differ[1]);
}

#endif
