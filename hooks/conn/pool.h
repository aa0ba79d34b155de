/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POOL_H
#define POOL_H
/*
 * Objects of one size that are recycled and never unmapped: an old pointer always leads to an
 * object of the same kind, whose generation tells that it is another one.  Lock-free, any thread,
 * async-signal-safe; memory is zero at first use and as it was left afterwards.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define POOL_CHUNKS 1024u
#define POOL_CHUNK_ITEMS 64u /* fewer where an item has more than 8 KiB */

/* Of zeros, so that no start of a process has a page of them to map: callers tell the sizes. */
struct pool {
	_Atomic uint32_t first; /* no chunk before it has anything free: a hint */
	struct pool_chunk {
		_Atomic uint64_t free;
		char *_Atomic items;
	} chunk[POOL_CHUNKS];
};

/*
 * item_bytes is the same in all calls for a pool.  NULL: no memory, or as many items as max_chunks,
 * at most POOL_CHUNKS, have of small ones are in use.
 */
void *pool_get(struct pool *p, size_t item_bytes, uint32_t max_chunks, uint32_t *ret_index);
void pool_put(struct pool *p, uint32_t index);

/* NULL: never handed out. */
static ALWAYS_INLINE void *pool_at(struct pool *p, size_t item_bytes, uint32_t index)
{
	char *base = index / POOL_CHUNK_ITEMS < POOL_CHUNKS ?
			     atomic_load_explicit(&p->chunk[index / POOL_CHUNK_ITEMS].items,
						  memory_order_acquire) :
			     NULL;

	return base ? base + (size_t)(index % POOL_CHUNK_ITEMS) * item_bytes : NULL;
}

#endif
