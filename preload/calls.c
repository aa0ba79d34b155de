/* SPDX-License-Identifier: Apache-2.0 */
#include "calls_first.h"
#include "calls_impl.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "config.h"
#include "copy.h"
#include "rawsys.h"
#include "shake.h"
#include "single.h"
#include "stats.h"
#include "store.h"

#define ENTRIES 1024u /* requests that have called something, at once; a power of two */

/*
 * The word of a place: whose it is (generation 32 bits, of the slot's number what the place does
 * not tell, by which way it came here), its entry, closed, who is using that now.  One
 * compare-exchange finds out whether it still is that request's and keeps it from becoming
 * another's.  The last one out of a closed entry gives it back; who takes it empties it.
 *
 * Entries are given out apart from places, the lowest that is free: an entry is a page, and one
 * request after the other finds the same one, in the caches, where each slot's own would be in
 * none.
 */
#define USERS_MAX 0xffu
#define CLOSED 0x100u
#define ENTRY_SHIFT 9
#define ENTRY_MASK ((uint64_t)(ENTRIES - 1) << ENTRY_SHIFT)
#define OWNER_SHIFT 19
#define WAY_BITS 2
#define SLOT_SHIFT (OWNER_SHIFT + WAY_BITS)
_Static_assert(ENTRIES == 1u << (OWNER_SHIFT - ENTRY_SHIFT) && WAYS == 1u << WAY_BITS &&
		       STORE_MAX_SLOTS / ENTRIES + 1 < 1u << (32 - SLOT_SHIFT),
	       "the parts of a word");

/* Some 5 MiB of addresses, of which only what is used is ever there; all zero is all free. */
struct table {
	_Atomic uint64_t words[ENTRIES];
	_Atomic uint64_t given[ENTRIES / 64]; /* a bit for each entry that is some word's */
	struct first firsts[ENTRIES];
	struct entry entries[ENTRIES];
};

static struct table *_Atomic the_table;
static _Atomic bool is_refused;

static NO_INLINE struct table *table_create(void)
{
	struct table *none = NULL;
	long at;

	if (atomic_load(&is_refused))
		return NULL;
	at = raw_mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	/* A child has no use for its parent's entries, whose users may not be there. */
	if (raw_is_error(at) || raw_madvise((void *)at, sizeof(struct table), MADV_WIPEONFORK)) {
		if (!raw_is_error(at))
			raw_munmap((void *)at, sizeof(struct table));
		atomic_store(&is_refused, true);
		return NULL;
	}
	raw_madvise((void *)at, sizeof(struct table), MADV_DONTDUMP);
	if (atomic_compare_exchange_strong(&the_table, &none, (struct table *)at))
		return (struct table *)at;
	raw_munmap((void *)at, sizeof(struct table));
	return none;
}

/* --- whose entry --- */

/* By one of the ways. */
static uint64_t owner_of(struct span_ref ref, uint32_t way)
{
	/* Plus one: a word that is free is nobody's, of no generation. */
	return (uint64_t)ref.generation << 32 | (uint64_t)(ref.slot / ENTRIES + 1) << SLOT_SHIFT |
	       (uint64_t)way << OWNER_SHIFT;
}

static uint32_t entry_in(uint64_t word)
{
	return (uint32_t)((word & ENTRY_MASK) >> ENTRY_SHIFT);
}

static bool is_owner(uint64_t word, uint64_t owner)
{
	return (word ^ owner) >> OWNER_SHIFT == 0;
}

static uint32_t place(struct span_ref ref, uint32_t way)
{
	return (ref.slot ^ way) % ENTRIES;
}

/* Is there an entry of its own in another place than the first? */
static ALWAYS_INLINE bool is_elsewhere(struct table *t, struct span_ref ref)
{
	_Static_assert(WAYS == 4, "so many are looked at");
	return is_owner(atomic_load(&t->words[place(ref, 1)]), owner_of(ref, 1)) ||
	       is_owner(atomic_load(&t->words[place(ref, 2)]), owner_of(ref, 2)) ||
	       is_owner(atomic_load(&t->words[place(ref, 3)]), owner_of(ref, 3));
}

static ALWAYS_INLINE bool has_entry(struct table *t, struct span_ref ref)
{
	return is_owner(atomic_load(&t->words[place(ref, 0)]), owner_of(ref, 0));
}

static ALWAYS_INLINE struct first *first_of(struct table *t, struct span_ref ref)
{
	return &t->firsts[place(ref, 0)];
}

/* --- entries --- */

