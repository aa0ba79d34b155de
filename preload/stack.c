/* SPDX-License-Identifier: Apache-2.0 */
#include "stack.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "clock.h"
#include "config.h"
#include "guard.h"
#include "process.h"
#include "rawsys.h"
#include "shake.h"
#include "span_items.h"
#include "stack_modules.h"
#include "stats.h"
#include "unwind.h"

#define OWN_STACK_BYTES (64u << 10) /* libunwind needs some 6 KiB of it */
#define GUARD_BYTES 4096u
#define SECOND_NS 1000000000u
#define MS_NS 1000000u

typedef uint64_t kernel_sigset;

/* --- which spans --- */

static uint32_t limit = STACKS_PER_SECOND;

void stack_set_limit(uint32_t per_second)
{
	limit = per_second;
}

/* Second of the monotonic clock << 32 | stacks in it. */
static bool is_within_limit(uint64_t now)
{
	static _Atomic uint64_t taken;
	uint64_t second = now / SECOND_NS;
	uint64_t seen = atomic_load_explicit(&taken, memory_order_relaxed), next;

	do {
		next = seen >> 32 == second ? seen + 1 : second << 32 | 1;
		if ((uint32_t)next > limit)
			return false;
	} while (!atomic_compare_exchange_weak(&taken, &seen, next));
	return true;
}

static bool is_wanted(const struct span *s, uint64_t now)
{
	if (!config.stacks || !span_is_recording(s))
		return false;
	return span_has_error(s) ||
	       now >= s->start_ns + (uint64_t)config.stack_threshold_ms * MS_NS;
}

void stack_end_span(struct span *s, uint64_t monotonic_ns)
{
	if (!s)
		return;
	if (LIKELY(!is_wanted(s, monotonic_ns)) || !thread_self.inside ||
	    thread_self.stack_due.slot) {
		span_end_at(s, monotonic_ns);
		return;
	}
	if (!is_within_limit(monotonic_ns)) {
		stats_inc(STAT_STACKS_LIMITED);
		span_end_at(s, monotonic_ns);
		return;
	}
	thread_self.stack_due = span_ref(s);
	thread_self.stack_end_ns = monotonic_ns;
}

/* --- one at a time --- */

#define HELD 1u
#define QUIESCE_TURNS 200u
#define QUIESCE_TURN_NS 100000

/* The epoch of the process that holds it << 1 | HELD; 0: nobody does. */
static _Atomic uint64_t holder;
static _Atomic bool is_used; /* a stack has been taken, or is about to be */

/* Of what another thread of our parent's was doing nothing can be known. */
static bool lock_try(void)
{
	uint64_t none = 0;

	return atomic_compare_exchange_strong_explicit(&holder, &none,
						       (uint64_t)process_epoch() << 1 | HELD,
						       memory_order_acquire, memory_order_relaxed);
}

static void lock_leave(void)
{
	atomic_store_explicit(&holder, 0, memory_order_release);
}

bool stack_quiesce(void)
{
	struct timespec turn = { 0, QUIESCE_TURN_NS };

	/*
	 * To take it and to leave it costs each fork a copy of its page.  Who takes a first stack
	 * right now leaves a child that takes none.
	 */
	if (!atomic_load(&is_used))
		return false;
	for (uint32_t i = 0; i < QUIESCE_TURNS; i++) {
		uint64_t seen;

		if (lock_try())
			return true;
		seen = atomic_load(&holder);
		if (seen && seen >> 1 != process_epoch())
			return false;
		raw_syscall3(SYS_nanosleep, (long)&turn, 0, 0);
	}
	return false;
}

void stack_resume(void)
{
	lock_leave();
}

/* --- taking one --- */

struct taking {
	struct span *span;
	bool has_taken;
	uintptr_t at[STACK_FRAMES_MAX];
	struct stack_modules modules;
	struct stack_frame frames[STACK_FRAMES_MAX];
};

