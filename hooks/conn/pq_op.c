/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on libpq's connections, from the call that sends them to their last result. */
#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "context.h"
#include "http_side.h"
#include "pq_impl.h"
#include "process.h"
#include "stack.h"
#include "stats.h"

static struct pq_op *op_at(struct pq_conn *c, uint32_t n)
{
	return &c->ops[n % PQ_OPS];
}

/* --- the end --- */

static bool add_to_calls(struct pq_conn *c, const struct pq_op *op, uint64_t now)
{
	struct bytes summary = { op->summary, op->summary_len };
	struct bytes rest = summary;
	struct call call = {
		.peer = { c->peer, c->peer_len },
		.operation = bytes_split(&rest, ' '),
		.summary = summary,
		.start_ns = op->started_ns,
		.end_ns = now,
		.has_failed = op->has_failed,
	};

	return calls_add(op->cause, &call);
}

/* Texts are freed. */
static NO_INLINE void settle_prepared(struct pq_conn *c, struct pq_op *op)
{
	c->told_of = NULL;
	if (op->has_failed)
		statements_put_back(&c->statements, (struct bytes){ op->name, op->name_len },
				    op->replaced);
	else
		statement_free(op->replaced);
	op->replaced = 0;
}

static void op_end(struct pq_conn *c, struct pq_op *op)
{
	struct span *s = span_mine(op->span);
	uint64_t now = clock_monotonic_ns();

	if (UNLIKELY(op->is_prepare))
		settle_prepared(c, op);
	if (op->has_rows && !op->has_failed)
		pq_tell_rows(s, op->rows);
	if (s && op->cause.slot && add_to_calls(c, op, now))
		span_fold(s);
	else
		stack_end_span(s, now);
}

NO_INLINE void pq_ops_end(struct pq_conn *c)
{
	for (; c->head != c->tail; c->head++)
		op_end(c, op_at(c, c->head));
	c->head = c->tail = 0;
	c->beyond = 0;
	c->beyond_has_result = false;
}

/* --- the beginning --- */

/* One that another process opened is used by its child: what is under way is not ours to end. */
static NO_INLINE void after_fork(struct pq_conn *c)
{
	c->epoch = process_epoch();
	pq_ops_end(c);
}

/* What is prepared is kept for later. */
static NO_INLINE void keep_prepared(struct pq_conn *c, struct bytes name, const struct db_text *t,
				    struct pq_op *op)
{
	op->is_prepare = true;
	op->name_len = (uint8_t)(name.len < sizeof(op->name) ? name.len : sizeof(op->name));
	memcpy(op->name, name.ptr, op->name_len);
	op->replaced = statements_put(&c->statements, name, t->text, t->summary);
}

/* The text of a call, or of the statement that it names. */
static struct db_text text_of(struct pq_conn *c, const struct pq *pq, const struct pq_query *q,
			      struct db_scratch **room, struct pq_op *op)
{
	struct bytes name = bytes_from_str(q->statement);
	struct bytes sql = bytes_from_str(q->sql);
	const struct statement *known;
	struct db_text t = { { NULL, 0 }, { NULL, 0 } };

	if (q->sql) {
		t = db_describe(room, &c->last_shape, sql, pq_backslash(pq, sql),
				q->has_parameters);
		if (q->verb == PQ_PREPARE)
			keep_prepared(c, name, &t, op);
		return t;
	}
	known = q->statement ? statements_get(&c->statements, name) : NULL;
	if (known)
		t = (struct db_text){ statement_text(known), statement_summary(known) };
	return t;
}

/* For the request's own account of its calls, if there is one. */
static void keep_summary(struct pq_op *op, struct bytes summary)
{
	op->summary_len = (uint8_t)(summary.len < PQ_SUMMARY ? summary.len : PQ_SUMMARY);
	memcpy(op->summary, summary.ptr, op->summary_len);
}

static NO_INLINE void tell(struct pq_conn *c, const struct pq *pq, enum pq_verb verb,
			   struct span *s, const struct db_text *t)
{
	static const char verbs[][9] = { "", "PREPARE", "DESCRIBE" };

	pq_tell_connection(c, pq, s);
	db_span_tell(s, bytes_from_str(verbs[verb]), t,
		     t->summary.len ? t->summary : pq_database(pq));
}

/* All that can be told of one that is run: in most programs, what was told of the last one. */
static void tell_run(struct pq_conn *c, const struct pq *pq, struct span *s,
		     const struct db_text *t)
{
	struct span_mark since = span_mark(s);
	bool is_usual = c->has_common && !c->started_ns;

	if (LIKELY(c->told_of == t->text.ptr && is_usual)) {
		span_block_add(s, &c->told);
		return;
	}
	tell(c, pq, PQ_RUN, s, t);
	c->told_of = is_usual && span_block_take(&c->told, s, since) ? t->text.ptr : NULL;
}

static void fill(struct pq_conn *c, const struct pq *pq, const struct pq_query *q, struct span *s,
		 struct pq_op *op)
{
	struct db_text t = { { NULL, 0 }, { NULL, 0 } };
	struct db_scratch *room = NULL;

