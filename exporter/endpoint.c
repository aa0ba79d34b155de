/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include "compiler.h"
#include "percent.h"

/* --- URL --- */

/* E104: what follows may be ignored; a fragment never goes over the wire. */
static struct bytes up_to(struct bytes s, char stop)
{
	return bytes_split(&s, stop);
}

static bool is_url_text(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f)
			return false;
	return s.len > 0;
}

static bool prefix_take(struct bytes *url, struct bytes prefix)
{
	if (url->len < prefix.len ||
	    !bytes_equal_nocase((struct bytes){ url->ptr, prefix.len }, prefix))
		return false;
	*url = bytes_skip(*url, prefix.len);
	return true;
}

/* Takes the scheme off *url; none at all is http (E108). */
static enum endpoint_kind scheme_take(struct bytes *url)
{
	if (prefix_take(url, BYTES("http://")))
		return ENDPOINT_HTTP;
	if (prefix_take(url, BYTES("https://")))
		return ENDPOINT_HTTPS;
	for (size_t i = 0; i + 3 <= url->len; i++)
		if (memcmp(url->ptr + i, "://", 3) == 0)
			return ENDPOINT_UNKNOWN;
	return ENDPOINT_HTTP;
}

/* Length of host and port: up to the path or query. */
static size_t authority_len(struct bytes url)
{
	size_t n = 0;

	while (n < url.len && url.ptr[n] != '/' && url.ptr[n] != '?')
		n++;
	return n;
}

/* E101: the base, one slash, and the signal's path. */
static void add_base(struct text *to, struct bytes url)
{
	url = up_to(url, '?');
	text_add(to, url);
	if (url.ptr[url.len - 1] != '/')
		text_add_char(to, '/');
	text_add_str(to, "v1/traces");
}

/* E102: as it is, but for a path where there is none. */
static void add_verbatim(struct text *to, struct bytes url)
{
	size_t n = authority_len(url);

	text_add(to, (struct bytes){ url.ptr, n });
	if (n == url.len || url.ptr[n] != '/')
		text_add_char(to, '/');
	text_add(to, bytes_skip(url, n));
}

static void url_init(struct endpoint *e, struct bytes url, bool is_base)
{
	struct text to = { e->url, sizeof(e->url) - 1, 0, false };

	url = up_to(bytes_trim(url), '#');
	e->url[0] = '\0';
	e->kind = is_url_text(url) ? scheme_take(&url) : ENDPOINT_UNKNOWN;
	if (e->kind == ENDPOINT_UNKNOWN)
		return;
	text_add_str(&to, e->kind == ENDPOINT_HTTPS ? "https://" : "http://");
	if (authority_len(url) == 0)
		to.is_cut = true;
	else if (is_base)
		add_base(&to, url);
	else
		add_verbatim(&to, url);
	e->url[to.len] = '\0';
	if (to.is_cut)
		e->kind = ENDPOINT_UNKNOWN;
}

/* --- headers --- */

/* RFC 9110 5.6.2; anything else could end the header line that we are building. */
static bool is_token(struct bytes s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.ptr[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      (c && memchr(others, c, sizeof(others) - 1))))
			return false;
	}
	return s.len > 0;
}

static bool is_field_value(struct bytes s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* E113: what describes the body and the connection is ours. */
static bool is_reserved(struct bytes name)
{
	/* Arrays, not pointers: those would be relocated in every process that loads us. */
	static const char names[][20] = {
		"content-type", "content-encoding", "content-length", "transfer-encoding",
		"host",         "connection",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (bytes_equal_nocase(name, bytes_from_str(names[i])))
			return true;
	return false;
}

static bool header_add(struct endpoint *e, struct text *to, struct bytes key, struct bytes value)
{
	size_t at = to->len;
	struct bytes name;
	struct bytes content;

	if (e->n_headers == ENDPOINT_HEADERS_MAX || !percent_decode(to, key))
		return false;
	name = (struct bytes){ to->to + at, to->len - at };
	if (!is_token(name) || is_reserved(name))
		return false;
	/* libcurl's way to send a header without a value. */
	text_add_str(to, value.len ? ": " : ";");
	content = (struct bytes){ to->to + to->len, 0 };
	if (!percent_decode(to, value))
		return false;
	content.len = (size_t)(to->to + to->len - content.ptr);
	text_add_char(to, '\0');
	if (!is_field_value(content) || to->is_cut)
		return false;
	e->headers[e->n_headers++] = name.ptr;
	return true;
}

static void headers_init(struct endpoint *e, struct bytes list)
{
	struct text to = TEXT_IN(e->text);

	e->n_headers = 0;
	e->headers_refused = 0;
	while (list.len) {
		struct bytes key;
		struct bytes value;
		size_t at = to.len;

		if (percent_pair(&list, &key, &value) && header_add(e, &to, key, value))
			continue;
		e->headers_refused++;
		to.len = at;
		to.is_cut = false;
	}
}

void endpoint_init(struct endpoint *e, const struct config *cfg)
{
	bool is_base = cfg->otlp_traces_endpoint.len == 0;

	e->protocol = cfg->otlp_traces_protocol ? cfg->otlp_traces_protocol : cfg->otlp_protocol;
	e->wants_gzip = (cfg->otlp_traces_compression ? cfg->otlp_traces_compression :
							cfg->otlp_compression) == COMPRESSION_GZIP;
	url_init(e, is_base ? cfg->otlp_endpoint : cfg->otlp_traces_endpoint, is_base);
	headers_init(e,
		     cfg->otlp_traces_headers.len ? cfg->otlp_traces_headers : cfg->otlp_headers);
}

void endpoint_init_zipkin(struct endpoint *e, const struct config *cfg)
{
	e->protocol = PROTOCOL_HTTP_JSON;
	e->wants_gzip = false;
	url_init(e, cfg->zipkin_endpoint, false);
	headers_init(e, (struct bytes){ NULL, 0 });
}

uint32_t endpoint_timeout_ms(const struct config *cfg)
{
	uint32_t ms = cfg->otlp_traces_timeout_ms;
	uint32_t all = cfg->bsp_export_timeout_ms;

	if (ms == CONFIG_UNSET)
		ms = cfg->otlp_timeout_ms;
	if (ms == 0 || (all && all < ms))
		return all;
	return ms;
}
