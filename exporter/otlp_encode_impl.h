/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_ENCODE_IMPL_H
#define OTLP_ENCODE_IMPL_H
/* What the files that fill a struct otlp_encoder share. */
#include <string.h>

#include "otlp_encode.h"

#define OTLP_ATTR_KEY_MAX 40

/* O109 */
#define OTLP_FLAG_HAS_IS_REMOTE 0x100u
#define OTLP_FLAG_IS_REMOTE 0x200u

static inline size_t otlp_varint_len(uint64_t value)
{
	return value < 0x80 ? 1 : (size_t)(70 - __builtin_clzll(value)) / 7;
}

/*
 * Times of events lie on the clock of the span's duration, beside its one anchor (O45).  value
 * begins with it.
 */
static inline uint64_t otlp_event_time(const struct span *h, const void *value)
{
	uint64_t ns;

	memcpy(&ns, value, sizeof(ns));
	return h->start_unix_ns + (ns - h->start_ns); /* wraps where it was before */
}

extern const char otlp_attr_key[ATTRS][OTLP_ATTR_KEY_MAX];

char *otlp_as_string(const char *s);

/* The text of a value; empty if it is of another kind. */
const char *otlp_text_of(const Otlp__AnyValue *v);
char *otlp_keep_repaired(struct otlp_encoder *e, struct bytes s);
char *otlp_keep_text(struct otlp_encoder *e, struct bytes s);
bool otlp_is_string(struct bytes s);
void otlp_set_text(struct otlp_encoder *e, Otlp__AnyValue *v, struct bytes s);

/* r as a tree, which is e's and good until the next one. */
const Otlp__Span *otlp_fill_span(struct otlp_encoder *e, const struct record *r);

/* otlp_pack.c: the bytes of such a tree, as many as otlp_span_bound() at most. */
size_t otlp_pack_span(const Otlp__Span *s, uint8_t *to);

/* The same for r, of which s has what is in no item, and k all else but what belongs into holes. */
size_t otlp_pack_again(const Otlp__Span *s, const struct otlp_known *k, const struct record *r,
		       uint8_t *to);

/* Those four, for the next time; the whole span takes no more than OTLP_KNOWN_PACKED. */
void otlp_pack_known(const Otlp__Span *s, struct otlp_known *to);

/*
 * otlp_known.c: where r would be known; NULL: nowhere.  *ret_is_known: and is, there.  ret_tag is
 * for otlp_known_keep(), which keeps what comes for the second time; len: of the whole span.
 */
struct otlp_known *otlp_known_find(struct otlp_encoder *e, const struct record *r,
				   uint32_t *ret_tag, bool *ret_is_known);
void otlp_known_keep(struct otlp_known *k, uint32_t tag, const struct record *r,
		     const Otlp__Span *s, size_t len);

/* Tells of each attribute of process pid's resource; kv is good for the call. */
void otlp_each_resource_attr(const struct resource *r, uint32_t pid,
			     void (*tell)(void *arg, Otlp__KeyValue *kv), void *arg);

/* otlp_named.c: all attributes of r whose names are the application's; one event of either kind. */
void otlp_set_named(struct otlp_encoder *e, const struct record *r);
void otlp_add_event(struct otlp_encoder *e, const struct span *h, uint16_t event,
		    struct bytes value);
Otlp__Span__Event *otlp_event_new(struct otlp_encoder *e, const struct span *h, struct bytes value);
void otlp_add_own_event(struct otlp_encoder *e, const struct span *h, struct bytes value);

/* otlp_told.c: events and links that have attributes. */
void otlp_add_event_of(struct otlp_encoder *e, const struct span *h, struct bytes value);
void otlp_add_link(struct otlp_encoder *e, struct bytes value);

/* So many events and links there may be in r, and four times as many attributes of theirs. */
size_t otlp_told_max(const struct record *r);

#endif
