/* SPDX-License-Identifier: Apache-2.0 */
#include "library.h"

#include <string.h>
#include <sys/syscall.h>

#include "guard.h"
#include "rawsys.h"
#include "resolve.h"

#define PROBES 8u

#define FREE 0u
#define TAKEN 1u /* being filled */

static const char *name_of(const char *names, unsigned which)
{
	while (which--)
		names += strlen(names) + 1;
	return names;
}

static void read_extras(const struct library_kind *kind, struct library_copy *copy,
			const struct link_map *object)
{
	unsigned i = 0;
	bool is_usable = true;

	for (const char *name = kind->extras; *name; name += strlen(name) + 1, i++) {
		copy->extra[i] = resolve_in(object, name);
		is_usable &= copy->extra[i] || i >= kind->needed;
	}
	copy->is_usable = is_usable;
	atomic_store_explicit(&copy->is_read, true, memory_order_release);
}

/* Another thread is at it: that takes no time, unless we have interrupted it. */
static bool is_read_soon(const struct library_copy *copy)
{
	for (int i = 0; i < 1000; i++) {
		if (atomic_load_explicit(&copy->is_read, memory_order_acquire))
			return true;
		raw_syscall3(SYS_sched_yield, 0, 0, 0);
	}
	return false;
}

/* Plus one; 0: not usable, or no room; negative: not known yet. */
static int copy_number(const struct library_kind *kind, struct library_sites *sites,
		       const struct link_map *object)
{
	for (unsigned i = 0; i < LIBRARY_COPIES; i++) {
		struct library_copy *copy = &sites->copy[i];
		const struct link_map *is = NULL;

		if (atomic_compare_exchange_strong(&copy->object, &is, object))
			read_extras(kind, copy, object);
		else if (is != object)
			continue;
		if (!is_read_soon(copy))
			return -1;
		return copy->is_usable ? (int)i + 1 : 0;
	}
	return 0;
}

static void remember(struct library_sites *sites, uint64_t key, uint64_t value)
{
	for (unsigned i = 0; i < PROBES; i++) {
		unsigned at = library_first(key) + i;
		uint64_t was = FREE;

		at %= LIBRARY_SITES;
		if (!atomic_compare_exchange_strong(&sites->site[at].key, &was, TAKEN)) {
			if (was == key)
				return;
			continue;
		}
		atomic_store_explicit(&sites->site[at].value, value, memory_order_relaxed);
		/* Publishes the value; pairs with the acquire of look_up(). */
		atomic_store_explicit(&sites->site[at].key, key, memory_order_release);
		return;
	}
}

/* --- what is gone --- */

#define KINDS 8u

static struct library_sites *_Atomic used[KINDS];

static void remember_kind(struct library_sites *sites)
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct library_sites *none = NULL;

		if (atomic_compare_exchange_strong(&used[i], &none, sites) || none == sites)
			return;
	}
}

static const struct link_map *object_around(uint64_t address)
{
	const struct link_map *m = resolve_first_object();

	while (m && !resolve_is_in(m, (const void *)(uintptr_t)address))
		m = m->l_next;
	return m;
}

static bool is_loaded(const struct link_map *object)
{
	const struct link_map *m = resolve_first_object();

	while (m && m != object)
		m = m->l_next;
	return m != NULL;
}

static void forget_unloaded(struct library_sites *sites)
{
	for (unsigned i = 0; i < LIBRARY_SITES; i++) {
		uint64_t key = atomic_load_explicit(&sites->site[i].key, memory_order_acquire);
		uint64_t value = atomic_load_explicit(&sites->site[i].value, memory_order_relaxed);

		if (key > TAKEN && (!object_around(key & LIBRARY_ADDRESS) ||
				    !object_around(value & LIBRARY_ADDRESS)))
			atomic_store(&sites->site[i].key, FREE);
	}
	for (unsigned i = 0; i < LIBRARY_COPIES; i++) {
		struct library_copy *copy = &sites->copy[i];
		const struct link_map *object = atomic_load(&copy->object);

		if (!object || !atomic_load(&copy->is_read) || is_loaded(object))
			continue;
		atomic_store(&copy->is_read, false);
		atomic_store(&copy->object, NULL);
	}
}

/* Once, under the dynamic linker's lock. */
static int forget_all(struct dl_phdr_info *info, size_t len, void *arg)
{
	(void)info;
	(void)len;
	(void)arg;
	for (unsigned i = 0; i < KINDS; i++)
		if (atomic_load(&used[i]))
			forget_unloaded(atomic_load(&used[i]));
	return 1;
}

void library_unloaded(void)
{
	if (atomic_load_explicit(&used[0], memory_order_relaxed))
		dl_iterate_phdr(forget_all, NULL);
}

static NO_INLINE struct target find(const struct library_kind *kind, struct library_sites *sites,
				    unsigned which, const void *caller, uint64_t key)
{
	struct provider p = provider_of(&kind->library, name_of(kind->names, which), caller);
	int copy;
	uint64_t value;

	if (!p.function)
		return (struct target){ NULL, NULL };
	remember_kind(sites);
	/* What the library calls of its own is part of a call that we have seen. */
	copy = p.is_caller ? 0 : copy_number(kind, sites, p.object);
	if (copy < 0)
		return (struct target){ p.function, NULL };
	value = (uint64_t)(uintptr_t)p.function | (uint64_t)copy << LIBRARY_HIGH;
	remember(sites, key, value);
	return library_told(sites, value);
}

/* What is remembered of a place; 0: nothing. */
static ALWAYS_INLINE uint64_t look_up(const struct library_sites *sites, uint64_t key)
{
	for (unsigned i = 0; i < PROBES; i++) {
		unsigned at = library_first(key) + i;

		at %= LIBRARY_SITES;
		if (LIKELY(atomic_load_explicit(&sites->site[at].key, memory_order_acquire) == key))
			return atomic_load_explicit(&sites->site[at].value, memory_order_relaxed);
	}
	return 0;
}

/* A library's function that we have called leaves the rest to another one by a jump. */
static NO_INLINE struct target look_again(const struct library_kind *kind,
					  struct library_sites *sites, unsigned which,
					  const void *caller)
{
	uint64_t key, value;

	if (resolve_is_in(resolve_own_object(), caller))
		caller = thread_self.calling;
	key = library_key(caller, which);
	value = look_up(sites, key);
	return value ? library_told(sites, value) : find(kind, sites, which, caller, key);
}

/* Nothing is remembered of a place that is ours. */
struct target library_target_slow(const struct library_kind *kind, struct library_sites *sites,
				  unsigned which, const void *caller)
{
	uint64_t value = look_up(sites, library_key(caller, which));

	return LIKELY(value) ? library_told(sites, value) : look_again(kind, sites, which, caller);
}
