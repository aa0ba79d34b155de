/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GZIP_H
#define GZIP_H
/*
 * Bodies of requests, compressed as Content-Encoding: gzip wants them (O5), by zlib's deflate at
 * its quickest.  Its state, 260 KiB of the pool, is kept from one body to the next.
 */
#include "alloc.h"
#include "bytes.h"

/* Into to, which must be reset before body's memory is; {NULL, 0}: no memory. */
struct bytes gzip(struct scratch *to, struct bytes body);

/* Gives the state back. */
void gzip_done(void);

/* After pool_forget(): there is none. */
void gzip_forget(void);

#endif
