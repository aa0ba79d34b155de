/* SPDX-License-Identifier: Apache-2.0 */
#include "forwarded.h"
#include "compiler.h"
#include "token.h"
#include "url.h"

/* --- Forwarded: RFC 7239 section 4 --- */

static bool is_loose_char(char c)
{
	return is_token_char(c) || c == ':' || c == '[' || c == ']';
}

/*
 * Takes a token or a quoted string off *s; false: neither.  A backslash inside quotes is refused:
 * no host, address or scheme has one, and a view cannot unescape.  Many proxies send host:port and
 * IPv6 without the quotes that they need, so those characters pass outside of them too.
 */
static bool take_value(struct bytes *s, struct bytes *ret_value)
{
	size_t n = 0;

	if (s->len && *s->ptr == '"') {
		const char *end = memchr(s->ptr + 1, '"', s->len - 1);

		if (!end)
			return false;
		*ret_value = (struct bytes){ s->ptr + 1, (size_t)(end - s->ptr - 1) };
		*s = bytes_skip(*s, ret_value->len + 2);
		return !ret_value->len || !memchr(ret_value->ptr, '\\', ret_value->len);
	}
	while (n < s->len && is_loose_char(s->ptr[n]))
		n++;
	*ret_value = (struct bytes){ s->ptr, n };
	*s = bytes_skip(*s, n);
	return true;
}

/* One "name=value"; each name at most once in an element. */
static bool take_pair(struct bytes *s, struct forwarded *f)
{
	const struct {
		struct bytes name;
		struct bytes *to;
	} wanted[] = {
		{ BYTES("for"), &f->client },
		{ BYTES("proto"), &f->proto },
		{ BYTES("host"), &f->host },
	};
	struct bytes name = { s->ptr, token_len(*s) };
	struct bytes value;

	*s = bytes_skip(*s, name.len);
	if (!name.len || !s->len || *s->ptr != '=')
		return false;
	*s = bytes_skip(*s, 1);
	if (!take_value(s, &value))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		if (!bytes_equal_nocase(name, wanted[i].name))
			continue;
		if (wanted[i].to->ptr)
			return false;
		*wanted[i].to = value;
	}
	return true;
}

bool forwarded_parse(struct bytes value, struct forwarded *ret)
{
	struct forwarded f = { 0 };
	struct bytes s = bytes_trim(value);

	/* Empty elements of a list and empty pairs count for nothing. */
	while (s.len && *s.ptr == ',')
		s = bytes_trim(bytes_skip(s, 1));
	while (s.len && *s.ptr != ',') {
		if (*s.ptr != ';' && !take_pair(&s, &f))
			return false;
		s = bytes_trim(s);
		if (s.len && *s.ptr != ';' && *s.ptr != ',')
			return false;
		if (s.len && *s.ptr == ';')
			s = bytes_trim(bytes_skip(s, 1));
	}
	*ret = f;
	return true;
}

/* --- X-Forwarded-* --- */

struct bytes forwarded_first(struct bytes value)
{
	while (value.ptr) {
		struct bytes part = bytes_trim(bytes_split(&value, ','));

		if (part.len)
			return part;
	}
	return (struct bytes){ "", 0 };
}

/* --- what they hold --- */

/* Enough to keep out names and noise, not a proof: nobody connects to it. */
static bool is_address(struct bytes s)
{
	size_t dots = 0;

	/* Of what has a colon url_split_host() has made sure that it looks like IPv6. */
	if (memchr(s.ptr, ':', s.len))
		return true;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '.')
			dots++;
		else if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	}
	return dots == 3 && s.len <= sizeof("255.255.255.255") - 1;
}

bool forwarded_node(struct bytes node, struct bytes *ret_address, uint16_t *ret_port)
{
	struct bytes address;
	uint16_t port;

	if (!url_split_host(node, &address, &port) || !is_address(address))
		return false;
	*ret_address = address;
	*ret_port = port;
	return true;
}

struct bytes forwarded_scheme(struct bytes proto)
{
	if (bytes_equal_nocase(proto, BYTES("https")))
		return BYTES("https");
	if (bytes_equal_nocase(proto, BYTES("http")))
		return BYTES("http");
	return (struct bytes){ "", 0 };
}
