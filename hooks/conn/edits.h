/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDITS_H
#define EDITS_H
/* What is changed of a request head on its way out (inject.h), and how much of that is out. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A change of a request head's bytes on their way out. */
struct edit {
	uint64_t at;      /* position in the application's stream */
	const char *text; /* ours; what was made for this head is in scratch->edit */
	const char
		*old; /* as many of the application's, any case, that it stands for; NULL: none */
	uint32_t len;
};

#define EDITS_MAX 8u

/* What is counted of a head once it has left, however often it was tried. */
enum head_fact {
	HEAD_ROOT = 1u << 0,    /* its span has no parent */
	HEAD_STALE = 1u << 1,   /* it carries the tag of a request that has ended */
	HEAD_FOREIGN = 1u << 2, /* a header that is nobody's whom we know */
	HEAD_SERVED = 1u << 3,  /* the same, while a request is served that is its cause */
};

/* Those of the head under way, in their order: the last one may be an insertion. */
struct edits {
	struct edit list[EDITS_MAX];
	uint8_t count;
	uint8_t done;    /* those that are out */
	uint8_t renames; /* among them */
	uint8_t why_not; /* enum stat_id: the head is not told of our span; 0: it is */
	uint8_t facts;   /* enum head_fact */
	bool is_rewrite;
	/* In the kernel's hands: left so by a longjmp, nothing is known. */
	_Atomic bool is_under_way;
	_Atomic bool owes; /* part of a line of ours is out, and the rest goes ahead of all else */
	uint32_t sent;     /* bytes of the next one that are out */
	/* What the head was that they were made for. */
	uint64_t closing;
	uint8_t traceparents;
	uint8_t tracestates;
};

static inline void edits_clear(struct edits *e)
{
	e->count = e->done = e->renames = e->why_not = e->facts = 0;
	e->sent = 0;
	e->is_rewrite = false;
	atomic_store_explicit(&e->owes, false, memory_order_relaxed);
}

/* No more of them; why: counted when the head has left. */
static inline void edits_refuse(struct edits *e, unsigned why)
{
	e->count = e->done;
	e->sent = 0;
	e->why_not = (uint8_t)why;
	atomic_store_explicit(&e->owes, false, memory_order_relaxed);
}

static inline bool edits_have_begun(const struct edits *e)
{
	return e->done || e->sent;
}

/* Who does not hold the half may ask. */
static inline bool edits_owe(const struct edits *e)
{
	return atomic_load_explicit(&e->owes, memory_order_relaxed);
}

static inline bool edits_are_under_way(const struct edits *e)
{
	return atomic_load_explicit(&e->is_under_way, memory_order_acquire);
}

#endif
