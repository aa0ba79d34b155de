/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_PQ_H
#define LIB_PQ_H
/* What the stand-in for libpq has, as libpq's manual declares it. */
#include <setjmp.h>

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

extern jmp_buf pq_jump;
extern char pq_got[1024]; /* the last statement, as it got here */

PGconn *PQconnectdb(const char *info);
PGconn *PQconnectStart(const char *info);
int PQconnectPoll(PGconn *c);
PGconn *PQconnectdbParams(const char *const *names, const char *const *values, int expand);
PGconn *PQconnectStartParams(const char *const *names, const char *const *values, int expand);
PGconn *PQsetdbLogin(const char *host, const char *port, const char *options, const char *tty,
		     const char *database, const char *login, const char *password);
void PQreset(PGconn *c);
int PQresetStart(PGconn *c);
int PQresetPoll(PGconn *c);
void PQfinish(PGconn *c);
const char *PQdb(const PGconn *c);
const char *PQhost(const PGconn *c);
const char *PQport(const PGconn *c);
const char *PQoptions(const PGconn *c);
int PQstatus(const PGconn *c);
const char *PQparameterStatus(const PGconn *c, const char *name);
int PQpipelineStatus(const PGconn *c);
int PQenterPipelineMode(PGconn *c);
int PQpipelineSync(PGconn *c);
int PQresultStatus(const PGresult *r);
const char *PQresultErrorField(const PGresult *r, int field);
int PQntuples(const PGresult *r);
void PQclear(PGresult *r);
void *PQconninfoParse(const char *s, char **error);
PGresult *PQexec(PGconn *c, const char *sql);
int PQsendQuery(PGconn *c, const char *sql);
PGresult *PQgetResult(PGconn *c);
int PQsendQueryParams(PGconn *c, const char *sql, int n, const unsigned *types,
		      const char *const *values, const int *lengths, const int *formats,
		      int format);
PGresult *PQexecParams(PGconn *c, const char *sql, int n, const unsigned *types,
		       const char *const *values, const int *lengths, const int *formats,
		       int format);
int PQsendPrepare(PGconn *c, const char *name, const char *sql, int n, const unsigned *types);
PGresult *PQprepare(PGconn *c, const char *name, const char *sql, int n, const unsigned *types);
int PQsendQueryPrepared(PGconn *c, const char *name, int n, const char *const *values,
			const int *lengths, const int *formats, int format);
PGresult *PQexecPrepared(PGconn *c, const char *name, int n, const char *const *values,
			 const int *lengths, const int *formats, int format);

PGresult *PQdescribePrepared(PGconn *c, const char *name);
PGresult *PQdescribePortal(PGconn *c, const char *name);
int PQsendDescribePrepared(PGconn *c, const char *name);
int PQsendDescribePortal(PGconn *c, const char *name);
int PQendcopy(PGconn *c);

#endif
