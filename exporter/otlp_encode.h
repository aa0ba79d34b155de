/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_ENCODE_H
#define OTLP_ENCODE_H
/*
 * Records to the bytes of OTLP messages (O39-O59, O94-O112).  Nothing here
 * allocates, fails or knows of batches: the caller makes room for the bound.
 */
#include <stddef.h>
#include <stdint.h>

#include "otlp_trace.pb-c.h"
#include "resource.h"
#include "store.h"

/* Attributes of names that are not in attr.def, and events. */
#define OTLP_EVENTS_MAX 128u
#define OTLP_LINKS_MAX 128u
#define OTLP_PAIRS_MAX 512u /* attributes of the events and links of one span */
struct otlp_pair {
	Otlp__KeyValue pair;
	Otlp__AnyValue value;
};
struct otlp_named {
	Otlp__KeyValue pair;
	Otlp__AnyValue value;
	Otlp__ArrayValue array;
};

/*
 * What lists of items have become, for the next ones that are the same: a program says the same of
 * most of its spans, ids, times and numbers apart (otlp_known.c).
 */
#define OTLP_KNOWN_LISTS 32u
#define OTLP_KNOWN_ITEMS 512u
#define OTLP_KNOWN_PACKED 768u
#define OTLP_KNOWN_HOLES 12u
#define OTLP_KINDS 4u
#define OTLP_HOLE_BYTES 8u
struct otlp_hole {
	uint16_t at; /* of its value, in items */
	uint16_t to; /* of what it is in protobuf, in packed, behind name_len */
	uint8_t len; /* there */
	bool is_event;
};
struct otlp_known {
	uint32_t tag; /* of the list that came here last */
	uint32_t items_len;
	uint8_t kind; /* of the span; 0: nothing is known here */
	uint8_t n_holes;
	uint8_t n_ints; /* of the holes; 0: numbers are in packed like all else */
	/* Of packed: fields 3, 5, 9 and 11. */
	uint16_t state_len;
	uint16_t name_len;
	uint16_t attrs_len;
	uint16_t events_len;
	struct otlp_hole holes[OTLP_KNOWN_HOLES]; /* in the order of items */
	unsigned char items[OTLP_KNOWN_ITEMS];
	uint8_t packed[OTLP_KNOWN_PACKED];
};

/* Message trees that are filled anew for every span; some 260 KiB, of which little is touched. */
#define OTLP_KEYS_TEXT (256 + 64 * STORE_ATTRS_MAX)
struct otlp_encoder {
	Otlp__Span span;
	Otlp__Status status;
	Otlp__KeyValue attrs[ATTRS];
	Otlp__AnyValue values[ATTRS];
	Otlp__KeyValue *list[ATTRS + STORE_ATTRS_MAX];
	uint8_t place[ATTRS]; /* of a key in list, + 1; 0: not there */
	struct otlp_named named[STORE_ATTRS_MAX];
	Otlp__AnyValue elements[STORE_ATTRS_MAX];
	Otlp__AnyValue *element_list[STORE_ATTRS_MAX];
	uint32_t n_named;
	uint32_t n_elements;
	Otlp__Span__Event events[OTLP_EVENTS_MAX];
	Otlp__Span__Event *event_list[OTLP_EVENTS_MAX];
	Otlp__Span__Link links[OTLP_LINKS_MAX];
	Otlp__Span__Link *link_list[OTLP_LINKS_MAX];
	struct otlp_pair pairs[OTLP_PAIRS_MAX];
	Otlp__KeyValue *pair_list[OTLP_PAIRS_MAX];
	uint32_t n_pairs;
	struct otlp_known known[OTLP_KNOWN_LISTS];
	uint16_t last[OTLP_KINDS]; /* where the last one of that kind of span was looked for */
	size_t text_len;
	/* Texts of one span, ended by NUL as protobuf-c wants; repaired ones may triple. */
	char text[3 * STORE_ITEMS_MAX + OTLP_KEYS_TEXT];
};

void otlp_encoder_init(struct otlp_encoder *e);

/* No encoding of r as a Span is longer. */
size_t otlp_span_bound(const struct record *r);

/* The bytes of a Span message, without tag and length; returns their number. */
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
