/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATCH_H
#define BATCH_H
/*
 * One export request in the making, in protobuf or JSON, or one for Zipkin.  Spans are encoded as
 * they are added, so that a batch takes no more memory than its bytes on the wire, and its size is
 * always known.
 */
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "otlp_encode.h"

#define BATCH_BYTES_MAX (64u << 20) /* O10 */

struct batch_group;

enum batch_format { BATCH_PROTOBUF, BATCH_JSON, BATCH_ZIPKIN };

struct batch {
	enum batch_format format; /* not to be changed while there are spans in it */
	struct scratch memory;
	struct otlp_encoder *encoder;
	struct bytes service;       /* its name, for Zipkin */
	struct batch_group *groups; /* one per process */
	size_t spans;
	size_t bytes; /* of the request so far, at least */
	size_t bytes_max;
};

enum batch_add {
	BATCH_ADDED,
	BATCH_FULL,     /* the request would be too long: send it, and add again */
	BATCH_TOO_LONG, /* no request can carry this one */
};

/* Borrows encoder, which is initialised. */
void batch_init(struct batch *b, enum batch_format format, struct otlp_encoder *encoder);
enum batch_add batch_add(struct batch *b, const struct record *r);

/*
 * The bytes of an ExportTraceServiceRequest, valid until batch_reset(), or the same in
 * its other formats, with room for one more byte, and 8 before it; {NULL, 0}: no memory.
 */
struct bytes batch_finish(struct batch *b, const struct resource *resource);
void batch_reset(struct batch *b);
void batch_done(struct batch *b);

#endif