/*
 * With a page below it that is not there; the state of a stack that is being taken lies at its end.
 */
static struct own_stack {
	unsigned char *low;
	struct taking *taking;
} own;

static bool own_stack_get(void)
{
	long at;

	if (own.low)
		return true;
	at = raw_mmap(NULL, OWN_STACK_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw_is_error(at) ||
	    raw_is_error(raw_mmap((char *)at + GUARD_BYTES, OWN_STACK_BYTES - GUARD_BYTES,
				  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				  -1, 0)))
		return false;
	raw_madvise((void *)at, OWN_STACK_BYTES, MADV_DONTDUMP);
	own.low = (unsigned char *)at;
	own.taking = (struct taking *)(own.low + OWN_STACK_BYTES -
				       (sizeof(struct taking) + 63) / 64 * 64);
	return true;
}

/* Nothing of it is larger than STORE_VALUE_MAX. */
_Static_assert(sizeof(struct stack_item) + STACK_FRAMES_MAX * sizeof(struct stack_frame) +
			       STACK_MODULES_MAX * STACK_PACKED_MAX <=
		       STORE_VALUE_MAX,
	       "an item");

static bool item_keep(struct taking *t, uint32_t frames)
{
	struct stack_item head = { (uint8_t)frames, (uint8_t)t->modules.n };
	struct bytes pieces[2 + STACK_MODULES_MAX];
	size_t n = 0;

	pieces[n++] = (struct bytes){ (const char *)&head, sizeof(head) };
	pieces[n++] = (struct bytes){ (const char *)t->frames, frames * sizeof(t->frames[0]) };
	for (uint32_t i = 0; i < t->modules.n; i++)
		pieces[n++] = (struct bytes){ t->modules.at[i].packed, t->modules.at[i].len };
	return span_item_add(t->span, ITEM_STACK, pieces, n);
}

/* The innermost frames are ours. */
static uint32_t frames_of(struct taking *t, uint32_t walked)
{
	uint32_t first = 0, n = 0;

	while (first < walked && stack_modules_is_own(t->at[first]))
		first++;
	for (; first < walked; first++)
		t->frames[n++] = stack_modules_frame(&t->modules, t->at[first]);
	return n;
}

static void take(const struct unwind_registers *from, void *arg)
{
	struct taking *t = arg;
	uint32_t walked, n;

	t->modules.n = 0;
	walked = unwind_walk(from, t->at, STACK_FRAMES_MAX);
	n = frames_of(t, walked);
	/* Other libraries where some were that libunwind remembers. */
	if (stack_modules_changed()) {
		unwind_forget();
		t->modules.n = 0;
		walked = unwind_walk(from, t->at, STACK_FRAMES_MAX);
		n = frames_of(t, walked);
		(void)stack_modules_changed();
	}
	t->has_taken = n && item_keep(t, n);
}

static kernel_sigset mask_swap(kernel_sigset to)
{
	kernel_sigset old = 0;

	raw_syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&to, (long)&old, sizeof(old), 0, 0);
	return old;
}

/* Nothing may interrupt it, and leave for good. */
static bool take_now(struct span *s)
{
	kernel_sigset old = mask_swap(~(kernel_sigset)0);
	bool has_taken = false;

	atomic_store(&is_used, true);
	/* A handler runs with its own signal blocked: an empty mask says that this is none. */
	if (!old && lock_try()) {
		SHAKE();
		if (own_stack_get()) {
			own.taking->span = s;
			unwind_call(take, own.taking, own.taking);
			has_taken = own.taking->has_taken;
		}
		lock_leave();
	}
	mask_swap(old);
	return has_taken;
}

void stack_take(void)
{
	struct span *s = span_get(thread_self.stack_due);

	thread_self.stack_due = (struct span_ref){ 0, 0 };
	if (!s)
		return;
	stats_inc(take_now(s) ? STAT_STACKS_TAKEN : STAT_STACKS_REFUSED);
	span_end_at(s, thread_self.stack_end_ns);
}
