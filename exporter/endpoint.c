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

/* Takes the scheme off *url; without one it is otherwise (E97, E108). */
static enum endpoint_kind scheme_take(struct bytes *url, enum endpoint_kind otherwise)
{
	if (prefix_take(url, BYTES("http://")))
		return ENDPOINT_HTTP;
	if (prefix_take(url, BYTES("https://")))
		return ENDPOINT_HTTPS;
	for (size_t i = 0; i + 3 <= url->len; i++)
		if (memcmp(url->ptr + i, "://", 3) == 0)
			return ENDPOINT_UNKNOWN;
	return otherwise;
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
static void add_base(struct text *to, struct bytes url, const char *signal)
{
	url = up_to(url, '?');
	text_add(to, url);
	if (url.ptr[url.len - 1] != '/')
		text_add_char(to, '/');
	text_add_str(to, signal);
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

/* E106: of a gRPC endpoint's URL only the host counts. */
static void add_grpc(struct text *to, struct bytes url, const char *service)
{
	text_add(to, (struct bytes){ url.ptr, authority_len(url) });
	text_add_str(to, "/opentelemetry.proto.collector.");
	text_add_str(to, service);
	text_add_str(to, "/Export");
}

enum endpoint_path {
	PATH_OF_BASE,
	PATH_OF_METRICS,
	PATH_VERBATIM,
	PATH_OF_GRPC,
	PATH_OF_GRPC_METRICS
};

static void add_path(struct text *to, struct bytes url, enum endpoint_path path)
{
	if (path == PATH_OF_BASE)
		add_base(to, url, "v1/traces");
	else if (path == PATH_OF_METRICS)
		add_base(to, url, "v1/metrics");
	else if (path == PATH_VERBATIM)
		add_verbatim(to, url);
	else
		add_grpc(to, url,
			 path == PATH_OF_GRPC ? "trace.v1.TraceService" :
						"metrics.v1.MetricsService");
}

/* `unix:/path`, `unix:///path`: nothing is left for a path of HTTP, so it is the usual one. */
static bool unix_take(struct endpoint *e, struct bytes *url)
{
	struct text to = { e->unix_path, sizeof(e->unix_path) - 1, 0, false };

	e->unix_path[0] = '\0';
	if (!prefix_take(url, BYTES("unix:")))
		return false;
	if (bytes_start_with(*url, BYTES("//")))
		*url = bytes_skip(*url, 2);
	text_add(&to, *url);
	memset(e->unix_path + to.len, 0, sizeof(e->unix_path) - to.len);
	e->kind = e->unix_path[0] == '/' && !to.is_cut ? ENDPOINT_HTTP : ENDPOINT_UNKNOWN;
	*url = BYTES("localhost");
	return true;
}

static bool has_port(struct bytes url, struct bytes port)
{
	size_t n = authority_len(url);

	return n > port.len && memcmp(url.ptr + n - port.len, port.ptr, port.len) == 0;
}

static void hint_init(struct endpoint *e, struct bytes url)
{
	e->hint = ENDPOINT_PLAUSIBLE;
	if (e->protocol != PROTOCOL_GRPC && has_port(url, BYTES(":4317")))
		e->hint = ENDPOINT_IS_FOR_GRPC;
	if (e->protocol == PROTOCOL_GRPC && has_port(url, BYTES(":4318")))
		e->hint = ENDPOINT_IS_FOR_HTTP;
}

static void url_init(struct endpoint *e, struct bytes url, enum endpoint_path path,
		     enum endpoint_kind without_scheme)
{
	struct text to = { e->url, sizeof(e->url) - 1, 0, false };

	url = up_to(bytes_trim(url), '#');
	e->url[0] = '\0';
	if (!is_url_text(url))
		e->kind = ENDPOINT_UNKNOWN;
	else if (!unix_take(e, &url))
		e->kind = scheme_take(&url, without_scheme);
	else if (path == PATH_VERBATIM)
		path = PATH_OF_BASE;
	if (e->kind == ENDPOINT_UNKNOWN)
		return;
	hint_init(e, url);
	text_add_str(&to, e->kind == ENDPOINT_HTTPS ? "https://" : "http://");
	if (authority_len(url) == 0)
		to.is_cut = true;
	else
		add_path(&to, url, path);
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

static struct bytes first_of(struct bytes traces, struct bytes all)
{
	return traces.len ? traces : all;
}

/* E97: only where the endpoint has no scheme. */
static enum endpoint_kind kind_of_grpc(uint32_t insecure)
{
	return insecure == 1 ? ENDPOINT_HTTP : ENDPOINT_HTTPS;
}

void endpoint_init(struct endpoint *e, const struct config *cfg)
{
	bool is_base = cfg->otlp_traces_endpoint.len == 0;
	struct bytes url = first_of(cfg->otlp_traces_endpoint, cfg->otlp_endpoint);

	e->unix_path[0] = '\0';
	e->protocol = cfg->otlp_traces_protocol ? cfg->otlp_traces_protocol : cfg->otlp_protocol;
	e->wants_gzip = (cfg->otlp_traces_compression ? cfg->otlp_traces_compression :
							cfg->otlp_compression) == COMPRESSION_GZIP;
	e->certificate = first_of(cfg->otlp_traces_certificate, cfg->otlp_certificate);
	e->client_key = first_of(cfg->otlp_traces_client_key, cfg->otlp_client_key);
	e->client_certificate =
		first_of(cfg->otlp_traces_client_certificate, cfg->otlp_client_certificate);
	if (e->protocol == PROTOCOL_GRPC) {
		url_init(e, first_of(url, BYTES("http://localhost:4317")), PATH_OF_GRPC,
			 kind_of_grpc(cfg->otlp_traces_insecure == CONFIG_UNSET ?
					      cfg->otlp_insecure :
					      cfg->otlp_traces_insecure));
	} else {
		url_init(e, first_of(url, BYTES("http://localhost:4318")),
			 is_base ? PATH_OF_BASE : PATH_VERBATIM, ENDPOINT_HTTP);
	}
	headers_init(e, first_of(cfg->otlp_traces_headers, cfg->otlp_headers));
}

bool endpoint_needs_tls_object(const struct endpoint *e)
{
	return e->kind == ENDPOINT_HTTPS || e->protocol == PROTOCOL_GRPC;
}

void endpoint_init_metrics(struct endpoint *e, const struct config *cfg)
{
	struct bytes own = bytes_trim(cfg->otlp_metrics_endpoint);
	bool is_base = own.len == 0 || prefix_take(&own, BYTES("unix:"));
	struct bytes url = first_of(cfg->otlp_metrics_endpoint, cfg->otlp_endpoint);

	e->unix_path[0] = '\0';
	e->protocol = cfg->otlp_metrics_protocol ? cfg->otlp_metrics_protocol : cfg->otlp_protocol;
	e->wants_gzip = false;
	e->certificate = cfg->otlp_certificate;
	e->client_key = cfg->otlp_client_key;
	e->client_certificate = cfg->otlp_client_certificate;
	if (e->protocol == PROTOCOL_GRPC) {
		url_init(e, first_of(url, BYTES("http://localhost:4317")), PATH_OF_GRPC_METRICS,
			 kind_of_grpc(cfg->otlp_insecure));
	} else {
		e->protocol = PROTOCOL_HTTP_PROTOBUF;
		url_init(e, first_of(url, BYTES("http://localhost:4318")),
			 is_base ? PATH_OF_METRICS : PATH_VERBATIM, ENDPOINT_HTTP);
	}
	headers_init(e, cfg->otlp_headers);
}

void endpoint_init_zipkin(struct endpoint *e, const struct config *cfg)
{
	e->unix_path[0] = '\0';
	e->protocol = PROTOCOL_HTTP_JSON;
	e->wants_gzip = false;
	e->certificate = e->client_key = e->client_certificate = (struct bytes){ NULL, 0 };
	url_init(e, cfg->zipkin_endpoint, PATH_VERBATIM, ENDPOINT_HTTP);
	headers_init(e, (struct bytes){ NULL, 0 });
}

static void add_query(struct text *to, struct bytes value)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		char lower = ascii_lower((char)c);

		if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		    c == '_' || c == '.' || c == '~') {
			text_add_char(to, (char)c);
			continue;
		}
		text_add_char(to, '%');
		text_add_char(to, digits[c >> 4]);
		text_add_char(to, digits[c & 15]);
	}
}

