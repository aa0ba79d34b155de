/* SPDX-License-Identifier: Apache-2.0 */
#include "url.h"

#include "scan.h"
#include "text.h"

static const struct bytes redacted = { "REDACTED", 8 };

/* The path of "http://host": what it means, but not a part of the text (RFC 9112 3.2.1). */
static const char root[] = "/";

/* --- the parts of a target --- */

static ALWAYS_INLINE scan_block ends_path(scan_block b)
{
	return (scan_block)((b == '?') | (b == '#'));
}

static ALWAYS_INLINE scan_block ends_authority(scan_block b)
{
	return (scan_block)((b == '?') | (b == '#') | (b == '/'));
}

/* Up to the first ? or #, the first slash too, or the end. */
static ALWAYS_INLINE size_t find_end(struct bytes s, bool of_authority)
{
	const char *end = s.ptr + s.len;

	return !s.len ? 0 :
			(size_t)(scan_for(s.ptr, end, of_authority ? ends_authority : ends_path) -
				 s.ptr);
}

static struct bytes take(struct bytes *s, size_t n)
{
	struct bytes part = { s->ptr, n };

	*s = bytes_skip(*s, n);
	return part;
}

static bool is_alpha(char c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

/* Length of "scheme" in "scheme://..."; 0 if it does not begin like that. */
static size_t scheme_len(struct bytes s)
{
	const char *colon = s.len && is_alpha(s.ptr[0]) ? memchr(s.ptr, ':', s.len) : NULL;
	size_t n = colon ? (size_t)(colon - s.ptr) : 0;

	if (!colon || n > find_end(s, true) || !bytes_start_with(bytes_skip(s, n), BYTES("://")))
		return 0;
	return n;
}

static void split_path(struct url *u, struct bytes rest)
{
	u->path = take(&rest, find_end(rest, false));
	if (LIKELY(!rest.len))
		return;
	if (*rest.ptr == '?') {
		rest = bytes_skip(rest, 1);
		u->query = bytes_split(&rest, '#');
		u->fragment = rest;
		return;
	}
	u->fragment = bytes_skip(rest, 1);
}

struct url url_split(struct bytes target, bool is_connect)
{
	struct url u = { .form = URL_ODD };
	size_t n;

	if (UNLIKELY(is_connect)) {
		u.form = URL_AUTHORITY;
		u.authority = target;
	} else if (LIKELY(target.len && *target.ptr == '/')) {
		u.form = URL_ORIGIN;
		split_path(&u, target);
	} else if (bytes_equal(target, BYTES("*"))) {
		u.form = URL_ASTERISK;
		u.path = target;
	} else if ((n = scheme_len(target))) {
		u.form = URL_ABSOLUTE;
		u.scheme = take(&target, n);
		target = bytes_skip(target, 3);
		u.authority = take(&target, find_end(target, true));
		split_path(&u, target);
		if (!u.path.len)
			u.path = (struct bytes){ root, 1 };
	} else {
		split_path(&u, target);
	}
	return u;
}

bool url_is_path(struct bytes target)
{
	return target.len && *target.ptr == '/' && find_end(target, false) == target.len;
}

/* --- secrets --- */

/* Length of "user:password@"; the last @ ends it, so that none can hide a part of it. */
static size_t user_info_len(struct bytes authority)
{
	size_t n = authority.len;

	while (n && authority.ptr[n - 1] != '@')
		n--;
	return n;
}

static void put_authority(struct text *t, struct bytes authority)
{
	size_t n = user_info_len(authority);
	struct bytes user = { authority.ptr, n };

	if (n) {
		text_put(t, redacted);
		if (memchr(user.ptr, ':', user.len)) {
			text_put(t, BYTES(":"));
			text_put(t, redacted);
		}
		text_put(t, BYTES("@"));
	}
	text_put(t, bytes_skip(authority, n));
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that s begins with, decoded: "X%2DAmz" names the same key to the server. */
static char take_decoded(struct bytes *s)
{
	char c = *s->ptr;

	if (c == '%' && s->len >= 3 && hex_value(s->ptr[1]) >= 0 && hex_value(s->ptr[2]) >= 0) {
		c = (char)(hex_value(s->ptr[1]) * 16 + hex_value(s->ptr[2]));
		*s = bytes_skip(*s, 2);
	}
	*s = bytes_skip(*s, 1);
	return c;
}

static bool is_same_key(struct bytes sent, struct bytes key)
{
	while (sent.len && key.len) {
		if (take_decoded(&sent) != *key.ptr)
			return false;
		key = bytes_skip(key, 1);
	}
	return !sent.len && !key.len;
}

static bool is_secret(struct bytes sent, struct bytes keys)
{
	while (keys.ptr) {
		struct bytes key = bytes_trim(bytes_split(&keys, ','));

		if (key.len && is_same_key(sent, key))
			return true;
	}
	return false;
}

static void put_query(struct text *t, struct bytes query, struct bytes keys)
{
	while (query.ptr) {
		struct bytes value = bytes_split(&query, '&');
		struct bytes key = bytes_split(&value, '=');

		text_put(t, key);
		if (value.ptr) {
			text_put(t, BYTES("="));
			text_put(t, is_secret(key, keys) ? redacted : value);
		}
		if (query.ptr)
			text_put(t, BYTES("&"));
	}
}

/* Of the odd form ("user:pw@host/x", say) the part before the first slash may be an authority. */
static void put_path(struct text *t, const struct url *u)
{
	struct bytes rest = u->path;

	if (u->form == URL_ODD)
		put_authority(t, take(&rest, find_end(rest, true)));
	text_put(t, rest);
}

/* --- what is told --- */

static void put_origin(struct text *t, struct bytes scheme, struct bytes authority)
{
	text_put(t, scheme);
	text_put(t, BYTES("://"));
	put_authority(t, authority);
}

size_t url_decode(char *to, size_t cap, struct bytes from)
{
	size_t n = 0;

	while (from.len && n < cap)
		to[n++] = take_decoded(&from);
	return n;
}

size_t url_write_full(char *to, size_t cap, const struct url *u, struct bytes scheme,
		      struct bytes host, struct bytes keys)
{
	struct text t = { .to = to, .cap = cap };

	if (u->form == URL_AUTHORITY) {
		text_put(&t, BYTES("//"));
		put_authority(&t, u->authority);
		return text_end(&t);
	}
	if (u->form == URL_ABSOLUTE)
		put_origin(&t, u->scheme, u->authority);
	else
		put_origin(&t, scheme, host);
	if (u->form == URL_ASTERISK)
		return text_end(&t);
	if (u->form == URL_ODD)
		text_put(&t, BYTES("/"));
	if (u->path.ptr != root)
		put_path(&t, u);
	if (u->query.ptr) {
		text_put(&t, BYTES("?"));
		put_query(&t, u->query, keys);
	}
	if (u->fragment.ptr) {
		text_put(&t, BYTES("#"));
		text_put(&t, u->fragment);
	}
	return text_end(&t);
}

size_t url_write_query(char *to, size_t cap, const struct url *u, struct bytes keys)
{
	struct text t = { .to = to, .cap = cap };

	put_query(&t, u->query, keys);
	return text_end(&t);
}

size_t url_write_path(char *to, size_t cap, const struct url *u)
{
	struct text t = { .to = to, .cap = cap };

	put_path(&t, u);
	return text_end(&t);
}

/* --- hosts --- */

static bool port_parse(struct bytes s, uint16_t *ret_port)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(s.ptr[i] - '0');
		if (n > UINT16_MAX)
			return false;
	}
	*ret_port = (uint16_t)n;
	return true;
}