/* ENTRIES: all are given out. */
static uint32_t entry_take(struct table *t)
{
	for (uint32_t word = 0; word < ENTRIES / 64; word++) {
		uint64_t seen = atomic_load_explicit(&t->given[word], memory_order_relaxed);

		while (~seen) {
			uint64_t bit = ~seen & (seen + 1);

			SHAKE();
			if (single_exchange(&t->given[word], &seen, seen | bit))
				return word * 64 + (uint32_t)__builtin_ctzll(bit);
		}
	}
	return ENTRIES;
}

/*
 * A child that a signal handler made in our midst finds it free already, and leaves all others
 * alone.
 */
static void entry_return(struct table *t, uint32_t entry)
{
	_Atomic uint64_t *map = &t->given[entry / 64];
	uint64_t seen = atomic_load_explicit(map, memory_order_relaxed);

	/* Also a release: pairs with the acquire in entry_take(). */
	while (!single_exchange(map, &seen, seen & ~(1ull << entry % 64)))
		;
}

static bool entry_is_given(struct table *t, uint32_t entry)
{
	return atomic_load_explicit(&t->given[entry / 64], memory_order_relaxed) >> entry % 64 & 1;
}

/* In a child of this thread's, made by a signal handler in our midst, it is not ours any more. */
static ALWAYS_INLINE void leave(struct table *t, uint32_t at, uint64_t owner)
{
	uint64_t seen = atomic_load(&t->words[at]);

	while (is_owner(seen, owner) && seen & USERS_MAX) {
		uint64_t next = seen - 1;

		if ((seen & (CLOSED | USERS_MAX)) == (CLOSED | 1))
			next = 0;
		SHAKE();
		if (!single_exchange(&t->words[at], &seen, next))
			continue;
		if (!next)
			entry_return(t, entry_in(seen));
		return;
	}
}

/* Who uses it from here on is counted; NULL: it is not the owner's, or not any more. */
static ALWAYS_INLINE struct entry *join(struct table *t, uint32_t at, uint64_t owner,
					uint64_t closing)
{
	uint64_t seen = atomic_load(&t->words[at]);

	/* The owner's, not closed, and not full: all at once. */
	while (((seen & ~ENTRY_MASK) ^ owner) < USERS_MAX)
		if (single_exchange(&t->words[at], &seen, (seen | closing) + 1))
			return &t->entries[entry_in(seen)];
	return NULL;
}

/* A place that is free becomes the owner's; NULL: it is not free, or there is no entry. */
static struct entry *claim(struct table *t, uint32_t at, uint64_t owner)
{
	uint64_t none = 0;
	uint32_t entry = atomic_load(&t->words[at]) ? ENTRIES : entry_take(t);

	if (entry == ENTRIES)
		return NULL;
	/*
	 * Nobody's but ours; whatever the last one, or who was in it when it was wiped, has left.
	 */
	entry_clear(&t->entries[entry]);
	SHAKE();
	if (!single_exchange(&t->words[at], &none, (owner | (uint64_t)entry << ENTRY_SHIFT) + 1)) {
		entry_return(t, entry);
		return NULL;
	}
	if (LIKELY(entry_is_given(t, entry)))
		return &t->entries[entry];
	/* A child that a signal handler has made since we took it: there it is free, as all are. */
	atomic_store(&t->words[at], 0);
	return NULL;
}

/*
 * Of a request whose end came between the look for its span and the making of its entry.  seen: the
 * word of a place that was not free.
 */
static NO_INLINE void evict(struct table *t, uint32_t at, uint64_t seen)
{
	uint64_t owner = seen & ~(ENTRY_MASK | CLOSED | USERS_MAX);
	uint32_t way = (uint32_t)seen >> OWNER_SHIFT & (WAYS - 1);
	uint32_t slot = (((uint32_t)seen >> SLOT_SHIFT) - 1) * ENTRIES + (at ^ way);
	struct span_ref ref = { slot, (uint32_t)(seen >> 32) };

	if (seen & (CLOSED | USERS_MAX) || span_get(ref))
		return;
	if (join(t, at, owner, CLOSED))
		leave(t, at, owner);
}

/* The entry of a request, and by which way; NULL: there is no room, or the request has ended. */
static struct entry *entry_join(struct table *t, struct span_ref ref, uint32_t *ret_way)
{
	struct entry *e = join(t, place(ref, 0), owner_of(ref, 0), 0);

