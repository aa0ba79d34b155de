/* SPDX-License-Identifier: Apache-2.0 */
#include "http_attrs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "capture.h"
#include "common.h"
#include "config.h"
#include "forwarded.h"
#include "opt_in.h"
#include "rawsys.h"
#include "route.h"
#include "store.h"
#include "url.h"

static struct bytes scheme_of(const struct conn *c)
{
	return conn_is_tls(c) ? BYTES("https") : BYTES("http");
}

static struct bytes shown_method(struct bytes method, bool is_known)
{
	return is_known ? method : BYTES("HTTP");
}

static void set_method(struct span *s, struct bytes method)
{
	bool is_known = url_method_is_known(method, config.known_methods);
	struct bytes shown = shown_method(method, is_known);

	span_set_str(s, ATTR_HTTP_REQUEST_METHOD, is_known ? method : BYTES("_OTHER"));
	if (!is_known)
		span_set_str(s, ATTR_HTTP_REQUEST_METHOD_ORIGINAL, method);
	span_set_name(s, (struct bytes){ shown.ptr, shown.len < 64 ? shown.len : 64 });
}

/* The last name counts. */
static void set_route(struct span *s, struct bytes method, struct bytes route)
{
	struct bytes shown =
		shown_method(method, url_method_is_known(method, config.known_methods));
	char name[320];
	size_t len = shown.len < 64 ? shown.len : 64;

	span_set_str(s, ATTR_HTTP_ROUTE, route);
	if (!route.len || route.len >= sizeof(name) - len - 1)
		return;
	memcpy(name, shown.ptr, len);
	name[len] = ' ';
	memcpy(name + len + 1, route.ptr, route.len);
	span_set_name(s, (struct bytes){ name, len + 1 + route.len });
}

static void set_version(struct span *s, uint8_t version)
{
	char v[3] = { '1', '.', (char)('0' + version % 10) };

	span_set_str(s, ATTR_NETWORK_PROTOCOL_VERSION, (struct bytes){ v, 3 });
}

static void learn_peer(struct conn *c, int fd)
{
	socklen_t len = sizeof(c->peer);

	if (c->has_peer)
		return;
	c->has_peer = true;
	memset(&c->peer, 0, sizeof(c->peer));
	raw_syscall6(SYS_getpeername, fd, (long)&c->peer, (long)&len, 0, 0, 0);
}

/* Text (INET6_ADDRSTRLEN) and port of an IP address; false: it is none. */
static bool write_address(const struct sockaddr *sa, char *to, uint16_t *ret_port)
{
	const struct sockaddr_in *in4 = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const void *addr = &in4->sin_addr;
	int family = sa->sa_family;

	if (family != AF_INET && family != AF_INET6)
		return false;
	*ret_port = ntohs(family == AF_INET ? in4->sin_port : in6->sin6_port);
	if (family == AF_INET6) {
		addr = &in6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			family = AF_INET;
			addr = &in6->sin6_addr.s6_addr[12];
		}
	}
	return inet_ntop(family, addr, to, INET6_ADDRSTRLEN) != NULL;
}

struct bytes attrs_peer(struct conn *c, int fd, uint16_t *ret_port)
{
	int family;

	learn_peer(c, fd);
	family = c->peer.sa.sa_family;
	*ret_port = 0;
	if (family == AF_UNIX) {
		const struct sockaddr_un *un = (const void *)&c->peer;

		return (struct bytes){ un->sun_path, strnlen(un->sun_path, sizeof(un->sun_path)) };
	}
	if (family != AF_INET && family != AF_INET6)
		return (struct bytes){ NULL, 0 };
	/* Once for a connection: inet_ntop() costs as much as half of the span. */
	if (!c->peer_text[0] && !write_address(&c->peer.sa, c->peer_text, &c->peer_port))
		c->peer_text[0] = 0;
	*ret_port = c->peer_port;
	return bytes_from_str(c->peer_text);
}

static void set_peer(struct span *s, struct bytes address, uint16_t port)
{
	if (!address.len)
		return;
	span_set_str(s, ATTR_NETWORK_PEER_ADDRESS, address);
	if (port)
		span_set_int(s, ATTR_NETWORK_PEER_PORT, port);
}

static void set_server(struct span *s, struct bytes authority, struct bytes scheme)
{
	struct bytes host;
	uint16_t port;

	if (!authority.len || !url_split_host(authority, &host, &port))
		return;
	span_set_str(s, ATTR_SERVER_ADDRESS, host);
	if (!port)
		port = url_default_port(scheme);
	if (port)
		span_set_int(s, ATTR_SERVER_PORT, port);
}

/* What the first proxy says of the client (H58, H66, H76). */
static struct forwarded told_by_proxies(const struct head *h, const char *text)
{
	struct forwarded f = { 0 };

