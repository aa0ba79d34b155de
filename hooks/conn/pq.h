/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PQ_H
#define PQ_H
/*
 * Connections of libpq, known by the address that the library gives its caller, and the statements
 * that are under way on each, in their order: from the call that sends one to the result that is
 * its last.  One in the usual case, many in pipeline mode.
 *
 * A connection is one thread's at a time, by the library's own rule; who breaks it is passed
 * through.  Nothing is held while the library works, so a call that does not return (longjmp)
 * leaves a statement that the next call ends.  Any thread, inside the guard, no errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

/* What we ask the library, in this order; hooks/libpq.c has their names. */
enum pq_ask {
	PQ_ASK_db,
	PQ_ASK_host,
	PQ_ASK_port,
	PQ_ASK_options,
	PQ_ASK_status,
	PQ_ASK_parameterStatus,
	PQ_ASK_resultStatus,
	PQ_ASK_resultErrorField,
	PQ_ASK_ntuples,
	PQ_ASKS_NEEDED,
	PQ_ASK_pipelineStatus = PQ_ASKS_NEEDED, /* since 14 */
};

struct pq_conn;

/* A connection and its library, as a hook is called with it. */
struct pq {
	const void *conn;
	void *const *ask; /* by enum pq_ask */
};

enum pq_verb { PQ_RUN, PQ_PREPARE, PQ_DESCRIBE };

struct pq_query {
	enum pq_verb verb;
	bool is_async;
	bool has_parameters;   /* a call that can have some */
	const char *sql;       /* NULL: that of the statement */
	const char *statement; /* its name; NULL: none */
	int count;             /* of values, as texts, if they are wanted */
	const char *const *values;
	const int *formats;
};

/* --- connections --- */

/* From now on; started_ns: CLOCK_MONOTONIC, of the call that has opened it, or tries to. */
void pq_opening(const struct pq *pq, uint64_t started_ns);

/* It is open, or it has failed. */
void pq_opened(const struct pq *pq, bool is_open);
void pq_closing(const struct pq *pq);

/* --- statements --- */

/* False: it is not told of; then nothing else is to be. */
bool pq_begin(const struct pq *pq, const struct pq_query *q);

/*
 * The statement just begun, with a comment that tells the server of it, if that is asked for and
 * can be; NULL: as it is.  Freed when the library is done with it.
 */
struct commented;
struct commented *pq_comment(const struct pq *pq, const char *sql);
const char *pq_comment_text(const struct commented *c);
void pq_comment_free(struct commented *c);

/* The call that sends it is over; is_sent false: it has failed. */
void pq_sent(const struct pq *pq, bool is_sent);

/* All results but the last are the library's: result is the last one of a call that waits. */
void pq_done(const struct pq *pq, const void *result);

/* A COPY is over, and nothing else comes. */
void pq_copied(const struct pq *pq, bool is_good);

/* The next result of those that were sent; NULL: there is none. */
void pq_result(const struct pq *pq, const void *result);

#endif
