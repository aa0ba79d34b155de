/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_HELLO_H
#define CLIENT_HELLO_H
/*
 * The first message of a client of TLS (RFC 8446 4.1.2, RFC 5246 7.4.1.2), which is not encrypted:
 * whom does it want to talk to?  Any thread, async-signal-safe.
 */
#include "bytes.h"

/*
 * The host name in it (RFC 6066 3), which borrows of first; {NULL, 0}: there is none, or not all of
 * it is in first, which begins with the record's header.
 */
struct bytes client_hello_name(struct bytes first);

#endif
