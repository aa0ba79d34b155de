/* SPDX-License-Identifier: Apache-2.0 */
#include "inherit.h"

#include <stdatomic.h>
#include <stddef.h>

#include "context.h"
#include "process.h"
#include "runtime.h"
#include "stats.h"

/* --- what a thread may read from --- */

void inherit_opened(uint64_t entry)
{
	struct thread *t = &thread_self;

	if (!inherit_has())
		return;
	for (size_t i = ARRAY_LEN(t->opened) - 1; i; i--)
		t->opened[i] = t->opened[i - 1];
	t->opened[0] = entry;
}

bool inherit_has_opened(uint64_t entry)
{
	for (size_t i = 0; entry && i < ARRAY_LEN(thread_self.opened); i++)
		if (thread_self.opened[i] == entry)
			return true;
	return false;
}

/* --- who else may wait and lock --- */

void inherit_locks(const void *caller)
{
	enum runtime_code code = runtime_code_at(caller);

	if (code != CODE_CURL && code != CODE_CRYPTO)
		inherit_end();
}

void inherit_waits(const void *caller)
{
	if (runtime_code_at(caller) != CODE_CURL)
		inherit_end();
}

/* --- threads that are being started --- */

/*
 * Each is in use from pthread_create() until the thread runs: microseconds, and longer only where
 * more threads than that wait for a processor.
 */
#define STARTS 128u

struct inherit_start {
	_Atomic uint32_t owner; /* process epoch; 0: free.  Another's: its threads are not here. */
	struct span_ref from;
	inherit_routine *routine;
	void *arg;
};

static struct inherit_start starts[STARTS];
static _Atomic uint32_t next;

static struct inherit_start *start_take(void)
{
	uint32_t self = process_epoch();
	uint32_t at = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);

	for (uint32_t i = 0; i < STARTS; i++) {
		struct inherit_start *s = &starts[(at + i) % STARTS];
		uint32_t owner = atomic_load_explicit(&s->owner, memory_order_relaxed);

		if (owner != self && atomic_compare_exchange_strong(&s->owner, &owner, self))
			return s;
	}
	return NULL;
}

void inherit_cancel(struct inherit_start *s)
{
	atomic_store_explicit(&s->owner, 0, memory_order_release);
}

/* The C++ library starts std::thread and std::async on the program's behalf. */
static bool is_program(const void *caller)
{
	enum runtime_code code = runtime_code_at(caller);

	return code == CODE_PROGRAM || code == CODE_CXX;
}

struct inherit_start *inherit_prepare(inherit_routine *routine, void *arg, const void *caller)
{
	struct span_ref from = context_to_inherit();
	struct inherit_start *s;

	if (!from.slot || !is_program(caller))
		return NULL;
	s = start_take();
	if (!s) {
		stats_inc(STAT_INHERIT_FULL);
		return NULL;
	}
	s->from = from;
	s->routine = routine;
	s->arg = arg;
	return s;
}

void *inherit_run(void *start)
{
	struct inherit_start *s = start;
	inherit_routine *routine = s->routine;
	void *arg = s->arg;

	thread_self.inherited = s->from;
	inherit_cancel(s);
	stats_inc(STAT_INHERITED);
	return routine(arg);
}
