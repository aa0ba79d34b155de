/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALLS_H
#define CALLS_H
/*
 * What a request has called, told on its own span (interspan.calls.*): how often, for how long, and
 * which call most often.  So "the same query 30 times" is seen without looking at 30 spans.
 *
 * The sums lie in private memory, one entry for each request that has called anything, found by the
 * reference of its span.  A child process has none of its parent's entries.  Everything here: any
 * thread, async-signal-safe, no lock, no errno; inside the guard.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "span.h"

/* Calls are the same if these three are; longer texts are cut.  All are borrowed. */
struct call {
	struct bytes peer;      /* whom: "shop:8080" */
	struct bytes operation; /* what: "GET", "SELECT"; empty: unknown */
	struct bytes
		summary;   /* of what, with few different values: "/users/{id}", "SELECT orders" */
	uint64_t start_ns; /* CLOCK_MONOTONIC */
	uint64_t end_ns;
	bool has_failed;
};

#define CALLS_PEER_MAX 72u
#define CALLS_OPERATION_MAX 24u
#define CALLS_SUMMARY_MAX 96u

/*
 * A call is over that was made for the request of the open SERVER span parent.  {0, 0} and spans of
 * other kinds: ignored.  A span that has ended, or no room: counted.
 *
 * True: the request has more calls than OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST, and this one's span
 * is to be folded by the caller (span_fold()): calls that are the same share one when the request
 * ends (interspan.folded.*).
 */
bool calls_add(struct span_ref parent, const struct call *call);

/* The same for who has calls_hash() of what tells calls apart.  Never 0, and of this process. */
bool calls_add_hashed(struct span_ref parent, const struct call *call, uint64_t hash);
uint64_t calls_hash(const struct call *call);

/*
 * The span of a request ends: what it called becomes its attributes (is_told), and is forgotten.
 * For span.c, by who holds s.
 */
void calls_close(struct span *s, bool is_told);

#endif
