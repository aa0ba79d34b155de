/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRELOAD_PATH_H
#define PRELOAD_PATH_H
/* Where libinterspan.so is, and the LD_PRELOAD that loads it. */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

#define PRELOAD_PATH_MAX (PATH_MAX + 64)

/*
 * Beside this executable (a build tree), in ../lib/interspan/ from it (an installed tree, wherever
 * it was moved), or in the directory configured at build time.
 */
MUST_USE bool preload_path_find(char *ret, size_t size);

/* Returns owned: before with object behind it, unless it is in there already.  NULL: no memory. */
char *preload_path_append(const char *before, const char *object);

#endif
