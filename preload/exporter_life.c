/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything here is about one word, `life`: the process epoch and a state.  A child of whatever
 * kind of fork has another epoch, so that what it inherited reads as "absent".  Nothing is locked:
 * who moves the word from absent to starting starts the thread, and the thread itself moves it on.
 */
#include "exporter_life.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include <linux/futex.h>

#include "alone.h"
#include "clock.h"
#include "config.h"
#include "exporter.h"
#include "exporter_thread.h"
#include "give_up.h"
#include "guard.h"
#include "process.h"
#include "rawsys.h"
#include "resolve.h"
#include "shake.h"
#include "stats.h"
#include "text.h"

#define RETRY_NS 1000000000u
#define QUIESCE_MS 1000u
#define SLICE_NS 50000000u  /* of a wait whose end nobody may be there to tell */
#define GRACE_NS 100000000u /* for the exporter to give up, and count what it gives up */
#define MS_NS 1000000u

enum life {
	ABSENT,
	STARTING, /* somebody is in pthread_create() */
	RUNNING,  /* the thread is in exporter_run(), or on its way */
};

/* The kernel's view of a signal mask; libc's is larger, and its calls are ours to intercept. */
typedef uint64_t kernel_sigset;

/* 32 and 33 are libc's own: setuid() and cancellation must reach every thread. */
#define ALL_SIGNALS (~(kernel_sigset)0 & ~((kernel_sigset)3 << 31))

_Atomic bool exporter_is_due;

static struct exporter exporter;
static _Atomic uint64_t life;     /* epoch << 8 | enum life */
static _Atomic uint32_t tid;      /* of our thread until the kernel has no trace of it; 0: none */
static _Atomic uint64_t retry_ns; /* not before, CLOCK_MONOTONIC */
static _Atomic bool forbidden;
static _Atomic uint32_t exiting;   /* 1: exit() or its like is under way, and cannot be stopped */
static _Atomic uint64_t waited_ns; /* of the budget for the end of the process */
static _Atomic uint64_t burst_ns;  /* when the thread last left for want of a main thread */

/* --- the word --- */

static uint64_t life_word(enum life state)
{
	return (uint64_t)process_epoch() << 8 | state;
}

static enum life life_get(void)
{
	uint64_t word = atomic_load(&life);

	return word >> 8 == process_epoch() ? (enum life)(word & 0xff) : ABSENT;
}

static void wake(struct store *st)
{
	atomic_fetch_add(&st->wake, 1);
	raw_futex(&st->wake, FUTEX_WAKE, 1, NULL);
}

/* --- signals --- */

static kernel_sigset mask_swap(const kernel_sigset *mask)
{
	kernel_sigset old = 0;

	raw_syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)mask, (long)&old, sizeof(old), 0, 0);
	return old;
}

/* A handler runs with its own signal blocked: an empty mask says that this is none. */
static bool may_be_handler(void)
{
	return mask_swap(NULL) != 0;
}

static bool is_alone(void)
{
	return alone_in_process(&exporter.main_gone);
}

/* --- the thread --- */

/*
 * The last thread of the host is in exit(), and libc no longer counts it: were we to return, libc
 * would exit a second time, from here, and flush stdio into descriptors that are not the host's.
 */
static void wait_for_the_end(void)
{
	for (;;)
		raw_futex(&exiting, FUTEX_WAIT_PRIVATE, 1, NULL);
}

