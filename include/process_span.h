/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROCESS_SPAN_H
#define PROCESS_SPAN_H
/*
 * Spans of programs (D112), if OTEL_INTERSPAN_PROCESS_SPANS asks for them: INTERNAL in the program
 * itself, from its start to its end, and CLIENT in the one that starts it, from the start to the
 * wait.  All that a program does without a request lies below its own.
 *
 * A child that fork(2) made opens the CLIENT span itself, in its parent's name, when it execs: only
 * then is it known that there is a program.  It tells its parent by a word in memory that both
 * have; the record lies in the store, which both have, too.
 *
 * All functions: any thread, async-signal-safe, no lock; inside the guard where they touch spans.
 * Without the setting they do nothing.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "compiler.h"
#include "config.h"
#include "span.h"

/* --- the program's own --- */

/* At start-up; asked: the name of its executable where /proc tells none, borrowed for ever. */
void process_span_begin(struct bytes asked);

/* The status that it is about to exit with, as exit(3) takes it. */
void process_span_status(int status);

/* Will libc tell of exit(), after all destructors?  Then that is the end, not ours. */
bool process_span_is_told(void);

/* It ends, or becomes another one: false if it has no span that could end. */
bool process_span_end(void);

/* It did not become another one. */
void process_span_resume(void);

/* Sets process.exit.code, and the error that any but 0 is. */
void process_exit_code(struct span *s, int code);

/* --- programs that it starts --- */

/*
 * Around fork(2): a place for what the child will tell, 0: none; and what becomes of it in the
 * parent (negative pid: there is no child) and in the child.
 */
uint32_t child_reserve(void);
void child_forked(uint32_t place, pid_t pid);
void child_born(uint32_t place);

/*
 * Opens the CLIENT span of a program that is about to be started; {0, 0}: none.  by_birth: by a
 * forked child, which becomes that program; false of child_is_born() means that it is none.  buf is
 * for a trace state.
 */
bool child_is_born(void);
struct span_ref child_span_open(const char *path, bool by_birth, char *buf, size_t cap);

/* It could not be started. */
void child_span_fail(struct span_ref client);

/*
 * It runs, and will be waited for by this key: its pid, or (CHILD_STREAM) the address of a stream.
 * The pid becomes an attribute.
 */
#define CHILD_STREAM (1ull << 63)
void child_span_runs(struct span_ref client, uint64_t key);

/* It is over: the status is that of wait(2), negative if unknown. */
void child_span_over(struct span_ref client, int status);
void child_over(uint64_t key, int status);

/* This program ends: it will not wait any more. */
void children_leave(void);

/* Are there any to be waited for? */
extern _Atomic uint32_t children_open;

static ALWAYS_INLINE bool child_any(void)
{
	return UNLIKELY(atomic_load_explicit(&children_open, memory_order_relaxed) != 0);
}

#endif
