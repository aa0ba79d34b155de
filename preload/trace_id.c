/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers: a counter with a random start and a random odd step of each thread's own, through
 * a mixing function that maps no two values to one.  Stepping the counter is the only change of
 * state and is one instruction, so a signal handler that asks for ids in the middle of ours gets
 * others.  Not for secrets: ids are to be unique, not hard to guess.
 */
#include "trace_id.h"

#include <stdatomic.h>
#include <sys/auxv.h>

#include "clock.h"
#include "guard.h"
#include "hex.h"
#include "process.h"
#include "rawsys.h"
#include "rng.h"

#define GRND_NONBLOCK_ 1u /* <sys/random.h> is newer than our oldest libc */

enum { SEED_WORDS = RNG_WORDS + 1 }; /* and one for the key of places */

/*
 * Early in the boot of a machine the kernel has no entropy yet, and a filter may forbid the call:
 * what tells this thread from all others of all times must do.
 */
static void seed_without_kernel(uint64_t seed[static SEED_WORDS])
{
	const void *auxv = (const void *)getauxval(AT_RANDOM); /* 16 random bytes of exec's */
	uint64_t random[2] = { 0, 0 };
	uint64_t x = (uint64_t)(uintptr_t)&thread_self;

	if (auxv)
		memcpy(random, auxv, sizeof(random));
	x = rng_mix(x ^ random[0]) + clock_realtime_ns();
	x = rng_mix(x ^ random[1]) + clock_monotonic_ns();
	x = rng_mix(x) + ((uint64_t)process_pid() << 32 | (uint32_t)raw_gettid());
	for (int i = 0; i < SEED_WORDS; i++)
		seed[i] = rng_mix(x += 0x9e3779b97f4a7c15u);
}

_Atomic uint64_t rng_place_key;

/* Once, and the same for all threads, and for children, who have the same table. */
static void key_set(uint64_t random)
{
	uint64_t none = 0;

	atomic_compare_exchange_strong(&rng_place_key, &none, random | 1);
}

static NO_INLINE void rng_seed(uint32_t epoch)
{
	uint64_t seed[SEED_WORDS];

	if (raw_getrandom(seed, sizeof(seed), GRND_NONBLOCK_) != (long)sizeof(seed))
		seed_without_kernel(seed);
	/* Odd: the counter runs through all 2^64 values; its last bits, one after the other. */
	seed[RNG_STEP] = (seed[RNG_STEP] & ~(uint64_t)(RNG_PLACES - 1)) | 1;
	key_set(seed[RNG_WORDS]);
	memcpy(thread_self.rng, seed, sizeof(thread_self.rng));
	thread_self.tid = (uint32_t)raw_gettid();
	/* Last: a handler that comes before this seeds for itself. */
	atomic_signal_fence(memory_order_release);
	thread_self.rng_owner = epoch;
}

static ALWAYS_INLINE void rng_ready(void)
{
	uint32_t epoch = process_epoch();

	if (UNLIKELY(thread_self.rng_owner != epoch))
		rng_seed(epoch);
}

void trace_id_new(struct trace_id *ret_id)
{
	uint64_t w[2];

	rng_ready();
	do {
		w[0] = rng_next();
		w[1] = rng_next();
	} while (UNLIKELY((w[0] | w[1]) == 0));
	memcpy(ret_id->bytes, w, sizeof(w));
}

void span_id_new(struct span_id *ret_id)
{
	uint64_t w;

	rng_ready();
	w = rng_span_id();
	memcpy(ret_id->bytes, &w, sizeof(w));
}

void hex_encode(char *to, const uint8_t *from, size_t n)
{
	static const char names[16] = { '0', '1', '2', '3', '4', '5', '6', '7',
					'8', '9', 'a', 'b', 'c', 'd', 'e', 'f' };

	for (; n >= 8; n -= 8, to += 16, from += 8)
		hex_encode_8(to, from);
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = names[from[i] >> 4];
		to[2 * i + 1] = names[from[i] & 15];
	}
}

/* -1: not a digit.  Upper case is none (C4). */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(uint8_t *to, const char *from, size_t n)
{
	hex_digits wrong = { 0 };

	for (; n >= 8; n -= 8, to += 8, from += 16)
		hex_decode_8(to, from, &wrong);
	if (!hex_is_right(wrong))
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_value(from[2 * i]);
		int low = hex_value(from[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		to[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
