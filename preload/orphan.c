/* SPDX-License-Identifier: Apache-2.0 */
#include "orphan.h"

#include <errno.h>
#include <sys/wait.h>

#include "keep.h"
#include "process.h"
#include "rawsys.h"
#include "shake.h"
#include "signal_name.h"
#include "stats.h"

/* struct span.orphan */
#define IS_MISSED 1u
#define IS_CLAIMED 2u

static uint64_t word_get(struct store *st, size_t map, uint32_t word)
{
	return atomic_load((_Atomic uint64_t *)((char *)st + map) + word);
}

/* Of a slot that may be changing: only a dead process's stands still. */
__attribute__((no_sanitize("thread"))) static uint32_t pid_peek(const struct span *s)
{
	return *(const volatile uint32_t *)&s->pid;
}

/* Is a number one process, and not one in each of several namespaces? */
static bool pids_tell(const struct store *st)
{
	return !atomic_load(&st->pids_differ);
}

/* A span under way, or the slot that its process had at hand. */
static bool is_open(const struct span *s, uint32_t pid)
{
	uint32_t state = atomic_load_explicit(&s->state, memory_order_acquire);

	return (state == SLOT_OPEN || state == SLOT_SPARE) && pid_peek(s) == pid;
}

/*
 * Held for a root that is no more: its process died on the way from one to the other (keep.c).  As
 * long as there is a root, what it holds is the root's.
 */
__attribute__((no_sanitize("thread"))) static bool is_left(const struct span *s, uint32_t pid)
{
	const volatile struct span *v = s;

	return atomic_load_explicit(&s->state, memory_order_acquire) == SLOT_HELD &&
	       v->pid == pid && !span_get((struct span_ref){ v->root.slot, v->root.generation });
}

typedef bool looks_so(const struct span *s, uint32_t pid);

/*
 * False: somebody else is at it.  Or was, so that the slot is a living process's by now: what is
 * looked at before the claim is looked at again.
 */
static bool claim(struct span *s, uint32_t pid, looks_so *is)
{
	if (__atomic_fetch_or(&s->orphan, IS_CLAIMED, __ATOMIC_SEQ_CST) & IS_CLAIMED)
		return false;
	SHAKE();
	if (is(s, pid))
		return true;
	__atomic_fetch_and(&s->orphan, (uint8_t)~IS_CLAIMED, __ATOMIC_SEQ_CST);
	return false;
}

static void end(struct span *s, struct bytes error)
{
	if (atomic_load_explicit(&s->state, memory_order_relaxed) == SLOT_SPARE) {
		slot_free(store_get(), s);
		return;
	}
	if (span_is_recording(s))
		stats_inc(STAT_SPANS_ORPHANED);
	span_set_error(s, error);
	SHAKE();
	span_end(s);
}

static void forget_left(struct store *st, struct span *s)
{
	atomic_fetch_sub(&st->held, s->slots);
	stats_inc(STAT_SPANS_UNSAMPLED);
	slot_free(st, s);
}

/* A root comes after its calls, since its end is the end of all that are held for it. */
enum turn { TURN_CALLS, TURN_ROOTS, TURN_LEFT, TURNS };

__attribute__((no_sanitize("thread"))) static bool is_root(const struct span *s)
{
	return !((const volatile struct span *)s)->root.slot;
}

/* --- who has been waited for --- */

static void end_one_of(struct store *st, struct span *s, uint32_t pid, enum turn turn,
		       struct bytes error)
{
	if (turn == TURN_LEFT) {
		if (is_left(s, pid) && claim(s, pid, is_left))
			forget_left(st, s);
	} else if (is_open(s, pid) && (turn == TURN_ROOTS || !is_root(s)) &&
		   claim(s, pid, is_open)) {
		end(s, error);
	}
}

static void end_all_of(struct store *st, uint32_t pid, enum turn turn, struct bytes error)
{
	for (uint32_t word = 0; word < store_slots() / 64; word++) {
		uint64_t taken = word_get(st, STORE_TAKEN_MAP, word);

		for (; taken; taken &= taken - 1)
			end_one_of(st, store_slot(st, word * 64 + (uint32_t)__builtin_ctzll(taken)),
				   pid, turn, error);
	}
}

