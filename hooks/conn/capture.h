/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPTURE_H
#define CAPTURE_H
/*
 * Headers that the user wants as attributes: OTEL_INSTRUMENTATION_HTTP_{SERVER,CLIENT}_CAPTURE_
 * {REQUEST,RESPONSE}_HEADERS (H35, H36, H74), and the ids of older schemes by
 * OTEL_INTERSPAN_CORRELATION_HEADERS.  None unless named, and never one that carries a credential,
 * whoever names it (law 3).  Pure but for the settings; any thread, async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

enum capture {
	CAPTURE_SERVER_REQUEST,
	CAPTURE_SERVER_RESPONSE,
	CAPTURE_CLIENT_REQUEST,
	CAPTURE_CLIENT_RESPONSE,
	CAPTURES
};

/* Is there any that is wanted there? */
bool capture_any(enum capture where);

/* Is that one? */
bool capture_wants(enum capture where, struct bytes name);

/* May a header, baggage key or the like carry a credential, by its name? */
bool capture_is_secret(struct bytes name);

/*
 * Name in lower case and value, packed as store.h says of ITEM_ELEMENT; user information and
 * secret query values in URLs are redacted.  Values are cut at 1 KiB.  Returns the length; 0: the
 * name is too long, or cap is too small.
 */
#define CAPTURE_BYTES 1300u
size_t capture_pack(char *to, size_t cap, struct bytes name, struct bytes value);

#endif
