/* SPDX-License-Identifier: Apache-2.0 */
/* The store's set-up and its producers' side; the exporter's side is store_read.c. */
#include "store.h"

#include <sys/mman.h>

#include <linux/futex.h>

#include "barrier.h"
#include "clock.h"
#include "config.h"
#include "counts.h"
#include "process.h"
#include "rawsys.h"
#include "shake.h"
#include "single.h"
#include "spare.h"
#include "spool.h"
#include "stats.h"

#define SLOTS_MIN 1024u
#define SLOTS_PER_QUEUED 8u   /* open spans and continuations need room beside the finished ones */
#define SPOOLED_PER_QUEUED 4u /* the same in a file, all of which is allocated */
#define RETRY_NS 1000000000u
#define EXTEND_MAX 20u /* slots taken in one go: more than the longest value needs */

void (*_Atomic span_ended_without_owner)(struct store *st);

struct store *_Atomic store_mapped;
_Atomic uint32_t store_slot_count;
static _Atomic uint64_t refused_ns; /* when the kernel last gave no memory; 0: never */

/* --- set-up --- */

static uint32_t slots_wanted(void)
{
	uint64_t wanted = (uint64_t)config.bsp_queue_size *
			  (config.spool.len ? SPOOLED_PER_QUEUED : SLOTS_PER_QUEUED);
	uint32_t n = SLOTS_MIN;

	while (n < wanted && n < STORE_MAX_SLOTS)
		n *= 2;
	return n;
}

static struct store *map_new(uint32_t slots, struct spool_file *file)
{
	size_t bytes = STORE_SLOT_AREA + (size_t)slots * STORE_SLOT_BYTES;
	uint32_t limit = config.bsp_queue_size < slots ? config.bsp_queue_size : slots;
	struct store *st;
	long at = (long)spool_map(bytes, file);

	if (!at)
		at = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw_is_error(at))
		return NULL;
	/* What spans hold is nobody's business in a core file. */
	raw_madvise((void *)at, bytes, MADV_DONTDUMP);
	st = (struct store *)at;
	st->magic = STORE_MAGIC;
	st->version = STORE_VERSION;
	st->slots = slots;
	st->queue_limit = limit;
	st->batch = config.bsp_batch_size < limit ? config.bsp_batch_size : limit;
	st->creator = process_pid();
	trace_id_new(&st->seed);
	if (file->name[0])
		st->spool_key = spool_key();
	return st;
}

static NO_INLINE struct store *store_create(void)
{
	uint64_t refused = atomic_load(&refused_ns);
	uint64_t now = clock_monotonic_ns();
	uint32_t slots = slots_wanted();
	struct spool_file file;
	struct store *none = NULL;
	struct store *st;

	if (refused && now - refused < RETRY_NS)
		return NULL;
	st = map_new(slots, &file);
	if (!st) {
		atomic_store(&refused_ns, now);
		return NULL;
	}
	/* Threads that race here have read the same settings, hence the same number. */
	atomic_store(&store_slot_count, slots);
	SHAKE();
	if (atomic_compare_exchange_strong(&store_mapped, &none, st)) {
		spool_keep(&file);
		return st;
	}
	spool_drop(&file);
	raw_munmap(st, STORE_SLOT_AREA + (size_t)slots * STORE_SLOT_BYTES);
	return none;
}

struct store *store_open(void)
{
	struct store *st = store_get();

	return LIKELY(st) ? st : store_create();
}

/* --- which slots are taken --- */

static _Atomic uint64_t *map_word(struct store *st, size_t map, uint32_t word)
{
	return (_Atomic uint64_t *)((char *)st + map) + word;
}

static void word_not_full(struct store *st, uint32_t word)
{
	atomic_fetch_and(map_word(st, STORE_FULL_MAP, word / 64), ~(1ull << word % 64));
}

/*
 * The full map is only a hint to the search, but a word that it wrongly calls full is lost until a
 * slot in it is freed.  So whoever marks looks again: either he sees the clear bit of a slot that
 * was freed meanwhile, or index_free() sees his mark (both sequentially consistent).
 */
static void word_full(struct store *st, uint32_t word)
{
	atomic_fetch_or(map_word(st, STORE_FULL_MAP, word / 64), 1ull << word % 64);
	SHAKE();
	if (atomic_load(map_word(st, STORE_TAKEN_MAP, word)) != UINT64_MAX)
		word_not_full(st, word);
}

