/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXT_H
#define TEXT_H
/*
 * Text put together in the caller's buffer, without stdio.  What does not fit is left out and
 * remembered in is_cut; never NUL-terminated.  Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

struct text {
	char *to;
	size_t cap;
	size_t len;
	bool is_cut;
};

/* Borrows buf, which must be an array. */
#define TEXT_IN(buf) ((struct text){ (buf), sizeof(buf), 0, false })

static inline struct bytes text_bytes(const struct text *t)
{
	return (struct bytes){ t->to, t->len };
}

static inline void text_add(struct text *t, struct bytes part)
{
	size_t n = part.len < t->cap - t->len ? part.len : t->cap - t->len;

	t->is_cut |= n < part.len;
	if (n)
		memcpy(t->to + t->len, part.ptr, n);
	t->len += n;
}

static inline void text_add_str(struct text *t, const char *s)
{
	text_add(t, bytes_from_str(s));
}

static inline void text_add_char(struct text *t, char c)
{
	text_add(t, (struct bytes){ &c, 1 });
}

static inline void text_add_uint(struct text *t, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	text_add(t, (struct bytes){ digits + at, sizeof(digits) - at });
}

static inline void text_add_int(struct text *t, int64_t value)
{
	if (value < 0)
		text_add_char(t, '-');
	text_add_uint(t, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

#endif
