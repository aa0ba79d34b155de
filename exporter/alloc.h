/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ALLOC_H
#define ALLOC_H
/*
 * Memory of the exporter thread.  The host's malloc is never called: it may be another library's,
 * be profiled, or be locked by the thread that fork() just left behind.  Everything comes from
 * mappings of our own and is bounded: beyond a limit the answer is NULL, as libcurl expects.
 *
 *   pool     malloc and friends, for libcurl, c-ares and protobuf-c's unpacking
 *   scratch  everything of one batch, given back at once
 *
 * One thread, the exporter's; no lock.  A forked child has neither: its first exporter forgets both
 * (pool_forget()).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define POOL_LIMIT (32u << 20)
#define SCRATCH_CHUNK (64u << 10)

/* The C library's contracts, for curl_global_init_mem(); memory is aligned to 16 bytes. */
void *pool_malloc(size_t len);
void pool_free(void *at);
void *pool_realloc(void *at, size_t len);
void *pool_calloc(size_t n, size_t len);
char *pool_strdup(const char *s);

size_t pool_mapped(void); /* bytes mapped now */
size_t pool_in_use(void); /* bytes handed out now, with their headers */

/* For tests, which let memory end at every allocation in turn: of pool_in_use(); 0: POOL_LIMIT. */
void pool_set_limit(size_t bytes);

/*
 * From now on a forked child has a copy of the pool: for libinterspan-tls.so, whose variables point
 * into it.
 */
void pool_stay(void);

/* In a forked child, first of all.  False: it has the copy. */
bool pool_forget(void);

struct scratch_chunk;

struct scratch {
	struct scratch_chunk *first;
	struct scratch_chunk *at; /* the one that is being filled */
	size_t limit;             /* bytes that may be mapped */
	size_t mapped;
};

/* Aligned to 8 bytes, not zeroed; NULL at the limit.  Valid until scratch_reset(). */
MUST_USE void *scratch_alloc(struct scratch *a, size_t len);

/* Gives the tail of the last allocation back: len bytes of it stay. */
void scratch_shrink(struct scratch *a, void *last, size_t len);

/* All is free again; the mappings stay for the next batch. */
void scratch_reset(struct scratch *a);

/* As reset, and what a usual batch does not need is given back: before a long sleep. */
#define SCRATCH_KEPT (512u << 10)
void scratch_trim(struct scratch *a);
void scratch_done(struct scratch *a);

/*
 * A zeroed private mapping, not to be found in a forked child, or zeroed there again; NULL:
 * refused.
 */
MUST_USE void *map_memory(size_t len);
MUST_USE void *map_wiped(size_t len);

#endif