/*
 * The slot that will be taken next: the exporter's processor has its lines, and to wait for them
 * takes longer than to fill them.
 */
static ALWAYS_INLINE void slot_prefetch(const struct store *st, uint32_t index)
{
	const char *s = (const char *)store_slot(st, index);

#pragma GCC unroll 8
	for (size_t i = 0; i < STORE_USUAL_BYTES; i += 64)
#if defined(__x86_64__)
		__asm__ volatile("prefetchw %0" : : "m"(s[i]));
#else
		__builtin_prefetch(s + i, 1);
#endif
}

static uint32_t word_take(struct store *st, uint32_t word)
{
	_Atomic uint64_t *taken = map_word(st, STORE_TAKEN_MAP, word);
	uint64_t seen = atomic_load_explicit(taken, memory_order_relaxed);

	while (seen != UINT64_MAX) {
		uint32_t at = (uint32_t)__builtin_ctzll(~seen);
		uint64_t bit = 1ull << at;

		/* Acquire: what the slot's last holder did to it is over. */
		seen = atomic_fetch_or_explicit(taken, bit, memory_order_acquire);
		if (seen & bit)
			continue;
		if (UNLIKELY((seen | bit) == UINT64_MAX))
			word_full(st, word);
		else
			slot_prefetch(st, word * 64 + (uint32_t)__builtin_ctzll(~(seen | bit)));
		return word * 64 + at;
	}
	word_full(st, word);
	return NO_SLOT;
}

/* The lowest one, so that a quiet program touches few pages. */
NO_INLINE uint32_t store_index_take(struct store *st)
{
	uint32_t words = store_slots() / 64;

	for (uint32_t base = 0; base < words; base += 64) {
		uint64_t open = ~atomic_load_explicit(map_word(st, STORE_FULL_MAP, base / 64),
						      memory_order_relaxed);

		if (words - base < 64)
			open &= (1ull << (words - base)) - 1;
		for (; open; open &= open - 1) {
			uint32_t at = word_take(st, base + (uint32_t)__builtin_ctzll(open));

			if (LIKELY(at != NO_SLOT))
				return at;
		}
	}
	return NO_SLOT;
}

static void bits_free(struct store *st, uint32_t word, uint64_t bits)
{
	/* Also a release: pairs with the acquire in word_take(). */
	atomic_fetch_and(map_word(st, STORE_TAKEN_MAP, word), ~bits);
	SHAKE();
	if (atomic_load(map_word(st, STORE_FULL_MAP, word / 64)) >> word % 64 & 1)
		word_not_full(st, word);
}

static void index_free(struct store *st, uint32_t index)
{
	atomic_store_explicit(&store_slot(st, index)->state, SLOT_FREE, memory_order_relaxed);
	SHAKE();
	bits_free(st, index / 64, 1ull << index % 64);
}

/* --- the slot at hand --- */

_Atomic uint64_t spare;

void slot_put_by(struct store *st, struct span *s)
{
	uint64_t word = atomic_load_explicit(&spare, memory_order_relaxed);
	uint64_t mine = (uint64_t)process_epoch() << 32;

	if (UNLIKELY((word && word >> 32 == mine >> 32) || s->next) ||
	    UNLIKELY(s->pid != process_pid()) ||
	    UNLIKELY(atomic_load_explicit(&s->state, memory_order_relaxed) != SLOT_OPEN)) {
		slot_free(st, s);
		return;
	}
	atomic_store_explicit(&s->state, SLOT_SPARE, memory_order_relaxed);
	SHAKE();
	if (!single_exchange(&spare, &word, mine | (store_index(st, s) + 1)))
		slot_free(st, s);
}

void store_give_spare(void)
{
	struct store *st = store_get();
	struct span *s = st ? spare_take(st) : NULL;

	if (s)
		slot_free(st, s);
}

/* --- slots --- */

struct span *slot_take(struct store *st)
{
	return slot_get(st);
}

/* The continuation slot with this number + 1, if it belongs to s.  A number is anybody's word. */
static struct slot_more *more_of(struct store *st, const struct span *s, uint32_t number)
{
	struct slot_more *m;

