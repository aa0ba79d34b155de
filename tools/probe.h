/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_H
#define PROBE_H
/*
 * One request to an endpoint, and what the answer says of who is there.  Plain sockets: what speaks
 * TLS is recognised, not spoken to.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

struct probe_url {
	bool is_https;
	char host[256];
	char port[8];
	char path[1024]; /* with its slash */
};

/* False: it is not http:// or https:// with a host. */
MUST_USE bool probe_url_parse(struct probe_url *ret, const char *url);

enum probe_kind {
	PROBE_HTTP,     /* HTTP/1, with a status */
	PROBE_HTTP2,    /* HTTP/2 by prior knowledge: gRPC, most likely */
	PROBE_TLS,      /* TLS, or HTTP that complains about the lack of it */
	PROBE_OTHER,    /* something else that is no HTTP */
	PROBE_SILENT,   /* it took the request, and closed or said nothing */
	PROBE_NO_NAME,  /* the name cannot be resolved */
	PROBE_REFUSED,  /* nobody listens */
	PROBE_NO_ROUTE, /* it cannot be reached, or does not answer */
};

struct probe_answer {
	enum probe_kind kind;
	unsigned status; /* of HTTP */
	int error;       /* errno, or that of getaddrinfo() for PROBE_NO_NAME */
	char said[160];  /* the first line of it, any bytes */
};

/* What these bytes, which were sent in answer to a request in HTTP/1, are.  Pure. */
void probe_judge(struct probe_answer *ret, struct bytes said);

enum probe_body { PROBE_BODY_PROTOBUF, PROBE_BODY_JSON, PROBE_BODY_HTTP2_PREFACE };

/*
 * Sends a span of the service "interspan-doctor", or for HTTP/2 its opening words; waits 3 s at
 * most for each step.  headers: lines with CRLF, or empty.
 */
void probe_send(struct probe_answer *ret, const struct probe_url *url, enum probe_body body,
		struct bytes headers);

#endif
