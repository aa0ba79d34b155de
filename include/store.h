/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_H
#define STORE_H
/*
 * The span store: the seam between the hooks' side (preload/span.c writes) and the exporter
 * (exporter/ reads).  One MAP_SHARED mapping of slots, inherited over fork, so that open and
 * finished spans of a process tree lie in one place and survive the process that made them.
 *
 * It is not a byte ring: a ring is blocked by a producer that died between reserving and
 * publishing, and cannot hold open spans.  Two bitmaps tell which slots are taken and which hold a
 * finished record; taking, publishing and freeing a slot are one atomic operation each, so every
 * producer is wait-free but for the search, and may be killed, forked or interrupted by a signal
 * anywhere: it costs at most the slots that it held.
 *
 *                    who                                       pairs with
 *   slot_take        any thread of any process, signal-safe    slot_free (acquire / release)
 *   slot_publish     the span's holder                         store_collect (release / acquire)
 *   store_collect    one: who owns the exporter word           slot_publish
 *   slot_free        holder, or exporter after copying out     slot_take
 *
 * Full means no span; the loss is counted.  The mapping is other processes' word (a forked child
 * may have other privileges): where things lie in it is a constant or known from before the fork,
 * the holder of a span checks the one index that it follows, and the exporter copies out with
 * store_read(), which checks every index and length, and never follows a pointer.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "span.h"

#define STORE_MAGIC 0x6e707369u /* "ispn" */
#define STORE_VERSION 5u
#define STORE_SLOT_BYTES 512u
#define STORE_USUAL_BYTES 256u /* of a slot: what a usual span fills */
#define STORE_BARE_BYTES 128u  /* the same of one that is not recorded */
#define STORE_MAX_SLOTS (1u << 20)
#define STORE_RECORD_SLOTS 80u /* longest chain of one record */
#define STORE_VALUE_MAX 8192u  /* longer values are cut */
#define STORE_ITEMS_MAX (STORE_RECORD_SLOTS * STORE_SLOT_BYTES)
#define STORE_ATTRS_MAX 128u /* OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT */

/*
 * The mapping: struct store, then these, each sized for STORE_MAX_SLOTS, so that nothing in the
 * shared memory tells where to read or write.  Pages that are never touched cost nothing.
 */
#define STORE_FULL_MAP 1024u  /* one bit for each word of the taken map: no bit in it is clear */
#define STORE_TAKEN_MAP 4096u /* one bit a slot; clear is free: a fresh mapping is all free */
#define STORE_DONE_MAP (STORE_TAKEN_MAP + STORE_MAX_SLOTS / 8)
#define STORE_COUNT_AREA (STORE_DONE_MAP + STORE_MAX_SLOTS / 8) /* counts.h */
#define STORE_COUNT_BYTES 4096u
#define STORE_COUNTS 256u
#define STORE_REMOTE_AREA (STORE_COUNT_AREA + STORE_COUNTS * STORE_COUNT_BYTES) /* remote.h */
#define STORE_REMOTE_BYTES 12288u
#define STORE_BLOCK_AREA (STORE_REMOTE_AREA + STORE_REMOTE_BYTES) /* store_block.h */
#define STORE_BLOCK_BYTES 512u
#define STORE_BLOCKS 512u
#define STORE_SLOT_AREA (STORE_BLOCK_AREA + STORE_BLOCKS * STORE_BLOCK_BYTES)

enum slot_state {
	SLOT_FREE,  /* 0, as in a fresh mapping */
	SLOT_OPEN,  /* a span under way */
	SLOT_DONE,  /* finished: its bit in the done map is set, or about to be */
	SLOT_MORE,  /* continues another slot */
	SLOT_HELD,  /* finished, and its local root decides whether it is told of (keep.h) */
	SLOT_SPARE, /* nothing: kept at hand by a process (slot_put_by()) */
};

enum kept {
	KEPT_BY_RULE = 1u << 0,  /* a rule by method or route fits its request */
	KEPT_SELECTED = 1u << 1, /* sent although it was not sampled */
	KEPT_FORCED = 1u << 2,   /* the application has asked for it */
};

