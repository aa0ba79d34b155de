/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALLS_FIRST_H
#define CALLS_FIRST_H
/*
 * The only call of a request so far, as a proxy's is to its end: kept in a line of the cache of its
 * own, since to make an entry for it and to give that back would take longer than all else that is
 * done for the call.  With the second one it goes to the entry.
 *
 * The word of a place: whose it is, generation and slot, and what became of it.  Who has made it
 * busy by a compare-exchange has what is beside it.  In a child all are free (MADV_WIPEONFORK),
 * also under who was at work here when it was made.
 */
#include "calls.h"
#include "compiler.h"
#include "config.h"
#include "shake.h"
#include "single.h"
#include "store.h"

#define FIRST_BUSY (1ull << 31)  /* somebody writes, or takes it */
#define FIRST_MOVED (1ull << 30) /* to the request's entry */
#define FIRST_FLAGS (FIRST_BUSY | FIRST_MOVED)
_Static_assert(STORE_MAX_SLOTS < FIRST_MOVED, "beside a slot's number");

struct first {
	_Atomic uint64_t word; /* 0: free */
	uint64_t hash;
	uint64_t start_ns, end_ns;
};

/* Of a request that has ended without that it was taken. */
static ALWAYS_INLINE bool first_is_stale(uint64_t word)
{
	struct span_ref ref = { (uint32_t)(word & ~FIRST_FLAGS), (uint32_t)(word >> 32) };

	return !(word & FIRST_BUSY) && !store_span(ref);
}

/* owner: span_ref_word().  False: it is not the first, or there is no place for it. */
static ALWAYS_INLINE bool first_keep(struct first *f, uint64_t owner, const struct call *c,
				     uint64_t hash)
{
	uint64_t seen = atomic_load(&f->word), busy = owner | FIRST_BUSY;

	if (UNLIKELY(seen) && ((seen & ~FIRST_FLAGS) == owner || !first_is_stale(seen)))
		return false;
	if (UNLIKELY(!config.max_spans_per_request) || /* then it has no span of its own */
	    UNLIKELY(!single_exchange(&f->word, &seen, busy)))
		return false;
	SHAKE();
	f->hash = hash;
	f->start_ns = c->start_ns;
	f->end_ns = c->end_ns;
	/* Publishes it, unless this is a child by now. */
	return single_exchange(&f->word, &busy, owner);
}

/* Of a call that was taken out, what is left: who it asked is not known. */
static ALWAYS_INLINE bool first_take(struct first *f, uint64_t owner, uint64_t leave,
				     struct call *ret, uint64_t *ret_hash)
{
	uint64_t seen = owner, busy = owner | FIRST_BUSY;

	if (!single_exchange(&f->word, &seen, busy))
		return false;
	SHAKE();
	*ret = (struct call){ .start_ns = f->start_ns, .end_ns = f->end_ns };
	*ret_hash = f->hash;
	(void)single_exchange(&f->word, &busy, leave);
	return true;
}

/* The request ends. */
static ALWAYS_INLINE void first_forget(struct first *f, uint64_t owner)
{
	uint64_t seen = owner | FIRST_MOVED;

	(void)single_exchange(&f->word, &seen, 0);
}

#endif
