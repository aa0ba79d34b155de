/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "copy.h"
#include "rawsys.h"
#include "shake.h"
#include "stats.h"

#define ENTRIES 1024u /* requests that have called something, at once; a power of two */
#define WAYS 4u       /* places where the entry of a request may lie */
#define GROUPS 16u    /* different calls of one request that are told apart */
#define TEXT_MAX (CALLS_PEER_MAX + CALLS_OPERATION_MAX + CALLS_SUMMARY_MAX)

/*
 * The word of an entry: whose it is (generation 32 bits, slot 21), closed, who is using it now.
 * One compare-exchange finds out whether it still is that request's and keeps it from becoming
 * another's.  The last one out of a closed entry empties it: what is free is empty.
 */
#define USERS_MAX 0x3ffu
#define CLOSED 0x400u
#define OWNER_SHIFT 11

/* Calls that are the same.  Empty when hash is 0; all else only grows meanwhile. */
struct group {
	_Atomic uint64_t hash;
	_Atomic uint64_t duration_ns;
	_Atomic uint64_t end_ns;       /* the latest */
	_Atomic uint64_t start_before; /* UINT64_MAX minus the earliest start; 0: none yet */
	_Atomic uint32_t count;
	_Atomic uint32_t overlapped; /* of them, those that began before another one had ended */
	_Atomic uint32_t is_told;    /* text is whole */
	uint8_t peer, operation, summary; /* lengths in text, in this order */
	char text[TEXT_MAX];
};

struct entry {
	_Atomic uint64_t duration_ns;
	_Atomic uint32_t count;
	_Atomic uint32_t other; /* calls that found no group */
	struct group groups[GROUPS];
};

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
	return (ref.slot + way) % ENTRIES;
}

