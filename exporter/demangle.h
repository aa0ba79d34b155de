/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEMANGLE_H
#define DEMANGLE_H
/*
 * C++ names as people write them (Itanium ABI, as of gcc and clang): "_ZN4shop5fetchEi" is
 * "shop::fetch(int)".  A name is anybody's: depth, steps and length are bounded.  Names of
 * templates whose arguments are expressions, and other rare ones, are not understood.  Pure, no
 * allocation.
 */
#include <stddef.h>

#include "bytes.h"

/* The length of what was written to `to`; 0: no C++ name, or not understood. */
size_t demangle(char *to, size_t cap, struct bytes name);

#endif
