/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRUST_H
#define TRUST_H
/*
 * Whom the system trusts, read as far as a handshake asks: of 140 authorities it is one, and to
 * take in all of them costs five times as much as the rest of the handshake, and 2 MiB that stay.
 */
#include <stdbool.h>

#include <curl/curl.h>

/* The file of the system's; NULL: it has none that we know of. */
const char *trust_bundle(void);

/*
 * From now on authorities are looked for in the bundle, a constant path.  False: libcurl refuses.
 */
bool trust_set(CURL *easy, const char *bundle);

#endif