/*
 * Of a root that is only recorded: its generation in the upper half, what is known of the calls
 * below it, and the slot index + 1 of the first that is held for it.  Of that: the next one.
 */
#define HELD_NUMBER 0x1fffffu
#define HELD_CLOSED (1u << 29) /* the root has ended */
#define HELD_PART (1u << 30)   /* some are forgotten */
#define HELD_FAILED (1u << 31) /* one has failed */
#define HELD_GENERATION 32

_Static_assert(STORE_MAX_SLOTS <= HELD_NUMBER, "its number fits");

/*
 * First slot of a record.  Its items follow, and go on in the data of the slots that `next` chains
 * (index + 1, 0 ends).  An item may straddle slots.
 */
struct span {
	_Atomic uint32_t state;      /* enum slot_state */
	_Atomic uint32_t generation; /* raised when it is taken: span_ref of old spans die */
	_Atomic uint64_t held;       /* never cleared: who is too late finds another generation */
	_Atomic uint32_t holds;      /* spans held for it so far; not cleared either */
	uint32_t next;               /* slot index + 1 of the continuation */
	uint32_t last;               /* slot index + 1 of the chain's end; 0: this slot */
	uint32_t used;               /* bytes of items in the whole chain */
	uint32_t pid;                /* process whose resource it belongs to */
	uint32_t tid;
	uint8_t kind;    /* enum span_kind */
	uint8_t status;  /* enum span_status */
	uint8_t verdict; /* enum verdict */
	uint8_t flags;   /* TRACE_FLAG_* */
	uint8_t has_parent;
	uint8_t parent_is_remote;
	uint16_t attrs; /* kept */
	uint16_t dropped_attrs;
	uint8_t slots;  /* in the chain, this one included */
	uint8_t orphan; /* orphan.c: its process was looked for and not found; who ends it */
	struct trace_id trace;
	struct span_id id;
	struct span_id parent;
	uint8_t lists;          /* LIST_OF() those that are kept: only then is the chain searched */
	_Atomic uint8_t kept;   /* enum kept */
	uint16_t http_status;   /* 0: none */
	uint64_t start_unix_ns; /* CLOCK_REALTIME */
	uint64_t start_ns;      /* CLOCK_MONOTONIC */
	uint64_t end_ns;        /* CLOCK_MONOTONIC */
	struct span_ref root;  /* the local root, of a span that is only recorded; {0, 0}: itself */
	struct span_ref outer; /* said.c: of the same thread, current again when this one ends */
};

/* Of ITEM_TRACESTATE, ITEM_BAGGAGE, ITEM_CALLER. */
#define LIST_OF(item) (1u << ((item)-ITEM_TRACESTATE))
#define LISTS_DEBUG 0x40u     /* span_is_debug() */
#define LISTS_OWN_STATE 0x80u /* span_state_is_own() */

struct slot_more {
	_Atomic uint32_t state; /* SLOT_MORE */
	_Atomic uint32_t generation;
	uint32_t next;
	uint32_t first; /* slot index + 1 of the record that it continues */
};

_Static_assert(STORE_RECORD_SLOTS <= UINT8_MAX, "struct span.slots");
_Static_assert(sizeof(struct span) == 128, "part of the layout that STORE_VERSION names");
_Static_assert(sizeof(struct slot_more) == 16, "part of the layout that STORE_VERSION names");

/* Items lie behind the head of a slot. */
static ALWAYS_INLINE unsigned char *span_data(const struct span *s)
{
	return (unsigned char *)(uintptr_t)(s + 1);
}

static ALWAYS_INLINE unsigned char *more_data(const struct slot_more *m)
{
	return (unsigned char *)(uintptr_t)(m + 1);
}

#define SPAN_DATA_BYTES (STORE_SLOT_BYTES - sizeof(struct span))
#define MORE_DATA_BYTES (STORE_SLOT_BYTES - sizeof(struct slot_more))

