/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libpq, by what its manual says: we declare its functions ourselves and are linked with none of
 * them.  What the library calls of its own (PQexec() is PQsendQuery() and PQgetResult()) is passed
 * through: its caller's call has been seen.
 *
 * Not here, for want of a use: PQsetSingleRowMode(), PQconsumeInput(), PQisBusy() and PQflush(),
 * which neither begin nor end a statement; those of pipeline mode, in which PQgetResult() tells
 * statements apart by itself; PQputCopyData() and its like, since a COPY ends with a result, too;
 * and PQcancel(), whose effect is the error of the statement that it cancels.
 */
#include "clock.h"
#include "config.h"
#include "hook.h"
#include "library.h"
#include "pq.h"

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
typedef unsigned int Oid;
typedef const char *const *texts;

PGconn *PQconnectdb(const char *conninfo);
PGconn *PQconnectdbParams(texts keywords, texts values, int expand);
PGconn *PQsetdbLogin(const char *host, const char *port, const char *options, const char *tty,
		     const char *database, const char *login, const char *password);
PGconn *PQconnectStart(const char *conninfo);
PGconn *PQconnectStartParams(texts keywords, texts values, int expand);
int PQconnectPoll(PGconn *conn);
void PQreset(PGconn *conn);
int PQresetStart(PGconn *conn);
int PQresetPoll(PGconn *conn);
void PQfinish(PGconn *conn);
PGresult *PQexec(PGconn *conn, const char *sql);
PGresult *PQexecParams(PGconn *conn, const char *sql, int n, const Oid *types, texts values,
		       const int *lengths, const int *formats, int format);
PGresult *PQprepare(PGconn *conn, const char *name, const char *sql, int n, const Oid *types);
PGresult *PQexecPrepared(PGconn *conn, const char *name, int n, texts values, const int *lengths,
			 const int *formats, int format);
PGresult *PQdescribePrepared(PGconn *conn, const char *name);
PGresult *PQdescribePortal(PGconn *conn, const char *name);
int PQsendQuery(PGconn *conn, const char *sql);
int PQsendQueryParams(PGconn *conn, const char *sql, int n, const Oid *types, texts values,
		      const int *lengths, const int *formats, int format);
int PQsendPrepare(PGconn *conn, const char *name, const char *sql, int n, const Oid *types);
int PQsendQueryPrepared(PGconn *conn, const char *name, int n, texts values, const int *lengths,
			const int *formats, int format);
int PQsendDescribePrepared(PGconn *conn, const char *name);
int PQsendDescribePortal(PGconn *conn, const char *name);
PGresult *PQgetResult(PGconn *conn);
int PQendcopy(PGconn *conn);

/* ConnStatusType, PostgresPollingStatusType */
#define CONNECTION_OK 0
#define CONNECTION_BAD 1
#define POLLING_FAILED 0
#define POLLING_OK 3

enum {
#define HOOK(name)
#define LIBRARY_HOOK(name) FN_##name,
#include "hooks.def"
#undef HOOK
	FNS
};

static const struct library_kind libpq = {
	.library = { "PQ", "PQconninfoParse" },
	.names =
#define HOOK(name)
#define LIBRARY_HOOK(name) #name "\0"
#include "hooks.def"
#undef HOOK
		,
	/* By enum pq_ask. */
	.extras = "PQdb\0PQhost\0PQport\0PQoptions\0PQstatus\0PQparameterStatus\0PQresultStatus\0"
		  "PQresultErrorField\0PQntuples\0PQpipelineStatus\0",
	.needed = PQ_ASKS_NEEDED,
};
static struct library_sites sites;

#define TARGET(name) library_target(&libpq, &sites, FN_##name, __builtin_return_address(0))
#define CALL(t, name) LIBRARY_CALL(t, name)

static struct pq pq_of(const PGconn *conn, const struct target *t)
{
	return (struct pq){ conn, t->copy ? (void *const *)t->copy->extra : NULL };
}

/* --- connections --- */

static int status_of(const struct pq *pq)
{
	return ((int (*)(const void *))pq->ask[PQ_ASK_status])(pq->conn);
}

static void opened(const struct pq *pq, uint64_t started_ns)
{
	pq_opening(pq, started_ns);
	pq_opened(pq, status_of(pq) == CONNECTION_OK);
}

/*
 * What it writes meanwhile begins a connection that is told of here: the parser of the protocol has
 * nothing to do with it.  A call that never returns (longjmp) has left its frame.
 */
#define INSIDE(t, call)                                                               \
	do {                                                                          \
		uintptr_t was_ = thread_self.in_libpq;                                \
                                                                                      \
		if ((t)->copy)                                                        \
			thread_self.in_libpq = (uintptr_t)__builtin_frame_address(0); \
		call;                                                                 \
		thread_self.in_libpq = was_;                                          \
	} while (0)