void endpoint_init_sampling(struct endpoint *e, struct bytes url, struct bytes service)
{
	char buf[ENDPOINT_URL_MAX];
	struct text to = TEXT_IN(buf);
	struct bytes place;
	size_t at;

	e->unix_path[0] = '\0';
	e->protocol = PROTOCOL_HTTP_JSON;
	e->wants_gzip = false;
	e->certificate = e->client_key = e->client_certificate = (struct bytes){ NULL, 0 };
	url = up_to(bytes_trim(url), '#');
	place = url;
	(void)scheme_take(&place, ENDPOINT_HTTP);
	at = authority_len(place);
	text_add(&to, (struct bytes){ url.ptr, (size_t)(place.ptr - url.ptr) + at });
	if (at == place.len || place.ptr[at] != '/')
		text_add_str(&to, "/sampling");
	text_add(&to, bytes_skip(place, at));
	text_add_str(&to,
		     place.len && memchr(place.ptr, '?', place.len) ? "&service=" : "?service=");
	add_query(&to, service);
	url_init(e, text_bytes(&to), PATH_VERBATIM, ENDPOINT_HTTP);
	if (to.is_cut || e->unix_path[0])
		e->kind = ENDPOINT_UNKNOWN;
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

/* What is behind host, if that is a colon and a port. */
static uint16_t port_of(struct bytes s, uint16_t otherwise)
{
	uint32_t port = 0;

	if (s.len < 2 || s.ptr[0] != ':')
		return otherwise;
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9' || port > UINT16_MAX)
			return otherwise;
		port = port * 10 + (uint32_t)(s.ptr[i] - '0');
	}
	return port && port <= UINT16_MAX ? (uint16_t)port : otherwise;
}

struct bytes endpoint_address(const struct endpoint *e, uint16_t *ret_port)
{
	struct bytes rest = bytes_from_str(e->url);
	enum endpoint_kind kind = scheme_take(&rest, ENDPOINT_UNKNOWN);
	struct bytes host;

	*ret_port = 0;
	if (e->kind == ENDPOINT_UNKNOWN || kind == ENDPOINT_UNKNOWN)
		return (struct bytes){ NULL, 0 };
	if (e->unix_path[0])
		return bytes_from_str(e->unix_path);
	rest.len = authority_len(rest);
	for (size_t i = rest.len; i > 0; i--)
		if (rest.ptr[i - 1] == '@') {
			rest = bytes_skip(rest, i);
			break;
		}
	host = (struct bytes){ rest.ptr, 0 };
	if (bytes_start_with(rest, BYTES("["))) {
		host = bytes_skip(up_to(rest, ']'), 1);
		rest = bytes_skip(rest, host.len + 1);
		rest = bytes_skip(rest, rest.len ? 1 : 0);
	} else {
		host = up_to(rest, ':');
		rest = bytes_skip(rest, host.len);
	}
	*ret_port = port_of(rest, kind == ENDPOINT_HTTPS ? 443 : 80);
	return host;
}
