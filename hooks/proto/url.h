/* SPDX-License-Identifier: Apache-2.0 */
#ifndef URL_H
#define URL_H
/*
 * Request targets, hosts and what may be told of them (H24, H25, H45-H51, H57, H65, H78).
 *
 * Texts keep their percent-encoding (H51).  What is written never holds a user info or the value of
 * a listed query key (H48, H49): those become REDACTED before anything is cut.  A result that does
 * not fit is cut on a character's boundary.  Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

enum url_form {
	URL_ORIGIN,    /* /path?query */
	URL_ABSOLUTE,  /* http://host/path?query */
	URL_ASTERISK,  /* * */
	URL_AUTHORITY, /* host:port, of CONNECT */
	URL_ODD,       /* none of these: told as a path */
};

/* Views into the target; not redacted yet: nothing of it but path may be told as it is. */
struct url {
	enum url_form form;
	struct bytes scheme;    /* absolute form; as sent */
	struct bytes authority; /* absolute and authority form; may hold a user info */
	struct bytes path;      /* "*" of the asterisk form; empty of the authority form */
	struct bytes query;     /* without "?"; ptr NULL: none */
	struct bytes fragment;  /* without "#"; ptr NULL: none */
};

struct url url_split(struct bytes target, bool is_connect);

/* Is it of the origin form, and nothing but a path? */
bool url_is_path(struct bytes target);

/*
 * url.full by form (H47).  scheme and host are those of the connection and of the Host header; the
 * absolute form brings its own.  keys: comma list.  Returns the length written.
 */
size_t url_write_full(char *to, size_t cap, const struct url *u, struct bytes scheme,
		      struct bytes host, struct bytes keys);

/* url.query (H65), and url.path, in which only the odd form has anything to hide. */
size_t url_write_query(char *to, size_t cap, const struct url *u, struct bytes keys);
size_t url_write_path(char *to, size_t cap, const struct url *u);

/*
 * Host and port of an authority: user info skipped, brackets of an IPv6 literal off (H78).
 * *ret_port is 0 if none was given.  False: not a host; results untouched.
 */
bool url_split_host(struct bytes authority, struct bytes *ret_host, uint16_t *ret_port);

/* 80, 443; 0 if the scheme is unknown. */
uint16_t url_default_port(struct bytes scheme);

/* Percent-decoded; what is not an escape stays as it is.  Returns the length written. */
size_t url_decode(char *to, size_t cap, struct bytes from);

/* Is raw in the comma list of known methods (H52-H55)?  If not: _OTHER, and raw as the original. */
bool url_method_is_known(struct bytes raw, struct bytes known);

#endif
