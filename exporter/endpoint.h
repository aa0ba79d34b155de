/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENDPOINT_H
#define ENDPOINT_H
/* Where export requests go, and which headers of the user's they carry (E89-E113).  Pure. */
#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"
#include "config.h"

enum endpoint_kind {
	ENDPOINT_HTTP,
	ENDPOINT_HTTPS,
	ENDPOINT_UNKNOWN, /* another scheme, or no URL at all: nothing can be sent */
};

/* What people mix up, to be said in the log. */
enum endpoint_hint {
	ENDPOINT_PLAUSIBLE,
	ENDPOINT_IS_FOR_GRPC, /* http/... to port 4317 */
	ENDPOINT_IS_FOR_HTTP, /* grpc to port 4318 */
};

#define ENDPOINT_URL_MAX 2048
#define ENDPOINT_UNIX_MAX 108 /* of struct sockaddr_un */
#define ENDPOINT_HEADERS_MAX 32
#define ENDPOINT_HEADER_TEXT 8192

struct endpoint {
	enum endpoint_kind kind;
	enum config_protocol protocol;
	bool wants_gzip;
	enum endpoint_hint hint;
	/* Files of PEM, by name; NUL-terminated, the configuration's; empty: none. */
	struct bytes certificate;
	struct bytes client_key;
	struct bytes client_certificate;
	char unix_path[ENDPOINT_UNIX_MAX]; /* empty: none; else url's host means nothing */
	char url[ENDPOINT_URL_MAX];        /* NUL-terminated */
	size_t n_headers;
	const char *headers[ENDPOINT_HEADERS_MAX]; /* `Name: value`, in text; NUL-terminated */
	size_t headers_refused;                    /* malformed, or not the user's to set */
	char text[ENDPOINT_HEADER_TEXT];
};

void endpoint_init(struct endpoint *e, const struct config *cfg);

/* Is it one that only libinterspan-tls.so can speak to? */
bool endpoint_needs_tls_object(const struct endpoint *e);

/* Of the metrics about ourselves: protobuf, with headers and certificates of all signals. */
void endpoint_init_metrics(struct endpoint *e, const struct config *cfg);

/* Of Zipkin (E120): verbatim, without any header of the user's. */
void endpoint_init_zipkin(struct endpoint *e, const struct config *cfg);

/*
 * Of a Jaeger that tells how to sample (E40): `/sampling` where url has no path, and the name of
 * the service behind it.
 */
void endpoint_init_sampling(struct endpoint *e, struct bytes url, struct bytes service);

/*
 * Its host, without user and password, and its port; or the path of its socket, and no port (0).
 * Empty where the kind is UNKNOWN.  In e.
 */
struct bytes endpoint_address(const struct endpoint *e, uint16_t *ret_port);

/* Longest time for one batch, retries included, in ms; 0: no limit (E8, E65, E92). */
uint32_t endpoint_timeout_ms(const struct config *cfg);

#endif
