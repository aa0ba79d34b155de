/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STACK_H
#define STACK_H
/*
 * Where in the program was this call made?  A CLIENT span that failed, or took long, keeps the
 * return addresses of the thread that saw its end; the exporter makes text of them (code.*).
 *
 * At most STACKS_PER_SECOND, only with no signal blocked (a signal handler has its own blocked),
 * never in a vfork child, and when no lock of ours is held: hence the guard's end, not the span's.
 * No lock of the loader's or of libunwind's, no memory or descriptor of the host's.
 */
#include <stdbool.h>
#include <stdint.h>

#include "span.h"

#define STACKS_PER_SECOND 10u
#define STACK_FRAMES_MAX 64u
#define STACK_MODULES_MAX 16u
#define STACK_PATH_MAX 255u /* a longer path is not kept */
#define STACK_ID_MAX 20u

/*
 * Ends s (NULL: nothing) as span_end_at() does, with a stack if OTEL_INTERSPAN_STACK_THRESHOLD says
 * so: then it ends when the guard is left that the caller is in.  Async-signal-safe, no lock.
 */
void stack_end_span(struct span *s, uint64_t monotonic_ns);

/* For guard_leave(), if the calling thread has a span that waits for it. */
void stack_take(void);

/*
 * For the fork hook: nobody is in the middle of a stack until stack_resume(), in parent and child,
 * or (false) one is, for too long; a child never takes a stack then.
 */
MUST_USE bool stack_quiesce(void);
void stack_resume(void);

/* For tests: instead of STACKS_PER_SECOND. */
void stack_set_limit(uint32_t per_second);

/*
 * ITEM_STACK: struct stack_item, frames, then for each module struct stack_module, its build id and
 * its path.  Nothing is aligned.
 */
struct stack_item {
	uint8_t frames;
	uint8_t modules;
};

#define STACK_NO_MODULE 0xffu

/* Innermost first.  at: a return address as the file of its module has it. */
struct stack_frame {
	uint64_t at;
	uint8_t module; /* its number, or STACK_NO_MODULE: at is where it was in memory */
} __attribute__((packed));

struct stack_module {
	uint8_t id_len;   /* 0: it has none */
	uint8_t path_len; /* 0: the program */
};

#endif
