/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DECIMAL_H
#define DECIMAL_H
/* Numbers of settings, without the host's locale.  Pure, async-signal-safe. */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/*
 * "0.25", "1", ".5", "1e-3": that many times unit, to the nearest.  unit <= 2^56.  False: not a
 * decimal number as a whole, negative, or 2^63 and more.
 */
bool decimal_parse(struct bytes s, uint64_t unit, uint64_t *ret);

#endif
