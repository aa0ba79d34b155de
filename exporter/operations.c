/* SPDX-License-Identifier: Apache-2.0 */
#include "operations.h"

#include "text.h"

static enum operation_error error_of(enum outcome outcome, const struct response *r)
{
	switch (outcome) {
	case OUTCOME_ACCEPTED:
		return r->rejected > 0 ? OPERATION_REJECTED : OPERATION_FINE;
	case OUTCOME_UNREACHED:
		return OPERATION_UNREACHED;
	case OUTCOME_BROKEN:
		return OPERATION_BROKEN;
	case OUTCOME_TIMEOUT:
		return OPERATION_TIMEOUT;
	default:
		/* 200 is no reason: gRPC's trailers were missing, say. */
		return r->grpc_answer || r->status >= 300 ? OPERATION_REFUSED : OPERATION_OTHER;
	}
}

/* The one that is like key; a new one, while there is room. */
static struct operation *find(struct operations *all, const struct operation *key)
{
	struct operation *o = all->of;

	for (; o < all->of + all->n; o++)
		if (o->error == key->error && o->http_status == key->http_status &&
		    o->grpc_answer == key->grpc_answer)
			return o;
	if (all->n < OPERATIONS_MAX) {
		all->n++;
		*o = *key;
		return o;
	}
	return &all->of[OPERATIONS_MAX];
}

void operations_add(struct operations *all, enum outcome outcome, const struct response *r,
		    uint64_t took_ns)
{
	struct operation key = { .error = error_of(outcome, r), .grpc_answer = r->grpc_answer };
	struct operation *o;

	/* That of gRPC's carrier says nothing more. */
	if (!r->grpc_answer)
		key.http_status = (uint16_t)r->status;
	o = find(all, &key);
	if (o->count == 0 || took_ns < o->min_ns)
		o->min_ns = took_ns;
	if (took_ns > o->max_ns)
		o->max_ns = took_ns;
	o->count++;
	o->sum_ns += took_ns;
}

const char *operation_grpc_status(const struct operation *o)
{
	/* Arrays, not pointers: those would be relocated in every process that loads us. */
	static const char names[][20] = {
		"OK",
		"CANCELLED",
		"UNKNOWN",
		"INVALID_ARGUMENT",
		"DEADLINE_EXCEEDED",
		"NOT_FOUND",
		"ALREADY_EXISTS",
		"PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED",
		"FAILED_PRECONDITION",
		"ABORTED",
		"OUT_OF_RANGE",
		"UNIMPLEMENTED",
		"INTERNAL",
		"UNAVAILABLE",
		"DATA_LOSS",
		"UNAUTHENTICATED",
	};

	if (o->grpc_answer == 0)
		return NULL;
	/* What is not known is to be taken as UNKNOWN. */
	return names[o->grpc_answer - 1u < ARRAY_LEN(names) ? o->grpc_answer - 1 : 2];
}

const char *operation_error_type(const struct operation *o, char buf[static OPERATION_TEXT])
{
	struct text t = { buf, OPERATION_TEXT - 1, 0, false };

	switch (o->error) {
	case OPERATION_FINE:
		return NULL;
	case OPERATION_REJECTED:
		return "rejected";
	case OPERATION_UNREACHED:
		return "unreachable";
	case OPERATION_BROKEN:
		return "connection_broken";
	case OPERATION_TIMEOUT:
		return "timeout";
	case OPERATION_REFUSED:
		if (o->grpc_answer)
			return operation_grpc_status(o);
		text_add_uint(&t, o->http_status);
		buf[t.len] = '\0';
		return buf;
	default:
		return "_OTHER";
	}
}
