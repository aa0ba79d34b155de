/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of one request: which of them are the same, and their sums. */
#include <string.h>

#include "calls_impl.h"
#include "compiler.h"
#include "config.h"
#include "copy.h"
#include "single.h"

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

void entry_clear(struct entry *e)
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

bool entry_add(struct entry *e, const struct call *c, uint64_t hash, bool is_named)
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
