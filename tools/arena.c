/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

/* Traces are mostly small, so chunks start small and double. */
#define CHUNK_MIN ((size_t)2048)
#define CHUNK_MAX ((size_t)256 * 1024)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* of data */
	alignas(max_align_t) unsigned char data[];
};

static struct arena_chunk *chunk_add(struct arena *a, size_t need)
{
	size_t size = a->chunk ? a->chunk->size * 2 : CHUNK_MIN;
	struct arena_chunk *c;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (size < need)
		size = need;
	c = a->limit && (size > a->limit || a->bytes > a->limit - size) ? NULL :
									  malloc(sizeof(*c) + size);
	if (!c) {
		a->is_full = true;
		return NULL;
	}
	*c = (struct arena_chunk){ .older = a->chunk, .size = size };
	a->chunk = c;
	a->used = 0;
	a->bytes += size;
	return c;
}

void *arena_get(struct arena *a, size_t size)
{
	struct arena_chunk *c = a->chunk;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!c || size > c->size - a->used)
		c = chunk_add(a, size);
	if (!c)
		return NULL;
	p = c->data + a->used;
	a->used += size;
	return memset(p, 0, size);
}

void *arena_get_array(struct arena *a, size_t n, size_t size)
{
	size_t total;

	return __builtin_mul_overflow(n, size, &total) ? NULL : arena_get(a, total);
}

struct bytes arena_copy(struct arena *a, struct bytes from)
{
	char *p = arena_get(a, from.len + 1);

	if (!p)
		return (struct bytes){ NULL, 0 };
	if (from.len)
		memcpy(p, from.ptr, from.len);
	return (struct bytes){ p, from.len };
}

void arena_done(struct arena *a)
{
	while (a->chunk) {
		struct arena_chunk *c = a->chunk;

		a->chunk = c->older;
		free(c);
	}
	*a = (struct arena){ .limit = a->limit };
}
