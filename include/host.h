/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_H
#define HOST_H
/*
 * The process that we are in: do we observe it at all, and what the rooms tell each other when it
 * starts, forks, changes its program and ends.
 *
 * Birth (law 6): constructors of needed libraries and .preinit_array run before ours, so whoever
 * comes first, constructor or hook, calls host_start().  Until that has succeeded, and for good
 * when we stand down (law 8), host_is_observed() is false and every hook passes through.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"

extern HIDDEN _Atomic bool host_observed;

/* One load.  False: make the real call and nothing else. */
static ALWAYS_INLINE bool host_is_observed(void)
{
	return atomic_load_explicit(&host_observed, memory_order_relaxed);
}

/* Idempotent, any thread, signal-safe, never waits; errno is kept. */
void host_start(void);

/*
 * It has called listen(2).  What it forks are its workers: they share a store with it, and with
 * each other, from the beginning, so that one of them delivers for all, and who survives tells of
 * who does not.
 */
extern HIDDEN _Atomic bool host_listens;

/* How the process, or its program, comes to an end: says what may still be done. */
enum host_end {
	HOST_EXITS, /* exit(), return from main(): not from a signal handler */
	HOST_STOPS, /* _exit() and its like: perhaps from a signal handler */
	HOST_EXECS, /* the same, and it may fail, so that the process goes on */
	/* The same (a handler may jump out of it), and perhaps the host's allocator is locked. */
	HOST_ABORTS,
};

/* Neither a failed exec nor a handler that jumps out of abort(): nobody comes back. */
static inline bool host_end_is_final(enum host_end how)
{
	return how == HOST_EXITS || how == HOST_STOPS;
}

/*
 * Delivers what waits, for shutdown_timeout_ms at most over all calls, and writes the line of
 * counters.  Signal-safe; nothing at all in a vfork child.  errno is kept.
 */
void host_ends(enum host_end how);

/* For good, and for all that it forks: every hook passes through.  The log is told before. */
void host_goes_quiet(void);

/*
 * Of the connections' room: the settings are taken, and what other rooms make of them is made.
 * Once, or by tests; until then nothing is taken for usual (usual.h).
 */
void conn_take_settings(void);

/*
 * Of the connections' room: the process ends, and with it what is open, as by close(2).  A request
 * that is being served then has the error `process_exited`.  By the only thread of the process,
 * inside the guard; signal-safe.
 */
void conn_process_ends(void);

/*
 * Around the real fork(): what before returns is handed on to after.  No library lock that our own
 * thread could hold is held over it.
 */
struct host_fork {
	bool is_held;
	bool has_stacks; /* nobody is taking one (stack.h) */
	uint32_t place;  /* process_span.h */
};
struct host_fork host_before_fork(void);
void host_after_fork_in_parent(struct host_fork before, pid_t child);
void host_after_fork_in_child(struct host_fork before);

/* It is about to end with this status, as exit(3) takes it. */
void host_status(int status);

/* The calling thread ends by pthread_exit(3) or exit(2), perhaps not the process. */
void host_thread_ends(void);

#endif
