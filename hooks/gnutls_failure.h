/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GNUTLS_FAILURE_H
#define GNUTLS_FAILURE_H
/* Names for what GnuTLS says, as error.type.  Pure; they last for ever. */
#include "bytes.h"

/*
 * Of what gnutls_handshake() returned for good; alert: the last one that came, status: of the
 * verification, both as far as it was one.  Empty: errno tells.
 */
struct bytes gnutls_failure(int r, unsigned alert, unsigned status);

/* Of the status of a verification; NULL: the peer is who it should be. */
const char *gnutls_unverified(unsigned status);

#endif
