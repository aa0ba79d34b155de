/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <stddef.h>

#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "guard.h"
#include "jvm.h"
#include "runtime.h"
#include "stats.h"
#include "store.h"

static const struct span_ref none;

bool context_is_assumed;
uint32_t context_assumed;

void context_assume(uint32_t runtime_flags_wanted)
{
	context_is_assumed = true;
	context_assumed = runtime_flags_wanted;
}

bool context_is_plain(void)
{
	return !(context_flags() & (RUNTIME_LOOPS | RUNTIME_MANY_TASKS));
}

void context_request_unseen(void)
{
	jvm_request_unseen();
}

bool context_waited_for(int fd)
{
	return fd >= 0 && thread_self.waits && thread_self.wait_fd == fd;
}

/* Forgets requests that have ended; returns how many of this thread's are still open. */
static unsigned open_requests(struct thread *t)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(t->open); i++) {
		if (!span_get(t->open[i]))
			t->open[i] = none;
		else
			n++;
	}
	if (n == 0)
		t->crowded = 0;
	return n;
}

static void remember(struct thread *t, struct span_ref server)
{
	for (size_t i = 0; i < ARRAY_LEN(t->open); i++)
		if (!t->open[i].slot) {
			t->open[i] = server;
			return;
		}
	t->crowded = 1; /* until all that are remembered have ended */
}

bool context_reads_at_once(bool is_just_accepted)
{
	return context_flags() & RUNTIME_APACHE ||
	       (context_flags() & RUNTIME_UWSGI && is_just_accepted);
}

static bool is_same(struct span_ref a, struct span_ref b)
{
	return a.slot && a.slot == b.slot && a.generation == b.generation;
}

bool context_is(struct span_ref server)
{
	return is_same(thread_self.current, server);
}

/* Apache's event MPM does it with a response that is ready but for its last bytes. */
void context_let_go(struct span_ref server)
{
	struct thread *t = &thread_self;

	if (!(context_flags() & RUNTIME_APACHE))
		return;
	for (size_t i = 0; i < ARRAY_LEN(t->open); i++)
		if (is_same(t->open[i], server))
			t->open[i] = none;
	if (context_is(server))
		t->current = none;
}

void context_request_read(struct span_ref server, bool is_synchronous)
{
	struct thread *t = &thread_self;
	unsigned others;

	t->inherited = none;
	if (context_is_loop()) {
		t->current = server;
		return;
	}
	if (UNLIKELY(context_is_of_frames())) {
		t->place = server.slot ? jvm_place_get(t->caller) : 0;
		t->current = t->place ? server : none;
		return;
	}
	others = open_requests(t);
	remember(t, server);
	t->current = is_synchronous && !others && !t->crowded ? server : none;
}

void context_doubt(void)
{
	thread_self.in_doubt = context_is_loop();
}

bool context_tells_timers(void)
{
	return context_flags() & RUNTIME_NGINX;
}

void context_timer(uint32_t due_ms)
{
	thread_self.due_ms = due_ms;
}

static bool is_doubtful(const struct thread *t)
{
	uint32_t now = (uint32_t)(clock_monotonic_ns() / 1000000u);

	return t->in_doubt || (context_tells_timers() && (int32_t)(now - t->due_ms) >= 0);
}

static bool is_solo(struct thread *t)
{
	return open_requests(t) == 1 && !t->crowded;
}

static bool is_proven(struct thread *t)
{
	if (UNLIKELY(context_is_of_frames()))
		return jvm_is_at(t->caller, t->place);
	return context_is_loop() ? !is_doubtful(t) : is_solo(t);
}

struct span_ref context_current(void)
{
	struct thread *t = &thread_self;

	if (context_flags() & RUNTIME_UNKNOWABLE)
		return none;
	if (UNLIKELY(t->inherited.slot) && store_span(t->inherited))
		return t->inherited;
	if (!store_span(t->current))
		return none;
	if (is_proven(t))
		return t->current;
	stats_inc(STAT_PARENT_AMBIGUOUS);
	return none;
}

/* A loop starts threads for all that it serves; so does Python, whose queues know one lock only. */
struct span_ref context_to_inherit(void)
{
	return !config.inherit_threads || context_is_loop() || context_flags() & RUNTIME_PYTHON ?
		       none :
		       context_current();
}
