/* SPDX-License-Identifier: Apache-2.0 */
/* What libpq tells of a connection and of results, as attributes. */
#include "clock.h"
#include "context.h"
#include "opt_in.h"
#include "pq_impl.h"
#include "stack.h"
#include "store.h"

#define DIAG_SQLSTATE 'C'
#define NAMESPACE_BYTES 200u
#define VALUES_MAX 100

typedef const char *ask_text(const void *conn);

static struct bytes ask(const struct pq *pq, enum pq_ask which)
{
	return bytes_from_str(((ask_text *)pq->ask[which])(pq->conn));
}

struct bytes pq_database(const struct pq *pq)
{
	return ask(pq, PQ_ASK_db);
}

/*
 * The schema that the connection was opened with: the first one of search_path among its options.
 * What is set later, in transactions that may be rolled back, is not followed.
 */
static struct bytes schema_of(struct bytes options)
{
	struct bytes key = BYTES("search_path=");
	struct bytes schema = { NULL, 0 };

	for (; options.len >= key.len; options = bytes_skip(options, 1))
		if (bytes_start_with(options, key))
			schema = bytes_skip(options, key.len);
	for (size_t i = 0; i < schema.len; i++)
		if (memchr(" ,\\\"'$", schema.ptr[i], 6))
			schema.len = i;
	return schema;
}

/* D8, D40 */
static void tell_namespace(struct span *s, const struct pq *pq)
{
	struct bytes database = ask(pq, PQ_ASK_db);
	struct bytes schema = schema_of(ask(pq, PQ_ASK_options));
	char both[NAMESPACE_BYTES];

	if (!database.len || database.len + 1 + schema.len > sizeof(both))
		return;
	memcpy(both, database.ptr, database.len);
	if (schema.len) {
		both[database.len] = '|';
		memcpy(both + database.len + 1, schema.ptr, schema.len);
		schema.len++;
	}
	span_set_str(s, ATTR_DB_NAMESPACE, (struct bytes){ both, database.len + schema.len });
}

