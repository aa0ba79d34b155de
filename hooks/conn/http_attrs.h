/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ATTRS_H
#define HTTP_ATTRS_H
/* From the facts of a request and a response to the attributes of a span (spec rows H1-H79). */
#include "conn.h"
#include "head.h"
#include "span.h"

void attrs_server_request(struct span *s, struct conn *c, int fd, const struct head *h,
			  const char *text, const struct http1 *p);
/* Of c->pending, which gets to know where its URL is, and what else is known. */
void attrs_client_request(struct span *s, struct conn *c, int fd, const struct head *h,
			  const char *text, const struct http1 *p);
/*
 * The same of a recorded span, where all that is told of the request is what was told of the last
 * one (c->request), but for the end of its URL: url_is_path(target).  False: it is not so, and
 * nothing was set.
 */
MUST_USE bool attrs_client_as_last(struct span *s, struct conn *c, struct bytes target);
/* Opt-in attributes of the transport, and of TLS. */
void attrs_transport(struct span *s, const struct conn *c);

/*
 * A header of the final response, if it is wanted (H36).  buf: CAPTURE_BYTES of the caller's half.
 */
void attrs_response_header(struct span *s, bool is_server, const struct http1 *p, char *buf);

/* H41, of the exchange that is being answered: p has parsed its response. */
void attrs_body_sizes(struct span *s, const struct conn *c, const struct http1 *p);

/*
 * Members of a baggage list that the user named, as attributes.  buf: CAPTURE_BYTES that are not
 * the list's.
 */
void attrs_baggage(struct span *s, struct bytes list, char *buf);

/* Whom a connection leads to: an address, and its port, or a path, and 0.  Empty: not known. */
struct bytes attrs_peer(struct conn *c, int fd, uint16_t *ret_port);

/* Is this a request of which nothing is to be told? */
bool head_is_excluded(const struct head *h, const char *text);

void attrs_response(struct span *s, bool is_server, const struct http1 *p);

/* Telemetry on its way, ours or others': tracing it would make more of it (design 3). */
bool head_posts_otlp(const struct head *h, const char *text); /* of a POST */

static ALWAYS_INLINE bool head_is_otlp(const struct head *h, const char *text)
{
	return UNLIKELY(bytes_equal(head_get(h, text, HEAD_METHOD), BYTES("POST"))) &&
	       head_posts_otlp(h, text);
}

#endif
