/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHILD_ENV_H
#define CHILD_ENV_H
/*
 * The environment of a program that is about to be started, and the span that starts it.  The copy
 * carries TRACEPARENT and TRACESTATE of the request that the calling thread works for; all else,
 * LD_PRELOAD too, is as it was given, and the caller's own strings are shared.
 *
 *   the environment names     a request is proven    none is
 *   nothing, or no valid one  the request's          as it is
 *   who started us, or the
 *   request's caller          the request's          as it is, or nothing once we serve (C110)
 *   somebody else             as it is: an SDK of the application's has told it
 *
 * The copy is a mapping of its own: who execs may be a forked child of many threads, where nothing
 * may allocate, or a vfork child, whose memory is its parent's.  That parent gives it back.
 *
 * Async-signal-safe, any thread, no lock; errno is kept.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "span.h"

enum child_how {
	CHILD_EXECS, /* in place of the calling program, or by a child that a fork made for it */
	CHILD_IS_SPAWNED,
};

struct child_env {
	char *const *envp;      /* to be handed on: the copy, or what was given */
	void *copy;             /* NULL: none was made */
	struct span_ref client; /* the program's span in its caller (process_span.h), if any */
	bool has_ended;         /* the span of the program that execs */
};

/* program: its path, for that span. */
struct child_env child_env_begin(char *const *envp, const char *program, enum child_how how);

/* The exec has failed. */
void child_env_failed(struct child_env *e);

/* What was spawned runs (its pid), or not (negative); e.client is the caller's to end (0). */
void child_env_spawned(struct child_env *e, pid_t pid);

/* In the parent of a vfork child, whose pid this is, that may have left its copy here. */
void child_env_vforked(pid_t pid);

/*
 * For calls that take `environ` themselves, inside libc (system, popen): it is the copy while they
 * last.  Only while this process has had one thread: others might be reading it.  frame: that of
 * the hook; a longjmp out of the call is found out by it (law 10).
 */
struct child_env child_env_lend(uintptr_t frame);
void child_env_take_back(const struct child_env *e);

/* This process makes threads. */
extern _Atomic bool child_env_has_threads;

static inline void child_env_thread(void)
{
	atomic_store_explicit(&child_env_has_threads, true, memory_order_relaxed);
}

#endif
