/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JSON_H
#define JSON_H
/* Pieces of JSON (RFC 8259), written into the caller's text.  Pure. */
#include "text.h"

#define JSON_GROWTH 6u /* a byte of a string may become \u001f */

/* With its quotes.  s is valid UTF-8. */
void json_add_string(struct text *to, struct bytes s);

/* Lower-case digits, in quotes. */
void json_add_hex(struct text *to, const uint8_t *from, size_t n);

/* In quotes, with padding (RFC 4648). */
void json_add_base64(struct text *to, const uint8_t *from, size_t n);

/* A decimal number in quotes, as 64 bits are written (O74). */
void json_add_uint_string(struct text *to, uint64_t n);
void json_add_int_string(struct text *to, int64_t n);

#endif
