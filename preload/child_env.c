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
#include "process_span.h"
#include "rawsys.h"
#include "said.h"
#include "sandbox.h"
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

/* Whom it says that it belongs to: nobody, somebody of ours, or somebody whom others know. */
enum owner {
	OWNER_NONE,
	OWNER_OURS,
	OWNER_OTHERS,
};

static enum owner owner_of(const struct found *f, struct span_ref from)
{
	struct bytes value = { f->parent, f->len };
	struct trace_id trace;
	struct span_id span;
	uint8_t flags;

	if (traceparent_parse(value, &trace, &span, &flags) == TRACEPARENT_INVALID)
		return OWNER_NONE;
	return origin_is(&trace, &span) || span_ref_is_called_by(from, &trace, &span) ?
		       OWNER_OURS :
		       OWNER_OTHERS;
}

/* Who is told, if nobody is: the program's own span, as long as all belongs to that. */
static bool teller(struct span_ref from, struct span_context *ret, char *list, size_t cap)
{
	if (span_ref_context(from, ret, list, cap))
		return true;
	if (atomic_load(&origin_state) != ORIGIN_LIVE || !origin_own(ret))
		return false;
	ret->tracestate.len = ret->tracestate.len < cap ? ret->tracestate.len : cap;
	if (ret->tracestate.len)
		memcpy(list, ret->tracestate.ptr, ret->tracestate.len);
	return true;
}

static enum verb decide(const struct found *f, struct span_ref from)
{
	enum owner owner = owner_of(f, from);
	struct span_context own;

	if (owner == OWNER_OTHERS)
		return KEEP;
	if (config.process_spans || teller(from, &own, NULL, 0))
		return TELL;
	return owner == OWNER_OURS && atomic_load(&origin_state) == ORIGIN_OVER ? TAKE_OUT : KEEP;
}

/* --- the copy --- */

/* In front of the array of pointers; the two texts follow that. */
struct copy {
	size_t bytes;
	struct span_ref client;
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

	if (!teller(from, &own, list, TRACESTATE_BYTES))
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

/* Does the caller have a span for what it starts? */
static bool has_client(enum child_how how)
{
	return config.process_spans && !config.sdk_disabled &&
	       (how == CHILD_IS_SPAWNED || thread_self.in_vfork || child_is_born());
}

static void client_open(struct copy *c, const char *program, enum child_how how)
{
	bool by_birth = how == CHILD_EXECS && !thread_self.in_vfork;

	c->client = (struct span_ref){ 0 };
	if (has_client(how))
		c->client = child_span_open(program, by_birth, c->state, TRACESTATE_BYTES);
}

/* to: where, if it is large enough.  NULL: as it was given. */
static struct copy *copy_make(char *const *envp, const char *program, enum child_how how,
			      struct copy *to)
{
	struct span_ref from = said_parent(context_current());
	enum verb verb;
	struct found f;
	struct copy *c;

	if (!from.slot && atomic_load(&origin_state) != ORIGIN_OVER && !config.process_spans)
		return NULL;
	if (!look(envp, &f) || (verb = decide(&f, from)) == KEEP)
		return NULL;
	c = to && to->bytes >= copy_bytes(&f) ? to : copy_map(copy_bytes(&f));
	if (c)
		client_open(c, program, how);
	if (c && c->client.slot)
		from = c->client;
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

/* Shells try one directory of $PATH after the other. */
static bool is_hopeless(const char *path)
{
	return memory_is_readable(path, 1) && (*path == '/' || *path == '.') &&
	       raw_syscall3(SYS_faccessat, AT_FDCWD, (long)path, X_OK) != 0;
}

/* A program that becomes another one ends; a child that was made for that is none. */
static bool ends_here(const char *program, enum child_how how)
{
	bool ended;

	if (LIKELY(!config.process_spans) || how != CHILD_EXECS || thread_self.in_vfork ||
	    !guard_enter())
		return false;
	ended = !child_is_born() && !is_hopeless(program) && process_span_end();
	guard_leave();
	return ended;
}

struct child_env child_env_begin(char *const *envp, const char *program, enum child_how how)
{
	struct child_env e = { .envp = NULL };
	struct copy *c;

	e.envp = sandbox_env(envp);
	if (!host_is_observed())
		return e;
	e.has_ended = ends_here(program, how);
	if (e.envp != envp || !enter()) /* who is told nothing but to be quiet needs no parent */
		return e;
	lent_settle();
	c = copy_make(envp, program, how, NULL);
	leave();
	if (!c)
		return e;
	e.envp = c->envp;
	e.copy = c;
	e.client = c->client;
	if (thread_self.in_vfork) {
		child_env_vforked(-1); /* a vfork child of this vfork child, which is gone */
		thread_self.vfork_copy = c;
	}
	return e;
}

static void copy_free(struct child_env *e)
{
	struct copy *c = e->copy;

	if (!c)
		return;
	if (thread_self.vfork_copy == c)
		thread_self.vfork_copy = NULL;
	raw_munmap(c, c->bytes);
	e->copy = NULL;
}

void child_env_failed(struct child_env *e)
{
	copy_free(e);
	if (e->client.slot)
		child_span_fail(e->client);
	if (e->has_ended)
		process_span_resume();
}

void child_env_spawned(struct child_env *e, pid_t pid)
{
	copy_free(e);
	if (e->client.slot && pid > 0)
		child_span_runs(e->client, (uint64_t)pid);
	else if (e->client.slot && pid < 0)
		child_span_fail(e->client);
}

void child_env_vforked(pid_t pid)
{
	struct copy *c = thread_self.vfork_copy;

	thread_self.vfork_copy = NULL;
	if (!c)
		return;
	if (c->client.slot && pid > 0)
		child_span_runs(c->client, (uint64_t)pid);
	else if (c->client.slot)
		child_span_over(c->client, -1);
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

struct child_env child_env_lend(uintptr_t frame)
{
	struct child_env e = { .envp = NULL };
	struct copy *c;

	if (atomic_load_explicit(&child_env_has_threads, memory_order_relaxed) ||
	    thread_self.in_vfork || !environ || !enter())
		return e;
	if (lent.instead_of && frame >= lent.frame)
		give_back();
	c = lent.instead_of ? NULL : copy_make(environ, "sh", CHILD_IS_SPAWNED, lent.copy);
	if (c) {
		lent.copy = c;
		lent.frame = frame;
		lent.instead_of = environ;
		environ = c->envp;
		e.copy = c;
		e.client = c->client;
	}
	leave();
	return e;
}

void child_env_take_back(const struct child_env *e)
{
	if (e->copy && lent.instead_of)
		give_back();
}
