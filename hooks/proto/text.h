/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXT_H
#define TEXT_H
/*
 * Writes pieces into a buffer that may be too small.  What does not fit is left out, and everything
 * behind it, so that the result is a beginning of the whole, cut between characters.
 */
#include "utf8.h"

struct text {
	char *to; /* borrowed */
	size_t cap;
	size_t len;
	bool is_full;
};

static inline void text_put(struct text *t, struct bytes piece)
{
	if (t->is_full || piece.len > t->cap - t->len) {
		piece.len = t->is_full ? 0 : utf8_cut(piece, t->cap - t->len);
		t->is_full = true;
	}
	if (piece.len)
		memcpy(t->to + t->len, piece.ptr, piece.len);
	t->len += piece.len;
}

static inline size_t text_end(const struct text *t)
{
	return t->len;
}

#endif