/* What a record holds after its header: head, then len bytes of value. */
enum item_type {
	ITEM_STR = 1,          /* value: text */
	ITEM_INT = 2,          /* value: int64_t, host order */
	ITEM_BOOL = 3,         /* value: one byte */
	ITEM_ELEMENT = 4,      /* value: struct item_named; one element of a string array */
	ITEM_NAMED = 5,        /* value: struct item_named; a string */
	ITEM_NAMED_INT = 6,    /* value: struct item_named; int64_t, host order */
	ITEM_NAMED_DOUBLE = 7, /* value: struct item_named; double, host order */
	ITEM_NAME = 16,        /* the span's name; the last one counts */
	ITEM_TRACESTATE = 17,  /* W3C list */
	ITEM_BAGGAGE = 18,     /* kept for propagation only; never exported (C73) */
	ITEM_EVENT = 19,       /* key: enum span_event; value: uint64_t, CLOCK_MONOTONIC, ns */
	ITEM_CALLER = 20,      /* trace id, span id: span_keep_caller(); never exported */
	ITEM_STACK = 21,       /* value: struct stack_item and what follows it (stack.h) */
	ITEM_OWN_EVENT = 22, /* value: uint64_t, CLOCK_MONOTONIC, ns; a name of the application's */
	ITEM_EVENT_OF = 23,  /* value: struct item_event: an event with attributes (span_told.h) */
	ITEM_LINK = 24,      /* value: struct item_link: another span, of whatever trace */
	ITEM_BLOCK = 25,     /* key: the number of a block (store_block.h); no value */
};

/*
 * An attribute whose key is not one of attr.def: the text of item_head.key is only its beginning.
 * Value: one byte, the length of the rest of the key; that rest; the attribute's value.
 */
#define ITEM_NAMED_KEY_MAX 255u
MUST_USE bool item_named_split(struct bytes packed, struct bytes *ret_key, struct bytes *ret_value);

static ALWAYS_INLINE bool item_is_named(uint8_t type)
{
	return type >= ITEM_ELEMENT && type <= ITEM_NAMED_DOUBLE;
}

struct item_head {
	uint8_t type;  /* enum item_type */
	uint8_t flags; /* 0 */
	uint16_t key;  /* enum attr, for types below ITEM_NAME; enum span_event; a number */
	uint32_t len;
};

struct store {
	uint32_t magic;
	uint32_t version;
	uint32_t slots;       /* for whoever looks in from outside; see store_slots() */
	uint32_t queue_limit; /* OTEL_BSP_MAX_QUEUE_SIZE: finished spans that may wait */
	uint32_t batch;       /* OTEL_BSP_MAX_EXPORT_BATCH_SIZE: wakes the exporter */
	uint32_t creator;     /* pid */

	/*
	 * tid of the exporter thread that owns this store, 0: none.  It is a robust futex: the
	 * kernel sets FUTEX_OWNER_DIED when that thread or its process ends in whatever way, so "is
	 * there somebody who will deliver" is one load in any process of the tree.
	 */
	_Atomic uint32_t owner;
	/* Futex (shared) the exporter sleeps on; raised to wake it. */
	_Atomic uint32_t wake;
	/*
	 * The exporter is, or is about to be, in futex wait on wake: a producer wakes it with the
	 * first span that waits and with the one that makes a batch full.  So the exporter sets
	 * this, then looks at done once more, then waits: without end only while done is 0, else
	 * for its delay.
	 */
	_Atomic uint32_t asleep;
	/*
	 * Flush: who wants one raises asked and waits on flushed until it has passed that number.
	 */
	_Atomic uint32_t flush_asked;
	_Atomic uint32_t flushed;
	_Atomic uint32_t polls_asked; /* raised when a remote sampler is to be asked (remote.h) */
	uint32_t collect_at; /* owner only: where the next search begins, so that no slot starves */
	_Atomic uint32_t counted; /* so many places for counters have been in use (counts.h) */
	struct trace_id seed;     /* random: what service.instance.id is made of */
	uint64_t spool_key;       /* spool.h; 0: in no file, or not made to its end */

