/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SELECTION_H
#define SELECTION_H
/* Which traces are wanted: all that is asked for must be so, each of it in some span.  Pure. */
#include "verdict.h"

#define SELECTION_ATTRS_MAX 16u

struct selection {
	const char *trace;   /* first hex digits of its id; NULL: any */
	const char *service; /* NULL: any */
	uint64_t min_ns;
	uint64_t since_ns; /* Unix time of the first start */
	bool is_error;
	uint32_t attr_count;
	struct {
		struct bytes key;
		struct bytes value; /* ptr NULL: any */
	} attrs[SELECTION_ATTRS_MAX];
};

bool selection_has(const struct selection *s, const struct trace *t, const struct trace_report *r);

/* "key=value" or "key", which is borrowed; false: there are too many, or it has no key. */
MUST_USE bool selection_add_attr(struct selection *s, const char *text);

/* "250ms", "1.5s", "10m", "2h", "3d", "800us", "5ns". */
MUST_USE bool parse_duration(const char *text, uint64_t *ret_ns);

/*
 * A duration, counted back from now_ns, or 2026-11-26, 2026-11-26T07:00:00 (UTC), with Z or +hh:mm.
 */
MUST_USE bool parse_since(const char *text, uint64_t now_ns, uint64_t *ret_ns);

#endif
