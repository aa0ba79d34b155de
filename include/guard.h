/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_H
#define GUARD_H
/*
 * Are we already inside ourselves?  A signal handler may call a hooked function while this thread
 * is in our code: then the inner call passes through and touches nothing (law 3).  The
 * application's call itself is always made outside the guard, so that a longjmp or a cancellation
 * out of it leaves nothing behind (law 1).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "span.h"
#include "stack.h"

/*
 * All that we keep per thread; the budget is 256 bytes of every thread's stack (design 7).  What a
 * usual request needs comes first, in two lines.
 */
struct thread {
	union {
		struct {
			uint8_t inside;   /* in our own code */
			uint8_t in_vfork; /* from vfork to exec: a child in our memory (law 9) */
			uint8_t ours;     /* the exporter thread: never observed */
		};
		uint32_t not_free; /* any of them */
	};
	uint8_t crowded;       /* context.c: more requests under way than open[] holds */
	uint8_t in_doubt;      /* context.c: until the next wait */
	uint8_t said_in_doubt; /* said.c: it may do another task's work */
	uint8_t records;       /* span.c: as it did with the span it started last: a hint */
	int wait_fd;           /* context.c: the one descriptor that the last wait was for */
	uint32_t waits;        /* context.c: waits of this thread so far */
	uint32_t wait_ms;      /* loop.c: when the last of them was over; of the monotonic clock */
	uint32_t due_ms;       /* context.c: when a timer may fire */
	uint32_t tid;          /* cached; 0: not asked yet */
	uint32_t rng_owner;    /* process epoch for which rng was seeded, 0: never */
	uint64_t rng[4];
	struct span_ref current;   /* context.c: the request that this thread works for */
	struct span_ref inherited; /* inherit.h: the request whose handler started this thread */
	uint64_t *counts;          /* stats.h: the first thread's counters; NULL: this is another */
	struct span_ref stack_due; /* stack.c: the span that ends when the guard is left */
	uint64_t tls_inside;       /* tls_glance.h: whose ciphertext is moved, if any */
	uintptr_t tls_frame;       /* tls_glance.h: of that call */
	const void *caller; /* io.h: who called libc to read or write, while it is under way */

	uint64_t stack_end_ns;    /* stack.c: the end of stack_due */
	struct span_ref open[4];  /* context.c: requests that this thread has read */
	uint64_t opened[4];       /* inherit.c: connections that it opened since */
	void *vfork_copy;         /* child_env.c: a vfork child's environment */
	struct span_ref said;     /* said.c: the innermost span that the application has started */
	struct span_ref said_for; /* said.c: the request for which, as all that it is within */
	const void *calling;      /* library.h: the function of a library that was called last */
	uintptr_t in_libpq;       /* frame of a call of ours that opens a connection by libpq */
	uint16_t place; /* context.c: where a JVM's thread read its last request (jvm.h) */
};
_Static_assert(sizeof(struct thread) <= 256, "thread-locals are carved out of every stack");
_Static_assert(offsetof(struct thread, caller) + sizeof(void *) <= 128, "two lines");

extern HIDDEN THREAD_LOCAL struct thread thread_self;

static ALWAYS_INLINE bool guard_is_free(void)
{
	return !thread_self.not_free;
}

static ALWAYS_INLINE bool guard_enter(void)
{
	if (!guard_is_free())
		return false;
	thread_self.inside = 1;
	atomic_signal_fence(memory_order_seq_cst);
	return true;
}

static ALWAYS_INLINE void guard_leave(void)
{
	if (UNLIKELY(thread_self.stack_due.slot))
		stack_take();
	atomic_signal_fence(memory_order_seq_cst);
	thread_self.inside = 0;
}

#endif
