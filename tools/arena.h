/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARENA_H
#define ARENA_H
/*
 * Memory that is freed as a whole: one arena per request being decoded, one per trace kept.
 * One user at a time.  A zeroed arena is empty and without a limit.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* newest first; allocation goes on in this one */
	size_t used;               /* of the newest chunk */
	size_t bytes;              /* got from malloc, all chunks */
	size_t limit;              /* of bytes; 0: none */
	bool is_full;              /* something could not be had */
};

/* Zeroed, aligned for anything; NULL: no memory, or the limit is reached. */
void *arena_get(struct arena *a, size_t size);

/* n elements of size each; NULL also when the product overflows. */
void *arena_get_array(struct arena *a, size_t n, size_t size);

/* A copy with a NUL behind it.  Without memory ptr is NULL. */
struct bytes arena_copy(struct arena *a, struct bytes from);

void arena_done(struct arena *a);

#endif