/* Those that wait until it is open. */
#define OPENS(name, params, args)                                        \
	EXPORT PGconn *name params                                       \
	{                                                                \
		struct target t = TARGET(name);                          \
		uint64_t started_ns = t.copy ? clock_monotonic_ns() : 0; \
		PGconn *conn = NULL;                                     \
		struct pq pq;                                            \
                                                                         \
		if (t.function)                                          \
			INSIDE(&t, conn = CALL(t, name) args);           \
		pq = pq_of(conn, &t);                                    \
		if (pq.ask && conn)                                      \
			OBSERVE(opened(&pq, started_ns));                \
		return conn;                                             \
	}

OPENS(PQconnectdb, (const char *conninfo), (conninfo))
OPENS(PQconnectdbParams, (texts keywords, texts values, int expand), (keywords, values, expand))
OPENS(PQsetdbLogin,
      (const char *host, const char *port, const char *options, const char *tty,
       const char *database, const char *login, const char *password),
      (host, port, options, tty, database, login, password))

/* Those that do not: PQconnectPoll() tells.  What fails at once is not asked for. */
static void started(const struct pq *pq, uint64_t started_ns)
{
	pq_opening(pq, started_ns);
	if (status_of(pq) == CONNECTION_BAD)
		pq_opened(pq, false);
}

#define STARTS(name, params, args)                                       \
	EXPORT PGconn *name params                                       \
	{                                                                \
		struct target t = TARGET(name);                          \
		uint64_t started_ns = t.copy ? clock_monotonic_ns() : 0; \
		PGconn *conn = NULL;                                     \
		struct pq pq;                                            \
                                                                         \
		if (t.function)                                          \
			INSIDE(&t, conn = CALL(t, name) args);           \
		pq = pq_of(conn, &t);                                    \
		if (pq.ask && conn)                                      \
			OBSERVE(started(&pq, started_ns));               \
		return conn;                                             \
	}

STARTS(PQconnectStart, (const char *conninfo), (conninfo))
STARTS(PQconnectStartParams, (texts keywords, texts values, int expand), (keywords, values, expand))

#define POLLS(name)                                                               \
	EXPORT int name(PGconn *conn)                                             \
	{                                                                         \
		struct target t = TARGET(name);                                   \
		struct pq pq = pq_of(conn, &t);                                   \
		int status = POLLING_FAILED;                                      \
                                                                                  \
		if (t.function)                                                   \
			INSIDE(&t, status = CALL(t, name)(conn));                 \
		if (pq.ask && (status == POLLING_OK || status == POLLING_FAILED)) \
			OBSERVE(pq_opened(&pq, status == POLLING_OK));            \
		return status;                                                    \
	}

POLLS(PQconnectPoll)
POLLS(PQresetPoll)

EXPORT void PQreset(PGconn *conn)
{
	struct target t = TARGET(PQreset);
	struct pq pq = pq_of(conn, &t);
	uint64_t started_ns = t.copy ? clock_monotonic_ns() : 0;

	if (t.function)
		INSIDE(&t, CALL(t, PQreset)(conn));
	if (pq.ask && conn)
		OBSERVE(opened(&pq, started_ns));
}

EXPORT int PQresetStart(PGconn *conn)
{
	struct target t = TARGET(PQresetStart);
	struct pq pq = pq_of(conn, &t);

	if (pq.ask && conn)
		OBSERVE(pq_opening(&pq, clock_monotonic_ns()));
	return t.function ? CALL(t, PQresetStart)(conn) : 0;
}

/* Told first: afterwards the address may be another connection's. */
EXPORT void PQfinish(PGconn *conn)
{
	struct target t = TARGET(PQfinish);
	struct pq pq = pq_of(conn, &t);

	if (pq.ask)
		OBSERVE(pq_closing(&pq));
	if (t.function)
		CALL(t, PQfinish)(conn);
}

/* --- statements --- */

/* One call of the application's. */
struct call {
	struct target t;
	struct pq pq;
	bool is_told;
};

static struct call begin(const PGconn *conn, struct target t, const struct pq_query *q)
{
	struct call c = { t, pq_of(conn, &t), false };

	if (c.pq.ask && conn)
		OBSERVE(c.is_told = pq_begin(&c.pq, q));
	return c;
}

#define WAITS(name, params, args, ...)                                    \
	EXPORT PGresult *name params                                      \
	{                                                                 \
		struct pq_query q = { __VA_ARGS__ };                      \
		struct call c = begin(conn, TARGET(name), &q);            \
		PGresult *r = c.t.function ? CALL(c.t, name) args : NULL; \
                                                                          \
		if (c.is_told)                                            \
			OBSERVE(pq_done(&c.pq, r));                       \
		return r;                                                 \
	}

