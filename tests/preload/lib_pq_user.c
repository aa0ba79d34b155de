/* SPDX-License-Identifier: Apache-2.0 */
/* An extension that is linked with libpq, and does what it is told to. */
#include <stdio.h>
#include <string.h>

#include "lib_pq.h"

void pq_user(const char *what);

static PGconn *conn;

static void say(const char *what, PGresult *r)
{
	const char *state = r ? PQresultErrorField(r, 'C') : NULL;

	printf("%s: %s %d %d %s\n", what, PQdb(conn), PQresultStatus(r), r ? PQntuples(r) : -1,
	       state ? state : "");
	PQclear(r);
}

static void get_all(const char *what)
{
	PGresult *r;

	while ((r = PQgetResult(conn)))
		say(what, r);
}

static void waiting(void)
{
	const char *const values[] = { "7", NULL, "x" };

	say("exec", PQexec(conn, "rows 3"));
	say("exec", PQexec(conn, "fail 42P01"));
	say("exec", PQexec(conn, "fail 01000"));
	say("params", PQexecParams(conn, "rows $1 'kept'", 3, NULL, values, NULL, NULL, 0));
	say("params", PQexecParams(conn, "rows 'masked'", 0, NULL, NULL, NULL, NULL, 0));
}

static void prepared(void)
{
	say("prepare", PQprepare(conn, "a", "SELECT $1 FROM t", 1, NULL));
	say("run", PQexecPrepared(conn, "a", 1, NULL, NULL, NULL, 0));
	say("prepare", PQprepare(conn, "a", "fail 42P05 $1", 1, NULL)); /* is there already */
	say("run", PQexecPrepared(conn, "a", 1, NULL, NULL, NULL, 0));
	say("prepare", PQprepare(conn, "", "DELETE FROM u WHERE a = 5", 0, NULL));
	say("run", PQexecPrepared(conn, NULL, 0, NULL, NULL, NULL, 0));
	say("run", PQexecPrepared(conn, "unknown", 0, NULL, NULL, NULL, 0));
}

/* The memory of the first text is the third one's. */
static void replacing(void)
{
	say("prepare", PQprepare(conn, "", "SELECT first FROM t", 0, NULL));
	for (int i = 0; i < 3; i++)
		say("run", PQexecPrepared(conn, "", 0, NULL, NULL, NULL, 0));
	say("prepare", PQprepare(conn, "", "SELECT other FROM t", 0, NULL));
	say("prepare", PQprepare(conn, "", "SELECT third FROM t", 0, NULL));
	for (int i = 0; i < 2; i++)
		say("run", PQexecPrepared(conn, "", 0, NULL, NULL, NULL, 0));
	for (int i = 0; i < 4; i++)
		say("exec", PQexec(conn, i & 1 ? "SELECT 1 FROM a" : "SELECT 2 FROM b"));
	for (int i = 0; i < 4; i++)
		say("exec", PQexec(conn, i & 2 ? "SELECT 1 FROM a" : "SELECT 2 FROM b"));
}

static void sending(void)
{
	printf("%d\n", PQsendQuery(conn, "rows 1"));
	get_all("sent");
	printf("%d\n", PQsendQuery(conn, "fail 57014"));
	get_all("sent");
	PQsendQuery(conn, "given up"); /* by the next one */
	say("exec", PQexec(conn, "rows 2"));
	PQsendQuery(conn, "given up as well"); /* by the end */
}

static void copying(void)
{
	say("copy", PQexec(conn, "copy"));
	get_all("copied");
	say("exec", PQexec(conn, "rows 1"));
}

/* As it was before there were results for it. */
static void copying_as_once(void)
{
	for (int i = 0; i < 2; i++) {
		say("copy", PQexec(conn, "copy"));
		printf("%d\n", PQendcopy(conn));
	}
	say("exec", PQexec(conn, "rows 1"));
}

static void describing(void)
{
	say("prepare", PQprepare(conn, "a", "SELECT $1 FROM t", 1, NULL));
	say("describe", PQdescribePrepared(conn, "a"));
	say("describe", PQdescribePortal(conn, "lost"));
	printf("%d\n", PQsendDescribePrepared(conn, "a"));
	get_all("described");
	printf("%d\n", PQsendDescribePortal(conn, "a"));
	get_all("described");
}