static void *thread_body(void *stack)
{
	struct store *st = exporter.store;
	enum exporter_end end;

	thread_self.ours = 1;
	SHAKE();
	exporter_thread_began(stack);
	atomic_store(&tid, (uint32_t)raw_gettid());
	atomic_store(&life, life_word(RUNNING));
	end = exporter_run(&exporter);
	if (end == EXPORTER_REFUSED) {
		stats_inc(STAT_EXPORTER_REFUSED);
		atomic_store(&retry_ns, clock_monotonic_ns() + RETRY_NS);
	}
	atomic_store(&burst_ns, clock_monotonic_ns());
	SHAKE();
	atomic_store(&life, life_word(ABSENT));
	SHAKE();
	/* Who waits for a flush looks again and sees that nobody is there. */
	raw_futex(&st->flushed, FUTEX_WAKE, INT32_MAX, NULL);
	if (atomic_load(&exiting))
		wait_for_the_end();
	/* If libc finds that this was the last thread, it exits from here: then we log, too. */
	thread_self.ours = end != EXPORTER_ALONE;
	return NULL;
}

static void start(struct store *st)
{
	kernel_sigset all = ALL_SIGNALS;
	kernel_sigset before;
	uint64_t word = atomic_load(&life);
	int r;

	if (life_get() != ABSENT || atomic_load(&forbidden) ||
	    clock_monotonic_ns() < atomic_load(&retry_ns) ||
	    !atomic_compare_exchange_strong(&life, &word, life_word(STARTING)))
		return;
	SHAKE();
	atomic_store(&exporter_is_due, false);
	exporter.store = st;
	exporter.config = &config;
	exporter.is_alone = is_alone;
	exporter.quiesce = &process_words()->quiesce;
	atomic_store(&exporter.stop, 0);
	atomic_store(&exporter.has_left, false);
	/* Without a main thread it must not be there for long. */
	atomic_store(&exporter.deadline_ns,
		     atomic_load(&exporter.main_gone) ?
			     clock_monotonic_ns() + (uint64_t)config.shutdown_timeout_ms * MS_NS :
			     0);
	before = mask_swap(&all);
	r = exporter_thread_create(thread_body);
	mask_swap(&before);
	if (r == 0) {
		stats_inc(STAT_EXPORTER_STARTS);
		return;
	}
	stats_inc(STAT_EXPORTER_REFUSED);
	atomic_store(&retry_ns, clock_monotonic_ns() + RETRY_NS);
	atomic_store(&life, life_word(ABSENT));
}

/* --- without a main thread --- */

/* A thread that has ended a span ends itself, and may be the last one. */
static void thread_ends(void *unused)
{
	(void)unused;
	(void)exporter_park(config.shutdown_timeout_ms);
}

/*
 * Destructors of thread-specific values run before libc counts who is left.  One key, made when the
 * first process in a line of forks needs it; a thread more that we do not hear of only matters if
 * it is the last one and ends while a batch is under way.
 */
static void hear_of_this_threads_end(void)
{
	static _Atomic uint32_t made; /* 0 not yet, 1 being made or not to be had, 2 made */
	static pthread_key_t key;
	__typeof__(&pthread_key_create) create = resolve("pthread_key_create");
	__typeof__(&pthread_setspecific) set = resolve("pthread_setspecific");
	uint32_t none = 0;

	if (!create || !set)
		return;
	if (atomic_compare_exchange_strong(&made, &none, 1) && create(&key, thread_ends) == 0)
		atomic_store(&made, 2);
	if (atomic_load(&made) == 2)
		set(key, &key);
}

/* Only a full batch, or one that has waited for the schedule delay: see exporter_main_gone(). */
static bool is_worth_it(struct store *st)
{
	uint64_t delay = (uint64_t)config.bsp_schedule_delay_ms * MS_NS;

	return atomic_load(&st->done) >= st->batch ||
	       clock_monotonic_ns() - atomic_load(&burst_ns) >= delay;
}

static void start_without_main(struct store *st)
{
	hear_of_this_threads_end();
	if (is_worth_it(st))
		start(st);
}

/* --- starting --- */

void exporter_wanted(struct store *st)
{
	if (atomic_load(&forbidden) || life_get() != ABSENT)
		return;
	if (may_be_handler())
		atomic_store(&exporter_is_due, true);
	else if (atomic_load(&exporter.main_gone))
		start_without_main(st);
	else
		start(st);
}