	if (number - 1 >= store_slots())
		return NULL;
	m = (struct slot_more *)store_slot(st, number - 1);
	if (atomic_load_explicit(&m->state, memory_order_relaxed) != SLOT_MORE)
		return NULL;
	return m->first == store_index(st, s) + 1 ? m : NULL;
}

/* Makes the taken slots a chain that continues s; not yet linked to it. */
static void more_init(struct store *st, const struct span *s, const uint32_t *taken, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct slot_more *m = (struct slot_more *)store_slot(st, taken[i]);

		m->first = store_index(st, s) + 1;
		m->next = i + 1 < n ? taken[i + 1] + 1 : 0;
		atomic_store_explicit(&m->state, SLOT_MORE, memory_order_relaxed);
	}
}

bool slot_extend(struct store *st, struct span *s, uint32_t n)
{
	uint32_t taken[EXTEND_MAX];
	uint32_t had = 0;
	struct slot_more *tail = s->last ? more_of(st, s, s->last) : NULL;

	if (n == 0 || n > EXTEND_MAX || s->slots + n > STORE_RECORD_SLOTS || (s->last && !tail))
		return false;
	while (had < n && (taken[had] = store_index_take(st)) != NO_SLOT)
		had++;
	if (had < n) {
		while (had)
			index_free(st, taken[--had]);
		return false;
	}
	more_init(st, s, taken, n);
	SHAKE();
	/* Linked last: who is killed before this leaves a record that is whole. */
	__atomic_store_n(tail ? &tail->next : &s->next, taken[0] + 1, __ATOMIC_RELEASE);
	s->last = taken[n - 1] + 1;
	s->slots = (uint8_t)(s->slots + n);
	return true;
}

static NO_INLINE void exporter_wake(struct store *st)
{
	atomic_fetch_add(&st->wake, 1);
	raw_futex(&st->wake, FUTEX_WAKE, 1, NULL);
}

static ALWAYS_INLINE bool publish(struct store *st, struct span *s, enum slot_state from)
{
	uint32_t index = store_index(st, s);
	uint64_t bit = 1ull << index % 64;
	uint32_t before;

	/*
	 * Closed by somebody else, as parent and child may after a fork: only the first one counts.
	 */
	if (atomic_load_explicit(&s->state, memory_order_relaxed) != from)
		return false;
	before = atomic_fetch_add(&st->done, 1);
	SHAKE();
	if (UNLIKELY(before >= st->queue_limit)) {
		atomic_fetch_sub(&st->done, 1);
		slot_free(st, s);
		stats_inc(STAT_SPANS_QUEUE_FULL);
		return false;
	}
	atomic_store_explicit(&s->state, SLOT_DONE, memory_order_relaxed);
	SHAKE();
	/* Gives the record away; pairs with the acquire in store_collect(). */
	if (atomic_fetch_or(map_word(st, STORE_DONE_MAP, index / 64), bit) & bit) {
		atomic_fetch_sub(&st->done, 1);
		return false;
	}
	SHAKE();
	/* The exporter raises asleep before it looks at done: one of the two sees the other. */
	if (UNLIKELY(atomic_load(&st->asleep)) && (before == 0 || before + 1 == st->batch))
		exporter_wake(st);
	return true;
}

bool slot_publish(struct store *st, struct span *s)
{
	return publish(st, s, SLOT_OPEN);
}

NO_INLINE bool slot_publish_held(struct store *st, struct span *s)
{
	return publish(st, s, SLOT_HELD);
}

void slot_free(struct store *st, struct span *s)
{
	uint32_t next = s->next;

	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SLOT_FREE)
		return;
	for (uint32_t hops = 1; next && hops < STORE_RECORD_SLOTS; hops++) {
		struct slot_more *m = more_of(st, s, next);

		if (!m)
			break;
		next = m->next;
		m->first = 0;
		index_free(st, store_index(st, (struct span *)m));
	}
	index_free(st, store_index(st, s));
}

void store_give_back(struct store *st, const uint32_t *index, size_t n)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		struct span *s = store_slot(st, index[i]);

		if (UNLIKELY(*(const volatile uint32_t *)&s->next))
			slot_free(st, s);
		else
			bits |= 1ull << index[i] % 64;
		if (i + 1 < n && index[i + 1] / 64 == index[i] / 64)
			continue;
		if (LIKELY(bits))
			bits_free(st, index[i] / 64, bits);
		bits = 0;
	}
}