	if (head_has(h, HEAD_FORWARDED) && forwarded_parse(head_get(h, text, HEAD_FORWARDED), &f))
		return f;
	f = (struct forwarded){ 0 };
	if (head_has(h, HEAD_X_FORWARDED_FOR))
		f.client = forwarded_first(head_get(h, text, HEAD_X_FORWARDED_FOR));
	if (head_has(h, HEAD_X_FORWARDED_PROTO))
		f.proto = forwarded_first(head_get(h, text, HEAD_X_FORWARDED_PROTO));
	if (head_has(h, HEAD_X_FORWARDED_HOST))
		f.host = forwarded_first(head_get(h, text, HEAD_X_FORWARDED_HOST));
	return f;
}

static void set_client(struct span *s, struct forwarded f, struct bytes peer)
{
	struct bytes client;
	uint16_t port;

	if (!f.client.len || !forwarded_node(f.client, &client, &port))
		client = peer;
	else if (port && opt_in(ATTR_CLIENT_PORT)) /* H71: given by a proxy */
		span_set_int(s, ATTR_CLIENT_PORT, port);
	if (client.len)
		span_set_str(s, ATTR_CLIENT_ADDRESS, client);
}

/* With a redacted text, for which the half under way borrows memory. */
static NO_INLINE void set_odd_url(struct span *s, const struct url *u, struct half *h)
{
	struct bytes path = u->path;
	size_t cap = HEAD_EDIT_BYTES;
	char *buf;

	if (!half_borrow(h)) {
		span_count_dropped(s, 1);
		return;
	}
	buf = h->scratch->edit;
	if (u->form == URL_ODD)
		path = (struct bytes){ buf, url_write_path(buf, cap, u) };
	span_set_str(s, ATTR_URL_PATH, path);
	if (u->query.ptr)
		span_set_str(s, ATTR_URL_QUERY,
			     (struct bytes){
				     buf, url_write_query(buf, cap, u, config.sensitive_query) });
}

static void set_url(struct span *s, const struct url *u, struct half *h)
{
	if (UNLIKELY(u->form == URL_ODD || u->query.ptr))
		set_odd_url(s, u, h);
	else
		span_set_str(s, ATTR_URL_PATH, u->path);
}

static void set_captured(struct span *s, const struct head *h, const char *text, enum capture where)
{
	uint16_t at = h->captured_first;
	struct bytes packed, name, value;

	if (LIKELY(!at && !h->captured_lost))
		return;
	while (head_line(text, &at, &packed))
		if (item_named_split(packed, &name, &value) && capture_wants(where, name))
			span_add_element(s, ATTR_HTTP_REQUEST_HEADER, packed);
	span_count_dropped(s, h->captured_lost);
}

static void set_local(struct span *s, int fd)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	} local;
	socklen_t len = sizeof(local);
	char text[INET6_ADDRSTRLEN];
	uint16_t port;

	if (!opt_in(ATTR_NETWORK_LOCAL_ADDRESS) && !opt_in(ATTR_NETWORK_LOCAL_PORT))
		return;
	if (raw_is_error(raw_syscall6(SYS_getsockname, fd, (long)&local, (long)&len, 0, 0, 0)) ||
	    !write_address(&local.sa, text, &port))
		return;
	if (opt_in(ATTR_NETWORK_LOCAL_ADDRESS))
		span_set_str(s, ATTR_NETWORK_LOCAL_ADDRESS, bytes_from_str(text));
	if (opt_in(ATTR_NETWORK_LOCAL_PORT))
		span_set_int(s, ATTR_NETWORK_LOCAL_PORT, port);
}

static struct common_key key_of(const struct head *h, const char *text, const struct http1 *p,
				bool with_agent)
{
	return (struct common_key){ .method = head_get(h, text, HEAD_METHOD),
				    .host = head_get(h, text, HEAD_HOST),
				    .agent = with_agent ? head_get(h, text, HEAD_USER_AGENT) :
							  (struct bytes){ NULL, 0 },
				    .version = p->version };
}

/* What follows from the connection's ends and from who asks whom, but not from what for. */
static void set_server_common(struct span *s, struct conn *c, int fd, const struct common_key *k,
			      struct bytes authority, struct forwarded f)
{
	struct bytes scheme = forwarded_scheme(f.proto);
	struct bytes peer;
	uint16_t port;

