/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TAG_H
#define TAG_H
/*
 * The header tag: what a proxy copies tells us for which request it does so.
 *
 * When the application reads a request that has a traceparent, the id of our SERVER span takes the
 * place of the parent-id in the application's own buffer, before its read returns.  Whoever copies
 * headers then carries the exact parent into the request that goes out, through any scheduler and
 * over any thread; there the id is found again, and rewritten to that of the CLIENT span.  What
 * else reads the header sees a child of the caller's span that is real, and its own parent.
 *
 * Only where nobody can tell that it ever was another one: in bytes that this very call returned,
 * before anybody has looked at them by MSG_PEEK.
 *
 * Ids are remembered in a table of fixed size, the caller's where it could not be replaced: a
 * caller has a new one for each request, so that it tells as much unless it comes twice.  The table
 * is only ever a hint: an entry answers for a span of this process that is open, and has that trace
 * and that id, or that caller.
 *
 * All functions: any thread, async-signal-safe, no lock, no allocation, inside the guard.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "bytes.h"
#include "compiler.h"
#include "hex.h"
#include "rng.h"
#include "single.h"
#include "span.h"
#include "stats.h"
#include "store.h"
#include "trace_id.h"
#include "traceparent.h"

struct conn;

/* What one call has returned to the application, or has been given by it. */
struct arrival {
	const struct iovec *iov;
	size_t count;
	size_t len;  /* bytes, of what room the vector has */
	uint64_t at; /* where they begin in the stream */
};

/* The byte at that position of the stream, and how many follow it there; NULL: not in this call. */
char *arrival_at(const struct arrival *a, uint64_t at, size_t *ret_run);

/* Copies len bytes from that position; false: this call has not all of them. */
bool arrival_copy(const struct arrival *a, uint64_t at, char *to, size_t len);

/* False: off, or no request of this process is to be tagged. */
bool tag_is_allowed(void);

/*
 * The head of a request is whole, c->arrival is the call that brought its end, and own the
 * context of its span: a copy, since the span may be ended any time.  Under the lock of the half
 * that is read.  Tags it, or counts why not; returns the id that the application sees now, which
 * is to be remembered.
 *
 * A caller of another format than the W3C's is remembered by its id, and nothing is written.  One
 * that is not trusted: the whole value is replaced, so that nothing of its trace is there
 * to be passed on.
 */
const struct span_id *tag_request(struct conn *c, const struct span_context *own,
				  const struct span_context *caller, bool is_trusted);

/*
 * The same where it is known that nothing but a peek can stand against it, and the header's value,
 * of TRACEPARENT_LEN, lies at that position of the stream.  is_all: the caller is not trusted.
 */
bool tag_write(const struct conn *c, char *value, uint64_t at, const struct span_context *own,
	       bool is_all);

/* The same where a peek cannot either, and tag_is_allowed(). */
static ALWAYS_INLINE void tag_write_id(char *value, const struct span_id *id)
{
	hex_encode_8(value + TRACEPARENT_SPAN_AT, id->bytes);
	stats_inc(STAT_TAGGED);
}

enum tag {
	TAG_UNKNOWN, /* no request has brought it, as far as we remember: somebody else's */
	TAG_LIVE,    /* *ret is the open span of the one request that has brought it */
	TAG_STALE,   /* that one has ended, or there were several */
};

/*
 * Which request has brought this header?  *ret_context is the context of its span, with its trace
 * state in state.
 */
enum tag tag_find_context(const struct trace_id *trace, const struct span_id *id,
			  struct span_ref *ret, struct span_context *ret_context, char *state,
			  size_t cap);
enum tag tag_find(const struct trace_id *trace, const struct span_id *id, struct span_ref *ret);

/*
 * TAG_LIVE by c's ids, which are the span's own, and which has no trace state: c becomes its
 * context.  False: anything else, and it is for tag_find_context() to say what.
 */
bool tag_find_plain(struct span_context *c);

