/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPARE_H
#define SPARE_H
/*
 * The slot at hand: what slot_put_by() keeps for slot_take(); and the bare spans, which a program
 * that samples little has one after the other in it: SERVER spans below a caller that are not
 * recorded, and have their ids and nothing else.  All that such spans have in common stays where it
 * is.
 *
 * All functions: any thread, async-signal-safe, no lock.
 */
#include "anchor.h"
#include "barrier.h"
#include "calls.h"
#include "clock.h"
#include "counts.h"
#include "keep.h"
#include "process.h"
#include "rng.h"
#include "shake.h"
#include "single.h"
#include "stats.h"
#include "store.h"

/*
 * The epoch of the process whose it is, and its number + 1; 0: there is none.  What a child finds
 * here is its parent's.  In the maps it is taken; of a process that was killed an orphan
 * (orphan.c).
 */
extern HIDDEN _Atomic uint64_t spare;

#define SPARE_BARE (1u << 31) /* its last span was bare */
_Static_assert(STORE_MAX_SLOTS < SPARE_BARE, "beside its number");

/*
 * From here on references to its last span are dead.  Raised by who takes it, since who frees it
 * may be the exporter, and must not take its lines away.
 */
static ALWAYS_INLINE uint32_t slot_raise(struct span *s)
{
	uint32_t generation = atomic_load_explicit(&s->generation, memory_order_relaxed) + 1;

	SHAKE();
	atomic_store_explicit(&s->generation, generation, memory_order_relaxed);
	write_barrier();
	SHAKE();
	return generation;
}

static ALWAYS_INLINE void slot_open(struct span *s)
{
	SHAKE();
	/* Pairs with span_get(), which may look at any slot at any time. */
	atomic_store_explicit(&s->state, SLOT_OPEN, memory_order_release);
}

static ALWAYS_INLINE struct span *spare_take(struct store *st)
{
	uint64_t word = atomic_load_explicit(&spare, memory_order_relaxed);

	if (!word || UNLIKELY(word >> 32 != process_epoch()) ||
	    UNLIKELY(!single_exchange(&spare, &word, 0)))
		return NULL;
	return store_slot(st, ((uint32_t)word & ~SPARE_BARE) - 1);
}

/* All behind the generation is zero but for these. */
static ALWAYS_INLINE void slot_clear(struct span *s)
{
	memset((char *)s + offsetof(struct span, next), 0,
	       sizeof(*s) - offsetof(struct span, next));
	s->pid = process_pid();
	s->slots = 1;
}

/* slot_take() */
static ALWAYS_INLINE struct span *slot_get(struct store *st)
{
	struct span *s = spare_take(st);
	uint32_t index;

	counts_settle(st);
	if (!s) {
		index = store_index_take(st);
		if (UNLIKELY(index == NO_SLOT))
			return NULL;
		s = store_slot(st, index);
	}
	(void)slot_raise(s);
	slot_clear(s);
	slot_open(s);
	return s;
}

/* All of a bare span that is another one each time, as a word that its bytes from kind on are. */
#define BARE_FLAGS ((uint64_t)UINT8_MAX << 24)
#define BARE_KINDS (SPAN_SERVER | VERDICT_DROP << 16 | 1ull << 32 | 1ull << 40)
#define BARE_COUNTS (1u << 16) /* of slots */

static ALWAYS_INLINE bool span_is_bare(const struct span *s)
{
	uint64_t kinds;
	uint32_t counts, lists;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "their order in a word");
	_Static_assert(
		offsetof(struct span, has_parent) == offsetof(struct span, kind) + 4 &&
			offsetof(struct span, attrs) == offsetof(struct span, kind) + 6 &&
			offsetof(struct span, slots) == offsetof(struct span, dropped_attrs) + 2 &&
			offsetof(struct span, http_status) == offsetof(struct span, lists) + 2,
		"so they lie there");
	memcpy(&kinds, &s->kind, sizeof(kinds));
	memcpy(&counts, &s->dropped_attrs, sizeof(counts));
	memcpy(&lists, &s->lists, sizeof(lists));
	return (kinds & ~BARE_FLAGS) == BARE_KINDS && counts == BARE_COUNTS &&
	       !(lists | s->used | s->next);
}

