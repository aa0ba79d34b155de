/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_ENCODE_H
#define OTLP_ENCODE_H
/*
 * Records to the bytes of OTLP messages (O39-O59, O94-O112).  Nothing here allocates, fails or
 * knows of batches: the caller makes room for the bound.
 *
 * What is made once in a batch goes through protobuf-c.  Spans are written by hand: nine tenths of
 * what an exported span costs was protobuf-c walking its descriptors, twice.
 */
#include <stddef.h>
#include <stdint.h>

#include "otlp_trace.pb-c.h"
#include "resource.h"
#include "store.h"

#define OTLP_EVENTS_MAX 16

/* The beginning of an attribute: a KeyValue up to the key of its value's field. */
struct otlp_key {
	uint8_t len;
	uint8_t bytes[47];
};

/* Where an attribute of attr.def has its last value; borrowed from the record. */
struct otlp_attr {
	struct bytes value;
	uint8_t type; /* enum item_type */
};

/* Tables that are made once, and what is found out about one record. */
struct otlp_encoder {
	struct otlp_key keys[ATTRS];
	struct otlp_attr attrs[ATTRS];
	uint8_t has[ATTRS];
	uint16_t list[ATTRS]; /* those of the record, in their order */
	uint32_t n;
	bool has_named;
	uint32_t n_events;
	struct bytes name;
	struct bytes tracestate;
	size_t text_len;
	char text[3 * STORE_ITEMS_MAX + 2]; /* texts that had to be repaired */
};

void otlp_encoder_init(struct otlp_encoder *e);

/* No encoding of r as a Span is longer. */
size_t otlp_span_bound(const struct record *r);

/* The bytes of a Span message, without tag and length; r has passed store_read(). */
size_t otlp_encode_span(struct otlp_encoder *e, const struct record *r, uint8_t *to);

/* The same for the Resource of process pid, and for our InstrumentationScope. */
size_t otlp_resource_bound(const struct resource *r);
size_t otlp_encode_resource(const struct resource *r, uint32_t pid, uint8_t *to);
#define OTLP_SCOPE_BOUND 128
size_t otlp_encode_scope(uint8_t *to);

/* Key and length of an embedded message or string; to has room for 10 bytes. */
size_t otlp_encode_prefix(uint8_t *to, uint32_t field, size_t len);
size_t otlp_prefix_len(uint32_t field, size_t len);

#endif
