/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTF8_H
#define UTF8_H
/* UTF-8 as Unicode has it: no surrogates, no overlong forms (O40).  Pure, async-signal-safe. */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

bool utf8_is_valid(struct bytes text);

/* The longest beginning of at most max bytes that does not cut a character; raw bytes pass. */
size_t utf8_cut(struct bytes text, size_t max);

/*
 * Copies text with U+FFFD for every maximal bad sequence; stops before what does not fit.
 * Returns the length written.
 */
size_t utf8_repair(char *to, size_t cap, struct bytes text);

#endif
