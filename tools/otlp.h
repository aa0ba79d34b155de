/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTLP_H
#define OTLP_H
/*
 * Spans as they arrive: what both encodings of OTLP decode to, and what everything behind the
 * receiver works on.  Texts are whatever the sender wrote: any bytes, also terminal escapes; only
 * term.h and json_out.h may print them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "bytes.h"
#include "compiler.h"

enum otlp_type {
	OTLP_EMPTY, /* no value set: null (O42) */
	OTLP_STRING,
	OTLP_BOOL,
	OTLP_INT,
	OTLP_DOUBLE,
	OTLP_BYTES,
	OTLP_ARRAY,
	OTLP_MAP,
};

struct otlp_attr;

struct otlp_value {
	enum otlp_type type;
	uint32_t count; /* of items or map */
	union {
		struct bytes text; /* OTLP_STRING, OTLP_BYTES */
		bool boolean;
		int64_t integer;
		double number;
		struct otlp_value *items;
		struct otlp_attr *map;
	};
};

struct otlp_attr {
	struct bytes key;
	struct otlp_value value;
};

struct otlp_attrs {
	struct otlp_attr *list;
	uint32_t count;
};

enum otlp_kind { /* O105 */
		 OTLP_KIND_UNSPECIFIED,
		 OTLP_KIND_INTERNAL,
		 OTLP_KIND_SERVER,
		 OTLP_KIND_CLIENT,
		 OTLP_KIND_PRODUCER,
		 OTLP_KIND_CONSUMER,
};

enum otlp_status { OTLP_STATUS_UNSET, OTLP_STATUS_OK, OTLP_STATUS_ERROR }; /* O108 */

#define OTLP_FLAG_HAS_REMOTE 0x100u /* O109 */
#define OTLP_FLAG_REMOTE 0x200u

struct otlp_resource {
	uint32_t refs; /* of the store; 0 in a batch */
	size_t bytes;
	struct arena arena;
	struct otlp_attrs attrs;
	struct bytes service; /* service.name, or "unknown_service" */
};

struct otlp_span {
	struct otlp_span *next; /* in arrival order, within a trace or a batch */
	struct otlp_resource *resource;
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8];
	bool has_parent;
	bool is_late;   /* came after its trace was printed */
	uint8_t kind;   /* enum otlp_kind, also numbers yet unknown */
	uint8_t status; /* enum otlp_status */
	uint32_t flags;
	uint32_t events; /* how many there were: their contents are not kept */
	uint32_t links;
	uint64_t start_ns; /* Unix time */
	uint64_t end_ns;
	struct bytes name;
	struct bytes status_message;
	struct otlp_attrs attrs;
};

/* One decoded request.  Texts borrow from the request's body or live in the arena. */
struct otlp_batch {
	struct arena arena;
	struct otlp_span *first;
	struct otlp_span **last; /* where the next one is hung; NULL: at first */
	uint32_t count;
	uint32_t rejected;  /* spans left out for invalid ids (O50) */
	const char *reason; /* of the first rejection */
};

/* Deeper nesting than this is not decoded: no stack overflow by other people's data. */
#define OTLP_DEPTH_MAX 32

enum otlp_verdict {
	OTLP_GOOD,
	OTLP_MALFORMED,
	OTLP_TOO_LARGE, /* decoded it would not fit in the memory allowed for one request */
};

/*
 * Decode a whole ExportTraceServiceRequest; on any other verdict than GOOD the batch is empty of
 * spans and *ret_why says what was wrong.  otlp_batch_done() in every case; body outlives the
 * batch.
 */
MUST_USE enum otlp_verdict otlp_decode_pb(struct otlp_batch *b, struct bytes body,
					  const char **ret_why);
MUST_USE enum otlp_verdict otlp_decode_json(struct otlp_batch *b, struct bytes body,
					    const char **ret_why);

void otlp_batch_init(struct otlp_batch *b, size_t memory_limit);
void otlp_batch_done(struct otlp_batch *b);

/* Hangs s into the batch, or rejects and counts it if its ids are zero. */
void otlp_batch_add(struct otlp_batch *b, struct otlp_span *s);

/* For an id that is neither absent nor of the right form: why is a literal. */
void otlp_batch_reject(struct otlp_batch *b, const char *why);

/* NULL: no such attribute.  The last one of a key counts (O39). */
const struct otlp_value *otlp_find(const struct otlp_attrs *attrs, const char *key);

/* The text of a string attribute; ptr is NULL if there is none. */
struct bytes otlp_find_text(const struct otlp_attrs *attrs, const char *key);

/* Sets service from attrs. */
void otlp_resource_name(struct otlp_resource *r);

/* Deep copies; false: no memory. */
MUST_USE bool otlp_copy_attrs(struct arena *a, struct otlp_attrs *to,
			      const struct otlp_attrs *from);
struct otlp_span *otlp_copy_span(struct arena *a, const struct otlp_span *from);

const char *otlp_kind_name(uint8_t kind);

#endif
