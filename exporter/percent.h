/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERCENT_H
#define PERCENT_H
/* Lists of the environment: `key=value,key=value`, percent-encoded (E20, E109, E110). */
#include <stdbool.h>

#include "bytes.h"
#include "text.h"

/* Appends s decoded; false: a % is not followed by two hex digits, or it does not fit. */
bool percent_decode(struct text *to, struct bytes s);

/*
 * Takes one pair off *rest, which is not used up while rest->ptr is set.  False: no `=`, or an
 * empty key.  Key and value are trimmed, not decoded.
 */
bool percent_pair(struct bytes *rest, struct bytes *ret_key, struct bytes *ret_value);

#endif
