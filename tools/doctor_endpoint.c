/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdio.h>

#include "doctor.h"
#include "probe.h"
#include "proc_file.h"

#define URL_MAX 2048

struct asked {
	char url[URL_MAX];
	struct probe_url at;
	char protocol[32];
	bool is_grpc;
	bool is_json;
};

/* The value of the one for traces, or of the one for all. */
static bool setting(struct bytes env, const char *what, char *to, size_t size)
{
	char name[64];

	snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_TRACES_%s", what);
	if (env_copy(env, name, to, size) && *to)
		return true;
	snprintf(name, sizeof(name), "OTEL_EXPORTER_OTLP_%s", what);
	return env_copy(env, name, to, size) && *to;
}

/* E89-E91: the one for traces is used as it is, to the other the path is appended. */
static void find_url(struct asked *a, struct bytes env, const char *url)
{
	bool is_whole =
		env_copy(env, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", a->url, URL_MAX) && *a->url;
	size_t n;

	if (url)
		snprintf(a->url, URL_MAX, "%s", url);
	else if (is_whole)
		return;
	else if (!env_copy(env, "OTEL_EXPORTER_OTLP_ENDPOINT", a->url, URL_MAX) || !*a->url)
		snprintf(a->url, URL_MAX, "http://localhost:4318");
	n = strlen(a->url);
	if (a->is_grpc || strstr(a->url, "/v1/traces") || n + 11 >= URL_MAX)
		return;
	snprintf(a->url + n, URL_MAX - n, "%sv1/traces", a->url[n - 1] == '/' ? "" : "/");
}

static char unhex(const char *two)
{
	unsigned n = 0;

	return sscanf(two, "%2x", &n) == 1 ? (char)n : '?';
}

/* "key=value,key=value", percent-encoded, as lines.  What could end a line is left out. */
static void put_headers(struct text *to, const char *list)
{
	struct bytes rest = bytes_from_str(list);

	while (rest.ptr) {
		struct bytes value = bytes_trim(bytes_split(&rest, ',')),
			     key = bytes_split(&value, '=');

		if (!key.len || !value.ptr)
			continue;
		text_add(to, key);
		text_add_str(to, ": ");
		while (value.len) {
			bool is_coded = value.ptr[0] == '%' && value.len > 2;
			char c = is_coded ? unhex(value.ptr + 1) : value.ptr[0];

			if ((unsigned char)c >= ' ')
				text_add_char(to, c);
			value = bytes_skip(value, is_coded ? 3 : 1);
		}
		text_add_str(to, "\r\n");
	}
}

static void told_http(struct diagnosis *d, const struct asked *a, const struct probe_answer *r)
{
	static const struct {
		unsigned from, to;
		enum finding_level level;
		const char *id, *what, *remedy;
	} rows[] = {
		{ 200, 202, LEVEL_OK, "accepted", "the endpoint took a test span", "" },
		{ 300, 399, LEVEL_BAD, "redirected", "the endpoint sends us elsewhere",
		  "redirects are not followed: set the URL that it names" },
		{ 401, 403, LEVEL_BAD, "credentials", "the endpoint wants credentials",
		  "OTEL_EXPORTER_OTLP_HEADERS=authorization=..., percent-encoded" },
		{ 404, 405, LEVEL_BAD, "path", "nothing takes spans at this path",
		  "OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/traces appended, "
		  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it is" },
		{ 400, 415, LEVEL_BAD, "encoding", "the endpoint does not take this encoding",
		  "OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf or http/json; is it an OTLP "
		  "receiver?" },
		{ 429, 429, LEVEL_BAD, "overloaded", "the endpoint has too much to do", "" },
		{ 500, 599, LEVEL_BAD, "failing", "the endpoint fails", "look at its own log" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (r->status < rows[i].from || r->status > rows[i].to)
			continue;
		diagnose(d, rows[i].level, rows[i].id, rows[i].what);
		diagnosis_seen(d, "POST %s (%s): %s", a->url, a->protocol, r->said);
		diagnosis_remedy(d, "%s", rows[i].remedy);
		return;
	}
	diagnose(d, LEVEL_BAD, "answer", "the endpoint answers in a way that nobody expects");
	diagnosis_seen(d, "POST %s (%s): %s", a->url, a->protocol, r->said);
}

static void not_there(struct diagnosis *d, const struct asked *a, const struct probe_answer *r)
{
	if (r->kind == PROBE_NO_NAME) {
		diagnose(d, LEVEL_BAD, "no-such-host", "the endpoint's name is not known");
		diagnosis_seen(d, "%s: %s", a->at.host, gai_strerror(r->error));
		diagnosis_remedy(d,
				 "is it a name of another network (a container's, a cluster's)?");
		return;
	}
	diagnose(d, LEVEL_BAD, r->kind == PROBE_REFUSED ? "refused" : "unreachable",
		 r->kind == PROBE_REFUSED ? "nobody listens at the endpoint" :
					    "the endpoint cannot be reached");
	diagnosis_seen(d, "connect to %s port %s: %s", a->at.host, a->at.port, strerror(r->error));
	diagnosis_remedy(d, "start a receiver there (interspan view, a Collector), or set "
			    "OTEL_EXPORTER_OTLP_ENDPOINT");
}

/* Somebody else's language. */
static void mismatch(struct diagnosis *d, const struct asked *a, const struct probe_answer *r)
{
	switch (r->kind) {
	case PROBE_HTTP2:
		diagnose(d, LEVEL_BAD, "speaks-grpc",
			 "HTTP/1 is asked for, and the endpoint speaks HTTP/2 (gRPC)");
		diagnosis_remedy(d,
				 "for OTLP over HTTP the port is 4318, 4317 is gRPC's: is it "
				 "http://%s:4318?",
				 a->at.host);
		break;
	case PROBE_TLS:
		diagnose(d, LEVEL_BAD, "speaks-tls",
			 "the endpoint speaks TLS, and the URL says http");
		diagnosis_remedy(d, "make it https://%s:%s", a->at.host, a->at.port);
		break;
	case PROBE_SILENT:
		diagnose(d, LEVEL_BAD, "silent",
			 "the endpoint takes a connection and a request, and says nothing");
		diagnosis_remedy(d,
				 "is it a receiver of gRPC (port 4317), or one of something else?");
		break;
	default:
		diagnose(d, LEVEL_BAD, "no-http", "who is there speaks no HTTP");
		diagnosis_remedy(d, "is this the right port? OTLP over HTTP has 4318");
		break;
	}
	diagnosis_seen(d, "POST %s (%s): %s", a->url, a->protocol,
		       r->kind == PROBE_HTTP2 ? "a frame of HTTP/2 came back" :
		       r->kind == PROBE_TLS   ? "an alert, or words, of TLS came back" :
		       *r->said               ? r->said :
						"no answer");
}

static void ask_http(struct diagnosis *d, const struct asked *a, struct bytes env)
{
	char list[4096];
	struct text headers = { 0 };
	struct probe_answer r;

	if (setting(env, "HEADERS", list, sizeof(list)))
		put_headers(&headers, list);
	probe_send(&r, &a->at, a->is_json ? PROBE_BODY_JSON : PROBE_BODY_PROTOBUF,
		   (struct bytes){ headers.ptr, headers.len });
	text_done(&headers);
	if (r.kind >= PROBE_NO_NAME)
		not_there(d, a, &r);
	else if (r.kind == PROBE_HTTP)
		told_http(d, a, &r);
	else
		mismatch(d, a, &r);
}

/* In plain text: who speaks TLS says so, and nothing secret has been sent. */
static void ask_https(struct diagnosis *d, const struct asked *a)
{
	struct probe_answer r;

	probe_send(&r, &a->at, PROBE_BODY_PROTOBUF, (struct bytes){ NULL, 0 });
	if (r.kind >= PROBE_NO_NAME) {
		not_there(d, a, &r);
	} else if (r.kind == PROBE_HTTP) {
		diagnose(d, LEVEL_BAD, "speaks-plain",
			 "the endpoint speaks plain HTTP, and the URL says https");
		diagnosis_seen(d, "%s port %s: %s", a->at.host, a->at.port, r.said);
		diagnosis_remedy(d, "make it http://%s:%s", a->at.host, a->at.port);
	} else {
		diagnose(d, LEVEL_NOTE, "tls",
			 "somebody is there, and it is not plain HTTP; what is said inside of TLS "
			 "was not tried");
		diagnosis_seen(d, "%s port %s", a->at.host, a->at.port);
	}
}

static void ask_grpc(struct diagnosis *d, const struct asked *a)
{
	struct probe_answer r;

	probe_send(&r, &a->at, PROBE_BODY_HTTP2_PREFACE, (struct bytes){ NULL, 0 });
	if (r.kind >= PROBE_NO_NAME) {
		not_there(d, a, &r);
	} else if (r.kind == PROBE_HTTP2) {
		diagnose(d, LEVEL_OK, "speaks-grpc",
			 "the endpoint speaks HTTP/2, as gRPC does; no test span was sent");
		diagnosis_seen(d, "%s port %s", a->at.host, a->at.port);
	} else {
		diagnose(d, LEVEL_BAD, "speaks-http",
			 "gRPC is asked for, and the endpoint does not speak HTTP/2");
		diagnosis_seen(d, "OTEL_EXPORTER_OTLP_PROTOCOL=%s, %s port %s: %s", a->protocol,
			       a->at.host, a->at.port, *r.said ? r.said : "no answer");
		diagnosis_remedy(d, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf for port 4318, or "
				    "the port 4317");
	}
}

/* The habit of a port says something only if it contradicts. */
static void habits(struct diagnosis *d, const struct asked *a)
{
	if (strcmp(a->at.port, a->is_grpc ? "4318" : "4317") != 0)
		return;
	diagnose(d, LEVEL_NOTE, "port",
		 a->is_grpc ? "port 4318 is usually that of OTLP over HTTP, not of gRPC" :
			      "port 4317 is usually that of OTLP over gRPC, not of HTTP");
	diagnosis_seen(d, "%s with %s", a->url, a->protocol);
}

void doctor_endpoint(struct diagnosis *d, struct bytes env, const char *url)
{
	struct asked a = { 0 };

	if (!setting(env, "PROTOCOL", a.protocol, sizeof(a.protocol)))
		snprintf(a.protocol, sizeof(a.protocol), "http/protobuf");
	a.is_grpc = strcmp(a.protocol, "grpc") == 0;
	a.is_json = strcmp(a.protocol, "http/json") == 0;
	find_url(&a, env, url);
	if (!probe_url_parse(&a.at, a.url)) {
		diagnose(d, LEVEL_BAD, "endpoint",
			 "the endpoint is no URL that anything could be sent to");
		diagnosis_seen(d, "%s", a.url);
		diagnosis_remedy(d, "it must begin with http:// or https://");
		return;
	}
	habits(d, &a);
	if (a.at.is_https)
		ask_https(d, &a);
	else if (a.is_grpc)
		ask_grpc(d, &a);
	else
		ask_http(d, &a, env);
}
