/* SPDX-License-Identifier: Apache-2.0 */
#include "alloc.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "rawsys.h"
#include "wrap.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define PAGE 4096u
#define POOL_CHUNK (64u << 10)
#define CLASS_MIN_SHIFT 5u  /* 32 bytes, header included */
#define CLASS_MAX_SHIFT 15u /* 32 KiB; larger ones are mappings of their own */
#define SPARE_MAX (128u << 10)
#define CLASSES (CLASS_MAX_SHIFT - CLASS_MIN_SHIFT + 1)

/* Before every block; also keeps the block aligned. */
struct block {
	size_t bytes; /* this header included: a power of two, or a mapping's length */
	struct block *next_free;
};
_Static_assert(sizeof(struct block) == 16, "blocks are aligned to 16 bytes");

static struct {
	struct block *free[CLASSES];
	char *bump; /* rest of the newest chunk */
	size_t bump_len;
	size_t mapped;
	size_t in_use;
	size_t limit; /* of in_use; 0: POOL_LIMIT */
	bool stays;
	size_t chunks;       /* of chunk[] */
	struct block *large; /* mappings of their own that are in use, by next_free */
	/*
	 * The mapping that was freed last: libcurl wants one like it for every request, and to
	 * unmap it stops every processor that the host runs on.
	 */
	struct block *spare;
	char *chunk[POOL_LIMIT / POOL_CHUNK];
} pool;

static size_t round_up(size_t len, size_t to)
{
	return (len + to - 1) & ~(to - 1);
}

static bool is_copied; /* the kernel cannot wipe (before 4.14): a child has a copy of everything */

static void *map_for_children(size_t len, int advice)
{
	long at = raw_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_is_error(at))
		return NULL;
	if (advice && raw_is_error(raw_madvise((void *)at, len, advice)) &&
	    advice == MADV_WIPEONFORK) {
		is_copied = true;
		pool_stay();
	}
	return (void *)at;
}

/*
 * fork() copies the page tables of what a process has touched, and waits for it: 2 us for each
 * 2 MiB that have a page.  Of this memory no child has any use.
 */
void *map_memory(size_t len)
{
	return map_for_children(len, is_copied ? 0 : MADV_DONTFORK);
}

void *map_wiped(size_t len)
{
	return map_for_children(len, MADV_WIPEONFORK);
}

static void *pool_map(size_t len)
{
	void *at;

	if (len > POOL_LIMIT - pool.mapped)
		return NULL;
	at = map_for_children(len, pool.stays ? 0 : MADV_DONTFORK);
	if (at)
		pool.mapped += len;
	return at;
}

/* The word last: until then a child forgets, which is right for what of it is not there. */
void pool_stay(void)
{
	for (size_t i = 0; i < pool.chunks; i++)
		raw_madvise(pool.chunk[i], POOL_CHUNK, MADV_DOFORK);
	for (struct block *b = pool.large; b; b = b->next_free)
		raw_madvise(b, b->bytes, MADV_DOFORK);
	if (pool.spare)
		raw_madvise(pool.spare, pool.spare->bytes, MADV_DOFORK);
	pool.stays = true;
}

bool pool_forget(void)
{
	size_t limit = pool.limit;

	if (pool.stays)
		return false;
	memset(&pool, 0, sizeof(pool));
	pool.limit = limit;
	return true;
}

static unsigned int class_of(size_t bytes)
{
	unsigned int shift = CLASS_MIN_SHIFT;

	while (((size_t)1 << shift) < bytes)
		shift++;
	return shift - CLASS_MIN_SHIFT;
}

/* The rest of the old chunk is too short for this class: it becomes blocks of smaller ones. */
static void retire_bump(void)
{
	for (unsigned int c = CLASSES; c-- > 0;) {
		size_t bytes = (size_t)1 << (c + CLASS_MIN_SHIFT);

		while (pool.bump_len >= bytes) {
			struct block *b = (struct block *)pool.bump;

			b->next_free = pool.free[c];
			pool.free[c] = b;
			pool.bump += bytes;
			pool.bump_len -= bytes;
		}
	}
}

static struct block *carve(size_t bytes)
{
	struct block *b;

	if (pool.bump_len < bytes) {
		char *chunk = pool_map(POOL_CHUNK);

		if (!chunk)
			return NULL;
		retire_bump();
		pool.chunk[pool.chunks++] = chunk;
		pool.bump = chunk;
		pool.bump_len = POOL_CHUNK;
	}
	b = (struct block *)pool.bump;
	pool.bump += bytes;
	pool.bump_len -= bytes;
	return b;
}

static struct block *block_take(size_t bytes)
{
	unsigned int c = class_of(bytes);
	struct block *b = pool.free[c];

	bytes = (size_t)1 << (c + CLASS_MIN_SHIFT);
	if (b)
		pool.free[c] = b->next_free;
	else
		b = carve(bytes);
	if (b)
		b->bytes = bytes;
	return b;
}

static struct block *spare_take(size_t bytes)
{
	struct block *b = pool.spare;

	if (!b || b->bytes < bytes || b->bytes / 2 > bytes)
		return NULL;
	pool.spare = NULL;
	return b;
}

/* Keeps b, unless it is long; gives back what was kept before. */
static void unmap(struct block *b)
{
	struct block **at = &pool.large;
	struct block *old = b;

	while (*at != b)
		at = &(*at)->next_free;
	*at = b->next_free;

	if (b->bytes <= SPARE_MAX) {
		old = pool.spare;
		pool.spare = b;
	}
	if (!old)
		return;
	pool.mapped -= old->bytes;
	raw_munmap(old, old->bytes);
}

