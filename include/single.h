/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SINGLE_H
#define SINGLE_H
/*
 * glibc's word for "no thread but the caller's" (__libc_single_threaded, 2.32).  Every malloc() and
 * every call that may block asks for it, and where it is not so takes locks: twenty locked
 * instructions in one of nginx's requests.  Our thread takes no part in what those protect (it has
 * an allocator of its own, and of libc only what keeps no state), so a host that has one thread
 * keeps the word that it had without us.  The host's own pthread_create() takes it back.
 *
 * But setuid() and its like ask, too, whether there are other threads to take along: ours must be.
 *
 * Any thread, async-signal-safe; errno is kept.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

/* False where glibc is too old to say. */
bool single_get(void);

/* The word itself, of zero until single_init(), at start-up, has found libc's. */
extern HIDDEN const volatile char *single_word;
void single_init(void);

/* As single_get(), for two loads. */
static ALWAYS_INLINE bool single_is(void)
{
	return *single_word;
}

/*
 * Compare-exchange (acquire, release) and subtraction (release, sequentially consistent) on a word
 * that only the threads of this process share.  Where the host has one, they are one instruction
 * each, and nothing but a signal handler can come between: the lock prefix, which takes as long as
 * thirty other instructions, is left out.
 */
static ALWAYS_INLINE bool single_exchange(_Atomic uint64_t *word, uint64_t *expected,
					  uint64_t desired)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	if (LIKELY(single_is())) {
		bool is_done;

		__asm__ volatile("cmpxchgq %3, %1"
				 : "=@ccz"(is_done), "+m"(*word), "+a"(*expected)
				 : "r"(desired)
				 : "memory");
		return is_done;
	}
#endif
	return atomic_compare_exchange_strong_explicit(word, expected, desired,
						       memory_order_acq_rel, memory_order_relaxed);
}

static ALWAYS_INLINE uint64_t single_sub(_Atomic uint64_t *word, uint64_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	if (LIKELY(single_is())) {
		uint64_t was = -n;

		__asm__ volatile("xaddq %0, %1" : "+r"(was), "+m"(*word) : : "memory", "cc");
		return was;
	}
#endif
	return atomic_fetch_sub(word, n);
}

/*
 * On such words as above, too: the second returns what was there; sequentially consistent.
 */
static ALWAYS_INLINE void single_add(_Atomic uint64_t *word, uint64_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	if (LIKELY(single_is())) {
		__asm__ volatile("addq %1, %0" : "+m"(*word) : "er"(n) : "memory", "cc");
		return;
	}
#endif
	atomic_fetch_add(word, n);
}

static ALWAYS_INLINE uint32_t single_add_small(_Atomic uint32_t *word, uint32_t n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	if (LIKELY(single_is())) {
		__asm__ volatile("xaddl %0, %1" : "+r"(n), "+m"(*word) : : "memory", "cc");
		return n;
	}
#endif
	return atomic_fetch_add(word, n);
}

static ALWAYS_INLINE void single_or(_Atomic uint64_t *word, uint64_t bits)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	if (LIKELY(single_is())) {
		__asm__ volatile("orq %1, %0" : "+m"(*word) : "r"(bits) : "memory", "cc");
		return;
	}
#endif
	atomic_fetch_or(word, bits);
}

/*
 * Does this pthread_create() start one thread and no other?  libc's does; one of another preload's
 * or of a sanitizer may start a thread of its own as well.
 */
bool single_survives(void *create);

/* To true only by who knows that nobody but our own thread was started since it was so. */
void single_set(bool is_so);

#endif
