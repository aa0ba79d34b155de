/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEEP_H
#define KEEP_H
/*
 * Selection by outcome (OTEL_INTERSPAN_KEEP): what the sampler left out is recorded all the same,
 * and kept or forgotten when its local root ends: the SERVER span of its request, the program's
 * own span, or a span that nothing here has caused.
 *
 * The calls of such a request are held in the store, in a list that hangs from its root, until
 * then.  Bounded: OTEL_INTERSPAN_MAX_SPANS_PER_REQUEST, half of the store, ten minutes; what does
 * not fit is forgotten and counted, and the root says that the request is told in part.  What
 * goes over the wire stays the sampler's word: nothing here is known before the end.
 *
 * keep_init() is for load.c; the rest is for span.c and the sides of protocols, by who holds the
 * span: any thread, async-signal-safe, no lock.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "span.h"
#include "store.h"

/* Is anything kept but what the sampler samples?  Settings are taken after the sampler's. */
extern HIDDEN bool keep_is_set;
extern HIDDEN bool keep_has_rules; /* by method or route */
/* What took less, did not fail, and was neither forced nor picked out by a rule, is forgotten. */
extern HIDDEN uint64_t keep_ordinary_ns;
void keep_init(void);

/* The defaults of the environment, before the sampler takes its settings. */
void keep_take_mode(void);

static ALWAYS_INLINE uint64_t held_word(uint32_t generation, uint32_t rest)
{
	return (uint64_t)generation << HELD_GENERATION | rest;
}

/* s, of VERDICT_RECORD, has started; parent: as for span_start(). */
void keep_begin(struct span *s, const struct span_context *parent);

/* The same below nobody of this process tree. */
static ALWAYS_INLINE void keep_begin_root(struct span *s, uint32_t generation)
{
	atomic_store_explicit(&s->holds, 0, memory_order_relaxed);
	atomic_store_explicit(&s->held, held_word(generation, 0), memory_order_relaxed);
}

/*
 * The request of s, which may be NULL: does a rule by method or route fit it?  For keep_has_rules.
 */
void keep_request(struct span *s, struct bytes method, struct bytes path);

/* The application has asked for the request of s, which may be NULL (interspan.h). */
void keep_force(struct span *s);

enum keep_end {
	KEEP_FORGET,
	KEEP_HELD, /* its root decides; s is gone */
	KEEP_SEND,
};

/*
 * s, of VERDICT_RECORD, has ended, at s->end_ns.  Why it is kept becomes an attribute.  KEEP_FORGET
 * and KEEP_SEND are for the caller to do, who settles before what else it says of s.
 */
enum keep_end keep_end(struct store *st, struct span *s);

/* What it has called apart, which may have failed. */
static ALWAYS_INLINE bool keep_is_ordinary(const struct span *s, uint64_t ns)
{
	return LIKELY(ns < keep_ordinary_ns) && LIKELY(!s->kept) &&
	       LIKELY(s->status != SPAN_STATUS_ERROR);
}

/*
 * keep_end() of a root of this generation that has taken so long, where the answer is KEEP_FORGET,
 * and nothing hangs from it: with that it has ended.  False: it is for keep_end().
 */
static ALWAYS_INLINE bool keep_end_ordinary(struct span *s, uint32_t generation, uint64_t ns)
{
	uint64_t none = held_word(generation, 0);

	return keep_is_ordinary(s, ns) && LIKELY(!s->root.slot) &&
	       LIKELY(atomic_compare_exchange_strong(&s->held, &none, none | HELD_CLOSED));
}

/* s will not be told of by itself: its root knows all the same whether it has failed. */
void keep_fold(struct span *s);

/* What hangs from s, if it is a root, is sent, or forgotten; nothing comes to it any more. */
void keep_settle(struct store *st, struct span *s, bool is_sent);

/* Does anything, after keep_end()? */
static ALWAYS_INLINE bool keep_holds(const struct span *s)
{
	return !s->root.slot && atomic_load_explicit(&s->held, memory_order_acquire) & HELD_NUMBER;
}

#endif
