/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTF8_H
#define UTF8_H
/*
 * A string field that is not valid UTF-8 makes strict receivers refuse the whole request (O40), and
 * what comes off a wire is any bytes.  Pure functions.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

bool otlp_utf8_is_valid(struct bytes s);

/*
 * Copies s with every maximal bad sequence replaced by U+FFFD, and ends it with NUL; NUL inside is
 * replaced, too.  to has room for 3 * s.len + 1.  Returns the length without the NUL.
 */
size_t otlp_utf8_repair(char *to, struct bytes s);

#endif
