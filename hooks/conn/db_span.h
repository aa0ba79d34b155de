/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DB_SPAN_H
#define DB_SPAN_H
/*
 * CLIENT spans of a database: what the hooks of its library and the parser of its protocol have in
 * common (spec rows D1-D47).  Any thread, async-signal-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "span.h"
#include "sql_shape.h"
#include "sql_text.h"
#include "tracestate.h"

/* Room for one statement; lent for the length of one call of ours. */
struct db_scratch {
	char text[SQL_TEXT_BYTES];
	char summary[SQL_SUMMARY_BYTES + 1];
	char state[TRACESTATE_BYTES];
	uint32_t index;
};

struct db_scratch *db_scratch_get(void); /* NULL: none to be had */
void db_scratch_put(struct db_scratch *room);

/* What is told of a statement. */
struct db_text {
	struct bytes text;
	struct bytes summary;
};

/*
 * Without values: what was said of the same before, or said now, in *room, which is lent for that
 * if it is NULL and the caller's to put back.  *last: what came last on this connection, at first
 * NULL.
 */
struct db_text db_describe(struct db_scratch **room, const struct sql_shape **last,
			   struct bytes sql, enum sql_backslash b, bool has_parameters);

/* Below the request, as context_current() tells it, or a root. */
struct span *db_span_start(struct span_ref request, uint64_t started_ns);

/*
 * Name and texts (D2, D3).  verb: what the call does with the statement, if not run it; target: of
 * the name, looked at if there is no summary.
 */
void db_span_tell(struct span *s, struct bytes verb, const struct db_text *t, struct bytes target);

/* Where the server is (D17, D18, D43, D44); port 0: not known. */
void db_span_server(struct span *s, struct bytes address, unsigned port);

/* SQLSTATE of a failure (D41, D42); empty: instead is error.type.  Not an error: nothing. */
void db_span_fail(struct span *s, struct bytes sqlstate, struct bytes instead);

#endif
