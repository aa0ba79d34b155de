/* SPDX-License-Identifier: Apache-2.0 */
#include "child_env.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bytes.h"
#include "config.h"
#include "context.h"
#include "guard.h"
#include "host.h"
#include "memory.h"
#include "origin.h"
#include "rawsys.h"
#include "stats.h"
#include "traceparent.h"
#include "tracestate.h"

#define PARENT "TRACEPARENT="
#define STATE "TRACESTATE="
#define ENTRIES_MAX (1u << 20) /* far beyond what the kernel takes */
#define PAGE 4096u
#define NO_PAGE 1u /* the number of none: the lowest one is 0 */

/* --- what was given: the application's memory, or none (EFAULT is the kernel's to say) --- */

/* Asks once for a page, as long as the questions stay within it. */
static bool can_read(uintptr_t *page, const void *at)
{
	uintptr_t of = (uintptr_t)at & ~(uintptr_t)(PAGE - 1);

	if (of != *page && !memory_is_readable(at, 1))
		return false;
	*page = of;
	return true;
}

static bool has_name(uintptr_t *page, const char *entry, struct bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!can_read(page, entry + i) || entry[i] != name.ptr[i])
			return false;
	return true;
}

enum entry {
	ENTRY_OTHER,
	ENTRY_PARENT,
	ENTRY_STATE,
};

static enum entry entry_of(uintptr_t *page, const char *entry)
{
	if (has_name(page, entry, BYTES(PARENT)))
		return ENTRY_PARENT;
	return has_name(page, entry, BYTES(STATE)) ? ENTRY_STATE : ENTRY_OTHER;
}

struct found {
	size_t count; /* of entries */
	bool has_parent;
	size_t len;
	char parent[2 * TRACEPARENT_LEN]; /* enough of the first one to tell whether it is valid */
};

static void parent_take(uintptr_t *page, const char *value, struct found *f)
{
	f->has_parent = true;
	while (f->len < sizeof(f->parent) && can_read(page, value) && *value)
		f->parent[f->len++] = *value++;
}

/* False: not to be read, or without end. */
static bool look(char *const *envp, struct found *ret)
{
	uintptr_t array = NO_PAGE, texts = NO_PAGE;

	memset(ret, 0, sizeof(*ret));
	for (; envp; envp++, ret->count++) {
		if (ret->count == ENTRIES_MAX || !can_read(&array, envp) ||
		    !can_read(&array, (const char *)(envp + 1) - 1))
			return false;
		if (!*envp)
			break;
		if (!ret->has_parent && entry_of(&texts, *envp) == ENTRY_PARENT)
			parent_take(&texts, *envp + sizeof(PARENT) - 1, ret);
	}
	return true;
}

/* --- what becomes of it --- */

enum verb {
	KEEP,
	TELL,
	TAKE_OUT,
};

static enum verb decide(const struct found *f, struct span_ref from)
{
	struct bytes value = { f->parent, f->len };
	struct span_context own;
	struct trace_id trace;
	struct span_id span;
	uint8_t flags;
	bool is_named = traceparent_parse(value, &trace, &span, &flags) != TRACEPARENT_INVALID;
	bool has_own = span_ref_context(from, &own, NULL, 0);

	if (is_named && !origin_is(&trace, &span) && !span_ref_is_called_by(from, &trace, &span))
		return KEEP;
	if (has_own)
		return TELL;
	return is_named && atomic_load(&origin_state) == ORIGIN_OVER ? TAKE_OUT : KEEP;
}

/* --- the copy --- */

/* In front of the array of pointers; the two texts follow that. */
struct copy {
	size_t bytes;
	char parent[sizeof(PARENT) + TRACEPARENT_LEN];
	char state[sizeof(STATE) + TRACESTATE_BYTES];
	char *envp[];
};

static size_t copy_bytes(const struct found *f)
{
	return sizeof(struct copy) + (f->count + 3) * sizeof(char *);
}

static struct copy *copy_map(size_t bytes)
{
	long at = raw_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_is_error(at))
		return NULL;
	((struct copy *)at)->bytes = bytes;
	return (struct copy *)at;
}

/* False: the span has ended meanwhile. */
static bool texts_write(struct copy *c, struct span_ref from)
{
	struct span_context own;
	char *list = c->state + sizeof(STATE) - 1;

	if (!span_ref_context(from, &own, list, TRACESTATE_BYTES))
		return false;
	memcpy(c->parent, PARENT, sizeof(PARENT) - 1);
	traceparent_format(c->parent + sizeof(PARENT) - 1, &own.trace, &own.span, own.flags);
	c->parent[sizeof(c->parent) - 1] = '\0';
	c->state[0] = '\0'; /* nothing to tell: no entry (C107) */
	list[own.tracestate.len] = '\0';
	if (own.tracestate.len)
		memcpy(c->state, STATE, sizeof(STATE) - 1);
	return true;
}

