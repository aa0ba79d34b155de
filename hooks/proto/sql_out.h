/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_OUT_H
#define SQL_OUT_H
/*
 * Writes tokens into a buffer that may be too small: as a whole or not at all, and nothing behind
 * one that was left out, since what is cut must not read as something else.
 */
#include "bytes.h"
#include "copy.h"

struct sql_out {
	char *to; /* borrowed */
	size_t cap;
	size_t len;
	bool is_full;
};

static inline void sql_add(struct sql_out *o, struct bytes token)
{
	if (o->is_full || token.len > o->cap - o->len) {
		o->is_full = true;
		return;
	}
	copy_short(o->to + o->len, token.ptr, token.len);
	o->len += token.len;
}

#endif
