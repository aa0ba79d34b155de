/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DWARF_IMPL_H
#define DWARF_IMPL_H
/* What the parts of dwarf_line.h share: reading, and a unit's header. */
#include <string.h>

#include "code_file.h"

#define WINDOW 4096u

/* --- reading forwards --- */

struct reader {
	const struct code_file *file;
	uint64_t at, end; /* in the file */
	bool is_over;     /* read beyond the end: all that follows is 0 */
	uint64_t window_at;
	size_t window_len;
	unsigned char window[WINDOW];
};

static inline void reader_init(struct reader *r, const struct code_file *f, uint64_t at,
			       uint64_t end)
{
	r->file = f;
	r->at = at;
	r->end = end;
	r->is_over = false;
	r->window_at = r->window_len = 0;
}

static inline uint8_t get1(struct reader *r)
{
	if (r->at >= r->end) {
		r->is_over = true;
		return 0;
	}
	if (r->at - r->window_at >= r->window_len) {
		size_t len = r->end - r->at < WINDOW ? (size_t)(r->end - r->at) : WINDOW;

		if (!code_read(r->file, r->at, r->window, len)) {
			r->is_over = true;
			return 0;
		}
		r->window_at = r->at;
		r->window_len = len;
	}
	return r->window[r->at++ - r->window_at];
}

static inline uint64_t get(struct reader *r, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)get1(r) << (8 * i);
	return value;
}

static inline uint64_t get_uleb(struct reader *r)
{
	uint64_t value = 0;
	uint8_t b;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		b = get1(r);
		if (shift < 64)
			value |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			break;
	}
	return value;
}

static inline int64_t get_sleb(struct reader *r)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = get1(r);
		if (shift < 64)
			value |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80 && shift < 70);
	if (shift < 64 && b & 0x40)
		value |= UINT64_MAX << shift;
	return (int64_t)value;
}

static inline void skip(struct reader *r, uint64_t n)
{
	if (n > r->end - r->at) {
		r->at = r->end;
		r->is_over = true;
	} else {
		r->at += n;
	}
}

/* To its NUL; at most cap bytes are kept.  Returns what was kept. */
static inline size_t get_text(struct reader *r, char *to, size_t cap)
{
	size_t n = 0;
	uint8_t b;

	while ((b = get1(r)) && !r->is_over)
		if (n < cap)
			to[n++] = (char)b;
	return n;
}

/* --- a unit --- */

struct unit {
	uint64_t start;   /* of its tables of directories and files */
	uint64_t program; /* of its opcodes */
	uint64_t end;
	uint16_t version;
	uint8_t offset_bytes; /* 4, or 8: 64-bit DWARF */
	uint8_t min_length;
	int8_t line_base;
	uint8_t line_range;
	uint8_t opcode_base;
	uint8_t operands[256];
};

/* dwarf_name.c: the path of a unit's file of that number; returns its length, 0: unknown. */
size_t dwarf_name(const struct code_file *f, const struct unit *u, uint64_t number, char *to,
		  size_t cap);

#endif