/* In their order; ours take the places of the first ones, or come last. */
static void entries_write(struct copy *c, char *const *envp, size_t count, bool is_told)
{
	char *ours[] = { [ENTRY_PARENT] = is_told ? c->parent : NULL,
			 [ENTRY_STATE] = is_told && *c->state ? c->state : NULL };
	uintptr_t texts = NO_PAGE;
	size_t n = 0;

	for (size_t i = 0; i < count && envp[i]; i++) {
		enum entry kind = entry_of(&texts, envp[i]);

		if (kind == ENTRY_OTHER) {
			c->envp[n++] = envp[i];
		} else if (ours[kind]) {
			c->envp[n++] = ours[kind];
			ours[kind] = NULL;
		}
	}
	for (enum entry kind = ENTRY_PARENT; kind <= ENTRY_STATE; kind++)
		if (ours[kind])
			c->envp[n++] = ours[kind];
	c->envp[n] = NULL;
}

/* to: where, if it is large enough.  NULL: as it was given. */
static struct copy *copy_make(char *const *envp, struct copy *to)
{
	struct span_ref from = context_current();
	enum verb verb;
	struct found f;
	struct copy *c;

	if (!from.slot && atomic_load(&origin_state) != ORIGIN_OVER)
		return NULL;
	if (!look(envp, &f) || (verb = decide(&f, from)) == KEEP)
		return NULL;
	c = to && to->bytes >= copy_bytes(&f) ? to : copy_map(copy_bytes(&f));
	if (!c || (verb == TELL && !texts_write(c, from))) {
		stats_inc(STAT_ENV_REFUSED);
		if (c && c != to)
			raw_munmap(c, c->bytes);
		return NULL;
	}
	entries_write(c, envp, f.count, verb == TELL);
	stats_inc(STAT_ENV_TOLD);
	return c;
}

/* --- exec and spawn --- */

/* A vfork child never enters the guard, but is alone with what it shares with its parent. */
static bool enter(void)
{
	if (!host_is_observed() || !config.propagate_env)
		return false;
	return thread_self.in_vfork ? !(thread_self.inside | thread_self.ours) : guard_enter();
}

static void leave(void)
{
	if (!thread_self.in_vfork)
		guard_leave();
}

static void lent_settle(void);

struct child_env child_env_begin(char *const *envp)
{
	struct child_env e = { envp, NULL };
	struct copy *c;

	if (!enter())
		return e;
	lent_settle();
	c = copy_make(envp, NULL);
	leave();
	if (!c)
		return e;
	if (thread_self.in_vfork) {
		child_env_forget(); /* of a vfork child of this vfork child, which is gone */
		thread_self.vfork_copy = c;
	}
	return (struct child_env){ c->envp, c };
}

void child_env_end(struct child_env *e)
{
	struct copy *c = e->copy;

	if (!c)
		return;
	if (thread_self.vfork_copy == c)
		thread_self.vfork_copy = NULL;
	raw_munmap(c, c->bytes);
	e->copy = NULL;
}

void child_env_forget(void)
{
	struct copy *c = thread_self.vfork_copy;

	thread_self.vfork_copy = NULL;
	if (c)
		raw_munmap(c, c->bytes);
}

/* --- environ, lent --- */

_Atomic bool child_env_has_threads;

/*
 * One thread has it, and gives it back in the same frame; or never, if a signal handler jumps out.
 * The copy is kept for the next time: a thread of libc's own may be in the middle of a getenv().
 */
static struct {
	struct copy *copy;
	char **instead_of; /* NULL: not lent */
	uintptr_t frame;
} lent;

static void give_back(void)
{
	if (environ == lent.copy->envp) /* else it was changed meanwhile: then that counts */
		environ = lent.instead_of;
	lent.instead_of = NULL;
}

/* Who called is above us on the stack, unless that frame was left by a longjmp (law 10). */
static NO_INLINE void lent_settle(void)
{
	if (lent.instead_of && (uintptr_t)__builtin_frame_address(0) > lent.frame)
		give_back();
}

bool child_env_lend(uintptr_t frame)
{
	struct copy *c;

	if (atomic_load_explicit(&child_env_has_threads, memory_order_relaxed) ||
	    thread_self.in_vfork || !environ || !enter())
		return false;
	if (lent.instead_of && frame >= lent.frame)
		give_back();
	c = lent.instead_of ? NULL : copy_make(environ, lent.copy);
	if (c) {
		lent.copy = c;
		lent.frame = frame;
		lent.instead_of = environ;
		environ = c->envp;
	}
	leave();
	return c != NULL;
}

void child_env_take_back(bool is_lent)
{
	if (is_lent && lent.instead_of)
		give_back();
}
