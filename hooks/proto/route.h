/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROUTE_H
#define ROUTE_H
/*
 * http.route from the user's table (H5, H62): "/users/{id};/orders/{id}/items;/static/{file...}".
 *
 *   {name}       one segment, not empty
 *   {name...}, * as the last segment: whatever follows the slash, also nothing
 *   anything else is itself: case, percent-encoding and a slash at the end count
 *
 * Pure, async-signal-safe.
 */
#include "bytes.h"

/* The first template that path (without query) fits, a view into routes; ptr NULL: none does. */
struct bytes route_match(struct bytes routes, struct bytes path);

#endif
