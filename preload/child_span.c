/* SPDX-License-Identifier: Apache-2.0 */
/* CLIENT spans of programs that are started, and who of them is still waited for. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "context.h"
#include "memory.h"
#include "origin.h"
#include "process.h"
#include "process_span.h"
#include "rawsys.h"
#include "said.h"
#include "signal_name.h"
#include "stats.h"
#include "store.h"

#define CHILDREN 256u
#define RESERVED 1u     /* a key: nobody's child */
#define BUSY UINT32_MAX /* an epoch: somebody sets the table up */
#define NAME_MAX_BYTES 64u
#define PAGE 4096u

static const struct span_ref none;

/* --- words that a process shares with the children that it forks --- */

struct shared {
	uint32_t pid; /* of the parent */
	_Atomic uint32_t is_left;
	_Atomic uint64_t told[CHILDREN]; /* the CLIENT span of the program that a child becomes */
};

static struct {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t span;
} children[CHILDREN];

static struct shared *shared;
static _Atomic uint32_t owner; /* process epoch: what a child inherits is its parent's */
_Atomic uint32_t children_open;

static struct {
	struct shared *shared;
	uint32_t place;
	uint32_t epoch;
} born_as;

static uint64_t ref_word(struct span_ref ref)
{
	return (uint64_t)ref.generation << 32 | ref.slot;
}

static struct span_ref word_ref(uint64_t word)
{
	return (struct span_ref){ (uint32_t)word, (uint32_t)(word >> 32) };
}

static struct shared *shared_map(void)
{
	long at = raw_mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (raw_is_error(at))
		return NULL;
	((struct shared *)at)->pid = process_pid();
	return (struct shared *)at;
}

/* False: no memory, or another thread is just at it. */
static bool table_get(void)
{
	uint32_t self = process_epoch(), was = atomic_load(&owner);

	if (LIKELY(was == self))
		return shared != NULL;
	if (was == BUSY || !atomic_compare_exchange_strong(&owner, &was, BUSY))
		return false;
	for (uint32_t i = 0; i < CHILDREN; i++)
		atomic_store(&children[i].key, 0);
	atomic_store(&children_open, 0);
	shared = shared_map();
	atomic_store(&owner, self);
	return shared != NULL;
}

/* --- places --- */

uint32_t child_reserve(void)
{
	if (LIKELY(!config.process_spans) || !table_get())
		return 0;
	for (uint32_t i = 0; i < CHILDREN; i++) {
		uint64_t free = 0;

		if (!atomic_compare_exchange_strong(&children[i].key, &free, RESERVED))
			continue;
		atomic_store(&children[i].span, 0);
		atomic_store(&shared->told[i], 0);
		atomic_fetch_add(&children_open, 1);
		return i + 1;
	}
	stats_inc(STAT_CHILDREN_FULL);
	return 0;
}

static void place_free(uint32_t i)
{
	atomic_store(&children[i].key, 0);
	atomic_fetch_sub(&children_open, 1);
}

void child_forked(uint32_t place, pid_t pid)
{
	if (!place)
		return;
	if (pid > 0)
		atomic_store(&children[place - 1].key, (uint64_t)pid);
	else
		place_free(place - 1);
}

void child_born(uint32_t place)
{
	if (LIKELY(!place && !born_as.shared)) /* a write costs a copy of the page */
		return;
	born_as.shared = place ? shared : NULL;
	born_as.place = place;
	born_as.epoch = process_epoch();
}

bool child_is_born(void)
{
	return born_as.shared && born_as.epoch == process_epoch();
}

/* --- spans --- */

/* The last part of a path; an application's memory, or none. */
static struct bytes base_name(const char *path)
{
	struct bytes name = { path, 0 };

	for (const char *at = path;; at++) {
		if ((at == path || !((uintptr_t)at % PAGE)) && !memory_is_readable(at, 1))
			return (struct bytes){ NULL, 0 };
		if (!*at)
			return name;
		name.len++;
		if (*at == '/')
			name = (struct bytes){ at + 1, 0 };
	}
}

struct span_ref child_span_open(const char *path, bool by_birth, char *buf, size_t cap)
{
	struct bytes name = base_name(path);
	struct span_context parent;
	bool has_parent = span_ref_context(said_parent(context_current()), &parent, buf, cap) ||
			  origin_context(&parent);
	struct span *s;

	if (name.len == 0 || name.len > NAME_MAX_BYTES)
		name = BYTES("process");
	s = span_start(SPAN_CLIENT, has_parent ? &parent : NULL);
	if (!s)
		return none;
	span_set_name(s, name);
	span_set_str(s, ATTR_PROCESS_EXECUTABLE_NAME, name);
	if (!by_birth)
		return span_ref(s);
	/* The caller is our parent, if it is still there to wait: one of the two sees the other. */
	s->pid = born_as.shared->pid;
	span_set_int(s, ATTR_PROCESS_PID, process_pid());
	atomic_store(&born_as.shared->told[born_as.place - 1], ref_word(span_ref(s)));
	if (atomic_load(&born_as.shared->is_left))
		span_end(s);
	return span_ref(s);
}

void child_span_fail(struct span_ref client)
{
	if (child_is_born())
		atomic_store(&born_as.shared->told[born_as.place - 1], 0);
	span_discard(span_get(client));
}

void child_span_over(struct span_ref client, int status)
{
	struct span *s = span_get(client);

	if (s && status >= 0 && WIFEXITED(status))
		process_exit_code(s, WEXITSTATUS(status));
	else if (s && status >= 0 && WIFSIGNALED(status))
		span_set_error(s, signal_name(WTERMSIG(status)));
	span_end(s);
}

void child_span_runs(struct span_ref client, uint64_t key)
{
	uint32_t place = client.slot ? child_reserve() : 0;

	if (client.slot && !(key & CHILD_STREAM))
		span_set_int(span_get(client), ATTR_PROCESS_PID, (int64_t)key);
	if (!place) {
		child_span_over(client, -1);
		return;
	}
	atomic_store(&children[place - 1].span, ref_word(client));
	atomic_store(&children[place - 1].key, key);
}

static void place_over(uint32_t i, int status)
{
	uint64_t span = atomic_load(&children[i].span);

	if (!span)
		span = atomic_load(&shared->told[i]);
	child_span_over(word_ref(span), status);
	place_free(i);
}

void child_over(uint64_t key, int status)
{
	if (atomic_load(&owner) != process_epoch())
		return;
	for (uint32_t i = 0; i < CHILDREN; i++)
		if (atomic_load(&children[i].key) == key)
			place_over(i, status);
}

void children_leave(void)
{
	if (!child_any() || atomic_load(&owner) != process_epoch() || !shared)
		return;
	atomic_store(&shared->is_left, 1);
	for (uint32_t i = 0; i < CHILDREN; i++)
		if (atomic_load(&children[i].key) > RESERVED)
			place_over(i, -1);
}