/* What was prepared is gone with the connection that it was prepared on. */
static void resetting(void)
{
	say("prepare", PQprepare(conn, "a", "SELECT $1 FROM t", 1, NULL));
	say("exec", PQexec(conn, "lose"));
	PQreset(conn);
	say("run", PQexecPrepared(conn, "a", 0, NULL, NULL, NULL, 0));
	say("exec", PQexec(conn, "lose"));
	printf("%d", PQresetStart(conn));
	printf("%d\n", PQresetPoll(conn));
	say("exec", PQexec(conn, "rows 1"));
}

/* In other words. */
static void opening_else(void)
{
	static const char *const none[] = { NULL }, *const name[] = { "host", NULL };
	static const char *const refused[] = { "refused", NULL };

	PQfinish(conn);
	conn = PQsetdbLogin("", "", "", "", "", "", "");
	say("exec", PQexec(conn, "rows 1"));
	PQfinish(conn);
	conn = PQconnectdbParams(none, none, 0);
	say("exec", PQexec(conn, "rows 2"));
	PQfinish(conn);
	conn = PQconnectStartParams(none, none, 0);
	printf("open: %d\n", PQconnectPoll(conn));
	say("exec", PQexec(conn, "rows 3"));
	PQfinish(conn);
	PQfinish(PQsetdbLogin("refused", "", "", "", "", "", ""));
	PQfinish(PQconnectdbParams(name, refused, 0));
	conn = PQconnectStartParams(name, refused, 0);
	printf("refused: %d\n", PQconnectPoll(conn));
}

/* More at once than we remember. */
static void pipelining(void)
{
	char sql[32];

	PQenterPipelineMode(conn);
	for (int i = 0; i < 300; i++) {
		sprintf(sql, i == 1 ? "fail 23505" : "rows %d", i);
		printf("%d", PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0));
	}
	PQpipelineSync(conn);
	say("refused", PQexec(conn, "rows 1"));
	for (int i = 0; i < 300; i++)
		get_all("piped");
	get_all("synced");
	PQsendQuery(conn, "rows 7");
	get_all("piped");
}

static void jumping(void)
{
	if (!setjmp(pq_jump))
		PQexec(conn, "jump");
	say("exec", PQexec(conn, "rows 1"));
}

static void commenting(void)
{
	static const char *const texts[] = {
		"SELECT 1",           "SELECT 1 ; ",
		"SELECT 1 -- a",      "/* a */ SELECT 1",
		"SELECT '",           "",
		"SELECT 1; SELECT 2", "CREATE VIEW v AS SELECT 1",
		"COPY t TO STDOUT",
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		PQclear(PQexec(conn, texts[i]));
		printf("%s: %s\n", PQdb(conn), pq_got);
	}
	PQclear(PQexecParams(conn, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0));
	printf("%s: %s\n", PQdb(conn), pq_got);
	PQclear(PQprepare(conn, "", "SELECT 1", 0, NULL));
	printf("%s: %s\n", PQdb(conn), pq_got);
	PQsendQuery(conn, "UPDATE t SET a = 1");
	printf("%s: %s\n", PQdb(conn), pq_got);
}

static void losing(void)
{
	say("exec", PQexec(conn, "lose"));
	printf("%d\n", PQsendQuery(conn, "rows 1"));
}

static void opening(void)
{
	PGconn *refused = PQconnectdb("refused");

	printf("refused: %d\n", PQstatus(refused));
	PQfinish(refused);
	refused = PQconnectStart("refused");
	printf("refused: %d\n", PQconnectPoll(refused));
	PQfinish(refused);
	PQfinish(conn);
	conn = PQconnectStart("");
	printf("open: %d\n", PQconnectPoll(conn));
	say("exec", PQexec(conn, "rows 1"));
}

void pq_user(const char *what)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{ "waiting", waiting },
		{ "prepared", prepared },
		{ "sending", sending },
		{ "copying", copying },
		{ "commenting", commenting },
		{ "jumping", jumping },
		{ "losing", losing },
		{ "pipelining", pipelining },
		{ "opening", opening },
		{ "replacing", replacing },
		{ "describing", describing },
		{ "resetting", resetting },
		{ "copying_as_once", copying_as_once },
		{ "opening_else", opening_else },
	};

	conn = PQconnectdb("");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(cases[i].name, what))
			cases[i].run();
	PQfinish(conn);
}
