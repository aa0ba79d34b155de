/* SPDX-License-Identifier: Apache-2.0 */
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
 * The word of an entry: whose it is (generation 32 bits, slot 21), closed, who is using it now.
 * One compare-exchange finds out whether it still is that request's and keeps it from becoming
 * another's.  The last one out of a closed entry empties it: what is free is empty.
 */
#define USERS_MAX 0x3ffu
#define CLOSED 0x400u
#define OWNER_SHIFT 11

/* Some 4 MiB of addresses, of which only what is used is ever there; all zero is all free. */
struct table {
	_Atomic uint64_t words[ENTRIES];
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

static uint64_t owner_of(struct span_ref ref)
{
	return (uint64_t)ref.generation << 32 | (uint64_t)ref.slot << OWNER_SHIFT;
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
static ALWAYS_INLINE bool is_elsewhere(struct table *t, struct span_ref ref, uint64_t owner)
{
	_Static_assert(WAYS == 4, "so many are looked at");
	return is_owner(atomic_load(&t->words[place(ref, 1)]), owner) ||
	       is_owner(atomic_load(&t->words[place(ref, 2)]), owner) ||
	       is_owner(atomic_load(&t->words[place(ref, 3)]), owner);
}

static NO_INLINE void folded_clear(struct folded *f)
{
	atomic_store_explicit(&f->count, 0, memory_order_relaxed);
	atomic_store_explicit(&f->failed, 0, memory_order_relaxed);
	atomic_store_explicit(&f->duration_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&f->slowest_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&f->start_before, 0, memory_order_relaxed);
	atomic_store_explicit(&f->end_ns, 0, memory_order_relaxed);
}

static ALWAYS_INLINE bool has_folded(const struct folded *f)
{
	return atomic_load_explicit(&f->count, memory_order_relaxed) != 0;
}

static NO_INLINE void entry_clear(struct entry *e)
{
	for (struct group *g = e->groups; g < e->groups + GROUPS; g++) {
		if (!atomic_load_explicit(&g->hash, memory_order_relaxed))
			break;
		atomic_store_explicit(&g->duration_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&g->end_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&g->start_before, 0, memory_order_relaxed);
		atomic_store_explicit(&g->count, 0, memory_order_relaxed);
		atomic_store_explicit(&g->overlapped, 0, memory_order_relaxed);
		atomic_store_explicit(&g->text_state, TEXT_NONE, memory_order_relaxed);
		if (UNLIKELY(has_folded(&g->folded)))
			folded_clear(&g->folded);
		atomic_store_explicit(&g->hash, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&e->other_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&e->count, 0, memory_order_relaxed);
	atomic_store_explicit(&e->other, 0, memory_order_relaxed);
	if (UNLIKELY(has_folded(&e->folded)))
		folded_clear(&e->folded);
}

/* In a child of this thread's, made by a signal handler in our midst, it is not ours any more. */
static ALWAYS_INLINE void leave(struct table *t, uint32_t at, uint64_t owner)
{
	uint64_t seen = atomic_load(&t->words[at]);

	while (is_owner(seen, owner) && seen & USERS_MAX) {
		uint64_t next = seen - 1;

		if ((seen & (CLOSED | USERS_MAX)) == (CLOSED | 1)) {
			entry_clear(&t->entries[at]);
			next = 0;
		}
		SHAKE();
		if (single_exchange(&t->words[at], &seen, next))
			return;
	}
}

/* Who uses it from here on is counted; it is the owner's, or (false) not, or not any more. */
static ALWAYS_INLINE bool join(struct table *t, uint32_t at, uint64_t owner, uint64_t closing)
{
	uint64_t seen = atomic_load(&t->words[at]);

	/* The owner's, not closed, and not full: all at once. */
	while ((seen ^ owner) < USERS_MAX)
		if (single_exchange(&t->words[at], &seen, (seen | closing) + 1))
			return true;
	return false;
}

/* Of a request whose end came between the look for its span and the making of its entry. */
static NO_INLINE void evict(struct table *t, uint32_t at)
{
	uint64_t seen = atomic_load(&t->words[at]);
	uint64_t owner = seen & ~(uint64_t)(CLOSED | USERS_MAX);
	struct span_ref ref = { (uint32_t)seen >> OWNER_SHIFT, (uint32_t)(seen >> 32) };

	if (seen & (CLOSED | USERS_MAX) || span_get(ref))
		return;
	if (join(t, at, owner, CLOSED))
		leave(t, at, owner);
}

/* ENTRIES: there is no room, or the request has ended. */
static uint32_t entry_join(struct table *t, struct span_ref ref)
{
	uint64_t owner = owner_of(ref);

	if (join(t, place(ref, 0), owner, 0))
		return place(ref, 0);
	if (UNLIKELY(is_elsewhere(t, ref, owner)))
		for (uint32_t i = 1; i < WAYS; i++)
			if (join(t, place(ref, i), owner, 0))
				return place(ref, i);
	for (uint32_t i = 0; i < WAYS; i++) {
		uint32_t at = place(ref, i);
		uint64_t none = 0;

		if (UNLIKELY(atomic_load(&t->words[at])))
			evict(t, at);
		SHAKE();
		if (single_exchange(&t->words[at], &none, owner + 1))
			return at;
		if (join(t, at, owner, 0))
			return at;
	}
	return ENTRIES;
}

/* --- which call --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/*
 * Eight bytes a step; the length goes in as well, for texts that end in zeros and where they meet.
 */
static uint64_t hash_bytes(uint64_t h, struct bytes b)
{
	uint64_t w = b.len;

	for (; b.len >= sizeof(w); b = bytes_skip(b, sizeof(w))) {
		uint64_t next;

		memcpy(&next, b.ptr, sizeof(next));
		h = mix(h ^ next, 0x9e3779b97f4a7c15u);
	}
	for (size_t i = 0; i < b.len; i++)
		w = w << 8 | (unsigned char)b.ptr[i];
	return mix(h ^ w, 0xd6e8feb86659fd93u);
}

uint64_t calls_hash(const struct call *c)
{
	uint64_t h = hash_bytes(0xcbf29ce484222325u, c->peer);

	return hash_bytes(hash_bytes(h, c->operation), c->summary) | 1;
}

static uint8_t text_put(struct group *g, size_t at, struct bytes from, size_t max)
{
	size_t n = from.len < max ? from.len : max;

	while (n && n < from.len && ((unsigned char)from.ptr[n] & 0xc0) == 0x80)
		n--;
	copy_short(g->text + at, from.ptr, n);
	return (uint8_t)n;
}

/* Once, by whoever comes first. */
static void text_set(struct group *g, const struct call *c)
{
	uint64_t none = atomic_load_explicit(&g->text_state, memory_order_relaxed);

	if (none != TEXT_NONE || !single_exchange(&g->text_state, &none, TEXT_CLAIMED))
		return;
	g->peer = text_put(g, 0, c->peer, CALLS_PEER_MAX);
	g->operation = text_put(g, g->peer, c->operation, CALLS_OPERATION_MAX);
	g->summary = text_put(g, (size_t)g->peer + g->operation, c->summary, CALLS_SUMMARY_MAX);
	/* Pairs with has_text(). */
	atomic_store_explicit(&g->text_state, TEXT_WHOLE, memory_order_release);
}

/* NULL: all are others'.  is_named: it gets its text even where this is the first of its kind. */
static ALWAYS_INLINE struct group *group_get(struct entry *e, const struct call *c, uint64_t hash,
					     bool is_named)
{
	for (struct group *g = e->groups; g < e->groups + GROUPS; g++) {
		uint64_t seen = atomic_load(&g->hash);
		bool is_first = !seen && single_exchange(&g->hash, &seen, hash);

		if (!is_first && seen != hash)
			continue;
		if (UNLIKELY(!is_first || is_named))
			text_set(g, c);
		return g;
	}
	return NULL;
}

/* Returns what it was before. */
static uint64_t raise_to(_Atomic uint64_t *to, uint64_t value)
{
	uint64_t seen = atomic_load(to);

	while (seen < value && !single_exchange(to, &seen, value))
		;
	return seen;
}

/*
 * Of two that overlap the one that comes second to end_ns is counted.  Of two that do not, but are
 * told in the wrong order by threads that know nothing of each other, none.
 */
static bool is_overlapped(struct group *g, const struct call *c)
{
	uint64_t before = raise_to(&g->start_before, UINT64_MAX - c->start_ns);
	uint64_t end = raise_to(&g->end_ns, c->end_ns);

	return end > c->start_ns && (!before || UINT64_MAX - before < c->end_ns);
}

static NO_INLINE void fold(struct entry *e, struct group *g, const struct call *c, uint64_t took)
{
	struct folded *f = g ? &g->folded : &e->folded;

	if (g)
		text_set(g, c);
	atomic_fetch_add(&f->count, 1);
	atomic_fetch_add(&f->failed, c->has_failed);
	atomic_fetch_add(&f->duration_ns, took);
	raise_to(&f->slowest_ns, took);
	raise_to(&f->start_before, UINT64_MAX - c->start_ns);
	raise_to(&f->end_ns, c->end_ns);
}

/* True: it is one too many. */
static ALWAYS_INLINE bool add(struct entry *e, const struct call *c, uint64_t hash, bool is_named)
{
	uint64_t took = c->end_ns > c->start_ns ? c->end_ns - c->start_ns : 0;
	struct group *g = group_get(e, c, hash, is_named);
	bool is_folded = single_add_small(&e->count, 1) >= config.max_spans_per_request;

	if (UNLIKELY(is_folded))
		fold(e, g, c, took);
	if (!g) {
		single_add(&e->other_ns, took);
		single_add_small(&e->other, 1);
		return is_folded;
	}
	single_add_small(&g->count, 1);
	single_add(&g->duration_ns, took);
	if (is_overlapped(g, c))
		single_add_small(&g->overlapped, 1);
	return is_folded;
}

bool calls_add_hashed(struct span_ref parent, const struct call *call, uint64_t hash)
{
	struct table *t = atomic_load_explicit(&the_table, memory_order_acquire);
	bool is_folded;
	uint32_t at;

	if (!parent.slot)
		return false;
	if (!store_span(parent)) {
		stats_inc(STAT_CALLS_LATE);
		return false;
	}
	if (UNLIKELY(!t))
		t = table_create();
	at = t ? entry_join(t, parent) : ENTRIES;
	if (UNLIKELY(at == ENTRIES)) {
		stats_inc(STAT_CALLS_FULL);
		return false;
	}
	SHAKE();
	/*
	 * Of those that are the same, but in two entries, one has the text that they are told by.
	 */
	is_folded = add(&t->entries[at], call, hash, at != place(parent, 0));
	leave(t, at, owner_of(parent));
	return is_folded;
}

bool calls_add(struct span_ref parent, const struct call *call)
{
	return calls_add_hashed(parent, call, calls_hash(call));
}

/* --- the end --- */

static ALWAYS_INLINE void close_one(struct table *t, uint32_t at, uint64_t owner, struct found *f)
{
	if (join(t, at, owner, CLOSED))
		f->entries[f->n++] = &t->entries[at];
}

static NO_INLINE void close_elsewhere(struct table *t, struct span_ref ref, struct found *f)
{
	for (uint32_t i = 1; i < WAYS; i++)
		close_one(t, place(ref, i), owner_of(ref), f);
}

static NO_INLINE void close_found(struct table *t, struct span *s, bool is_told)
{
	struct span_ref ref = span_ref(s);
	uint64_t owner = owner_of(ref);
	struct found f;

	f.n = 0;
	close_one(t, place(ref, 0), owner, &f);
	if (UNLIKELY(is_elsewhere(t, ref, owner)))
		close_elsewhere(t, ref, &f);
	if (is_told && f.n)
		calls_tell(s, &f);
	while (f.n)
		leave(t, (uint32_t)(f.entries[--f.n] - t->entries), owner);
}

void calls_close(struct span *s, bool is_told)
{
	struct table *t = atomic_load_explicit(&the_table, memory_order_acquire);

	if (UNLIKELY(t))
		close_found(t, s, is_told);
}