	*ret_way = 0;
	if (e)
		return e;
	if (UNLIKELY(is_elsewhere(t, ref)))
		for (uint32_t i = 1; i < WAYS; i++)
			if ((e = join(t, place(ref, i), owner_of(ref, i), 0))) {
				*ret_way = i;
				return e;
			}
	for (uint32_t i = 0; i < WAYS; i++) {
		uint32_t at = place(ref, i);
		uint64_t seen = atomic_load(&t->words[at]);

		if (UNLIKELY(seen))
			evict(t, at, seen);
		SHAKE();
		*ret_way = i;
		if ((e = claim(t, at, owner_of(ref, i))) || (e = join(t, at, owner_of(ref, i), 0)))
			return e;
	}
	return NULL;
}

/* --- */

/* Not the first, or none for whom there is a place. */
static NO_INLINE bool add_to_entry(struct table *t, struct span_ref parent, const struct call *call,
				   uint64_t hash)
{
	struct call before;
	uint64_t first;
	uint32_t way;
	struct entry *e = entry_join(t, parent, &way);
	bool is_folded;

	if (UNLIKELY(!e)) {
		stats_inc(STAT_CALLS_FULL);
		return false;
	}
	SHAKE();
	if (first_take(first_of(t, parent), span_ref_word(parent),
		       span_ref_word(parent) | FIRST_MOVED, &before, &first))
		(void)entry_add(e, &before, first, false);
	/*
	 * Of those that are the same, but in two entries, one has the text that they are told by.
	 */
	is_folded = entry_add(e, call, hash, way != 0);
	leave(t, place(parent, way), owner_of(parent, way));
	return is_folded;
}

bool calls_add_hashed(struct span_ref parent, const struct call *call, uint64_t hash)
{
	struct table *t = atomic_load_explicit(&the_table, memory_order_acquire);

	if (!parent.slot)
		return false;
	if (!store_span(parent)) {
		stats_inc(STAT_CALLS_LATE);
		return false;
	}
	if (UNLIKELY(!t) && !(t = table_create())) {
		stats_inc(STAT_CALLS_FULL);
		return false;
	}
	return LIKELY(!has_entry(t, parent)) &&
			       LIKELY(first_keep(first_of(t, parent), span_ref_word(parent), call,
						 hash)) ?
		       false :
		       add_to_entry(t, parent, call, hash);
}

bool calls_add(struct span_ref parent, const struct call *call)
{
	return calls_add_hashed(parent, call, calls_hash(call));
}

/* --- the end --- */

static ALWAYS_INLINE bool close_one(struct table *t, struct span_ref ref, uint32_t way,
				    struct found *f)
{
	struct entry *e = join(t, place(ref, way), owner_of(ref, way), CLOSED);

	if (e)
		f->entries[f->n++] = e;
	return e != NULL;
}

static NO_INLINE uint32_t close_elsewhere(struct table *t, struct span_ref ref, struct found *f)
{
	uint32_t ways = 0;

	for (uint32_t i = 1; i < WAYS; i++)
		ways |= (uint32_t)close_one(t, ref, i, f) << i;
	return ways;
}

/* first: its first call, where that has not gone to an entry; NULL: it has, or there is none. */
static NO_INLINE void close_entries(struct table *t, struct span *s, const struct call *first,
				    uint64_t hash, bool is_told)
{
	struct span_ref ref = span_ref(s);
	struct found f;
	uint32_t ways;

	f.n = 0;
	ways = close_one(t, ref, 0, &f);
	if (UNLIKELY(is_elsewhere(t, ref)))
		ways |= close_elsewhere(t, ref, &f);
	if (first && f.n)
		(void)entry_add(f.entries[0], first, hash, false);
	if (is_told && f.n)
		calls_tell(s, &f);
	for (uint32_t i = 0; ways >> i; i++)
		if (ways >> i & 1)
			leave(t, place(ref, i), owner_of(ref, i));
	first_forget(first_of(t, ref), span_ref_word(ref));
}

static NO_INLINE void close_found(struct table *t, struct span *s, bool is_told)
{
	struct span_ref ref = span_ref(s);
	struct call first;
	uint64_t hash = 0;
	bool has_first = first_take(first_of(t, ref), span_ref_word(ref), 0, &first, &hash);

	if (UNLIKELY(has_entry(t, ref)) || UNLIKELY(is_elsewhere(t, ref)))
		close_entries(t, s, has_first ? &first : NULL, hash, is_told);
	else if (LIKELY(has_first && is_told))
		calls_tell_first(s, &first);
}

void calls_close(struct span *s, bool is_told)
{
	struct table *t = atomic_load_explicit(&the_table, memory_order_acquire);

	if (UNLIKELY(t))
		close_found(t, s, is_told);
}
