/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_H
#define METRICS_H
/*
 * What we count of ourselves as OTLP metrics (O86-O91), if OTEL_METRICS_EXPORTER is otlp: for each
 * process of the tree its own, cumulative.  No timer: they go out behind spans, when the interval
 * is over, and at the end.  A request that fails is not repeated: the next one tells the same and
 * more.  Exporter thread only.
 */
#include "alloc.h"
#include "operations.h"
#include "resource.h"
#include "transport.h"

struct metrics {
	struct exporter *x;
	const struct resource *resource;
	const struct operations *operations;
	struct transport *transport; /* NULL: nobody wants them */
	struct scratch memory;
	uint64_t start_unix_ns; /* of the counters of process pid */
	uint32_t pid;
	uint64_t next_ns; /* CLOCK_MONOTONIC: not before */
	uint64_t seen;    /* spans that had been counted when they were told of last */
};

/* Borrows all.  Without memory: nobody wants them. */
void metrics_begin(struct metrics *m, struct exporter *x, const struct resource *resource,
		   const struct operations *operations);
void metrics_end(struct metrics *m);

/* Sends them if there is something new, and the interval is over or is_last. */
void metrics_turn(struct metrics *m, bool is_last);

/* The bytes of an ExportMetricsServiceRequest, in m's memory; {NULL, 0}: none there. */
struct bytes metrics_encode(struct metrics *m, uint64_t now_unix_ns);

#endif
