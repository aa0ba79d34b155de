/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSOLE_H
#define CONSOLE_H
/*
 * OTEL_TRACES_EXPORTER=console: one line a span, on the standard error that the host had when its
 * first span ended.  The format is for people, and may change (E118):
 *
 *   interspan pid=7 SERVER "GET /" 1.250ms trace=... span=... parent=... ERROR key=value key="a b"
 */
#include <stdbool.h>
#include <stddef.h>

#include "store.h"
#include "text.h"

#define CONSOLE_LINE_MAX 8192 /* longer lines are cut */

/* Pure: the line of r with its newline, in to, which has room for CONSOLE_LINE_MAX. */
size_t console_format(const struct record *r, char *to);

#endif