	if (!scheme.len)
		scheme = scheme_of(c);
	set_method(s, k->method);
	span_set_str(s, ATTR_URL_SCHEME, scheme);
	set_server(s, f.host.len ? f.host : authority.len ? authority : k->host, scheme);
	peer = attrs_peer(c, fd, &port);
	if (c->peer.sa.sa_family != AF_UNIX)
		set_peer(s, peer, port);
	set_client(s, f, c->peer.sa.sa_family == AF_UNIX ? (struct bytes){ NULL, 0 } : peer);
	if (k->agent.ptr)
		span_set_str(s, ATTR_USER_AGENT_ORIGINAL, k->agent);
	set_version(s, k->version);
	attrs_transport(s, c);
	set_local(s, fd);
}

#define BY_PROXIES                                                                          \
	(1u << HEAD_FORWARDED | 1u << HEAD_X_FORWARDED_FOR | 1u << HEAD_X_FORWARDED_PROTO | \
	 1u << HEAD_X_FORWARDED_HOST)

static void set_server_request(struct span *s, struct conn *c, int fd, const struct head *h,
			       const char *text, const struct http1 *p)
{
	struct url u = url_split(head_get(h, text, HEAD_TARGET), p->is_connect);
	bool is_common = LIKELY(!u.authority.len) && LIKELY(!(h->fields.seen & BY_PROXIES));
	struct common_key k;

	set_url(s, &u, &c->in);
	if (LIKELY(is_common && h == &c->request.now && c->request.is_common) &&
	    LIKELY(!config.http_routes.len)) {
		span_block_add(s, &c->common.block);
		set_captured(s, h, text, CAPTURE_SERVER_REQUEST);
		return;
	}
	k = key_of(h, text, p, true);
	if (!is_common) {
		set_server_common(s, c, fd, &k, u.authority, told_by_proxies(h, text));
	} else if (!common_recall(&c->common, &k, s)) {
		struct span_mark since = span_mark(s);

		set_server_common(s, c, fd, &k, u.authority, (struct forwarded){ 0 });
		common_keep(&c->common, &k, s, since);
	}
	/* What is parsed anew ends both. */
	c->request.is_common = h == &c->request.now && is_common && c->common.version;
	if (UNLIKELY(config.http_routes.len)) {
		struct bytes route = route_match(config.http_routes, u.path);

		if (route.ptr)
			set_route(s, k.method, route);
	}
	set_captured(s, h, text, CAPTURE_SERVER_REQUEST);
}

void attrs_server_request(struct span *s, struct conn *c, int fd, const struct head *h,
			  const char *text, const struct http1 *p)
{
	if (s && s->verdict != VERDICT_DROP)
		set_server_request(s, c, fd, h, text, p);
}

static void set_client_common(struct span *s, struct conn *c, int fd, const struct common_key *k,
			      struct bytes authority)
{
	uint16_t port;
	struct bytes peer = attrs_peer(c, fd, &port);

	set_method(s, k->method);
	if (authority.len)
		set_server(s, authority, scheme_of(c));
	else if (k->host.len)
		set_server(s, k->host, scheme_of(c));
	else if (peer.len) { /* HTTP/1.0 without a Host: all that is known is the address */
		span_set_str(s, ATTR_SERVER_ADDRESS, peer);
		span_set_int(s, ATTR_SERVER_PORT, port);
	}
	if (c->peer.sa.sa_family != AF_UNIX)
		set_peer(s, peer, port);
	set_version(s, k->version);
	attrs_transport(s, c);
	if (opt_in(ATTR_URL_SCHEME))
		span_set_str(s, ATTR_URL_SCHEME, scheme_of(c));
	if (k->agent.ptr)
		span_set_str(s, ATTR_USER_AGENT_ORIGINAL, k->agent);
}

static bool host_is_plain(struct bytes host)
{
	return host.len && !memchr(host.ptr, '@', host.len);
}

static struct bytes before_host(const struct conn *c)
{
	return conn_is_tls(c) ? BYTES("https://") : BYTES("http://");
}

/* A path on such a host, with nothing to hide: as nearly all are. */
static bool set_plain_url(struct span *s, const struct conn *c, const struct url *u,
			  struct bytes host)
{
	struct bytes pieces[] = { before_host(c), host, u->path };

	return u->form == URL_ORIGIN && !u->query.ptr && !u->fragment.ptr &&
	       span_set_joined(s, ATTR_URL_FULL, pieces, ARRAY_LEN(pieces));
}

static void set_full_url(struct span *s, struct conn *c, int fd, const struct url *u,
			 struct bytes host)
{
	char *buf = c->out.scratch->edit;
	uint16_t port;
	size_t len;

	if (!host.len)
		host = attrs_peer(c, fd, &port);
	len = url_write_full(buf, HEAD_EDIT_BYTES, u, scheme_of(c), host, config.sensitive_query);
	span_set_str(s, ATTR_URL_FULL, (struct bytes){ buf, len });
}