/*
 * An id's place (rng.h) is its entry, or one beside it in its bucket, half a line of the cache.  An
 * entry is one word: 23 bits of the id and one that is set; the slot; the end of its generation.
 * Of a span that has ended there is no slot, and 19 more bits of the id are in the generation's
 * place; an open one is compared with the id itself.  So two ids pass for one, which then has no
 * parent, once in millions of millions; only beside an entry whose span is gone and that was left
 * as it is, as a fork leaves its parent's, or one that is void, it is once in millions.
 */
#define TAG_BUCKET 4u
#define TAG_BUCKETS (RNG_PLACES / TAG_BUCKET)
#define TAG_KNOWN 0xffffffu /* of an entry: its id */
#define TAG_SLOT_AT 24
#define TAG_SLOT_BITS 21
#define TAG_SLOT_MASK ((((uint64_t)1 << TAG_SLOT_BITS) - 1) << TAG_SLOT_AT)
#define TAG_VOID TAG_SLOT_MASK /* no span's: whatever has those bits has come twice */
#define TAG_GENERATION_AT (TAG_SLOT_AT + TAG_SLOT_BITS)

_Static_assert(STORE_MAX_SLOTS < 1u << TAG_SLOT_BITS, "a slot's number + 1 fits");

extern HIDDEN _Atomic uint64_t tag_table[TAG_BUCKETS][TAG_BUCKET];

static ALWAYS_INLINE _Atomic uint64_t *tag_bucket_of(uint64_t id)
{
	return tag_table[rng_place(id) / TAG_BUCKET];
}

/* Where in its bucket the search for room begins, so that ended ids stay known for a while. */
static ALWAYS_INLINE unsigned tag_first(uint64_t id)
{
	return rng_place(id) % TAG_BUCKET;
}

static ALWAYS_INLINE _Atomic uint64_t *tag_entry_of(uint64_t id)
{
	return &tag_table[0][0] + rng_place(id);
}

static ALWAYS_INLINE uint64_t tag_word(const struct span_id *id)
{
	uint64_t w;

	memcpy(&w, id->bytes, sizeof(w));
	return w;
}

/* What every entry of that id has: 23 bits of it, and the one that is set. */
static ALWAYS_INLINE uint64_t tag_known(uint64_t id)
{
	return ((id ^ id >> 32) & TAG_KNOWN) | (TAG_KNOWN ^ TAG_KNOWN >> 1);
}

/* What an entry says of that id when its span has ended. */
static ALWAYS_INLINE uint64_t tag_past(uint64_t id)
{
	return tag_known(id) | id >> TAG_GENERATION_AT << TAG_GENERATION_AT;
}

static ALWAYS_INLINE uint64_t tag_live(uint64_t id, struct span_ref s)
{
	return tag_known(id) | (uint64_t)s.slot << TAG_SLOT_AT |
	       (uint64_t)s.generation << TAG_GENERATION_AT;
}

/* The same two wherever in its bucket there is room, or it is. */
void tag_remember_elsewhere(struct span_ref s, uint64_t id);
void tag_ended_elsewhere(struct span_ref s, uint64_t id);

/* From now on s is found by that id, its own or its caller's. */
static ALWAYS_INLINE void tag_remember(struct span_ref s, const struct span_id *span_id)
{
	uint64_t id = tag_word(span_id);
	_Atomic uint64_t *e = tag_entry_of(id);
	uint64_t old = atomic_load_explicit(e, memory_order_relaxed);

	if (UNLIKELY(old & TAG_SLOT_MASK) || UNLIKELY((old & TAG_KNOWN) == tag_known(id)) ||
	    UNLIKELY(!single_exchange(e, &old, tag_live(id, s))))
		tag_remember_elsewhere(s, id);
}

/*
 * s ends: its id answers for nobody, as it would anyway, but whoever wants its place need not look
 * at the span for that.  Does nothing where it is not remembered by that id.
 */
static ALWAYS_INLINE void tag_ended(struct span_ref s, const struct span_id *span_id)
{
	uint64_t id = tag_word(span_id), was = tag_live(id, s);

	if (UNLIKELY(!single_exchange(tag_entry_of(id), &was, tag_past(id))))
		tag_ended_elsewhere(s, id);
}

#endif
