/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GLOB_H
#define GLOB_H
/* Patterns of settings.  Pure, async-signal-safe. */
#include <stdbool.h>

#include "bytes.h"

/* "*" matches any number of bytes, everything else itself; time is O(pattern * text) at worst. */
bool glob_match(struct bytes pattern, struct bytes text);

#endif
