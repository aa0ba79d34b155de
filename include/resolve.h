/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RESOLVE_H
#define RESOLVE_H
/*
 * Names to addresses without the dynamic linker's help (law 5).  dlsym() takes the loader's lock,
 * may allocate, costs 900 instructions a name, and is GLIBC_2.34 where we are built: a process with
 * an older libc would die before main().  So we read the ELF tables ourselves: no lock, no
 * allocation, no system call; any thread, async-signal-safe.
 *
 * Order is that of RTLD_NEXT: objects that follow ours in the order of loading, so that a preload
 * behind us is reached.  The version taken is the default one.
 *
 * Objects that came with the program are never unmapped, and the walk ends at the first hit.  Only
 * a name that none of them has leads it into libraries that another thread may be unloading: so ask
 * for what the program itself has called, or for what libc is sure to have.
 */
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The next definition of name after our object; NULL if there is none. */
void *resolve(const char *name);

/*
 * As resolve(), but the version of name that the object around the address caller was linked
 * against (quick_exit, posix_spawn and the like have several).  The default version if it does not
 * import the name.
 */
void *resolve_as_bound(const char *name, const void *caller);

/* Objects in the order of loading; the program itself comes first.  NULL after the last. */
const struct link_map *resolve_first_object(void);
const struct link_map *resolve_own_object(void);

/* What the object's own dynamic section says its name is; NULL if it has none. */
const char *resolve_soname(const struct link_map *object);

/* The object's own definition of name, if it is the default one; NULL if it has none. */
void *resolve_in(const struct link_map *object, const char *name);

/* The same of that version; NULL: the default one. */
void *resolve_in_version(const struct link_map *object, const char *name, const char *version);

/* The version with which the object imports name; NULL: it does not, or without one. */
const char *resolve_version_imported(const struct link_map *object, const char *name);

/* Is it code of that object, or data that is not written?  Objects do not interleave. */
static inline bool resolve_is_in(const struct link_map *object, const void *address)
{
	return object->l_addr <= (uintptr_t)address && (uintptr_t)address < (uintptr_t)object->l_ld;
}

/*
 * Which of these names does the object define?  A bit for each, the lowest for the first.  names
 * are up to 32 texts one behind the other, each with its NUL, and an empty one.
 */
uint32_t resolve_defined(const struct link_map *object, const char *names);

#endif
