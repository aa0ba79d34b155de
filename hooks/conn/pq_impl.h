/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PQ_IMPL_H
#define PQ_IMPL_H
/* What the files about libpq share. */
#include <stdatomic.h>

#include "calls.h"
#include "db_span.h"
#include "pq.h"
#include "statements.h"

#define PQ_OPS 256u    /* a power of two */
#define PQ_SUMMARY 96u /* CALLS_SUMMARY_MAX */

/* A statement that is under way. */
struct pq_op {
	struct span_ref span;
	struct span_ref cause;
	bool has_result;
	bool has_rows;
	bool has_failed;
	bool is_prepare;
	uint8_t name_len; /* of a statement that is prepared */
	uint8_t summary_len;
	uint32_t replaced; /* the statement that had its name */
	uint64_t started_ns;
	uint64_t rows;
	char name[STATEMENT_NAME_MAX];
	char summary[PQ_SUMMARY];
};

/* Held by one thread at a time (busy). */
struct pq_conn {
	_Atomic(const void *) key; /* the library's address; NULL: free */
	_Atomic uint64_t busy;
	uint32_t number;
	uint32_t epoch; /* process that opened it */
	bool is_open;
	bool has_common;
	bool beyond_has_result;
	uint64_t started_ns; /* of its opening, until that is told of */
	uint64_t opened_ns;
	uint32_t head, tail; /* of ops */
	uint32_t beyond;     /* statements for which ops had no room: they come after all of them */
	struct statements statements;
	const struct sql_shape *last_shape;
	/*
	 * The text, as it is kept for later spans, whose attributes and name `told` has; or NULL.
	 */
	const char *told_of;
	struct span_block told;
	struct span_block common; /* what all its spans say */
	char peer[CALLS_PEER_MAX];
	uint8_t peer_len;
	struct pq_op ops[PQ_OPS];
};

/* ExecStatusType and ConnStatusType, by libpq's manual. */
enum {
	PQ_TUPLES_OK = 2,
	PQ_COPY_OUT,
	PQ_COPY_IN,
	PQ_BAD_RESPONSE,
	PQ_FATAL_ERROR = 7,
	PQ_COPY_BOTH,
	PQ_SINGLE_TUPLE,
	PQ_PIPELINE_SYNC,
	PQ_PIPELINE_ABORTED,
	PQ_TUPLES_CHUNK,
};
#define PQ_CONNECTION_OK 0

#define PQ_ASK(pq, which, type) ((type)(pq)->ask[PQ_ASK_##which])

struct pq_conn *pq_hold(const void *conn);
void pq_release(struct pq_conn *c);

/* All that is under way is over, or given up. */
void pq_ops_end(struct pq_conn *c);

/* --- pq_tell.c --- */

/* What all spans of the connection have in common. */
void pq_tell_connection(struct pq_conn *c, const struct pq *pq, struct span *s);
void pq_tell_values(struct span *s, const struct pq_query *q);
void pq_tell_rows(struct span *s, uint64_t rows);
int pq_tell_result(const struct pq *pq, struct pq_op *op, const void *result);
void pq_tell_failure(struct pq_conn *c, const struct pq *pq);
enum sql_backslash pq_backslash(const struct pq *pq, struct bytes sql);
struct bytes pq_database(const struct pq *pq);

#endif