	/*
	 * Published and not yet collected; at least the number of bits in the done map.  A producer
	 * that is killed between the two leaves it too high: store_collect() sets that right.
	 */
	_Alignas(64) _Atomic uint32_t done;
	/*
	 * Collected, and neither delivered nor counted as lost.  Whoever takes them off counts
	 * them: the exporter; the end of its process, which waits for a while only; or the next
	 * owner, where it was killed.
	 */
	_Atomic uint32_t in_hand;
	_Atomic uint32_t held; /* slots of spans that are held for their roots */
	/* Its processes live in several pid namespaces: the same number may be two of them. */
	_Atomic uint32_t pids_differ;
};

_Static_assert(sizeof(struct store) <= STORE_FULL_MAP, "the maps follow");

#define STORE_OWNER_DIED 0x40000000u /* FUTEX_OWNER_DIED */
#define STORE_OWNER_TID 0x3fffffffu  /* FUTEX_TID_MASK */

/* --- set-up (preload/store.c) --- */

/*
 * The store of this process, or NULL.  store_open() maps it on first use; signal-safe; after a
 * failure it is tried again at most once a second.  A forked child finds its parent's.
 */
extern HIDDEN struct store *_Atomic store_mapped;
static ALWAYS_INLINE struct store *store_get(void)
{
	/* Pairs with the exchange in store_create(). */
	return atomic_load_explicit(&store_mapped, memory_order_acquire);
}

struct store *store_open(void);

/* How many slots it has, a multiple of 64; from our own memory.  0: no store. */
extern HIDDEN _Atomic uint32_t store_slot_count; /* what the shared header says is never trusted */
static ALWAYS_INLINE uint32_t store_slots(void)
{
	return atomic_load_explicit(&store_slot_count, memory_order_relaxed);
}

/*
 * Called by span_end() when a span was handed over and nobody lives to deliver it.  Set by whoever
 * can start an exporter (preload/exporter_life.c), which decides whether this is the time; NULL: no
 * exporter.  Any thread, async-signal-safe, inside the guard.
 */
extern HIDDEN void (*_Atomic span_ended_without_owner)(struct store *st);

/* --- slots --- */

/* Open, ours, all zero but for pid and slots.  NULL: full.  In line: slot_get() of spare.h. */
struct span *slot_take(struct store *st);

/* The lowest free slot, which is taken from now on; NO_SLOT: none is. */
#define NO_SLOT UINT32_MAX
uint32_t store_index_take(struct store *st);

/* Chains n more slots to s, all or (false) none. */
MUST_USE bool slot_extend(struct store *st, struct span *s, uint32_t n);

/*
 * Hands s over, with all that was written to it.  False: the queue was full; s is freed, and that
 * is counted as STAT_SPANS_QUEUE_FULL; or somebody else has closed s already.
 */
bool slot_publish(struct store *st, struct span *s);

/* The same for a span that was held for its root, and comes out of it; false also if it was not. */
bool slot_publish_held(struct store *st, struct span *s);

/* With its chain.  Also of a damaged record: what does not belong to it is left alone. */
void slot_free(struct store *st, struct span *s);

/*
 * slot_free() for what nobody is told of: the slot may stay with this process, for the next span,
 * so that neither costs a look at the shared maps.  store_give_spare(): the process ends, or
 * may.
 */
void slot_put_by(struct store *st, struct span *s);
void store_give_spare(void);

static ALWAYS_INLINE struct span *store_slot(const struct store *st, uint32_t index)
{
	return (struct span *)((char *)(uintptr_t)st + STORE_SLOT_AREA +
			       (size_t)index * STORE_SLOT_BYTES);
}

static ALWAYS_INLINE uint32_t store_index(const struct store *st, const struct span *s)
{
	return (uint32_t)(((size_t)((const char *)s - (const char *)st) - STORE_SLOT_AREA) /
			  STORE_SLOT_BYTES);
}

