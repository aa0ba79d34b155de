/* SPDX-License-Identifier: Apache-2.0 */
/* The half that writes: what is run, and how. */
#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "context.h"
#include "pgwire_impl.h"
#include "pool.h"

#define CHUNKS 64u

static struct pool wires;

void pgwire_free(struct pgwire *w)
{
	statements_clear(&w->statements);
	pool_put(&wires, w->index);
}

/*
 * Is the calling thread in a libpq whose calls are hooked?  One that has left by longjmp() is not.
 */
static bool is_in_libpq(void)
{
	return (uintptr_t)__builtin_frame_address(0) < thread_self.in_libpq;
}

bool pgwire_open(struct conn *c)
{
	struct pgwire *w;
	uint32_t index;

	if (is_in_libpq())
		conn_fate(c, FATE_LIBPQ);
	if (config.sdk_disabled || is_in_libpq())
		return false;
	w = pool_get(&wires, sizeof(*w), CHUNKS, &index);
	if (!w) {
		stats_inc(STAT_CONNS_UNTRACKED);
		return false;
	}
	w->index = index;
	w->out = pg3_client();
	w->in = pg3_server();
	w->statements = (struct statements){ .last = 0 };
	w->last_shape = NULL;
	w->has_parsed = w->has_run = w->has_common = w->is_ready = w->has_aborted = false;
	w->portal.len = w->bound.len = w->parsed.len = 0;
	w->peer_len = 0;
	w->database[0] = '\0';
	atomic_store(&w->is_asked, false);
	atomic_store(&w->forgets, false);
	atomic_store(&w->backslash, SQL_BACKSLASH_UNKNOWN);
	atomic_store(&w->head, 0);
	atomic_store(&w->tail, 0);
	c->wire = w;
	conn_fate(c, FATE_POSTGRES);
	return true;
}

/* --- what is pushed --- */

/* NULL: too many are under way. */
static struct pgwire_op *push_begin(struct pgwire *w, enum pgwire_kind kind, uint64_t started_ns)
{
	uint32_t tail = atomic_load_explicit(&w->tail, memory_order_relaxed);
	struct pgwire_op *op = &w->ops[tail % PGWIRE_OPS];

	if (tail - atomic_load_explicit(&w->head, memory_order_acquire) == PGWIRE_OPS) {
		stats_inc(STAT_PIPELINE_FULL);
		return NULL;
	}
	op->span = op->cause = (struct span_ref){ 0 };
	op->kind = (uint8_t)kind;
	op->summary_len = 0;
	op->started_ns = started_ns;
	op->rows = op->done = 0;
	atomic_store_explicit(&op->left, 1, memory_order_relaxed);
	return op;
}

static bool push_end(struct pgwire *w)
{
	/* Publishes it; pairs with the acquire of pgwire_first(). */
	atomic_store_explicit(&w->tail, atomic_load_explicit(&w->tail, memory_order_relaxed) + 1,
			      memory_order_release);
	return true;
}

static bool push_sync(struct pgwire *w)
{
	w->has_run = false;
	return push_begin(w, PGWIRE_SYNC, 0) && push_end(w);
}

static void fill(struct pgwire *w, struct conn *c, int fd, struct pgwire_op *op,
		 const struct db_text *t)
{
	struct span *s = span_get(op->span);
	struct bytes verb = op->kind == PGWIRE_PREPARE ? BYTES("PREPARE") : BYTES("");

	op->summary_len = (uint8_t)(t->summary.len < sizeof(op->summary) ? t->summary.len :
									   sizeof(op->summary));
	memcpy(op->summary, t->summary.ptr, op->summary_len);
	pgwire_tell_connection(w, c, fd, s);
	db_span_tell(s, verb, t, bytes_from_str(w->database));
}

static bool push(struct pgwire *w, struct conn *c, int fd, enum pgwire_kind kind,
		 const struct db_text *t, uint64_t started_ns)
{
	struct pgwire_op *op = push_begin(w, kind, started_ns);

	if (!op)
		return false;
	op->cause = context_current();
	op->span = span_ref(db_span_start(op->cause, started_ns));
	fill(w, c, fd, op, t);
	return push_end(w);
}

static struct bytes name_of(const struct pgwire_name *n)
{
	return (struct bytes){ n->text, n->len };
}

static void name_set(struct pgwire_name *n, struct bytes text)
{
	n->len = (uint8_t)(text.len < sizeof(n->text) ? text.len : sizeof(n->text));
	memcpy(n->text, text.ptr, n->len);
}

static struct db_text text_of(struct pgwire *w, const struct pgwire_name *name)
{
	const struct statement *s = statements_get(&w->statements, name_of(name));
	struct db_text none = { { "", 0 }, { "", 0 } };

	return s ? (struct db_text){ statement_text(s), statement_summary(s) } : none;
}

/* --- messages --- */

static bool query(struct pgwire *w, struct conn *c, int fd, struct bytes body)
{
	struct db_scratch *room = NULL;
	struct db_text t;
	bool is_pushed;

	if (body.len && !body.ptr[body.len - 1])
		body.len--;
	t = db_describe(&room, &w->last_shape, body, (enum sql_backslash)atomic_load(&w->backslash),
			false);
	is_pushed = push(w, c, fd, PGWIRE_QUERY, &t, clock_monotonic_ns());
	w->has_run = false;
	db_scratch_put(room);
	return is_pushed;
}