bool attrs_client_as_last(struct span *s, struct conn *c, struct bytes target)
{
	uint32_t at = span_mark(s).used;

	if (UNLIKELY(!c->request.is_common) ||
	    UNLIKELY(!span_set_block_and(s, &c->common.block, target)))
		return false;
	c->pending.common = c->common.serial;
	c->pending.url_at = (uint16_t)(at + c->common.block.len);
	return true;
}

static void set_client_anew(struct span *s, struct conn *c, int fd, const struct head *h,
			    const char *text, const struct http1 *p)
{
	struct url u = url_split(head_get(h, text, HEAD_TARGET), p->is_connect);
	struct common_key k = key_of(h, text, p, opt_in(ATTR_USER_AGENT_ORIGINAL));
	/* Then of the host, too, all is known: it was plain. */
	bool is_common = LIKELY(c->is_again && c->request.is_common);

	if (UNLIKELY(u.authority.len)) {
		set_client_common(s, c, fd, &k, u.authority);
	} else if (LIKELY(is_common)) {
		span_block_add(s, &c->common.block);
	} else if (!common_recall(&c->common, &k, s)) {
		struct span_mark since = span_mark(s);

		set_client_common(s, c, fd, &k, u.authority);
		common_keep(&c->common, &k, s, since);
	}
	/* What is parsed anew ends both. */
	c->request.is_common = c->is_again && !u.authority.len && c->common.version &&
			       (is_common || host_is_plain(k.host));
	c->pending.common = !u.authority.len && c->common.version ? c->common.serial : 0;
	c->pending.url_at = (uint16_t)span_mark(s).used;
	if (!(LIKELY(is_common) || host_is_plain(k.host)) ||
	    UNLIKELY(!set_plain_url(s, c, &u, k.host)))
		set_full_url(s, c, fd, &u, k.host);
	if (c->request.is_common && !c->common.block.begun)
		span_block_begin(&c->common.block, ATTR_URL_FULL,
				 (struct bytes[]){ before_host(c), k.host }, 2);
}

static void set_client_request(struct span *s, struct conn *c, int fd, const struct head *h,
			       const char *text, const struct http1 *p)
{
	struct bytes target = head_get(h, text, HEAD_TARGET);

	if (!c->is_again || !url_is_path(target) || !attrs_client_as_last(s, c, target))
		set_client_anew(s, c, fd, h, text, p);
	set_captured(s, h, text, CAPTURE_CLIENT_REQUEST);
}

void attrs_client_request(struct span *s, struct conn *c, int fd, const struct head *h,
			  const char *text, const struct http1 *p)
{
	if (s && s->verdict != VERDICT_DROP)
		set_client_request(s, c, fd, h, text, p);
}

void attrs_response_header(struct span *s, bool is_server, const struct http1 *p, char *buf)
{
	enum capture where = is_server ? CAPTURE_SERVER_RESPONSE : CAPTURE_CLIENT_RESPONSE;
	size_t len;

	if (p->status < 200 && p->status != 101)
		return;
	if (!span_is_recording(s) || !capture_wants(where, p->name))
		return;
	len = capture_pack(buf, CAPTURE_BYTES, p->name, p->value);
	if (len)
		span_add_element(s, ATTR_HTTP_RESPONSE_HEADER, (struct bytes){ buf, len });
	else
		span_count_dropped(s, 1);
}

void attrs_response(struct span *s, bool is_server, const struct http1 *p)
{
	span_set_int(s, ATTR_HTTP_RESPONSE_STATUS_CODE, p->status);
	if (UNLIKELY(p->status >= (is_server ? 500 : 400))) { /* H12, H13 */
		char text[3] = { (char)('0' + p->status / 100 % 10),
				 (char)('0' + p->status / 10 % 10), (char)('0' + p->status % 10) };

		span_set_error(s, (struct bytes){ text, 3 });
	}
}

void attrs_body_sizes(struct span *s, const struct conn *c, const struct http1 *p)
{
	uint32_t of;
	uint64_t bytes;

	if (!s)
		return;
	if (opt_in(ATTR_HTTP_RESPONSE_BODY_SIZE))
		span_set_int(s, ATTR_HTTP_RESPONSE_BODY_SIZE, (int64_t)p->body_bytes);
	if (!opt_in(ATTR_HTTP_REQUEST_BODY_SIZE))
		return;
	of = atomic_load_explicit(&c->request_body.of, memory_order_acquire);
	bytes = atomic_load_explicit(&c->request_body.bytes, memory_order_acquire);
	/* Another number: its body is not over, or a later one's is: not known. */
	if (of == exchange_first_number(c) &&
	    of == atomic_load_explicit(&c->request_body.of, memory_order_relaxed))
		span_set_int(s, ATTR_HTTP_REQUEST_BODY_SIZE, (int64_t)bytes);
}
