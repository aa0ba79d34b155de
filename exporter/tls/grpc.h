/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GRPC_H
#define GRPC_H
/* What gRPC adds to HTTP/2 for one call with one message each way (O30-O36).  Pure. */
#include "bytes.h"
#include "transport.h"

#define GRPC_MESSAGE_MAX 200u
#define GRPC_NO_STATUS -1

struct grpc_answer {
	int status; /* GRPC_NO_STATUS: none came */
	bool has_retry_info;
	uint64_t retry_after_ms; /* of the RetryInfo */
	char message[GRPC_MESSAGE_MAX];
};

/* Writes the prefix into the room before body; returns both. */
struct bytes grpc_frame(struct bytes body, bool is_gzip);

/* The message in the body of an answer; empty if there is none, or a compressed one. */
struct bytes grpc_unframe(struct bytes body);

void grpc_answer_reset(struct grpc_answer *a);

/* A header or a trailer. */
void grpc_take_header(struct grpc_answer *a, struct bytes name, struct bytes value);

/* By the trailers, or by the status of HTTP where none came. */
enum outcome grpc_outcome(const struct grpc_answer *a, long http_status);

#endif
