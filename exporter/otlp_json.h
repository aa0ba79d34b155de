/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_JSON_H
#define OTLP_JSON_H
/*
 * The same messages as otlp_encode.h makes, as JSON (O70-O80): keys in lowerCamelCase, ids in hex,
 * 64-bit numbers as strings, enums as numbers.  The caller makes room for the bound.
 */
#include "otlp_encode.h"

size_t otlp_json_span_bound(const struct record *r);
size_t otlp_json_span(struct otlp_encoder *e, const struct record *r, uint8_t *to);

/* `{"attributes":[...]}` of process pid. */
size_t otlp_json_resource_bound(const struct resource *r);
size_t otlp_json_resource(const struct resource *r, uint32_t pid, uint8_t *to);

/* The longest resource that there is. */
#define OTLP_JSON_RESOURCE_MAX (6u * RESOURCE_TEXT + RESOURCE_ATTRS * 256u + 512u)

#endif
