/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RNG_H
#define RNG_H
/* The generator of ids of a thread, for trace_id.c and for who wants to know what it will say. */
#include <stdatomic.h>
#include <stdint.h>

#include "compiler.h"
#include "guard.h"

/* thread_self.rng */
enum { RNG_COUNTER, RNG_STEP, RNG_BEFORE, RNG_AFTER, RNG_WORDS };

/* Sebastiano Vigna's splitmix64 finaliser (David Stafford's variant 13): a bijection. */
static ALWAYS_INLINE uint64_t rng_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* What the calling thread's generator makes of that counter. */
static ALWAYS_INLINE uint64_t rng_word(uint64_t counter)
{
	return rng_mix(counter ^ thread_self.rng[RNG_BEFORE]) + thread_self.rng[RNG_AFTER];
}

/* Returns the counter and moves it on. */
static ALWAYS_INLINE uint64_t rng_step(void)
{
#if defined(__x86_64__)
	uint64_t step = thread_self.rng[RNG_STEP];

	/*
	 * No lock prefix: against signals one instruction is enough, and no other thread comes
	 * here.
	 */
	__asm__ volatile("xaddq %0, %1" : "+r"(step), "+m"(thread_self.rng[RNG_COUNTER]) : : "cc");
	return step;
#else
	return __atomic_fetch_add(&thread_self.rng[RNG_COUNTER], thread_self.rng[RNG_STEP],
				  __ATOMIC_RELAXED);
#endif
}

/* Of a thread whose rng_owner is this process. */
static ALWAYS_INLINE uint64_t rng_next(void)
{
	return rng_word(rng_step());
}

/*
 * Who looks spans up by their ids finds those of one thread side by side, in the order in which it
 * made them: a table that each request enters somewhere else is out of the processor's caches each
 * time, and what was there for the host is out of them afterwards.  So the last bits of an id are
 * those of the counter, made unrecognizable by what the other bits are and by a key of this
 * process: who does not have that sees 64 random bits (C19).  It is no secret to be relied on:
 * who collects ids in order to find it finds out how many were made between two of them.
 */
#define RNG_PLACES 8192u
#define RNG_PLACE_BITS 13

extern HIDDEN _Atomic uint64_t rng_place_key; /* odd; 0: no id was made yet */

static ALWAYS_INLINE uint64_t rng_place_mask(uint64_t id)
{
	uint64_t key = atomic_load_explicit(&rng_place_key, memory_order_relaxed);

	return (id >> RNG_PLACE_BITS) * key >> (64 - RNG_PLACE_BITS);
}

/* Of any id, as a word: of those that this process made, the order. */
static ALWAYS_INLINE uint32_t rng_place(uint64_t id)
{
	return (uint32_t)(id ^ rng_place_mask(id)) % RNG_PLACES;
}

/* Where the next one of the calling thread's most likely is: a hint, no more. */
static ALWAYS_INLINE uint32_t rng_place_expected(void)
{
	return (uint32_t)thread_self.rng[RNG_COUNTER] % RNG_PLACES;
}

/* A span's id, of a thread whose rng_owner is this process.  Never zero. */
static ALWAYS_INLINE uint64_t rng_span_id(void)
{
	uint64_t counter, id;

	do {
		counter = rng_step();
		id = rng_word(counter) & ~(uint64_t)(RNG_PLACES - 1);
		id |= (counter ^ rng_place_mask(id)) % RNG_PLACES;
	} while (UNLIKELY(id == 0));
	return id;
}

#endif
