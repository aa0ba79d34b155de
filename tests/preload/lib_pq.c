/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libpq: no server, the statement says what comes of it.
 *   "rows N"       that many rows
 *   "fail STATE"   an error with that SQLSTATE
 *   "copy"         COPY_IN, then an error: bad_copy_file_format
 *   "jump"         longjmp()s out of the call
 *   "lose"         the connection is gone
 * As in the real one, what waits is made of what does not, by calls through the PLT.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_pq.h"

#ifndef COPY
#define COPY "one"
#endif

#define RESULTS 1024

struct pg_result {
	int status;
	int rows;
	char state[6];
};

struct pg_conn {
	int status; /* CONNECTION_OK 0, CONNECTION_BAD 1 */
	int is_pipeline;
	char statement[64];
	PGresult *results[RESULTS]; /* NULL ends those of one statement */
	unsigned head, tail;
};

jmp_buf pq_jump;
char pq_got[1024];

const char *PQdb(const PGconn *c)
{
	(void)c;
	return COPY;
}

const char *PQhost(const PGconn *c)
{
	(void)c;
	return "db.example.com";
}

const char *PQport(const PGconn *c)
{
	(void)c;
	return "5432";
}

const char *PQoptions(const PGconn *c)
{
	(void)c;
	return "-c search_path=shop,public";
}

int PQstatus(const PGconn *c)
{
	return c->status;
}

const char *PQparameterStatus(const PGconn *c, const char *name)
{
	(void)c;
	return strcmp(name, "standard_conforming_strings") ? NULL : "on";
}

int PQpipelineStatus(const PGconn *c)
{
	return c->is_pipeline;
}

int PQresultStatus(const PGresult *r)
{
	return r ? r->status : 7;
}

const char *PQresultErrorField(const PGresult *r, int field)
{
	return field == 'C' && r->state[0] ? r->state : NULL;
}

int PQntuples(const PGresult *r)
{
	return r->rows;
}

void PQclear(PGresult *r)
{
	free(r);
}

void *PQconninfoParse(const char *s, char **error)
{
	(void)s;
	(void)error;
	return NULL;
}

/* --- connections --- */

PGconn *PQconnectStart(const char *info)
{
	PGconn *c = calloc(1, sizeof(*c));

	c->status = strstr(info, "refused") ? 1 : 0;
	return c;
}

int PQconnectPoll(PGconn *c)
{
	return c->status ? 0 : 3;
}

PGconn *PQconnectdb(const char *info)
{
	PGconn *c = PQconnectStart(info);

	PQconnectPoll(c);
	return c;
}

PGconn *PQconnectStartParams(const char *const *names, const char *const *values, int expand)
{
	(void)names;
	(void)expand;
	return PQconnectStart(values[0] ? values[0] : "");
}

PGconn *PQconnectdbParams(const char *const *names, const char *const *values, int expand)
{
	PGconn *c = PQconnectStartParams(names, values, expand);

	PQconnectPoll(c);
	return c;
}

PGconn *PQsetdbLogin(const char *host, const char *port, const char *options, const char *tty,
		     const char *database, const char *login, const char *password)
{
	(void)port;
	(void)options;
	(void)tty;
	(void)database;
	(void)login;
	(void)password;
	return PQconnectdb(host);
}

int PQresetStart(PGconn *c)
{
	c->status = 0;
	c->head = c->tail;
	return 1;
}

int PQresetPoll(PGconn *c)
{
	return PQconnectPoll(c);
}

void PQreset(PGconn *c)
{
	PQresetStart(c);
	PQresetPoll(c);
}

void PQfinish(PGconn *c)
{
	free(c);
}

int PQenterPipelineMode(PGconn *c)
{
	c->is_pipeline = 1;
	return 1;
}

int PQpipelineSync(PGconn *c)
{
	PGresult *r = calloc(1, sizeof(*r));

	r->status = 10;
	c->results[c->tail++ % RESULTS] = r;
	return 1;
}

/* --- statements --- */

