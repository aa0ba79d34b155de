/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPT_IN_H
#define OPT_IN_H
/*
 * Attributes that the conventions want only where they are asked for (level O): named in
 * OTEL_INTERSPAN_OPT_IN_ATTRIBUTES by their keys.  Any thread, async-signal-safe.
 */
#include <stdbool.h>

#include "span.h"

/* Is that one asked for?  Costs a load where none is. */
bool opt_in(enum attr key);

#endif