/* An IPv6 address, roughly; the text of a zone is free. */
static bool is_ipv6_char(char c)
{
	return hex_value(c) >= 0 || c == ':' || c == '.';
}

/* Without blanks, controls and what ends an authority: the rest is a matter of taste. */
static bool is_host(struct bytes s)
{
	bool is_ipv6 = s.len && memchr(s.ptr, ':', s.len);

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.ptr[i];

		if (c <= 0x20 || c >= 0x7f || strchr("/?#[]@,\\\"<>", c))
			return false;
		if (c == '%')
			is_ipv6 = false;
		if (is_ipv6 && !is_ipv6_char(s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

/* Takes the host off *s; what is left is empty, or begins with the colon of the port. */
static bool take_host(struct bytes *s, struct bytes *ret_host)
{
	const char *colon = s->len ? memchr(s->ptr, ':', s->len) : NULL;
	const char *end;

	if (s->len && *s->ptr == '[') {
		end = memchr(s->ptr, ']', s->len);
		if (!end)
			return false;
		*ret_host = (struct bytes){ s->ptr + 1, (size_t)(end - s->ptr - 1) };
		*s = bytes_skip(*s, ret_host->len + 2);
		return true;
	}
	/* Several colons without brackets: an IPv6 address of somebody careless, without a port. */
	if (colon && memchr(colon + 1, ':', s->len - (size_t)(colon - s->ptr) - 1))
		colon = NULL;
	*ret_host = take(s, colon ? (size_t)(colon - s->ptr) : s->len);
	return true;
}

bool url_split_host(struct bytes authority, struct bytes *ret_host, uint16_t *ret_port)
{
	struct bytes rest = bytes_trim(authority);
	struct bytes host;
	uint16_t port = 0;

	rest = bytes_skip(rest, user_info_len(rest));
	if (!take_host(&rest, &host) || !is_host(host))
		return false;
	if (rest.len && (*rest.ptr != ':' || !port_parse(bytes_skip(rest, 1), &port)))
		return false;
	*ret_host = host;
	*ret_port = port;
	return true;
}

uint16_t url_default_port(struct bytes scheme)
{
	if (bytes_equal_nocase(scheme, BYTES("http")) || bytes_equal_nocase(scheme, BYTES("ws")))
		return 80;
	if (bytes_equal_nocase(scheme, BYTES("https")) || bytes_equal_nocase(scheme, BYTES("wss")))
		return 443;
	return 0;
}

bool url_method_is_known(struct bytes raw, struct bytes known)
{
	while (known.ptr)
		if (bytes_equal(bytes_trim(bytes_split(&known, ',')), raw))
			return true;
	return false;
}