static unsigned port_of(struct bytes text)
{
	unsigned port = 0;

	for (size_t i = 0; i < text.len && i < 5 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		port = port * 10 + (unsigned)(text.ptr[i] - '0');
	return port;
}

/* As the summary of a request's calls names it: host:port. */
static void keep_peer(struct pq_conn *c, struct bytes host, struct bytes port)
{
	size_t n = host.len < sizeof(c->peer) - 7 ? host.len : sizeof(c->peer) - 7;

	memcpy(c->peer, host.ptr, n);
	c->peer[n++] = ':';
	port.len = port.len < 6 ? port.len : 6;
	memcpy(c->peer + n, port.ptr, port.len);
	c->peer_len = (uint8_t)(n + port.len);
}

static void tell_all(struct pq_conn *c, const struct pq *pq, struct span *s)
{
	struct bytes host = ask(pq, PQ_ASK_host), port = ask(pq, PQ_ASK_port);

	span_set_str(s, ATTR_DB_SYSTEM_NAME, BYTES("postgresql"));
	tell_namespace(s, pq);
	db_span_server(s, host, port_of(port));
	keep_peer(c, host, port);
}

void pq_tell_connection(struct pq_conn *c, const struct pq *pq, struct span *s)
{
	struct span_mark since = span_mark(s);

	if (c->has_common) {
		span_block_add(s, &c->common);
	} else {
		tell_all(c, pq, s);
		c->has_common = c->is_open && span_block_take(&c->common, s, since);
	}
	if (!c->started_ns)
		return;
	span_add_event_at(s, EVENT_CONNECTION_STARTED, c->started_ns);
	span_add_event_at(s, EVENT_CONNECTION_OPENED, c->opened_ns);
	c->started_ns = 0;
}

/* Opening it is a span only where it fails; there is no SQLSTATE to be had of that. */
void pq_tell_failure(struct pq_conn *c, const struct pq *pq)
{
	struct span *s = db_span_start(context_current(), c->started_ns);
	struct db_text none = { { NULL, 0 }, { NULL, 0 } };

	if (span_is_recording(s)) {
		tell_all(c, pq, s);
		db_span_tell(s, BYTES("CONNECT"), &none, pq_database(pq));
		db_span_fail(s, BYTES(""), BYTES("08001"));
	}
	stack_end_span(s, clock_monotonic_ns());
	c->started_ns = 0;
}

/* D21: as texts, of those that came as texts. */
void pq_tell_values(struct span *s, const struct pq_query *q)
{
	char packed[1024];

	if (!opt_in(ATTR_DB_QUERY_PARAMETER))
		return;
	for (int i = 0; i < q->count && i < VALUES_MAX; i++) {
		struct bytes value = bytes_from_str(q->values[i]);
		size_t n = 1;

		if (!value.ptr || (q->formats && q->formats[i]))
			continue;
		if (i >= 10)
			packed[n++] = (char)('0' + i / 10);
		packed[n++] = (char)('0' + i % 10);
		packed[0] = (char)(n - 1);
		if (value.len > sizeof(packed) - n)
			value.len = sizeof(packed) - n;
		memcpy(packed + n, value.ptr, value.len);
		span_set_named(s, ATTR_DB_QUERY_PARAMETER, (struct bytes){ packed, n + value.len });
	}
}

enum sql_backslash pq_backslash(const struct pq *pq, struct bytes sql)
{
	const char *(*parameter)(const void *, const char *) =
		PQ_ASK(pq, parameterStatus, const char *(*)(const void *, const char *));
	struct bytes is;

	if (!sql.len || !memchr(sql.ptr, '\\', sql.len))
		return SQL_BACKSLASH_PLAIN;
	is = bytes_from_str(parameter(pq->conn, "standard_conforming_strings"));
	return bytes_equal(is, BYTES("on"))  ? SQL_BACKSLASH_PLAIN :
	       bytes_equal(is, BYTES("off")) ? SQL_BACKSLASH_ESCAPES :
					       SQL_BACKSLASH_UNKNOWN;
}

/* --- results --- */

/* The library is not asked for what is not told. */
static void count_rows(const struct pq *pq, struct pq_op *op, const void *result)
{
	if (LIKELY(!opt_in(ATTR_DB_RESPONSE_RETURNED_ROWS)))
		return;
	op->rows += (uint64_t)PQ_ASK(pq, ntuples, int (*)(const void *))(result);
	op->has_rows = true;
}

void pq_tell_rows(struct span *s, uint64_t rows)
{
	span_set_int(s, ATTR_DB_RESPONSE_RETURNED_ROWS, (int64_t)rows);
}

static void tell_error(const struct pq *pq, struct span *s, const void *result)
{
	const char *(*field)(const void *, int) =
		PQ_ASK(pq, resultErrorField, const char *(*)(const void *, int));
	struct bytes state = bytes_from_str(result ? field(result, DIAG_SQLSTATE) : NULL);
	bool is_open = PQ_ASK(pq, status, int (*)(const void *))(pq->conn) == PQ_CONNECTION_OK;

	db_span_fail(s, state, is_open ? BYTES("_OTHER") : BYTES("08006"));
}

/* Returns its status; no result at all is an error. */
int pq_tell_result(const struct pq *pq, struct pq_op *op, const void *result)
{
	int status =
		result ? PQ_ASK(pq, resultStatus, int (*)(const void *))(result) : PQ_FATAL_ERROR;

	switch (status) {
	case PQ_TUPLES_OK:
	case PQ_SINGLE_TUPLE:
	case PQ_TUPLES_CHUNK:
		count_rows(pq, op, result);
		break;
	case PQ_BAD_RESPONSE:
	case PQ_FATAL_ERROR:
		op->has_failed = true;
		tell_error(pq, span_get(op->span), result);
		break;
	case PQ_PIPELINE_ABORTED:
		op->has_failed = true;
		db_span_fail(span_get(op->span), BYTES(""), BYTES("pipeline_aborted"));
		break;
	default:
		break;
	}
	return status;
}