int PQsendQuery(PGconn *c, const char *sql)
{
	PGresult *r;

	snprintf(pq_got, sizeof(pq_got), "%s", sql);
	if (!strcmp(sql, "jump"))
		longjmp(pq_jump, 1);
	if (!strcmp(sql, "lose"))
		c->status = 1;
	if (c->status)
		return 0;
	r = calloc(1, sizeof(*r));
	r->status = 1;
	if (!strncmp(sql, "rows ", 5)) {
		r->status = 2;
		r->rows = atoi(sql + 5);
	} else if (!strncmp(sql, "fail ", 5)) {
		r->status = 7;
		memcpy(r->state, sql + 5, 5);
	} else if (!strcmp(sql, "copy")) {
		r->status = 4;
	}
	c->results[c->tail++ % RESULTS] = r;
	if (r->status == 4) {
		PGresult *end = calloc(1, sizeof(*end));

		end->status = 7;
		memcpy(end->state, "22P04", 5);
		c->results[c->tail++ % RESULTS] = end;
	}
	c->results[c->tail++ % RESULTS] = NULL;
	return 1;
}

PGresult *PQgetResult(PGconn *c)
{
	return c->head != c->tail ? c->results[c->head++ % RESULTS] : NULL;
}

static PGresult *wait_for(PGconn *c)
{
	PGresult *last = NULL, *r;

	while ((r = PQgetResult(c))) {
		PQclear(last);
		last = r;
		if (r->status == 4)
			break;
	}
	return last;
}

/* In a pipeline it is refused. */
PGresult *PQexec(PGconn *c, const char *sql)
{
	PGresult *r;

	if (c->is_pipeline)
		return NULL;
	while ((r = PQgetResult(c)))
		PQclear(r);
	return PQsendQuery(c, sql) ? wait_for(c) : NULL;
}

int PQsendQueryParams(PGconn *c, const char *sql, int n, const unsigned *types,
		      const char *const *values, const int *lengths, const int *formats, int format)
{
	(void)n;
	(void)types;
	(void)values;
	(void)lengths;
	(void)formats;
	(void)format;
	return PQsendQuery(c, sql);
}

PGresult *PQexecParams(PGconn *c, const char *sql, int n, const unsigned *types,
		       const char *const *values, const int *lengths, const int *formats,
		       int format)
{
	return PQsendQueryParams(c, sql, n, types, values, lengths, formats, format) ? wait_for(c) :
										       NULL;
}

int PQsendPrepare(PGconn *c, const char *name, const char *sql, int n, const unsigned *types)
{
	(void)n;
	(void)types;
	(void)name;
	return PQsendQuery(c, strncmp(sql, "fail ", 5) ? "" : sql);
}

PGresult *PQprepare(PGconn *c, const char *name, const char *sql, int n, const unsigned *types)
{
	return PQsendPrepare(c, name, sql, n, types) ? wait_for(c) : NULL;
}

int PQsendQueryPrepared(PGconn *c, const char *name, int n, const char *const *values,
			const int *lengths, const int *formats, int format)
{
	(void)name;
	(void)n;
	(void)values;
	(void)lengths;
	(void)formats;
	(void)format;
	return PQsendQuery(c, "rows 1");
}

PGresult *PQexecPrepared(PGconn *c, const char *name, int n, const char *const *values,
			 const int *lengths, const int *formats, int format)
{
	return PQsendQueryPrepared(c, name, n, values, lengths, formats, format) ? wait_for(c) :
										   NULL;
}

int PQsendDescribePrepared(PGconn *c, const char *name)
{
	(void)name;
	return PQsendQuery(c, "");
}

int PQsendDescribePortal(PGconn *c, const char *name)
{
	return PQsendQuery(c, strcmp(name, "lost") ? "" : "fail 34000");
}

PGresult *PQdescribePrepared(PGconn *c, const char *name)
{
	return PQsendDescribePrepared(c, name) ? wait_for(c) : NULL;
}

PGresult *PQdescribePortal(PGconn *c, const char *name)
{
	return PQsendDescribePortal(c, name) ? wait_for(c) : NULL;
}

/* 0: it is over, and was good: of every other one. */
int PQendcopy(PGconn *c)
{
	static int calls;
	PGresult *r;

	while ((r = PQgetResult(c)))
		PQclear(r);
	return calls++ % 2;
}
