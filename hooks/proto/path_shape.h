/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATH_SHAPE_H
#define PATH_SHAPE_H
/*
 * What paths that differ in ids alone have in common: "/users/7/items/12" and "/users/8/items/1"
 * are one shape, in which a star stands for each id.  A guess, for counting what is alike; never a
 * route.
 *
 *   a segment of 8 bytes or more of which all are hex digits, "-" or "_", one of them 0-9   *
 *   a segment of 20 or more letters, digits, "-" or "_", one of them 0-9                    *
 *   "v" and one or two digits                                                  as it is
 *   digits in any other segment                                                * for each run
 *
 * Pure, async-signal-safe.
 */
#include "bytes.h"

/* Is it its own shape?  Then it has no digit. */
bool path_is_shape(struct bytes path);

/* Writes at most cap bytes, cut there; returns their number.  path: without a query. */
size_t path_shape(char *to, size_t cap, struct bytes path);

#endif
