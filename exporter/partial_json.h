/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARTIAL_JSON_H
#define PARTIAL_JSON_H
/* As much of JSON as a receiver's answer to http/json needs (O80).  Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/*
 * Finds `partialSuccess`: its rejectedSpans, a number or a string, and its errorMessage, whose
 * escapes are undone but for \u.  False: body is not such an object; nothing is set then.
 */
bool partial_json_read(struct bytes body, int64_t *ret_rejected, struct text *message);

#endif
