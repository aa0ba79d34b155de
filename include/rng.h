/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RNG_H
#define RNG_H
/* The generator of ids of a thread, for trace_id.c and for who wants to know what it will say. */
#include <stdint.h>

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

/* What span_id_new() most likely returns to this thread next, as a word: a hint, no more. */
static ALWAYS_INLINE uint64_t span_id_expected(void)
{
	return rng_word(thread_self.rng[RNG_COUNTER]);
}

#endif
