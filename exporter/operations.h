/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPERATIONS_H
#define OPERATIONS_H
/*
 * How long exports took (O91), by how they ended: one observation each, with all its attempts and
 * the waits between them.  Exporter thread only.
 */
#include "endpoint.h"
#include "transport.h"

enum operation_error {
	OPERATION_FINE,
	OPERATION_REJECTED, /* taken, but for some spans */
	OPERATION_REFUSED,  /* by its status, which is told */
	OPERATION_UNREACHED,
	OPERATION_BROKEN,
	OPERATION_TIMEOUT,
	OPERATION_OTHER,
};

struct operation {
	enum operation_error error;
	uint16_t http_status; /* of the last attempt; 0: none */
	uint16_t grpc_answer; /* the same: struct response */
	uint64_t count;
	uint64_t sum_ns;
	uint64_t min_ns;
	uint64_t max_ns;
};

/* A receiver may answer whatever it likes: what comes behind so many is told as one, the last. */
#define OPERATIONS_MAX 16u

struct operations {
	const struct endpoint *to; /* NULL: no server */
	uint32_t n;
	struct operation of[OPERATIONS_MAX + 1];
};

/* Of one that ended with r. */
void operations_add(struct operations *all, enum outcome outcome, const struct response *r,
		    uint64_t took_ns);

/* error.type; NULL: none.  buf: for what it may have to be made in. */
#define OPERATION_TEXT 8u
const char *operation_error_type(const struct operation *o, char buf[static OPERATION_TEXT]);

/* rpc.response.status_code; NULL: none. */
const char *operation_grpc_status(const struct operation *o);

#endif
