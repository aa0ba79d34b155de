/* SPDX-License-Identifier: Apache-2.0 */
#include "sql_shapes.h"

#include <stdatomic.h>

#include "compiler.h"
#include "pool.h"

#define SLOTS 2048u
#define PROBES 8u
#define SEEN 2048u

/* Two sizes, since most texts are short: 512 and 128 of them in a process, 512 KiB and 1 MiB. */
#define SHORT_BYTES 1024u
#define LONG_BYTES 8192u
#define SHORT_CHUNKS 8u
#define LONG_CHUNKS 2u
#define LONG_BIT 0x80000000u

static struct pool short_ones, long_ones;

/* The high half of a key, and the number of a shape plus one; 0: free. */
static _Atomic uint64_t slots[SLOTS];

/* Of what has come once, a hash. */
static _Atomic uint32_t seen[SEEN];

static ALWAYS_INLINE const struct sql_shape *at(uint32_t number)
{
	return number & LONG_BIT ? pool_at(&long_ones, LONG_BYTES, (number & ~LONG_BIT) - 1) :
				   pool_at(&short_ones, SHORT_BYTES, number - 1);
}

static ALWAYS_INLINE _Atomic uint64_t *slot_of(uint64_t key, unsigned int probe)
{
	return &slots[(key + probe) % SLOTS];
}

const struct sql_shape *sql_shapes_find(struct bytes sql, enum sql_backslash b, bool has_parameters,
					uint64_t *ret_key)
{
	uint64_t key = sql_shape_key(sql);

	*ret_key = key;
	for (unsigned int i = 0; i < PROBES; i++) {
		/* Pairs with the release of sql_shapes_add(). */
		uint64_t is = atomic_load_explicit(slot_of(key, i), memory_order_acquire);

		if (!is)
			return NULL;
		if (is >> 32 == key >> 32 &&
		    sql_shape_fits(at((uint32_t)is), sql, b, has_parameters))
			return at((uint32_t)is);
	}
	return NULL;
}

/* What is told of it, and its key, seldom come twice by chance. */
static bool is_new(uint64_t key, struct bytes text)
{
	uint64_t h = key;
	uint32_t tag;

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
	tag = (uint32_t)(h >> 32) | 1;
	return atomic_exchange_explicit(&seen[h % SEEN], tag, memory_order_relaxed) != tag;
}

static struct sql_shape *take(size_t bytes, uint32_t *ret_number)
{
	bool is_long = bytes > SHORT_BYTES;
	uint32_t index;
	struct sql_shape *s = is_long ? pool_get(&long_ones, LONG_BYTES, LONG_CHUNKS, &index) :
					pool_get(&short_ones, SHORT_BYTES, SHORT_CHUNKS, &index);

	if (s)
		*ret_number = (index + 1) | (is_long ? LONG_BIT : 0);
	return s;
}

static void give_back(uint32_t number)
{
	if (number & LONG_BIT)
		pool_put(&long_ones, (number & ~LONG_BIT) - 1);
	else
		pool_put(&short_ones, number - 1);
}

static bool has_room(uint64_t key)
{
	for (unsigned int i = 0; i < PROBES; i++)
		if (!atomic_load_explicit(slot_of(key, i), memory_order_relaxed))
			return true;
	return false;
}

static bool enter(uint64_t key, uint32_t number)
{
	for (unsigned int i = 0; i < PROBES; i++) {
		uint64_t none = 0;

		/* Publishes the shape, which never changes again. */
		if (atomic_compare_exchange_strong_explicit(
			    slot_of(key, i), &none, (key >> 32) << 32 | number,
			    memory_order_release, memory_order_relaxed))
			return true;
	}
	return false;
}

NO_INLINE void sql_shapes_add(uint64_t key, struct bytes sql, enum sql_backslash b,
			      bool has_parameters, struct bytes text, struct bytes summary)
{
	struct sql_shape *s;
	uint32_t number;
	size_t bytes;

	if (!has_room(key) || is_new(key, text))
		return;
	bytes = sql_shape_bytes(sql, b, text, summary);
	if (!bytes || bytes > LONG_BYTES)
		return;
	s = take(bytes, &number);
	if (!s)
		return;
	sql_shape_make(s, sql, b, has_parameters, text, summary);
	if (!enter(key, number))
		give_back(number);
}
