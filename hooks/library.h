/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIBRARY_H
#define LIBRARY_H
/*
 * Hooks of libraries that a process may have none, one or several copies of.  Each caller reaches
 * the function that it would have reached without us (provider.h); the answer is kept for the
 * caller's address.  Rows: LIBRARY_HOOK(name) of hooks.def.
 *
 * Any thread; the first call from a place takes the dynamic linker's lock, others take none.  What
 * is unloaded is forgotten by dlclose(), before its place is taken by something else.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "guard.h"
#include "provider.h"

#define LIBRARY_EXTRAS 24u

/* One kind of library.  Constant. */
struct library_kind {
	struct library library;
	const char *names; /* of the hooks, each with its NUL, in the order of their numbers */
	/* What we ask the library ourselves, likewise; the first `needed` of them must be there. */
	const char *extras;
	unsigned needed;
};

/* One copy.  extra: by the order of kind->extras, NULL if it lacks that. */
struct library_copy {
	const struct link_map *_Atomic object;
	_Atomic bool is_read;
	bool is_usable;
	void *extra[LIBRARY_EXTRAS];
};

struct target {
	void *function;                  /* NULL: nobody has it */
	const struct library_copy *copy; /* NULL: pass through */
};

#define LIBRARY_COPIES 8u
#define LIBRARY_SITES 512u /* places that call it */

struct library_sites {
	struct library_copy copy[LIBRARY_COPIES];
	struct {
		_Atomic uint64_t key;
		_Atomic uint64_t value;
	} site[LIBRARY_SITES];
};

/* A library may have been unloaded: what is remembered of it, and of callers in it, is void. */
void library_unloaded(void);

/*
 * The function of a target, to be called with that name's arguments.  It may leave the rest of its
 * work to another one of its library by a jump: then it seems that it is we who call that.
 */
#define LIBRARY_CALL(target, name) \
	(thread_self.calling = (target).function, (__typeof__(&name))(target).function)

/*
 * A place's key is its address and the function's number, since a place may call several by
 * pointer; its value the function's address and the copy's number plus one.  User space ends at
 * 2^47.
 */
#define LIBRARY_HIGH 56
#define LIBRARY_ADDRESS ((1ull << LIBRARY_HIGH) - 1)

static ALWAYS_INLINE uint64_t library_key(const void *caller, unsigned which)
{
	return (uint64_t)(uintptr_t)caller | (uint64_t)(which + 1) << LIBRARY_HIGH;
}

static ALWAYS_INLINE unsigned library_first(uint64_t key)
{
	return (unsigned)(key * 0x9e3779b97f4a7c15u >> 55) % LIBRARY_SITES;
}

static ALWAYS_INLINE struct target library_told(const struct library_sites *sites, uint64_t value)
{
	unsigned copy = (unsigned)(value >> LIBRARY_HIGH);

	return (struct target){ (void *)(uintptr_t)(value & LIBRARY_ADDRESS),
				copy ? &sites->copy[copy - 1] : NULL };
}

struct target library_target_slow(const struct library_kind *kind, struct library_sites *sites,
				  unsigned which, const void *caller);

/* The function number `which` for the code at caller. */
static ALWAYS_INLINE struct target library_target(const struct library_kind *kind,
						  struct library_sites *sites, unsigned which,
						  const void *caller)
{
	uint64_t key = library_key(caller, which);
	unsigned at = library_first(key);

	/* Acquire: the value was there before. */
	if (UNLIKELY(atomic_load_explicit(&sites->site[at].key, memory_order_acquire) != key))
		return library_target_slow(kind, sites, which, caller);
	return library_told(sites,
			    atomic_load_explicit(&sites->site[at].value, memory_order_relaxed));
}

#endif