void orphans_of(pid_t pid, int status)
{
	struct store *st = store_get();
	void (*start_exporter)(struct store *);

	if (!st || pid <= 0 || !pids_tell(st))
		return;
	/* Nothing is held where nothing is only recorded. */
	for (int turn = keep_is_set ? TURN_CALLS : TURN_ROOTS;
	     turn < (keep_is_set ? TURNS : TURN_LEFT); turn++)
		end_all_of(st, (uint32_t)pid, (enum turn)turn,
			   WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) :
						 BYTES("process_exited"));
	start_exporter = atomic_load(&span_ended_without_owner);
	/* Also for what it had finished, if it was the one that delivers. */
	if (start_exporter && atomic_load(&st->done) && !store_has_owner(st))
		start_exporter(st);
}

uint32_t orphans_to_be(struct store *st)
{
	uint32_t self = process_pid(), n = 0;

	if (!pids_tell(st))
		return 0;
	for (uint32_t word = 0; word < store_slots() / 64; word++) {
		uint64_t taken = word_get(st, STORE_TAKEN_MAP, word);

		for (; taken; taken &= taken - 1) {
			const struct span *s =
				store_slot(st, word * 64 + (uint32_t)__builtin_ctzll(taken));

			n += atomic_load(&s->state) == SLOT_OPEN && pid_peek(s) == self;
		}
	}
	return n;
}

/* --- who has not --- */

#define KNOWN 16u /* processes in one survey; of more, some are asked for more than once */

struct survey {
	uint32_t self;
	uint32_t n;
	struct {
		uint32_t pid;
		bool is_gone;
	} known[KNOWN];
};

/* One that nobody has waited for yet is not gone: whoever does may know how it ended. */
static bool is_gone(struct survey *v, uint32_t pid)
{
	bool gone;

	for (uint32_t i = 0; i < v->n && i < KNOWN; i++)
		if (v->known[i].pid == pid)
			return v->known[i].is_gone;
	gone = raw_syscall3(SYS_tgkill, (long)pid, (long)pid, 0) == -ESRCH;
	v->known[v->n % KNOWN].pid = pid;
	v->known[v->n % KNOWN].is_gone = gone;
	v->n++;
	return gone;
}

/* Was it looked for in vain before?  Keeps whether it is now. */
__attribute__((no_sanitize("thread"))) static bool was_missed(struct span *s, bool is_gone)
{
	bool before = *(const volatile uint8_t *)&s->orphan & IS_MISSED;

	if (!before && is_gone)
		__atomic_fetch_or(&s->orphan, IS_MISSED, __ATOMIC_SEQ_CST);
	else if (before && !is_gone)
		__atomic_fetch_and(&s->orphan, (uint8_t)~IS_MISSED, __ATOMIC_SEQ_CST);
	return before;
}

/* True: looked for in vain, and for the first time. */
static bool look(struct store *st, struct survey *v, struct span *s, enum turn turn, bool is_last)
{
	looks_so *is = turn == TURN_LEFT ? is_left : is_open;
	uint32_t pid = pid_peek(s);
	bool gone, before;

	if (!pid || pid == v->self || pid > INT32_MAX || !is(s, pid))
		return false;
	/* Each in one turn: a second look is another survey's. */
	if (turn != TURN_LEFT && keep_is_set && is_root(s) != (turn == TURN_ROOTS))
		return false;
	gone = is_gone(v, pid);
	before = was_missed(s, gone);
	if (gone && !before && !is_last)
		return true;
	if (!gone || !claim(s, pid, is))
		return false;
	if (turn == TURN_LEFT)
		forget_left(st, s);
	else
		end(s, BYTES("process_exited"));
	return false;
}

static bool look_at_all(struct store *st, struct survey *v, enum turn turn, bool is_last)
{
	bool is_missed = false;

	for (uint32_t word = 0; word < store_slots() / 64; word++) {
		uint64_t taken =
			word_get(st, STORE_TAKEN_MAP, word) & ~word_get(st, STORE_DONE_MAP, word);

		for (; taken; taken &= taken - 1)
			is_missed |= look(
				st, v, store_slot(st, word * 64 + (uint32_t)__builtin_ctzll(taken)),
				turn, is_last);
	}
	return is_missed;
}

bool orphans_survey(struct store *st, bool is_last)
{
	struct survey v = { .self = process_pid() };
	bool is_missed = false;

	if (!pids_tell(st))
		return false;
	for (int turn = keep_is_set ? TURN_CALLS : TURN_ROOTS;
	     turn < (keep_is_set ? TURNS : TURN_LEFT); turn++)
		is_missed |= look_at_all(st, &v, (enum turn)turn, is_last);
	return is_missed;
}
