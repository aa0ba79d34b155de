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

/* The user's own template, else what is left without ids. */
static struct bytes summary_of(struct bytes url, char *buf, size_t cap)
{
	struct bytes path = path_of(url);
	struct bytes route = { NULL, 0 };

	if (!path.len)
		return path;
	if (config.http_routes.len)
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

static NO_INLINE bool add(struct span_ref parent, const struct span *s, uint64_t now)
{
	static const enum attr keys[] = { ATTR_SERVER_ADDRESS, ATTR_SERVER_PORT,
					  ATTR_HTTP_REQUEST_METHOD, ATTR_URL_FULL };
	struct bytes found[ARRAY_LEN(keys)];
	char peer[CALLS_PEER_MAX], summary[CALLS_SUMMARY_MAX];
	struct call c = { .start_ns = s->start_ns, .end_ns = now, .has_failed = span_has_error(s) };

	span_find(s, keys, found, ARRAY_LEN(keys));
	c.peer = peer_of(found[0], found[1], peer, sizeof(peer));
	c.operation = found[2].ptr ? found[2] : BYTES("TLS handshake");
	c.summary = summary_of(found[3], summary, sizeof(summary));
	return calls_add(parent, &c);
}

void http_call_end(const struct exchange *x, struct span *s)
{
	uint64_t now;

	if (!s)
		return;
	now = clock_monotonic_ns();
	if (x->parent.slot && span_is_recording(s) && add(x->parent, s, now))
		span_fold(s);
	else
		stack_end_span(s, now);
}
