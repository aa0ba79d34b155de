/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRANSPORT_H
#define TRANSPORT_H
/*
 * One HTTP connection to the receiver, by libcurl.  One request at a time; what to do about its
 * outcome is deliver.c's business.  Exporter thread only, Q held.
 *
 * libcurl runs in the host's process, so: memory is the pool's, no signal is touched, no proxy is
 * taken from the environment, nothing but http is spoken and no redirect followed.
 * curl_global_cleanup is never called.
 *
 * transport.c is compiled twice: into our object, where libcurl speaks HTTP/1.1 alone, and into
 * libinterspan-tls.so, with TLS and HTTP/2.  transport_pick.c takes the one that an endpoint needs.
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "endpoint.h"
#include "exporter.h"

#define RESPONSE_BYTES_MAX (4u << 20) /* O11 */
#define RESPONSE_KEPT 16384u          /* of a body, to be looked at */
#define RESPONSE_TEXT 256u            /* of what the receiver says about it, for the log */

enum outcome {
	OUTCOME_ACCEPTED,   /* 2xx */
	OUTCOME_UNREACHED,  /* no connection: the receiver knows nothing of the request */
	OUTCOME_BROKEN,     /* a connection, but no answer */
	OUTCOME_BUSY,       /* 429, 502, 503, 504: to be tried again (O17) */
	OUTCOME_REJECTED,   /* any other answer: not to be tried again (O18-O20) */
	OUTCOME_IMPOSSIBLE, /* the endpoint cannot be used at all, or no memory */
	OUTCOME_TIMEOUT,    /* the time given was up */
	OUTCOME_UNDERWAY,   /* none yet */
};

struct response {
	long status;              /* of HTTP; 0: none came */
	uint16_t grpc_answer;     /* grpc-status + 1; 0: none came */
	uint64_t retry_after_ms;  /* 0: not said */
	int64_t rejected;         /* spans, of an accepted request (O15) */
	char text[RESPONSE_TEXT]; /* what the receiver or libcurl says about it; NUL-terminated */
};

struct transport;

/* Of one of the two; filled at run time: tables of pointers would be relocated in every process. */
struct transport_ops {
	struct transport *(*make)(const struct endpoint *e);
	void (*free)(struct transport *t);
	void (*set_gzip)(struct transport *t, bool is_gzip);
	bool (*begin)(struct transport *t, struct bytes body);
	enum outcome (*poll)(struct transport *t, struct exporter *x, uint64_t until_ns,
			     struct response *ret);
	void (*wait)(struct transport *t);
	size_t (*fds)(struct transport *t, struct pollfd *ret, size_t max);
	struct bytes (*body)(struct transport *t);
};

void transport_ops_fill(struct transport_ops *ret);

/* What every struct transport begins with. */
struct transport_head {
	struct transport_ops ops;
};

/* Room that must lie before a body, to be written by who sends it: the prefix of gRPC. */
#define TRANSPORT_PREFIX 5u

/* What is sent from now on: is it gzip? */
void transport_set_gzip(struct transport *t, bool is_gzip);

/* Borrows e.  NULL: no memory, or what the endpoint needs is not there: exporter_log() was told. */
struct transport *transport_new(const struct endpoint *e);
void transport_free(struct transport *t);

/*
 * Begins to send body, which stays the caller's and must last; {NULL, 0} is a GET.  False:
 * IMPOSSIBLE.
 */
MUST_USE bool transport_begin(struct transport *t, struct bytes body);

/*
 * What has become of it, without waiting.  After until_ns (CLOCK_MONOTONIC) or the deadline of x,
 * whichever comes first, it is given up.
 */
enum outcome transport_poll(struct transport *t, struct exporter *x, uint64_t until_ns,
			    struct response *ret);

/* Waits for up to 20 ms until a poll may tell more.  Q is released meanwhile. */
void transport_wait(struct transport *t);

/* The descriptors that such a wait is about, up to max; returns their number. */
size_t transport_fds(struct transport *t, struct pollfd *ret, size_t max);

/* Of the last answer, valid until the next request; {NULL, 0}: more than RESPONSE_KEPT. */
struct bytes transport_body(struct transport *t);

/* All of it at once. */
enum outcome transport_post(struct transport *t, struct exporter *x, struct bytes body,
			    uint64_t until_ns, struct response *ret);

#endif
