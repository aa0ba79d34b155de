/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLER_H
#define SAMPLER_H
/*
 * Is a span recorded, is it exported?  Asked once, before the span exists, in this order:
 *
 *   the parent        of the parentbased_ forms, which the default is (E43)
 *   the user's rule   OTEL_INTERSPAN_SAMPLING_RULES: the first that fits the request
 *   the sampler       OTEL_TRACES_SAMPLER
 *   the limit         OTEL_INTERSPAN_TRACES_PER_SECOND, of traces that begin here
 *
 * What is left out is recorded all the same where its end may select it (keep.h).
 *
 * sampler_init() is for load.c; all else: any thread, async-signal-safe, no lock.
 */
#include <endian.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"
#include "compiler.h"
#include "keep.h"
#include "span.h"
#include "trace_id.h"

/* What becomes of th in the trace state (E53, E58). */
enum sampler_state {
	STATE_KEEP,
	STATE_SET,   /* to the threshold by which it was decided */
	STATE_ERASE, /* what it says is not so any more */
};

struct decision {
	uint8_t verdict; /* enum verdict */
	uint8_t state;   /* enum sampler_state */
	uint64_t threshold;
};

/* Of one span. */
struct sampler_case {
	const struct span_context *parent; /* NULL: a root */
	const struct trace_id *trace;
	uint64_t now_ns; /* CLOCK_MONOTONIC; 0: now */
	unsigned rule;   /* of sampler_rule() */
};

/* In the place of a rule: somebody wants to see this request. */
#define SAMPLER_FORCED UINT32_MAX

/* Takes the settings; once, or by tests.  What is not understood is logged, and left out. */
void sampler_init(void);

/* Is anything set but the default, parentbased_always_on without rules and limit? */
extern HIDDEN bool sampler_is_set;
extern HIDDEN bool sampler_has_rules;
extern HIDDEN bool sampler_is_by_parent; /* one of the parentbased_ forms, as the default is */

/*
 * traceidratio, which has said (E47) that it decides about traces of others: of such a trace that
 * has no trace state the id says all.
 */
extern HIDDEN _Atomic bool sampler_is_by_id;
extern HIDDEN uint64_t sampler_threshold; /* of the ratio samplers */

/* The last seven bytes of the trace id, which are random on their own (C19, E55). */
static ALWAYS_INLINE uint64_t sampler_random_of(const struct trace_id *trace)
{
	uint64_t w;

	memcpy(&w, trace->bytes + sizeof(trace->bytes) - sizeof(w), sizeof(w));
	return be64toh(w) & UINT64_MAX >> 8;
}

/* Of the span, as far as its beginning has told. */
struct sampler_name {
	struct bytes method;
	struct bytes route; /* empty: none */
};

/*
 * The number of the rule for a request, or strategy_name() for the remote sampler; 0: neither.  To
 * be asked only if sampler_has_rules.  path: without the query.
 */
unsigned sampler_rule(struct bytes method, struct bytes path, struct sampler_name name);

struct decision sampler_decide_as_set(const struct sampler_case *c);

/* What its flag says. */
static ALWAYS_INLINE uint8_t sampler_by_caller(const struct span_context *caller)
{
	return caller->flags & TRACE_FLAG_SAMPLED ? VERDICT_SAMPLE : VERDICT_DROP;
}

static ALWAYS_INLINE struct decision sampler_decided(struct decision d, uint8_t *flags)
{
	if (d.verdict == VERDICT_SAMPLE)
		*flags |= TRACE_FLAG_SAMPLED;
	else if (UNLIKELY(keep_is_set) && d.verdict == VERDICT_DROP)
		d.verdict = VERDICT_RECORD;
	return d;
}

/*
 * *flags: TRACE_FLAG_* to propagate; in: those of the parent, or of a fresh trace, without SAMPLED.
 * SAMPLED is set exactly when the verdict is VERDICT_SAMPLE (E45).
 */
static ALWAYS_INLINE struct decision sampler_decide(const struct sampler_case *c, uint8_t *flags)
{
	struct decision d = { VERDICT_SAMPLE, STATE_KEEP, 0 };

	if (sampler_is_set)
		d = sampler_decide_as_set(c);
	else if (c->parent)
		d.verdict = sampler_by_caller(c->parent);
	return sampler_decided(d, flags);
}

/* Of a span below that one; false: it is not, whatever else is asked. */
static ALWAYS_INLINE bool sampler_may_record(const struct span_context *parent)
{
	return parent->flags & TRACE_FLAG_SAMPLED || keep_is_set || !sampler_is_by_parent;
}

/*
 * The same where nothing but the caller, who has not deferred it and has no trace state, and the
 * sampler are asked.
 */
static ALWAYS_INLINE struct decision sampler_decide_below(const struct span_context *caller,
							  uint8_t *flags)
{
	struct decision d = { VERDICT_SAMPLE, STATE_KEEP, 0 };

	if (LIKELY(sampler_is_by_parent))
		d.verdict = sampler_by_caller(caller);
	else if (LIKELY(atomic_load_explicit(&sampler_is_by_id, memory_order_relaxed)))
		d.verdict = sampler_random_of(&caller->trace) >= sampler_threshold ?
				    VERDICT_SAMPLE :
				    VERDICT_DROP;
	else
		d = sampler_decide_as_set(&(struct sampler_case){ caller, &caller->trace, 0, 0 });
	return sampler_decided(d, flags);
}

/*
 * span_start_at() below a valid parent whose trace state is empty, with what sampler_decide() has
 * said.
 */
struct span *span_start_decided(enum span_kind kind, const struct span_context *parent,
				uint64_t monotonic_ns, struct decision d, uint8_t flags);

#endif