void exporter_take_chance(void)
{
	struct store *st = store_get();
	int saved = errno;
	bool entered = guard_enter();

	/* Inside the guard: pthread_create() may call what we interpose. */
	if (entered && st && !store_has_owner(st)) {
		if (atomic_load(&exporter.main_gone))
			start_without_main(st);
		else
			start(st);
	}
	if (entered)
		guard_leave();
	errno = saved;
}

/* --- flush --- */

static uint64_t budget_left_ns(void)
{
	uint64_t all = (uint64_t)config.shutdown_timeout_ms * MS_NS;
	uint64_t used = atomic_load(&waited_ns);

	return used < all ? all - used : 0;
}

/*
 * When delivery must have come to an end, if all is to be over budget_ns from now: on a busy
 * machine the exporter gets the processor late, and what it has not counted by then nobody counts.
 */
static uint64_t deadline_within(uint64_t now, uint64_t budget_ns)
{
	return now + budget_ns - (budget_ns / 4 < GRACE_NS ? budget_ns / 4 : GRACE_NS);
}

static void futex_wait_ns(_Atomic uint32_t *word, uint32_t seen, uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	raw_futex(word, FUTEX_WAIT, seen, &t);
}

/* Asks the living thread for all that is finished, and waits until it says so. */
static void flush_wait(struct store *st, uint64_t until_ns)
{
	uint32_t mine = atomic_fetch_add(&st->flush_asked, 1) + 1;

	SHAKE();
	wake(st);
	while (life_get() != ABSENT) {
		uint32_t flushed = atomic_load(&st->flushed);
		uint64_t now = clock_monotonic_ns();

		if ((int32_t)(flushed - mine) >= 0 || now >= until_ns)
			return;
		futex_wait_ns(&st->flushed, flushed,
			      until_ns - now < SLICE_NS ? until_ns - now : SLICE_NS);
	}
}

/* Another process delivers: it had the store before us, or came first while our thread began. */
static bool is_others(const struct store *st)
{
	return life_get() == ABSENT && store_has_owner(st);
}

/* Does this process have to see to it that the store is emptied? */
static bool must_deliver(struct store *st, enum host_end how)
{
	if (is_others(st))
		return false;
	if (life_get() != ABSENT)
		return true;
	/* Where a process was killed something may be left to tell, and nobody come after us. */
	if (atomic_load(&st->done) == 0 && !(host_end_is_final(how) && store_owner_died(st)))
		return false;
	if (how == HOST_EXITS || (how != HOST_ABORTS && !thread_self.inside && !may_be_handler()))
		start(st);
	return true;
}

/*
 * Our thread is about to end with the process.  Whoever finished a span meanwhile relies on it: so
 * it gives up the store, and looks once more, while it still can.
 */
static void retire(struct store *st, uint64_t until_ns)
{
	struct timespec pause = { 0, 50000 };

	atomic_store(&exporter.stop, 1);
	wake(st);
	while (life_get() != ABSENT && !atomic_load(&exporter.has_left) &&
	       clock_monotonic_ns() < until_ns)
		raw_syscall3(SYS_nanosleep, (long)&pause, 0, 0);
}

/* A thread that has just been started has no deadline yet. */
static void flush_within(struct store *st, uint64_t begin, uint64_t budget_ns)
{
	atomic_store(&exporter.deadline_ns, deadline_within(begin, budget_ns));
	flush_wait(st, begin + budget_ns);
}

