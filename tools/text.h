/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXT_H
#define TEXT_H
/*
 * A growing text for output, and the reading of UTF-8 that nobody has checked.  Running out of
 * memory is remembered in is_short; what could not be added is missing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

struct text {
	char *ptr; /* not NUL-terminated */
	size_t len;
	size_t cap;
	bool is_short;
};

void text_add(struct text *t, struct bytes s);
void text_add_str(struct text *t, const char *s);
void text_add_char(struct text *t, char c);
void text_add_code(struct text *t, uint32_t code); /* as UTF-8 */
void text_add_hex(struct text *t, const uint8_t *id, size_t n);
__attribute__((format(printf, 2, 3))) void text_printf(struct text *t, const char *format, ...);
void text_clear(struct text *t); /* keeps the memory */
void text_done(struct text *t);

#define UTF8_INVALID 0xfffdu /* REPLACEMENT CHARACTER */

/*
 * Takes one character off *in.  A byte that does not belong to a well-formed character (also
 * overlong forms, surrogates) is taken alone, as UTF8_INVALID.  *in must not be empty.
 */
uint32_t utf8_take(struct bytes *in);

/*
 * Would this character do something to a terminal, or to the order of the text around it?  C0, DEL,
 * C1 (which includes an 8 bit CSI), line separators, marks of direction, invisible characters,
 * tags.
 */
bool utf8_is_unsafe(uint32_t code);

#endif
