/* SPDX-License-Identifier: Apache-2.0 */
/* How spans end, and what becomes of them. */
#include "calls.h"
#include "clock.h"
#include "config.h"
#include "keep.h"
#include "span.h"
#include "stats.h"
#include "store.h"

static ALWAYS_INLINE void forget_closed(struct store *st, struct span *s)
{
	stats_inc(STAT_SPANS_UNSAMPLED);
	slot_put_by(st, s);
}

static NO_INLINE void forget(struct store *st, struct span *s)
{
	if (s->kind == SPAN_SERVER)
		calls_close(s, false);
	forget_closed(st, s);
}

static void hand_over(struct store *st, struct span *s)
{
	void (*start_exporter)(struct store *) = NULL;

	if (!slot_publish(st, s))
		return;
	stats_inc(STAT_SPANS_ENDED);
	if (UNLIKELY(!store_has_owner(st)))
		start_exporter = atomic_load(&span_ended_without_owner);
	if (start_exporter)
		start_exporter(st);
}

/* Its end decides (keep.h). */
static NO_INLINE void end_recorded(struct store *st, struct span *s)
{
	enum keep_end end = keep_end(st, s);

	if (end == KEEP_HELD)
		return;
	if (s->kind == SPAN_SERVER)
		calls_close(s, end == KEEP_SEND);
	if (UNLIKELY(keep_holds(s)))
		keep_settle(st, s, end == KEEP_SEND);
	if (UNLIKELY(end == KEEP_SEND))
		hand_over(st, s);
	else
		forget_closed(st, s);
}

void span_end_at(struct span *s, uint64_t monotonic_ns)
{
	struct store *st = store_get();

	if (!s)
		return;
	/* Without an exporter nobody would ever collect it. */
	if (s->verdict == VERDICT_DROP || config.traces_exporter == EXPORTER_NONE) {
		forget(st, s);
		return;
	}
	if (!monotonic_ns)
		monotonic_ns = clock_monotonic_ns();
	s->end_ns = monotonic_ns > s->start_ns ? monotonic_ns : s->start_ns;
	if (UNLIKELY(s->verdict == VERDICT_RECORD)) {
		end_recorded(st, s);
	} else {
		if (s->kind == SPAN_SERVER)
			calls_close(s, true);
		hand_over(st, s);
	}
}

void span_end(struct span *s)
{
	span_end_at(s, 0);
}

void span_fold(struct span *s)
{
	if (!s)
		return;
	if (UNLIKELY(s->verdict == VERDICT_RECORD))
		keep_fold(s);
	stats_inc(STAT_SPANS_FOLDED);
	slot_free(store_get(), s);
}

void span_end_with_root(struct span *s, uint64_t monotonic_ns)
{
	s->end_ns = monotonic_ns > s->start_ns ? monotonic_ns : s->start_ns;
	if (s->verdict == VERDICT_RECORD)
		s->kept |= KEPT_SELECTED;
	hand_over(store_get(), s);
}

void span_discard(struct span *s)
{
	if (!s)
		return;
	if (s->kind == SPAN_SERVER)
		calls_close(s, false);
	if (UNLIKELY(s->verdict == VERDICT_RECORD))
		keep_settle(store_get(), s, false);
	stats_inc(STAT_SPANS_DISCARDED);
	slot_free(store_get(), s);
}
