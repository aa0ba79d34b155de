/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_OBJECT_H
#define TLS_OBJECT_H
/*
 * libinterspan-tls.so: OpenSSL, nghttp2 and a libcurl that has both.  It lies beside our object, is
 * mapped when the first endpoint needs it, and never in a process whose endpoints do not.
 * Exporter thread only.
 */
#include <stdbool.h>

#include "transport.h"

/* False: it is not there, not ours, or wants what we do not have; exporter_log() was told. */
bool tls_object_ops(struct transport_ops *ret);

/* Its entry point: fills ops if version is its own.  Called once. */
typedef bool tls_object_entry(const char *version, struct transport_ops *ops);

/* For its messages: exporter_log(), if there is one. */
void tls_say(struct bytes message);

/* tls_import.c: what it may call by that name; NULL: it may not. */
void *tls_import(const char *name);

#endif
