/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_H
#define WIRE_H
/*
 * The wire format of Protocol Buffers, as far as a Span needs it.  Each function writes at to and
 * returns where the next byte goes; the caller has made room.  Pure functions.
 */
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "copy.h"

/* A field's key: its number and its wire type; one byte for numbers below 16. */
#define WIRE_VARINT(field) ((uint8_t)((field) << 3))
#define WIRE_FIXED64(field) ((uint8_t)((field) << 3 | 1))
#define WIRE_BYTES(field) ((uint8_t)((field) << 3 | 2))

static ALWAYS_INLINE size_t wire_varint_len(uint64_t v)
{
	size_t n = 1;

	for (; UNLIKELY(v >= 0x80); v >>= 7)
		n++;
	return n;
}

static ALWAYS_INLINE uint8_t *wire_varint(uint8_t *to, uint64_t v)
{
	for (; UNLIKELY(v >= 0x80); v >>= 7)
		*to++ = (uint8_t)(v | 0x80);
	*to++ = (uint8_t)v;
	return to;
}

static ALWAYS_INLINE uint8_t *wire_uint(uint8_t *to, uint8_t key, uint64_t v)
{
	*to++ = key;
	return wire_varint(to, v);
}

static ALWAYS_INLINE uint8_t *wire_fixed64(uint8_t *to, uint8_t key, uint64_t v)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as fixed64 is on the wire");
	*to++ = key;
	memcpy(to, &v, sizeof(v));
	return to + sizeof(v);
}

static ALWAYS_INLINE uint8_t *wire_put(uint8_t *to, const void *from, size_t n)
{
	copy_short(to, from, n);
	return to + n;
}

/* Of a string, bytes or an embedded message: key and length take this much beside len. */
static ALWAYS_INLINE size_t wire_field_len(size_t len)
{
	return 1 + wire_varint_len(len) + len;
}

static ALWAYS_INLINE uint8_t *wire_bytes(uint8_t *to, uint8_t key, struct bytes s)
{
	return wire_put(wire_uint(to, key, s.len), s.ptr, s.len);
}

#endif