/* A statement that nothing has run when its end is asked for is prepared for later. */
static bool settle_parsed(struct pgwire *w, struct conn *c, int fd)
{
	struct db_text t;

	if (!w->has_parsed)
		return true;
	w->has_parsed = w->has_run = false;
	t = text_of(w, &w->parsed);
	return push(w, c, fd, PGWIRE_PREPARE, &t, w->parsed_ns);
}

static bool parse(struct pgwire *w, struct conn *c, int fd, struct bytes body)
{
	struct db_scratch *room = NULL;
	struct bytes name, sql;
	struct db_text t;

	if (!pg3_text(&body, &name) || !settle_parsed(w, c, fd))
		return false;
	if (!pg3_text(&body, &sql)) /* it was cut */
		sql = body;
	t = db_describe(&room, &w->last_shape, sql, (enum sql_backslash)atomic_load(&w->backslash),
			true);
	statement_free(statements_put(&w->statements, name, t.text, t.summary));
	db_scratch_put(room);
	name_set(&w->parsed, name);
	w->has_parsed = true;
	w->has_run = false;
	w->parsed_ns = clock_monotonic_ns();
	return true;
}

static bool bind_portal(struct pgwire *w, struct bytes body)
{
	struct bytes portal, statement;

	/* Names that do not fit are nobody's. */
	if (!pg3_text(&body, &portal) || !pg3_text(&body, &statement))
		portal = statement = BYTES("?");
	w->has_run &= bytes_equal(name_of(&w->bound), statement);
	name_set(&w->portal, portal);
	name_set(&w->bound, statement);
	return true;
}

/* Once more the same, while that has not been answered to its end: the two are a batch (D22). */
static bool run_again(struct pgwire *w)
{
	uint32_t tail = atomic_load_explicit(&w->tail, memory_order_relaxed);
	struct pgwire_op *op = &w->ops[(tail - 1) % PGWIRE_OPS];
	uint32_t left = w->has_run ? atomic_load(&op->left) : 0;

	while (left && !atomic_compare_exchange_weak(&op->left, &left, left + 1))
		;
	return left;
}

static bool execute(struct pgwire *w, struct conn *c, int fd, struct bytes body)
{
	uint64_t started_ns = clock_monotonic_ns();
	struct db_text t = { { "", 0 }, { "", 0 } };
	struct bytes portal;

	if (!pg3_text(&body, &portal))
		portal = BYTES("");
	if (bytes_equal(portal, name_of(&w->portal)))
		t = text_of(w, &w->bound);
	if (w->has_parsed && bytes_equal(name_of(&w->parsed), name_of(&w->bound))) {
		w->has_parsed = false;
		started_ns = w->parsed_ns;
	} else if (!w->has_parsed && run_again(w)) {
		return true;
	}
	if (!settle_parsed(w, c, fd))
		return false;
	w->has_run = true;
	return push(w, c, fd, PGWIRE_RUN, &t, started_ns);
}

static void startup(struct pgwire *w, struct bytes body)
{
	struct bytes database = pg3_parameter(body, BYTES("database"));

	if (!database.len)
		database = pg3_parameter(body, BYTES("user"));
	if (database.len > PGWIRE_DATABASE)
		database.len = 0;
	memcpy(w->database, database.ptr, database.len);
	w->database[database.len] = '\0';
}

static bool take(struct pgwire *w, struct conn *c, int fd)
{
	struct bytes body = w->out.body;

	if (UNLIKELY(atomic_exchange(&w->forgets, false)))
		statements_clear(&w->statements);
	switch (w->out.type) {
	case PG3_STARTUP:
		startup(w, body);
		return push_sync(w);
	case PG3_ASKS_TLS:
	case PG3_ASKS_GSS:
		atomic_store(&w->is_asked, true);
		return true;
	case PG3_CANCEL:
		return false;
	case 'Q':
		return settle_parsed(w, c, fd) && query(w, c, fd, body);
	case 'P':
		return parse(w, c, fd, body);
	case 'B':
		return bind_portal(w, body);
	case 'E':
		return execute(w, c, fd, body);
	case 'H':
		return settle_parsed(w, c, fd);
	case 'S':
	case 'F':
		return settle_parsed(w, c, fd) && push_sync(w);
	default:
		return true;
	}
}

bool pgwire_wrote(struct conn *c, int fd, struct bytes in)
{
	struct pgwire *w = c->wire;
	struct half *h = &c->out;

	h->bytes += in.len;
	for (;;) {
		switch (pg3_step(&w->out, &in)) {
		case PG3_NEED_MORE:
			if (h->scratch && !pg3_holds_room(&w->out)) {
				pg3_lend(&w->out, NULL);
				half_return(h);
			}
			return true;
		case PG3_NEED_ROOM:
			if (!half_borrow(h))
				return false;
			pg3_lend(&w->out, h->scratch->text);
			break;
		case PG3_MESSAGE:
			if (!take(w, c, fd))
				return false;
			break;
		default:
			return false;
		}
	}
}