#define SENDS(name, params, args, ...)                                 \
	EXPORT int name params                                         \
	{                                                              \
		struct pq_query q = { .is_async = true, __VA_ARGS__ }; \
		struct call c = begin(conn, TARGET(name), &q);         \
		int r = c.t.function ? CALL(c.t, name) args : 0;       \
                                                                       \
		if (c.is_told)                                         \
			OBSERVE(pq_sent(&c.pq, r != 0));               \
		return r;                                              \
	}

#define PARAMS                                                                  \
	(PGconn * conn, const char *sql, int n, const Oid *types, texts values, \
	 const int *lengths, const int *formats, int format)
#define PARAMS_ARGS (conn, sql, n, types, values, lengths, formats, format)
#define PARAMS_QUERY \
	.sql = sql, .has_parameters = n > 0, .count = n, .values = values, .formats = formats
#define PREPARE (PGconn * conn, const char *name, const char *sql, int n, const Oid *types)
#define PREPARE_QUERY \
	.verb = PQ_PREPARE, .sql = sql, .has_parameters = true, .statement = name ? name : ""
#define PREPARED                                                                   \
	(PGconn * conn, const char *name, int n, texts values, const int *lengths, \
	 const int *formats, int format)
#define PREPARED_ARGS (conn, name, n, values, lengths, formats, format)
#define PREPARED_QUERY \
	.statement = name ? name : "", .count = n, .values = values, .formats = formats
#define DESCRIBE (PGconn * conn, const char *name)

WAITS(PQexecParams, PARAMS, PARAMS_ARGS, PARAMS_QUERY)
WAITS(PQprepare, PREPARE, (conn, name, sql, n, types), PREPARE_QUERY)
WAITS(PQexecPrepared, PREPARED, PREPARED_ARGS, PREPARED_QUERY)
WAITS(PQdescribePrepared, DESCRIBE, (conn, name), .verb = PQ_DESCRIBE,
      .statement = name ? name : "")
WAITS(PQdescribePortal, DESCRIBE, (conn, name), .verb = PQ_DESCRIBE)

SENDS(PQsendQueryParams, PARAMS, PARAMS_ARGS, PARAMS_QUERY)
SENDS(PQsendPrepare, PREPARE, (conn, name, sql, n, types), PREPARE_QUERY)
SENDS(PQsendQueryPrepared, PREPARED, PREPARED_ARGS, PREPARED_QUERY)
SENDS(PQsendDescribePrepared, DESCRIBE, (conn, name), .verb = PQ_DESCRIBE,
      .statement = name ? name : "")
SENDS(PQsendDescribePortal, DESCRIBE, (conn, name), .verb = PQ_DESCRIBE)

/* Statements that are never prepared: such a one may tell the server who asks. */
#define WITH_COMMENT(c, sql, call)                                  \
	do {                                                        \
		struct commented *other_ = NULL;                    \
                                                                    \
		if ((c).is_told && UNLIKELY(config.sqlcommenter))   \
			OBSERVE(other_ = pq_comment(&(c).pq, sql)); \
		if (UNLIKELY(other_)) {                             \
			const char *sql_ = pq_comment_text(other_); \
                                                                    \
			call(sql_);                                 \
			OBSERVE(pq_comment_free(other_));           \
		} else {                                            \
			call(sql);                                  \
		}                                                   \
	} while (0)

EXPORT PGresult *PQexec(PGconn *conn, const char *sql)
{
	struct pq_query q = { .sql = sql };
	struct call c = begin(conn, TARGET(PQexec), &q);
	PGresult *r = NULL;

#define EXEC(text) r = c.t.function ? CALL(c.t, PQexec)(conn, text) : NULL
	WITH_COMMENT(c, sql, EXEC);
	if (c.is_told)
		OBSERVE(pq_done(&c.pq, r));
	return r;
}

EXPORT int PQsendQuery(PGconn *conn, const char *sql)
{
	struct pq_query q = { .is_async = true, .sql = sql };
	struct call c = begin(conn, TARGET(PQsendQuery), &q);
	int r = 0;

#define SEND(text) r = c.t.function ? CALL(c.t, PQsendQuery)(conn, text) : 0
	WITH_COMMENT(c, sql, SEND);
	if (c.is_told)
		OBSERVE(pq_sent(&c.pq, r != 0));
	return r;
}

EXPORT PGresult *PQgetResult(PGconn *conn)
{
	struct target t = TARGET(PQgetResult);
	struct pq pq = pq_of(conn, &t);
	PGresult *r = t.function ? CALL(t, PQgetResult)(conn) : NULL;

	if (pq.ask && conn)
		OBSERVE(pq_result(&pq, r));
	return r;
}

/* The end of a COPY as it was before there were results for it: 0 is success. */
EXPORT int PQendcopy(PGconn *conn)
{
	struct target t = TARGET(PQendcopy);
	struct pq pq = pq_of(conn, &t);
	int r = t.function ? CALL(t, PQendcopy)(conn) : 1;

	if (pq.ask && conn)
		OBSERVE(pq_copied(&pq, r == 0));
	return r;
}
