/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_ENCODE_IMPL_H
#define OTLP_ENCODE_IMPL_H
/* What the files that write a Span share. */
#include "otlp_encode.h"
#include "wire.h"

#define OTLP_ATTR_KEY_MAX 40

extern const char otlp_attr_key[ATTRS][OTLP_ATTR_KEY_MAX];

/* Fields of O94-O106 */
#define SPAN_ATTRIBUTE WIRE_BYTES(9)
#define KEY_VALUE_KEY WIRE_BYTES(1)
#define KEY_VALUE_VALUE WIRE_BYTES(2)
#define ANY_STRING WIRE_BYTES(1)
#define ANY_BOOL WIRE_VARINT(2)
#define ANY_INT WIRE_VARINT(3)
#define ANY_ARRAY WIRE_BYTES(5)
#define ANY_BYTES WIRE_BYTES(7)

/* What an AnyValue takes that holds this text, and the same written. */
static ALWAYS_INLINE size_t otlp_text_len(struct bytes s)
{
	return wire_field_len(s.len);
}
uint8_t *otlp_put_text(uint8_t *to, struct bytes s);

bool otlp_is_string(struct bytes s);

/* otlp_named.c: attributes of r whose names are the application's; events. */
uint8_t *otlp_put_named(uint8_t *to, const struct record *r);
uint8_t *otlp_put_events(uint8_t *to, const struct record *r);

#endif