static struct block *block_map(size_t bytes)
{
	struct block *b = spare_take(bytes);

	if (!b) {
		b = pool_map(round_up(bytes, PAGE));
		if (!b)
			return NULL;
		b->bytes = round_up(bytes, PAGE);
	}
	b->next_free = pool.large;
	pool.large = b;
	return b;
}

void *pool_malloc(size_t len)
{
	struct block *b;

	if (len > POOL_LIMIT)
		return NULL;
	len += sizeof(struct block);
	b = len <= (size_t)1 << CLASS_MAX_SHIFT ? block_take(len) : block_map(len);
	if (!b)
		return NULL;
	pool.in_use += b->bytes;
	if (UNLIKELY(pool.limit && pool.in_use > pool.limit)) {
		pool_free(b + 1);
		return NULL;
	}
	return b + 1;
}

void pool_free(void *at)
{
	struct block *b;
	unsigned int c;

	if (!at)
		return;
	b = (struct block *)at - 1;
	pool.in_use -= b->bytes;
	if (b->bytes > (size_t)1 << CLASS_MAX_SHIFT) {
		unmap(b);
		return;
	}
	c = class_of(b->bytes);
	b->next_free = pool.free[c];
	pool.free[c] = b;
}

void *pool_realloc(void *at, size_t len)
{
	size_t room = at ? ((struct block *)at - 1)->bytes - sizeof(struct block) : 0;
	void *to;

	if (at && len <= room && len >= room / 4)
		return at;
	to = pool_malloc(len);
	if (!to)
		return NULL;
	if (at) {
		memcpy(to, at, len < room ? len : room);
		pool_free(at);
	}
	return to;
}

void *pool_calloc(size_t n, size_t len)
{
	void *at;

	if (len && n > POOL_LIMIT / len)
		return NULL;
	at = pool_malloc(n * len);
	if (at)
		memset(at, 0, n * len);
	return at;
}

char *pool_strdup(const char *s)
{
	size_t len = strlen(s) + 1;
	char *to = pool_malloc(len);

	return to ? memcpy(to, s, len) : NULL;
}

/* libcurl's and c-ares' own defaults, and protobuf-c's: no name of the host's is bound for them. */
void *__wrap_malloc(size_t len) __attribute__((alias("pool_malloc")));
void *__wrap_calloc(size_t n, size_t len) __attribute__((alias("pool_calloc")));
void *__wrap_realloc(void *at, size_t len) __attribute__((alias("pool_realloc")));
void __wrap_free(void *at) __attribute__((alias("pool_free")));
char *__wrap_strdup(const char *s) __attribute__((alias("pool_strdup")));

size_t pool_mapped(void)
{
	return pool.mapped;
}

size_t pool_in_use(void)
{
	return pool.in_use;
}

void pool_set_limit(size_t bytes)
{
	pool.limit = bytes;
}

struct scratch_chunk {
	struct scratch_chunk *next;
	size_t bytes; /* of the mapping */
	size_t used;  /* header included */
	size_t reserved;
	char data[];
};

static struct scratch_chunk *scratch_grow(struct scratch *a, size_t len)
{
	size_t bytes = round_up(len + sizeof(struct scratch_chunk), SCRATCH_CHUNK);
	struct scratch_chunk *c;

	if (bytes > a->limit || a->mapped > a->limit - bytes)
		return NULL;
	c = map_memory(bytes);
	if (!c)
		return NULL;
	c->bytes = bytes;
	c->used = sizeof(*c);
	a->mapped += bytes;
	if (a->at) {
		c->next = a->at->next;
		a->at->next = c;
	} else {
		a->first = c;
	}
	return c;
}

/* The next chunk that has room, or a new one.  Kept chunks too short for len are left for later. */
static struct scratch_chunk *scratch_advance(struct scratch *a, size_t len)
{
	struct scratch_chunk *c = a->at ? a->at->next : a->first;

	if (!c || c->bytes - c->used < len)
		c = scratch_grow(a, len);
	if (c)
		a->at = c;
	return c;
}

void *scratch_alloc(struct scratch *a, size_t len)
{
	struct scratch_chunk *c = a->at;
	void *at;

	if (len > a->limit)
		return NULL;
	len = round_up(len, 8);
	if (!c || c->bytes - c->used < len)
		c = scratch_advance(a, len);
	if (!c)
		return NULL;
	at = (char *)c + c->used;
	c->used += len;
	return at;
}

void scratch_shrink(struct scratch *a, void *last, size_t len)
{
	a->at->used = (size_t)((char *)last - (char *)a->at) + round_up(len, 8);
}

void scratch_reset(struct scratch *a)
{
	for (struct scratch_chunk *c = a->first; c; c = c->next)
		c->used = sizeof(*c);
	a->at = a->first;
}

static void scratch_release(struct scratch *a, struct scratch_chunk *from)
{
	while (from) {
		struct scratch_chunk *next = from->next;

		a->mapped -= from->bytes;
		raw_munmap(from, from->bytes);
		from = next;
	}
}

void scratch_trim(struct scratch *a)
{
	size_t kept = 0;

	scratch_reset(a);
	for (struct scratch_chunk **c = &a->first; *c; c = &(*c)->next) {
		kept += (*c)->bytes;
		if (kept <= SCRATCH_KEPT || c == &a->first)
			continue;
		scratch_release(a, *c);
		*c = NULL;
		return;
	}
}

void scratch_done(struct scratch *a)
{
	scratch_release(a, a->first);
	a->first = NULL;
	a->at = NULL;
}
