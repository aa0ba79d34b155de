/* SPDX-License-Identifier: Apache-2.0 */
#ifndef H2_WATCH_H
#define H2_WATCH_H
/*
 * What transport.c is told of an answer over HTTP/2, before libcurl sees it.  Exporter thread only.
 */
#include "bytes.h"

/* easy: of which request, as libcurl knows it (a CURL *); NULL: of none that is under way. */
void transport_h2_header(const void *easy, struct bytes name, struct bytes value);
void transport_h2_data(const void *easy, struct bytes data);

#endif
