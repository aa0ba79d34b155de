/* SPDX-License-Identifier: Apache-2.0 */
#include "store_block.h"

#include "shake.h"

#define HALF (STORE_BLOCKS / 2)
#define PLACES 8u /* that are looked at for one */

/* FNV-1a */
static uint32_t hash_of(struct bytes items)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < items.len; i++)
		h = (h ^ (unsigned char)items.ptr[i]) * 16777619u;
	return h;
}

static bool is_same(const struct store_block *b, uint32_t hash, struct bytes items)
{
	return atomic_load_explicit(&b->state, memory_order_acquire) == BLOCK_READY &&
	       b->hash == hash && b->len == items.len &&
	       memcmp(b->items, items.ptr, items.len) == 0;
}

static bool write_to(struct store_block *b, uint32_t hash, struct bytes items)
{
	uint32_t seen = BLOCK_FREE;

	if (!atomic_compare_exchange_strong(&b->state, &seen, BLOCK_WRITING))
		return false;
	SHAKE();
	b->hash = hash;
	b->len = (uint32_t)items.len;
	memcpy(b->items, items.ptr, items.len);
	SHAKE();
	atomic_store_explicit(&b->state, BLOCK_READY, memory_order_release);
	return true;
}

uint32_t store_block_share(struct store *st, enum span_kind kind, struct bytes items)
{
	uint32_t base = kind == SPAN_SERVER ? 0 : HALF;
	uint32_t hash = hash_of(items);

	if (items.len > sizeof(store_block(st, 0)->items))
		return NO_BLOCK;
	for (uint32_t i = 0; i < PLACES; i++) {
		uint32_t number = base + (hash + i) % HALF;
		struct store_block *b = store_block(st, number);

		/* Two that write the same at once have it twice. */
		if (is_same(b, hash, items) || write_to(b, hash, items))
			return number;
	}
	return NO_BLOCK;
}

struct bytes store_block_items(const struct store *st, uint32_t number)
{
	const struct store_block *b = store_block(st, number);
	uint32_t len;

	if (number >= STORE_BLOCKS ||
	    atomic_load_explicit(&b->state, memory_order_acquire) != BLOCK_READY)
		return (struct bytes){ NULL, 0 };
	len = *(const volatile uint32_t *)&b->len;
	if (len > sizeof(b->items))
		return (struct bytes){ NULL, 0 };
	return (struct bytes){ (const char *)b->items, len };
}