static void entry_clear(struct entry *e)
{
	for (struct group *g = e->groups; g < e->groups + GROUPS; g++) {
		if (!atomic_load_explicit(&g->hash, memory_order_relaxed))
			continue;
		atomic_store_explicit(&g->duration_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&g->end_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&g->start_before, 0, memory_order_relaxed);
		atomic_store_explicit(&g->count, 0, memory_order_relaxed);
		atomic_store_explicit(&g->overlapped, 0, memory_order_relaxed);
		atomic_store_explicit(&g->is_told, 0, memory_order_relaxed);
		atomic_store_explicit(&g->hash, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&e->duration_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&e->count, 0, memory_order_relaxed);
	atomic_store_explicit(&e->other, 0, memory_order_relaxed);
}

/* In a child of this thread's, made by a signal handler in our midst, it is not ours any more. */
static void leave(struct table *t, uint32_t at, uint64_t owner)
{
	uint64_t seen = atomic_load(&t->words[at]);

	while (is_owner(seen, owner) && seen & USERS_MAX) {
		uint64_t next = seen - 1;

		if ((seen & (CLOSED | USERS_MAX)) == (CLOSED | 1)) {
			entry_clear(&t->entries[at]);
			next = 0;
		}
		SHAKE();
		if (atomic_compare_exchange_strong(&t->words[at], &seen, next))
			return;
	}
}

/* Who uses it from here on is counted; it is the owner's, or (false) not, or not any more. */
static bool join(struct table *t, uint32_t at, uint64_t owner, uint64_t closing)
{
	uint64_t seen = atomic_load(&t->words[at]);

	while (is_owner(seen, owner) && !(seen & CLOSED) && (seen & USERS_MAX) < USERS_MAX)
		if (atomic_compare_exchange_strong(&t->words[at], &seen, (seen | closing) + 1))
			return true;
	return false;
}

/* Of a request whose end came between the look for its span and the making of its entry. */
static void evict(struct table *t, uint32_t at)
{
	uint64_t seen = atomic_load(&t->words[at]);
	uint64_t owner = seen & ~(uint64_t)(CLOSED | USERS_MAX);
	struct span_ref ref = { (uint32_t)seen >> OWNER_SHIFT, (uint32_t)(seen >> 32) };

	if (!seen || seen & (CLOSED | USERS_MAX) || span_get(ref))
		return;
	if (join(t, at, owner, CLOSED))
		leave(t, at, owner);
}

/* ENTRIES: there is no room, or the request has ended. */
static uint32_t entry_join(struct table *t, struct span_ref ref)
{
	uint64_t owner = owner_of(ref);

	for (uint32_t i = 0; i < WAYS; i++)
		if (join(t, place(ref, i), owner, 0))
			return place(ref, i);
	for (uint32_t i = 0; i < WAYS; i++) {
		uint32_t at = place(ref, i);
		uint64_t none = 0;

		evict(t, at);
		SHAKE();
		if (atomic_compare_exchange_strong(&t->words[at], &none, owner + 1))
			return at;
		if (join(t, at, owner, 0))
			return at;
	}
	return ENTRIES;
}

/* --- which call --- */

static uint64_t hash_bytes(uint64_t h, struct bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		h = (h ^ (unsigned char)b.ptr[i]) * 0x100000001b3u;
	return (h ^ 0xff) * 0x100000001b3u;
}

/* Never 0. */
static uint64_t hash_of(const struct call *c)
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

static void text_set(struct group *g, const struct call *c)
{
	g->peer = text_put(g, 0, c->peer, CALLS_PEER_MAX);
	g->operation = text_put(g, g->peer, c->operation, CALLS_OPERATION_MAX);
	g->summary = text_put(g, (size_t)g->peer + g->operation, c->summary, CALLS_SUMMARY_MAX);
	/* Pairs with repeated_tell(). */
	atomic_store_explicit(&g->is_told, 1, memory_order_release);
}

/* NULL: all are others'. */
static struct group *group_get(struct entry *e, const struct call *c)
{
	uint64_t hash = hash_of(c);

	for (struct group *g = e->groups; g < e->groups + GROUPS; g++) {
		uint64_t seen = 0;

		if (atomic_compare_exchange_strong(&g->hash, &seen, hash)) {
			text_set(g, c);
			return g;
		}
		if (seen == hash)
			return g;
	}
	return NULL;
}

/* Returns what it was before. */
static uint64_t raise_to(_Atomic uint64_t *to, uint64_t value)
{
	uint64_t seen = atomic_load(to);

	while (seen < value && !atomic_compare_exchange_weak(to, &seen, value))
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

static void add(struct entry *e, const struct call *c)
{
	uint64_t took = c->end_ns > c->start_ns ? c->end_ns - c->start_ns : 0;
	struct group *g = group_get(e, c);

	atomic_fetch_add(&e->count, 1);
	atomic_fetch_add(&e->duration_ns, took);
	if (!g) {
		atomic_fetch_add(&e->other, 1);
		return;
	}
	atomic_fetch_add(&g->count, 1);
	atomic_fetch_add(&g->duration_ns, took);
	if (is_overlapped(g, c))
		atomic_fetch_add(&g->overlapped, 1);
}

void calls_add(struct span_ref parent, const struct call *call)
{
	struct table *t = atomic_load_explicit(&the_table, memory_order_acquire);
	uint32_t at;

	if (!parent.slot)
		return;
	if (!span_get(parent)) {
		stats_inc(STAT_CALLS_LATE);
		return;
	}
	if (UNLIKELY(!t))
		t = table_create();
	at = t ? entry_join(t, parent) : ENTRIES;
	if (UNLIKELY(at == ENTRIES)) {
		stats_inc(STAT_CALLS_FULL);
		return;
	}
	SHAKE();
	add(&t->entries[at], call);
	leave(t, at, owner_of(parent));
}

/* --- telling --- */

/* Entries of one request: one, or for threads that began at the same time more. */
struct found {
	struct entry *entries[WAYS];
	uint32_t n;
};

struct sums {
	uint64_t duration_ns;
	uint32_t count;
	uint32_t overlapped;
};

static struct sums group_sum(const struct found *f, uint64_t hash)
{
	struct sums sum = { 0, 0, 0 };

	for (uint32_t i = 0; i < f->n; i++)
		for (struct group *g = f->entries[i]->groups; g < f->entries[i]->groups + GROUPS;
		     g++) {
			if (atomic_load(&g->hash) != hash)
				continue;
			sum.duration_ns += atomic_load(&g->duration_ns);
			sum.count += atomic_load(&g->count);
			sum.overlapped += atomic_load(&g->overlapped);
		}
	return sum;
}

static void set_text(struct span *s, enum attr key, const char *text, uint8_t len)
{
	if (len)
		span_set_str(s, key, (struct bytes){ text, len });
}

/* At least half of the repeats: one that was tried again makes no fan-out. */
static bool is_fan_out(const struct sums *sum)
{
	return 2 * sum->overlapped >= sum->count - 1;
}

static void repeated_tell(struct span *s, const struct group *g, const struct sums *sum)
{
	span_set_int(s, ATTR_CALLS_REPEATED_COUNT, sum->count);
	span_set_int(s, ATTR_CALLS_REPEATED_DURATION, (int64_t)(sum->duration_ns / 1000));
	span_set_str(s, ATTR_CALLS_REPEATED_MODE,
		     is_fan_out(sum) ? BYTES("overlapped") : BYTES("serial"));
	if (!atomic_load_explicit(&g->is_told, memory_order_acquire))
		return;
	set_text(s, ATTR_CALLS_REPEATED_PEER, g->text, g->peer);
	set_text(s, ATTR_CALLS_REPEATED_OPERATION, g->text + g->peer, g->operation);
	set_text(s, ATTR_CALLS_REPEATED_SUMMARY, g->text + g->peer + g->operation, g->summary);
}

static void tell(struct span *s, const struct found *f)
{
	struct sums all = { 0, 0, 0 }, most = { 0, 1, 0 };
	const struct group *repeated = NULL;
	uint32_t other = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		struct entry *e = f->entries[i];

		all.count += atomic_load(&e->count);
		all.duration_ns += atomic_load(&e->duration_ns);
		other += atomic_load(&e->other);
		for (const struct group *g = e->groups; g < e->groups + GROUPS; g++) {
			uint64_t hash = atomic_load(&g->hash);
			struct sums sum = hash ? group_sum(f, hash) : (struct sums){ 0, 0, 0 };

			if (sum.count <= most.count)
				continue;
			most = sum;
			repeated = g;
		}
	}
	if (!all.count)
		return;
	span_set_int(s, ATTR_CALLS_COUNT, all.count);
	span_set_int(s, ATTR_CALLS_DURATION, (int64_t)(all.duration_ns / 1000));
	if (repeated)
		repeated_tell(s, repeated, &most);
	if (other)
		span_set_int(s, ATTR_CALLS_OTHER, other);
}

static NO_INLINE void close_found(struct table *t, struct span *s, bool is_told)
{
	struct span_ref ref = span_ref(s);
	uint64_t owner = owner_of(ref);
	uint32_t places[WAYS];
	struct found f = { .n = 0 };

	for (uint32_t i = 0; i < WAYS; i++) {
		if (!join(t, place(ref, i), owner, CLOSED))
			continue;
		places[f.n] = place(ref, i);
		f.entries[f.n++] = &t->entries[place(ref, i)];
	}
	if (is_told && f.n)
		tell(s, &f);
	while (f.n)
		leave(t, places[--f.n], owner);
}

void calls_close(struct span *s, bool is_told)
{
	struct table *t = atomic_load_explicit(&the_table, memory_order_acquire);

	if (UNLIKELY(t))
		close_found(t, s, is_told);
}