/*
 * Takes the slot at hand, whose last references are dead then; NULL: there is none of this
 * process's, or is_bare and its last span was not, or this thread has made no id yet.
 */
static ALWAYS_INLINE struct span *spare_raise(bool is_bare, struct span_ref *ret_ref)
{
	uint64_t word = atomic_load_explicit(&spare, memory_order_relaxed);
	uint32_t epoch = process_epoch();
	struct span *s;

	if (UNLIKELY(is_bare ? !(word & SPARE_BARE) : !word) || UNLIKELY(word >> 32 != epoch) ||
	    UNLIKELY(thread_self.rng_owner != epoch) ||
	    UNLIKELY(!single_exchange(&spare, &word, 0)))
		return NULL;
	ret_ref->slot = (uint32_t)word & ~SPARE_BARE;
	s = store_slot(store_get(), ret_ref->slot - 1);
	ret_ref->generation = slot_raise(s);
	return s;
}

static ALWAYS_INLINE void spare_put(struct span *s, uint32_t number)
{
	uint64_t none = 0;

	atomic_store_explicit(&s->state, SLOT_SPARE, memory_order_relaxed);
	SHAKE();
	if (!single_exchange(&spare, &none, (uint64_t)process_epoch() << 32 | number))
		slot_free(store_get(), s);
	stats_inc(STAT_SPANS_UNSAMPLED);
}

static ALWAYS_INLINE void span_open_below(struct span *s, const struct span_context *caller,
					  bool is_recorded)
{
	uint64_t id = rng_span_id();

	s->trace = caller->trace;
	s->parent = caller->span;
	memcpy(&s->id, &id, sizeof(id));
	s->tid = thread_self.tid;
	thread_self.records = is_recorded;
	slot_open(s);
	stats_inc(STAT_SPANS_STARTED);
}

/*
 * span_start() for a SERVER span of which it is decided that it is not recorded, below a caller
 * without a trace state, with these flags; NULL: the slot at hand is none that had a bare one.
 */
static ALWAYS_INLINE struct span *span_start_bare(const struct span_context *caller, uint8_t flags,
						  struct span_ref *ret_ref)
{
	struct span *s = spare_raise(true, ret_ref);

	if (UNLIKELY(!s))
		return NULL;
	s->flags = flags;
	span_open_below(s, caller, false);
	return s;
}

/* An open one of this process, after calls_close(); false: it is for span_end(). */
static ALWAYS_INLINE bool span_end_bare(struct span *s, struct span_ref ref)
{
	if (UNLIKELY(atomic_load_explicit(&spare, memory_order_relaxed)) ||
	    UNLIKELY(!span_is_bare(s)))
		return false;
	spare_put(s, SPARE_BARE | ref.slot);
	return true;
}

/*
 * The same for one that is recorded, and forgotten if its end is as usual (keep.h); the caller is
 * another process.
 */
static ALWAYS_INLINE struct span *span_start_kept(const struct span_context *caller, uint8_t flags,
						  struct span_ref *ret_ref)
{
	struct span *s = spare_raise(false, ret_ref);
	uint64_t now;

	if (UNLIKELY(!s))
		return NULL;
	now = clock_monotonic_ns();
	slot_clear(s);
	s->kind = SPAN_SERVER;
	s->verdict = VERDICT_RECORD;
	s->flags = flags;
	s->has_parent = s->parent_is_remote = 1;
	s->start_ns = now;
	s->start_unix_ns = now + anchor_get(now);
	keep_begin_root(s, ret_ref->generation);
	span_open_below(s, caller, true);
	return s;
}

/* Whose answer has not failed; calls_close() included.  False: it is for span_end(). */
static ALWAYS_INLINE bool span_end_kept(struct span *s, struct span_ref ref)
{
	uint64_t now = clock_monotonic_ns(), start = s->start_ns;

	if (UNLIKELY(atomic_load_explicit(&spare, memory_order_relaxed)) || UNLIKELY(s->next) ||
	    !keep_end_ordinary(s, ref.generation, now > start ? now - start : 0))
		return false;
	calls_close(s, false);
	spare_put(s, ref.slot);
	return true;
}

#endif