/* span_ref() of one that is there. */
static ALWAYS_INLINE struct span_ref store_ref(const struct span *s)
{
	return (struct span_ref){ store_index(store_get(), s) + 1,
				  atomic_load_explicit(&s->generation, memory_order_relaxed) };
}

/* span_get(), in line. */
static ALWAYS_INLINE struct span *store_span(struct span_ref ref)
{
	struct store *st = store_get();
	struct span *s;

	if (UNLIKELY(!st) || ref.slot - 1 >= store_slots())
		return NULL;
	s = store_slot(st, ref.slot - 1);
	if (atomic_load_explicit(&s->state, memory_order_acquire) != SLOT_OPEN ||
	    atomic_load_explicit(&s->generation, memory_order_acquire) != ref.generation)
		return NULL;
	return s;
}

/* --- the exporter's side --- */

static ALWAYS_INLINE bool store_has_owner(const struct store *st)
{
	uint32_t owner = atomic_load_explicit(&st->owner, memory_order_acquire);

	return (owner & STORE_OWNER_TID) && !(owner & STORE_OWNER_DIED);
}

/* The last one was killed, and there is no other yet. */
static ALWAYS_INLINE bool store_owner_died(const struct store *st)
{
	return atomic_load_explicit(&st->owner, memory_order_acquire) & STORE_OWNER_DIED;
}

/* A record copied out of the store: only this copy is ever looked at. */
struct record {
	struct span head; /* counts and enums checked; atomics are plain copies */
	uint32_t items_len;
	uint32_t dropped_events;
	uint32_t dropped_links;
	uint32_t types; /* of the items that were read: 1 << enum item_type */
	/*
	 * So many bytes of items were found sound and lie there unchanged, 0: none; they came of
	 * these in the slot, which said that there are so many attributes, and of so many blocks,
	 * the first of them here: a next record that has the same ones is not looked through again.
	 */
	uint32_t sound_len;
	uint32_t raw_len;
	uint32_t raw_attrs;
	uint32_t blocks;
	uint32_t block; /* its number */
	uint32_t block_at;
	uint32_t block_len;
	unsigned char raw[SPAN_DATA_BYTES];
	unsigned char items[STORE_ITEMS_MAX];
};

/*
 * Takes up to max finished slots off the done map into ret_index; owner only.  Each is then read
 * with store_read() and given back: by slot_free(), or all that were collected together at once,
 * without a write to the slots, which are in their producers' caches, and to be used again.
 */
size_t store_collect(struct store *st, uint32_t *ret_index, size_t max);

/*
 * By a new owner whose predecessor was killed: what that one had collected and not yet given back
 * waits again; the rest of what it held was on its way, and is lost (STAT_SPANS_FAILED).
 */
void store_inherit(struct store *st);

/* Takes up to n of what was collected off in_hand: so many are the caller's to count. */
uint32_t store_account(struct store *st, size_t n);
void store_give_back(struct store *st, const uint32_t *index, size_t n);

/* Asks for the memory of a record that will be read soon. */
static ALWAYS_INLINE void store_prefetch(const struct store *st, uint32_t index)
{
	const char *s = (const char *)store_slot(st, index);

	for (size_t i = 0; i < STORE_USUAL_BYTES; i += 64)
		__builtin_prefetch(s + i);
}

/*
 * False: the record is damaged; counted as STAT_SPANS_DAMAGED; free it all the same.  ret: of
 * zeros, or of the last time.
 */
MUST_USE bool store_read(struct store *st, uint32_t index, struct record *ret);

/* The same of another store, which has so many slots; the caller knows that they are there. */
MUST_USE bool store_read_of(struct store *st, uint32_t slots, uint32_t index, struct record *ret);

/*
 * Next item of a record: false at the end, or at an item that does not fit.  value borrows from r.
 * *at starts as 0.
 */
bool record_next(const struct record *r, size_t *at, struct item_head *ret_head,
		 struct bytes *ret_value);

#endif
