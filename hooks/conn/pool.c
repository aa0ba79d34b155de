/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <stdbool.h>

#include "rawsys.h"
#include "region.h"
#include "shake.h"
#include "single.h"

#define CHUNK_BYTES ((size_t)512 << 10)

/* Of large items a chunk has fewer: region.c has room for the first ones of the usual pools. */
static uint32_t chunk_items(size_t item_bytes)
{
	size_t n = CHUNK_BYTES / item_bytes;

	return n >= POOL_CHUNK_ITEMS ? POOL_CHUNK_ITEMS : n ? (uint32_t)n : 1;
}

static bool chunk_make(struct pool *p, size_t item_bytes, uint32_t c)
{
	uint32_t items = chunk_items(item_bytes);
	size_t bytes = item_bytes * items;
	char *none = NULL;
	char *made = region_map(bytes);

	if (!made)
		return false;
	if (atomic_compare_exchange_strong(&p->chunk[c].items, &none, made)) {
		SHAKE();
		/* Publishes the chunk; pairs with the acquire of take_bit(). */
		atomic_store_explicit(&p->chunk[c].free, ~0ull >> (POOL_CHUNK_ITEMS - items),
				      memory_order_release);
	} else {
		raw_munmap(made, bytes);
	}
	return true;
}

/*
 * The last one first: mappings grow downwards, so that this end lies beside what else the process
 * has touched, and fork(), which copies page tables of 2 MiB each, has one less to copy.
 */
static int take_bit(_Atomic uint64_t *map)
{
	uint64_t have = atomic_load_explicit(map, memory_order_acquire);

	while (have) {
		int bit = 63 - __builtin_clzll(have);

		if (single_exchange(map, &have, have & ~(1ull << bit)))
			return bit;
	}
	return -1;
}

static void *chunk_get(struct pool *p, size_t item_bytes, uint32_t c, uint32_t *ret_index)
{
	int bit = take_bit(&p->chunk[c].free);

	if (bit < 0)
		return NULL;
	SHAKE();
	if (c != atomic_load_explicit(&p->first, memory_order_relaxed))
		atomic_store(&p->first, c);
	*ret_index = c * POOL_CHUNK_ITEMS + (uint32_t)bit;
	return pool_at(p, item_bytes, *ret_index);
}

/*
 * Who takes the last of a chunk moves `first` on while another thread gives one of it back, and may
 * have the last word: then items before it are free.  So all that is there is looked at before more
 * is mapped.
 */
static NO_INLINE void *get_elsewhere(struct pool *p, size_t item_bytes, uint32_t max_chunks,
				     uint32_t *ret_index)
{
	uint32_t c = 0;
	void *item = NULL;

	max_chunks = max_chunks * POOL_CHUNK_ITEMS / chunk_items(item_bytes);
	if (max_chunks > POOL_CHUNKS)
		max_chunks = POOL_CHUNKS;

	for (; !item && c < max_chunks && atomic_load(&p->chunk[c].items); c++)
		item = chunk_get(p, item_bytes, c, ret_index);
	for (; !item && c < max_chunks; c++) {
		if (!atomic_load(&p->chunk[c].items) && !chunk_make(p, item_bytes, c))
			return NULL;
		item = chunk_get(p, item_bytes, c, ret_index);
	}
	return item;
}

void *pool_get(struct pool *p, size_t item_bytes, uint32_t max_chunks, uint32_t *ret_index)
{
	uint32_t c = atomic_load(&p->first);
	void *item = LIKELY(c < POOL_CHUNKS) ? chunk_get(p, item_bytes, c, ret_index) : NULL;

	return LIKELY(item) ? item : get_elsewhere(p, item_bytes, max_chunks, ret_index);
}

void pool_put(struct pool *p, uint32_t index)
{
	uint32_t c = index / POOL_CHUNK_ITEMS;
	uint32_t first = atomic_load(&p->first);

	single_or(&p->chunk[c].free, 1ull << (index % POOL_CHUNK_ITEMS));
	SHAKE();
	while (c < first && !atomic_compare_exchange_weak(&p->first, &first, c))
		;
}
