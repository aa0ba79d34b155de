/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARDED_H
#define FORWARDED_H
/*
 * What proxies say about the original request: Forwarded (RFC 7239) and X-Forwarded-For, -Proto,
 * -Host (H58, H66, H76, H86).  The first element is the one closest to the client.  Forwarded beats
 * the others, and nothing of this is to be believed unless the user does: both are the caller's.
 * Views into the value.  Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/* ptr NULL: not told. */
struct forwarded {
	struct bytes client; /* for=, as sent: see forwarded_node() */
	struct bytes proto;
	struct bytes host; /* host[:port]: see url_split_host() */
};

/* The first element of a Forwarded line.  False: malformed, nothing of it is used. */
bool forwarded_parse(struct bytes value, struct forwarded *ret);

/* The first element of an X-Forwarded-* line; empty if there is none. */
struct bytes forwarded_first(struct bytes value);

/*
 * Address and port of a node: 192.0.2.1, 192.0.2.1:80, [2001:db8::1]:80, 2001:db8::1.
 * False: "unknown", an obfuscated name, or not an address; results untouched.  Port 0: none.
 */
bool forwarded_node(struct bytes node, struct bytes *ret_address, uint16_t *ret_port);

/* http or https, in lower case whatever was sent; empty: another, not to be told as url.scheme. */
struct bytes forwarded_scheme(struct bytes proto);

#endif
