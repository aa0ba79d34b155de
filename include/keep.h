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
extern bool keep_is_set;
extern bool keep_has_rules; /* by method or route */
void keep_init(void);

/* The defaults of the environment, before the sampler takes its settings. */
void keep_take_mode(void);

/* s, of VERDICT_RECORD, has started; parent: as for span_start(). */
void keep_begin(struct span *s, const struct span_context *parent);

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
