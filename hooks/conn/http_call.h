/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H
/* The end of an outbound call: told on the span of the request that it was made for (calls.h). */
#include "conn.h"

/* s: the span of x, as span_mine() says; closed, and gone afterwards. */
void http_call_end(const struct exchange *x, struct span *s);

#endif
