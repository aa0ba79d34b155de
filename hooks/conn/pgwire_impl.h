/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PGWIRE_IMPL_H
#define PGWIRE_IMPL_H
/* What the two sides of pgwire.h share. */
#include "calls.h"
#include "db_span.h"
#include "http_side.h"
#include "pg3.h"
#include "pgwire.h"
#include "statements.h"

#define PGWIRE_OPS 256u /* a power of two */
#define PGWIRE_DATABASE 64u

enum pgwire_kind {
	PGWIRE_RUN,     /* Execute: until its CommandComplete, or what stands for it */
	PGWIRE_PREPARE, /* Parse that nothing runs at once: until ParseComplete */
	PGWIRE_QUERY,   /* until ReadyForQuery */
	PGWIRE_SYNC,    /* no span: the next ReadyForQuery */
};

struct pgwire_op {
	struct span_ref span;
	struct span_ref cause;
	/* How often it is still to be answered: who writes adds, as long as it is not 0. */
	_Atomic uint32_t left;
	uint32_t done; /* of the half that reads */
	uint8_t kind;
	uint8_t summary_len;
	uint64_t started_ns;
	uint64_t rows;
	char summary[CALLS_SUMMARY_MAX];
};

struct pgwire_name {
	uint8_t len;
	char text[STATEMENT_NAME_MAX];
};

struct pgwire {
	uint32_t index;
	/* Of the half that writes. */
	struct pg3 out;
	struct statements statements;
	const struct sql_shape *last_shape;
	bool has_parsed; /* a statement that nothing has run yet */
	bool has_run;    /* the last of the queue runs `bound`, and there was nothing else since */
	bool has_common;
	uint64_t parsed_ns;
	struct pgwire_name parsed;
	struct pgwire_name portal; /* of the last Bind, and its statement */
	struct pgwire_name bound;
	uint8_t peer_len;
	char peer[CALLS_PEER_MAX];
	struct span_block common;
	char database[PGWIRE_DATABASE + 1]; /* of the startup message */
	/* Of the half that reads. */
	struct pg3 in;
	bool is_ready;    /* it has said so once */
	bool has_aborted; /* up to the next Sync nothing is run */
	/* Of both. */
	_Atomic bool is_asked;     /* for TLS: one byte is the answer */
	_Atomic uint8_t backslash; /* enum sql_backslash */
	_Atomic bool forgets;      /* statements: one was not prepared */
	_Atomic uint32_t head, tail;
	struct pgwire_op ops[PGWIRE_OPS];
};

/* The oldest; NULL: none. */
static inline struct pgwire_op *pgwire_first(struct pgwire *w)
{
	uint32_t head = atomic_load_explicit(&w->head, memory_order_relaxed);

	/* Pairs with the release of who pushes. */
	return head != atomic_load_explicit(&w->tail, memory_order_acquire) ?
		       &w->ops[head % PGWIRE_OPS] :
		       NULL;
}

static inline void pgwire_pop(struct pgwire *w)
{
	atomic_store_explicit(&w->head, atomic_load_explicit(&w->head, memory_order_relaxed) + 1,
			      memory_order_release);
}

/* Ends its span, and takes it out of the queue. */
void pgwire_end(struct pgwire *w, struct pgwire_op *op);

void pgwire_free(struct pgwire *w);

/* What all spans of the connection say; fd -1: the peer is not asked for. */
void pgwire_tell_connection(struct pgwire *w, struct conn *c, int fd, struct span *s);

#endif
