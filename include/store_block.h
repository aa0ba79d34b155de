/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_BLOCK_H
#define STORE_BLOCK_H
/*
 * Items that many spans have in common, once in the store: a span has ITEM_BLOCK where they would
 * be, and fills four lines of the cache instead of six.  store_read() puts them back.
 *
 * A block is written once and stays as long as the mapping, so that whoever has its number needs no
 * count of who else has.  There are few, and when they are all in use spans hold their items
 * themselves, as at first.  Those of requests that come in are told by strangers: they have the
 * first half, and what the program asks for has the other.
 *
 * All functions: any thread of any process, async-signal-safe, no lock.  Who is killed while he
 * writes one costs that one.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "span.h"
#include "store.h"

enum block_state { BLOCK_FREE, BLOCK_WRITING, BLOCK_READY };

struct store_block {
	_Atomic uint32_t state; /* enum block_state; release, and acquire before the rest is read */
	uint32_t hash;
	uint32_t len;
	unsigned char items[STORE_BLOCK_BYTES - 3 * sizeof(uint32_t)];
};

_Static_assert(sizeof(struct store_block) == STORE_BLOCK_BYTES, "so the area is divided");

static inline struct store_block *store_block(const struct store *st, uint32_t number)
{
	return (struct store_block *)((char *)(uintptr_t)st + STORE_BLOCK_AREA +
				      (size_t)number * STORE_BLOCK_BYTES);
}

/* The number of a block with these items; NO_BLOCK: there is no room for them. */
#define NO_BLOCK STORE_BLOCKS
uint32_t store_block_share(struct store *st, enum span_kind kind, struct bytes items);

/*
 * Its items, as they lie there: whoever else has the mapping may write to them, so that nothing in
 * them is to be believed.  Empty: there is no such block.
 */
struct bytes store_block_items(const struct store *st, uint32_t number);

#endif
