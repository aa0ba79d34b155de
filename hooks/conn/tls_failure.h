/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_FAILURE_H
#define TLS_FAILURE_H
/*
 * Connections as client whose handshake failed, or whose peer the application did not believe: one
 * CLIENT span each, since there is no request that could tell of it.
 *
 * What was called for it is what the connection was opened for (conn.h: connect_context), as far as
 * that is known.  Any thread, async-signal-safe, inside the guard.
 */
#include "compiler.h"
#include "tls.h"

/* As error.type: a few names, most of them of RFC 8446 6.  An alert without a name: NULL. */
struct bytes tls_alert_name(unsigned number);
#define TLS_UNVERIFIED "certificate_verify_failed"
#define TLS_NOT_TLS "not_tls"
#define TLS_PROTOCOL_VERSION "protocol_version"
#define TLS_HANDSHAKE_FAILURE "handshake_failure"
#define TLS_CLOSED "closed_by_peer"

/* A handshake of that session has failed for good.  why: lasts for ever; empty: error, an errno. */
void tls_failed(struct tls *t, struct bytes why, int error);

/*
 * After the handshake the application has asked, and was told that it cannot trust the peer.  Where
 * it goes on all the same, nothing has failed.
 */
void tls_unverified(struct tls *t, const char *why);

/* The connection ends. */
void tls_over(struct conn *c);

/* Its handshake is under way: why it ends is asked for before it is closed. */
static inline bool tls_is_shaking(const struct conn *c)
{
	return c->role == CONN_CLIENT && !c->tls.established_ns &&
	       (conn_is_tls(c) || c->tls.is_announced);
}

#endif