	/* A text that nobody will see is not worth masking, unless it is to be seen later. */
	if (span_is_recording(s) || q->verb == PQ_PREPARE)
		t = text_of(c, pq, q, &room, op);
	if (op->cause.slot)
		keep_summary(op, t.summary);
	if (span_is_recording(s)) {
		/* A text in a room is not there for long. */
		if (q->verb == PQ_RUN && !room && t.summary.len)
			tell_run(c, pq, s, &t);
		else
			tell(c, pq, q->verb, s, &t);
		if (q->values)
			pq_tell_values(s, q);
	}
	db_scratch_put(room);
}

/* Several at once are the library's pipeline mode. */
static bool op_begin(struct pq_conn *c, const struct pq *pq, const struct pq_query *q)
{
	struct pq_op *op = op_at(c, c->tail);
	struct span *s;

	if (c->beyond || c->tail - c->head == PQ_OPS) {
		c->beyond++;
		stats_inc(STAT_PIPELINE_FULL);
		return true;
	}
	op->started_ns = clock_monotonic_ns();
	op->cause = context_current();
	op->has_result = op->has_rows = op->has_failed = op->is_prepare = false;
	op->replaced = 0;
	op->rows = 0;
	s = db_span_start(op->cause, op->started_ns);
	op->span = span_ref(s);
	fill(c, pq, q, s, op);
	c->tail++;
	return true;
}

/* PQexec() and its like refuse to work in a pipeline. */
static bool is_refused(const struct pq *pq, const struct pq_query *q)
{
	int (*mode)(const void *) = PQ_ASK(pq, pipelineStatus, int (*)(const void *));

	return !q->is_async && mode && mode(pq->conn) != 0;
}

bool pq_begin(const struct pq *pq, const struct pq_query *q)
{
	struct pq_conn *c = config.sdk_disabled ? NULL : pq_hold(pq->conn);
	bool is_told;

	if (!c)
		return false;
	if (UNLIKELY(c->epoch != process_epoch()))
		after_fork(c);
	is_told = !is_refused(pq, q);
	/* Whoever waits for the answer has given up all others. */
	if (is_told && !q->is_async)
		pq_ops_end(c);
	if (is_told)
		is_told = op_begin(c, pq, q);
	pq_release(c);
	return is_told;
}

/* --- results --- */

static bool is_open(const struct pq *pq)
{
	return PQ_ASK(pq, status, int (*)(const void *))(pq->conn) == PQ_CONNECTION_OK;
}

void pq_sent(const struct pq *pq, bool is_sent)
{
	struct pq_conn *c = is_sent ? NULL : pq_hold(pq->conn);

	if (!c)
		return;
	if (c->beyond) {
		c->beyond--;
	} else if (c->tail != c->head) {
		struct pq_op *op = op_at(c, --c->tail);
		struct span *s = span_mine(op->span);

		/* The connection is gone, or the library was called in the wrong order. */
		op->has_failed = true;
		if (is_open(pq)) {
			span_discard(s);
			op->span = (struct span_ref){ 0 };
		} else {
			db_span_fail(s, BYTES(""), BYTES("08006"));
		}
		op_end(c, op);
	}
	pq_release(c);
}

static bool is_copy(int status)
{
	return status == PQ_COPY_OUT || status == PQ_COPY_IN || status == PQ_COPY_BOTH;
}

void pq_done(const struct pq *pq, const void *result)
{
	struct pq_conn *c = pq_hold(pq->conn);

	if (!c)
		return;
	if (c->tail != c->head) {
		struct pq_op *op = op_at(c, c->tail - 1);
		int status = pq_tell_result(pq, op, result);

		/* What is copied comes now, and ends with a result of its own. */
		if (!is_copy(status)) {
			op_end(c, op);
			c->tail--;
		}
	} else {
		c->beyond = 0;
	}
	pq_release(c);
}

static void next_result(struct pq_conn *c, const struct pq *pq, const void *result)
{
	struct pq_op *op = c->head != c->tail ? op_at(c, c->head) : NULL;

	if (!op && !result && c->beyond && c->beyond_has_result) {
		c->beyond--;
		c->beyond_has_result = false;
	} else if (!op) {
		c->beyond_has_result |= result != NULL;
	} else if (result) {
		op->has_result |= pq_tell_result(pq, op, result) != PQ_PIPELINE_SYNC;
		/* Nothing else comes, and nobody may ask for it. */
		if (op->has_failed && !is_open(pq))
			pq_ops_end(c);
	} else if (op->has_result) {
		op_end(c, op);
		c->head++;
		/* The next one, too, has the first place: that is in the cache. */
		if (c->head == c->tail)
			c->head = c->tail = 0;
	}
}

void pq_result(const struct pq *pq, const void *result)
{
	struct pq_conn *c = pq_hold(pq->conn);

	if (!c)
		return;
	if (c->head != c->tail || c->beyond)
		next_result(c, pq, result);
	pq_release(c);
}

void pq_copied(const struct pq *pq, bool is_good)
{
	struct pq_conn *c = pq_hold(pq->conn);

	if (!c)
		return;
	if (!is_good && c->head != c->tail)
		db_span_fail(span_mine(op_at(c, c->head)->span), BYTES(""), BYTES("_OTHER"));
	pq_ops_end(c);
	pq_release(c);
}
