/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ATTRS_H
#define HTTP_ATTRS_H
/* From the facts of a request and a response to the attributes of a span (spec rows H1-H79). */
#include "conn.h"
#include "head.h"
#include "span.h"

void attrs_server_request(struct span *s, struct conn *c, int fd, const struct head *h,
			  const char *text, const struct http1 *p);
void attrs_client_request(struct span *s, struct conn *c, int fd, const struct head *h,
			  const char *text, const struct http1 *p);
void attrs_response(struct span *s, bool is_server, const struct http1 *p);

/* Telemetry on its way, ours or others': tracing it would make more of it (design 3). */
bool head_is_otlp(const struct head *h, const char *text);

#endif
