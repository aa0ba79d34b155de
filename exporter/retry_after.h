/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RETRY_AFTER_H
#define RETRY_AFTER_H
/* What a receiver asks for by Retry-After (O25), RFC 9110 10.2.3.  Pure. */
#include <stdint.h>

#include "bytes.h"

/* More is taken for this: every export has given up long before. */
#define RETRY_AFTER_MAX_MS (86400u * 1000u)

/*
 * The header's value, so many seconds or a date in one of the three forms of HTTP, as a wait from
 * now_ns (CLOCK_REALTIME).  0: it is no such thing, or says at once, or a time that is past.
 */
uint64_t retry_after_ms(struct bytes value, uint64_t now_ns);

#endif
