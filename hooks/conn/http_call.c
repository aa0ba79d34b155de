/* SPDX-License-Identifier: Apache-2.0 */
#include "http_call.h"

#include "calls.h"
#include "clock.h"
#include "config.h"
#include "copy.h"
#include "path_shape.h"
#include "route.h"
#include "scan.h"
#include "stack.h"
#include "store.h"

static ALWAYS_INLINE scan_block is_colon(scan_block b)
{
	return (scan_block)(b == ':');
}

static ALWAYS_INLINE scan_block begins_path(scan_block b)
{
	return (scan_block)((b == '/') | (b == '?'));
}

static ALWAYS_INLINE scan_block ends_path(scan_block b)
{
	return (scan_block)((b == '?') | (b == '#'));
}

/* Of a URL that is a span's: nothing of it is secret any more. */
static struct bytes path_of(struct bytes url)
{
	const char *s = url.ptr, *end = s + url.len, *at;

	if (!url.len)
		return url;
	at = scan_for(s, end, is_colon);
	if (end - at >= 3 && memcmp(at, "://", 3) == 0)
		s = at + 3;
	s = scan_for(s, end, begins_path);
	return (struct bytes){ s, (size_t)(scan_for(s, end, ends_path) - s) };
}

/* The user's own template, of a whole path; else what is left without ids. */
static struct bytes summary_of(struct bytes url, bool is_cut, char *buf, size_t cap)
{
	struct bytes path = path_of(url);
	struct bytes route = { NULL, 0 };

	if (!path.len)
		return path;
	is_cut = is_cut && path.ptr + path.len == url.ptr + url.len;
	if (config.http_routes.len && !is_cut)
		route = route_match(config.http_routes, path);
	if (route.ptr)
		return route;
	if (path_is_shape(path)) {
		path.len = path.len < cap ? path.len : cap;
		return path;
	}
	return (struct bytes){ buf, path_shape(buf, cap, path) };
}

#define PORT_MAX 6u /* ":65535" */

/* "address:port", if that is not too long. */
static struct bytes peer_of(struct bytes address, struct bytes port, char *buf, size_t cap)
{
	char digits[PORT_MAX];
	size_t n = 0, len = address.len;
	int64_t number;

	if (port.len != sizeof(number) || len > cap - PORT_MAX)
		return address;
	memcpy(&number, port.ptr, sizeof(number));
	for (uint16_t left = (uint16_t)number; left; left /= 10)
		digits[n++] = (char)('0' + left % 10);
	copy_short(buf, address.ptr, len);
	buf[len++] = ':';
	while (n)
		buf[len++] = digits[--n];
	return (struct bytes){ buf, len };
}

/* --- what is kept of the last one --- */

/* Whom it asked, and by which method: all but for what. */
static ALWAYS_INLINE bool recall(const struct last_call *last, const struct exchange *x,
				 struct call *c)
{
	if (!x->common || last->common != x->common)
		return false;
	c->peer = (struct bytes){ last->peer, last->peer_len };
	c->operation = (struct bytes){ last->operation, last->operation_len };
	return true;
}

static ALWAYS_INLINE bool recall_all(const struct last_call *last, const struct exchange *x,
				     struct bytes url, struct call *c)
{
	if (!recall(last, x, c) || url.len != last->url_len ||
	    !copy_is_same(url.ptr, last->url, url.len))
		return false;
	c->summary = (struct bytes){ last->summary, last->summary_len };
	return true;
}

static bool fits(struct bytes b, size_t max)
{
	return b.len <= max;
}

static void put(char *to, uint8_t *to_len, struct bytes from)
{
	copy_short(to, from.ptr, from.len);
	*to_len = (uint8_t)from.len;
}

/* What is cut is told apart by all of it, which is not kept. */
static void keep(struct last_call *last, const struct exchange *x, struct bytes url,
		 const struct call *c, uint64_t hash)
{
	bool is_new = last->common != x->common;

	last->common = 0;
	if (!url.len || !fits(url, sizeof(last->url)) || !fits(c->peer, sizeof(last->peer)) ||
	    !fits(c->operation, sizeof(last->operation)) ||
	    !fits(c->summary, sizeof(last->summary)))
		return;
	put(last->url, &last->url_len, url);
	put(last->summary, &last->summary_len, c->summary);
	if (is_new) {
		put(last->peer, &last->peer_len, c->peer);
		put(last->operation, &last->operation_len, c->operation);
	}
	last->hash = hash;
	last->common = x->common;
}

/* --- the end --- */

/* peer: CALLS_PEER_MAX bytes that may be used.  Returns the URL. */
static NO_INLINE struct bytes look(const struct span *s, struct call *c, char *peer)
{
	static const enum attr keys[] = { ATTR_SERVER_ADDRESS, ATTR_SERVER_PORT,
					  ATTR_HTTP_REQUEST_METHOD, ATTR_URL_FULL };
	struct bytes found[ARRAY_LEN(keys)];

	span_find(s, keys, found, ARRAY_LEN(keys));
	c->peer = peer_of(found[0], found[1], peer, CALLS_PEER_MAX);
	c->operation = found[2].ptr ? found[2] : BYTES("TLS handshake");
	return found[3];
}

static NO_INLINE bool add_other(struct last_call *last, const struct exchange *x,
				const struct span *s, struct bytes url, struct call *c)
{
	char peer[CALLS_PEER_MAX], summary[CALLS_SUMMARY_MAX];
	uint64_t hash;

	if (!recall(last, x, c)) {
		struct bytes whole = look(s, c, peer);

		url = whole.ptr ? whole : url;
	}
	c->summary = summary_of(url, span_text_is_cut(s, url), summary, sizeof(summary));
	hash = calls_hash(c);
	if (x->common)
		keep(last, x, url, c, hash);
	return calls_add_hashed(x->parent, c, hash);
}

static ALWAYS_INLINE bool add(struct last_call *last, const struct exchange *x,
			      const struct span *s, uint64_t now)
{
	struct call c = { .start_ns = s->start_ns, .end_ns = now, .has_failed = span_has_error(s) };
	struct bytes url = span_text_at(s, x->url_at, ATTR_URL_FULL);

	if (LIKELY(recall_all(last, x, url, &c)))
		return calls_add_hashed(x->parent, &c, last->hash);
	return add_other(last, x, s, url, &c);
}

void http_call_end_at(struct conn *c, const struct exchange *x, struct span *s, uint64_t now)
{
	if (!s)
		return;
	if (x->parent.slot && span_is_recording(s) && add(&c->last_call, x, s, now))
		span_fold(s);
	else
		stack_end_span(s, now);
}
