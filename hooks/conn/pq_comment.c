/* SPDX-License-Identifier: Apache-2.0 */
/* OTEL_INTERSPAN_SQLCOMMENTER: the statement as the server gets it. */
#include "config.h"
#include "http_side.h"
#include "pool.h"
#include "pq_impl.h"
#include "process.h"
#include "sql_comment.h"
#include "traceparent.h"

/* A longer statement has none; who leaves by longjmp() keeps what it was lent. */
#define TEXT_MAX 16384u
#define CHUNKS 1u

struct commented {
	uint32_t index;
	char text[TEXT_MAX + SQL_COMMENT_MAX + 1];
};

static struct pool texts;

/* Of a span that is recorded: its trace, as the server may tell it. */
static size_t comment_of(const struct span *s, char *to)
{
	struct span_context ctx = span_get_context(s);
	char parent[TRACEPARENT_LEN], state[512];
	size_t len = span_tracestate(s, state, sizeof(state));

	traceparent_format(parent, &ctx.trace, &ctx.span, ctx.flags);
	return sql_comment_write(to, (struct bytes){ parent, sizeof(parent) },
				 (struct bytes){ state, len });
}

static struct commented *commented(const struct span *s, struct bytes sql, size_t at)
{
	uint32_t index;
	struct commented *c = pool_get(&texts, sizeof(*c), CHUNKS, &index);
	size_t n = at;

	if (!c)
		return NULL;
	c->index = index;
	memcpy(c->text, sql.ptr, at);
	n += comment_of(s, c->text + at);
	memcpy(c->text + n, sql.ptr + at, sql.len - at);
	c->text[n + sql.len - at] = '\0';
	return c;
}

struct commented *pq_comment(const struct pq *pq, const char *sql)
{
	struct pq_conn *conn;
	struct commented *c = NULL;
	struct bytes text = bytes_from_str(sql);
	size_t at;

	if (!config_propagates(PROPAGATOR_TRACECONTEXT) || text.len > TEXT_MAX ||
	    !sql_comment_place(text, pq_backslash(pq, text), &at))
		return NULL;
	conn = pq_hold(pq->conn);
	if (!conn)
		return NULL;
	if (!conn->beyond && conn->head != conn->tail) {
		const struct span *s = span_mine(conn->ops[(conn->tail - 1) % PQ_OPS].span);

		if (span_verdict(s) == VERDICT_SAMPLE)
			c = commented(s, text, at);
	}
	pq_release(conn);
	return c;
}

const char *pq_comment_text(const struct commented *c)
{
	return c->text;
}

void pq_comment_free(struct commented *c)
{
	pool_put(&texts, c->index);
}
