/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROVIDER_H
#define PROVIDER_H
/*
 * Whose function would this caller have reached without us?  For names of libraries of which a
 * process may have none, one or several (SSL_read of the system's OpenSSL, and of a private copy
 * that came by dlopen()): RTLD_NEXT knows only what came with the program, and one answer for all
 * callers is one library's function on another's data.
 *
 * One object that defines the name is the answer, whoever asks.  Of several it is the one to which
 * the dynamic linker has bound other names of that library for the same caller, which its global
 * offset table tells; before any of them was called, the first one whose version fits.
 *
 * Any thread; not in a signal handler, which has no business in such libraries: the dynamic
 * linker's list is kept still by its lock, as for the unwinder.  Thousands of instructions:
 * remember the answer for the caller's address, which is good as long as the caller is there.
 */
#include <link.h>
#include <stdbool.h>

struct library {
	const char *family; /* how its names begin: "SSL_" */
	const char *mark;   /* a name that only the library itself has, no preload in front of it */
};

struct provider {
	const struct link_map *object; /* NULL: there is none */
	void *function;                /* its own, or that of a preload behind us */
	bool is_caller;                /* the library calls itself */
};

/* Of the function name of such a library, for the code at caller. */
struct provider provider_of(const struct library *library, const char *name, const void *caller);

/*
 * The function that an object, which is in use, reaches by that name: its own, or that to which the
 * dynamic linker has bound it.  NULL: none, or it has not called it yet.  No lock; signal-safe.
 */
void *provider_bound(const struct link_map *object, const char *name);

#endif
