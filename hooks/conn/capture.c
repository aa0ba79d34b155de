/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include "compiler.h"
#include "config.h"
#include "store.h"
#include "url.h"
#include "utf8.h"

#define VALUE_MAX 1024u

/* What `default` in OTEL_INTERSPAN_CORRELATION_HEADERS stands for. */
#define CORRELATION_DEFAULT                                                            \
	"x-request-id,x-correlation-id,x-trace-id,request-id,correlation-id,trace-id," \
	"x-transaction-id,x-amzn-trace-id,x-cloud-trace-context"

/* Parts of names under which credentials travel. */
#define SECRET_PARTS                                                                               \
	"authorization,authentication-info,cookie,token,secret,password,passwd,credential,"        \
	"api-key,apikey,api_key,access-key,private-key,signature,session,x-amz-security,jwt,csrf," \
	"xsrf,x-otp,x-auth,client-cert,ssl-client"

/* Headers whose values are URLs, or targets of requests. */
#define URL_HEADERS                                                               \
	"referer,location,content-location,origin,x-original-url,x-original-uri," \
	"x-rewrite-url,x-forwarded-uri,x-forwarded-url,x-wap-profile,ping-from,ping-to,sourcemap"

static bool list_has(struct bytes list, struct bytes name)
{
	while (list.ptr && name.len)
		if (bytes_equal_nocase(bytes_trim(bytes_split(&list, ',')), name))
			return true;
	return false;
}

static bool contains(struct bytes in, struct bytes part)
{
	for (size_t i = 0; i + part.len <= in.len; i++)
		if (bytes_equal_nocase((struct bytes){ in.ptr + i, part.len }, part))
			return true;
	return false;
}

static bool contains_any(struct bytes in, struct bytes parts)
{
	while (parts.ptr)
		if (contains(in, bytes_split(&parts, ',')))
			return true;
	return false;
}

bool capture_is_secret(struct bytes name)
{
	return contains_any(name, BYTES(SECRET_PARTS));
}

static struct bytes setting(enum capture where)
{
	switch (where) {
	case CAPTURE_SERVER_REQUEST:
		return config.server_request_headers;
	case CAPTURE_SERVER_RESPONSE:
		return config.server_response_headers;
	case CAPTURE_CLIENT_REQUEST:
		return config.client_request_headers;
	default:
		return config.client_response_headers;
	}
}

bool capture_any(enum capture where)
{
	return setting(where).len || config.correlation_headers.len;
}

static bool is_correlation(struct bytes name)
{
	return list_has(config.correlation_headers, name) ||
	       (list_has(config.correlation_headers, BYTES("default")) &&
		list_has(BYTES(CORRELATION_DEFAULT), name));
}

bool capture_wants(enum capture where, struct bytes name)
{
	return capture_any(where) && (list_has(setting(where), name) || is_correlation(name)) &&
	       !capture_is_secret(name);
}

static size_t put_url(char *to, size_t cap, struct bytes value)
{
	struct bytes keys = config.sensitive_query;
	size_t len = 0;
	struct url u;

	if (bytes_start_with(value, BYTES("//"))) { /* what follows may hold a user info */
		to[len++] = '/';
		to[len++] = '/';
		value = bytes_skip(value, 2);
	}
	u = url_split(value, false);
	if (u.form == URL_ABSOLUTE)
		return len + url_write_full(to + len, cap - len, &u, u.scheme, u.authority, keys);
	len += url_write_path(to + len, cap - len, &u);
	if (u.query.ptr && len < cap) {
		to[len++] = '?';
		len += url_write_query(to + len, cap - len, &u, keys);
	}
	return len;
}

static size_t put_value(char *to, size_t cap, struct bytes name, struct bytes value)
{
	size_t len = value.len > cap ? utf8_cut(value, cap) : value.len;

	if (list_has(BYTES(URL_HEADERS), name))
		return put_url(to, cap, value);
	memcpy(to, value.ptr, len);
	return len;
}

size_t capture_pack(char *to, size_t cap, struct bytes name, struct bytes value)
{
	if (name.len > ITEM_NAMED_KEY_MAX || cap < CAPTURE_BYTES)
		return 0;
	to[0] = (char)(unsigned char)name.len;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		to[1 + i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	return 1 + name.len + put_value(to + 1 + name.len, VALUE_MAX, name, value);
}