void exporter_flush(enum host_end how)
{
	struct store *st = store_get();
	uint64_t left = budget_left_ns();
	uint64_t begin;
	bool is_late;

	if (!st || !atomic_load(&span_ended_without_owner))
		return;
	if (atomic_load(&forbidden)) {
		if (!store_has_owner(st) && !give_up_is_others(st))
			give_up_for_now(st, 0, atomic_load(&exporter.accepted));
		return;
	}
	if (host_end_is_final(how))
		atomic_store(&exiting, 1);
	if (!must_deliver(st, how))
		return;
	begin = clock_monotonic_ns();
	is_late = !left || life_get() == ABSENT;
	if (!is_late) {
		flush_within(st, begin, left);
		/* Ours left at once, since another process' had come first, and left meanwhile. */
		if (life_get() == ABSENT &&
		    clock_monotonic_ns() < atomic_load(&exporter.deadline_ns) &&
		    must_deliver(st, how))
			flush_within(st, begin, left);
		is_late = clock_monotonic_ns() >= atomic_load(&exporter.deadline_ns);
		if (host_end_is_final(how))
			retire(st, begin + left);
		atomic_store(&exporter.deadline_ns, 0); /* a failed exec goes on */
		atomic_fetch_add(&waited_ns, clock_monotonic_ns() - begin);
	}
	if (is_others(st))
		return;
	if (host_end_is_final(how))
		give_up_for_good(st, atomic_load(&tid), atomic_load(&exporter.accepted), is_late);
	else
		give_up_for_now(st, atomic_load(&tid), atomic_load(&exporter.accepted));
}

/* --- leaving, at the host's word --- */

/* The word says that it has left our code, the kernel that it has left libc's and the process. */
static bool is_gone(void)
{
	uint32_t who = atomic_load(&tid);

	if (life_get() != ABSENT)
		return false;
	if (who && raw_syscall3(SYS_tgkill, (long)process_pid(), (long)who, 0) == 0)
		return false;
	atomic_compare_exchange_strong(&tid, &who, 0);
	return true;
}

bool exporter_park(uint32_t timeout_ms)
{
	struct store *st = store_get();
	struct timespec pause = { 0, 200000 };
	uint64_t begin = clock_monotonic_ns();
	uint64_t until = begin + (uint64_t)timeout_ms * MS_NS;
	bool gone;

	if (!st || is_gone())
		return true;
	/*
	 * What cannot be sent by then is dropped, and counted, by the thread.  If it is late, the
	 * deadline stands: it leaves as soon as it can.
	 */
	flush_within(st, begin, until - begin);
	SHAKE();
	atomic_store(&exporter.stop, 1);
	wake(st);
	while (!(gone = is_gone()) && clock_monotonic_ns() < until)
		raw_syscall3(SYS_nanosleep, (long)&pause, 0, 0);
	return gone;
}

void exporter_forbid(void)
{
	atomic_store(&forbidden, true);
	atomic_store(&exporter_is_due, false);
}

void exporter_main_gone(void)
{
	atomic_store(&burst_ns, clock_monotonic_ns());
	atomic_store(&exporter.main_gone, true);
	(void)exporter_park(config.shutdown_timeout_ms);
}

/* --- around fork --- */

bool exporter_quiesce(void)
{
	struct process_words *w = process_words();
	uintptr_t self = (uintptr_t)&thread_self; /* no system call: fork() waits for it */

	if (!store_get() || life_get() == ABSENT)
		return false;
	/* Its signal handler may fork, too. */
	if (atomic_load(&w->forking) == self || !quiesce_lock(&w->quiesce, QUIESCE_MS))
		return false;
	SHAKE();
	atomic_store(&w->forking, self);
	return true;
}

void exporter_resume(void)
{
	struct process_words *w = process_words();

	atomic_store(&w->forking, 0);
	quiesce_unlock(&w->quiesce);
}

/* A write costs a child a copy of the page: none where there is 0 already. */
#define FORGET(word)                              \
	do {                                      \
		if (atomic_load(&(word)))         \
			atomic_store(&(word), 0); \
	} while (0)

void exporter_forget(void)
{
	FORGET(tid);
	exporter_thread_forget();
	FORGET(exiting);
	FORGET(exporter.stop);
	FORGET(exporter.deadline_ns);
	FORGET(exporter.main_gone);
	FORGET(exporter_is_due);
	FORGET(retry_ns);
	FORGET(waited_ns);
}
