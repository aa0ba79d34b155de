/* SPDX-License-Identifier: Apache-2.0 */
/* The half that reads: what has become of what was run; and the end. */
#include "clock.h"
#include "compiler.h"
#include "context.h"
#include "http_attrs.h"
#include "opt_in.h"
#include "pgwire_impl.h"
#include "stack.h"

#define SOCKET_NAME ".s.PGSQL."

/* --- connections --- */

/* A path is told as libpq tells it: the directory, and the number behind the name. */
static struct bytes directory_of(struct bytes path, uint16_t *ret_port)
{
	struct bytes name = path;
	size_t slash = 0;

	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] == '/')
			slash = i;
	name = bytes_skip(path, slash + 1);
	if (!slash || !bytes_start_with(name, BYTES(SOCKET_NAME)))
		return path;
	for (name = bytes_skip(name, sizeof(SOCKET_NAME) - 1); name.len; name = bytes_skip(name, 1))
		*ret_port = (uint16_t)(*ret_port * 10 + (*name.ptr - '0'));
	return (struct bytes){ path.ptr, slash };
}

static void keep_peer(struct pgwire *w, struct bytes host, uint16_t port)
{
	size_t n = host.len < sizeof(w->peer) - 7 ? host.len : sizeof(w->peer) - 7;
	char digits[5];
	size_t at = sizeof(digits);

	memcpy(w->peer, host.ptr, n);
	w->peer[n++] = ':';
	do {
		digits[--at] = (char)('0' + port % 10);
		port /= 10;
	} while (port);
	memcpy(w->peer + n, digits + at, sizeof(digits) - at);
	w->peer_len = (uint8_t)(n + sizeof(digits) - at);
}

static void tell_all(struct pgwire *w, struct conn *c, int fd, struct span *s)
{
	uint16_t port = 0;
	struct bytes host = attrs_peer(c, fd, &port);

	if (c->peer.sa.sa_family == AF_UNIX)
		host = directory_of(host, &port);
	keep_peer(w, host, port);
	span_set_str(s, ATTR_DB_SYSTEM_NAME, BYTES("postgresql"));
	if (w->database[0])
		span_set_str(s, ATTR_DB_NAMESPACE, bytes_from_str(w->database));
	db_span_server(s, host, port);
}

void pgwire_tell_connection(struct pgwire *w, struct conn *c, int fd, struct span *s)
{
	struct span_mark since;

	if (!s)
		return;
	since = span_mark(s);
	if (w->has_common) {
		span_block_add(s, &w->common);
	} else {
		tell_all(w, c, fd, s);
		w->has_common = span_is_recording(s) && span_block_take(&w->common, s, since);
	}
	if (!c->is_fresh)
		return;
	span_add_event_at(s, EVENT_CONNECTION_STARTED, c->connect_ns);
	if (c->opened_ns)
		span_add_event_at(s, EVENT_CONNECTION_OPENED, c->opened_ns);
	c->is_fresh = false;
}

/* --- ends --- */

/* Several runs of one statement (D16, D24). */
static void tell_batch(struct span *s, const struct pgwire_op *op)
{
	char name[sizeof("BATCH ") + CALLS_SUMMARY_MAX] = "BATCH ";
	struct bytes all = { name, 6u + op->summary_len };

	if (op->done < 2)
		return;
	span_set_int(s, ATTR_DB_OPERATION_BATCH_SIZE, op->done);
	memcpy(name + 6, op->summary, op->summary_len);
	all.len -= !op->summary_len;
	span_set_name(s, all);
	if (op->summary_len < CALLS_SUMMARY_MAX)
		span_set_str(s, ATTR_DB_QUERY_SUMMARY, all);
}

void pgwire_end(struct pgwire *w, struct pgwire_op *op)
{
	struct span *s = span_mine(op->span);
	uint64_t now = clock_monotonic_ns();
	struct bytes summary = { op->summary, op->summary_len };
	struct bytes rest = summary;
	struct call call = { .peer = { w->peer, w->peer_len },
			     .operation = bytes_split(&rest, ' '),
			     .summary = summary,
			     .start_ns = op->started_ns,
			     .end_ns = now,
			     .has_failed = span_has_error(s) };

	tell_batch(s, op);
	if (op->rows && !span_has_error(s) && opt_in(ATTR_DB_RESPONSE_RETURNED_ROWS))
		span_set_int(s, ATTR_DB_RESPONSE_RETURNED_ROWS, (int64_t)op->rows);
	if (s && calls_add(op->cause, &call))
		span_fold(s);
	else
		stack_end_span(s, now);
	pgwire_pop(w);
}

/* One answer of it has come; it ends with the last. */
static void answered(struct pgwire *w, enum pgwire_kind kind)
{
	struct pgwire_op *op = pgwire_first(w);

	if (!op || op->kind != kind)
		return;
	op->done++;
	if (atomic_fetch_sub(&op->left, 1) == 1)
		pgwire_end(w, op);
}

static void connection_failed(struct pgwire *w, struct conn *c, struct bytes state)
{
	struct span *s = db_span_start(context_current(), c->connect_ns);
	struct db_text none = { { "", 0 }, { "", 0 } };

	if (span_is_recording(s)) {
		tell_all(w, c, -1, s);
		db_span_tell(s, BYTES("CONNECT"), &none, bytes_from_str(w->database));
		db_span_fail(s, state, BYTES("08001"));
	}
	stack_end_span(s, clock_monotonic_ns());
}

static void failed(struct pgwire *w, struct conn *c, struct bytes body)
{
	struct bytes state = pg3_field(body, 'C');
	struct pgwire_op *op = pgwire_first(w);

	if (!w->is_ready) {
		connection_failed(w, c, state);
		w->is_ready = true;
		return;
	}
	if (!op || op->kind == PGWIRE_SYNC)
		return;
	db_span_fail(span_mine(op->span), state, BYTES("_OTHER"));
	if (op->kind == PGWIRE_QUERY)
		return;
	/* Whose text it was to be is not known: another statement may have had the name. */
	atomic_store(&w->forgets, true);
	w->has_aborted = true;
	atomic_store(&op->left, 0);
	op->done++;
	pgwire_end(w, op);
}

/* All up to the Sync, or to the Query, that it answers is over; false: it answers none. */
static bool ready(struct pgwire *w)
{
	struct pgwire_op *op;

	while ((op = pgwire_first(w))) {
		uint8_t kind = op->kind;

		if (w->has_aborted && kind != PGWIRE_SYNC)
			db_span_fail(span_mine(op->span), BYTES(""), BYTES("pipeline_aborted"));
		atomic_store(&op->left, 0);
		if (kind == PGWIRE_QUERY || kind == PGWIRE_SYNC)
			w->has_aborted = false;
		if (kind == PGWIRE_SYNC)
			pgwire_pop(w);
		else
			pgwire_end(w, op);
		if (kind == PGWIRE_QUERY || kind == PGWIRE_SYNC) {
			w->is_ready = true;
			return true;
		}
	}
	return false;
}

static void setting(struct pgwire *w, struct bytes body)
{
	struct bytes name, value;

	if (pg3_text(&body, &name) && pg3_text(&body, &value) &&
	    bytes_equal(name, BYTES("standard_conforming_strings")))
		atomic_store(&w->backslash, bytes_equal(value, BYTES("on")) ?
						    SQL_BACKSLASH_PLAIN :
						    SQL_BACKSLASH_ESCAPES);
}

static bool take(struct pgwire *w, struct conn *c)
{
	struct pgwire_op *op;

	switch (w->in.type) {
	case 'C':
	case 'I':
	case 's':
		answered(w, PGWIRE_RUN);
		return true;
	case '1':
		answered(w, PGWIRE_PREPARE);
		return true;
	case 'D':
		op = pgwire_first(w);
		if (op)
			op->rows++;
		return true;
	case 'E':
		failed(w, c, w->in.body);
		return true;
	case 'S':
		setting(w, w->in.body);
		return true;
	case 'Z':
		return ready(w);
	default:
		return true;
	}
}

/* One byte: in clear, by TLS, whose first record comes then, or not at all. */
static bool answer(struct conn *c, struct bytes *in)
{
	struct pgwire *w = c->wire;
	char is = *in->ptr;

	*in = bytes_skip(*in, 1);
	atomic_store(&w->is_asked, false);
	if (is == 'N')
		return true;
	if (is != 'S' || in->len || !half_lock(&c->out))
		return false;
	c->wire = NULL;
	pgwire_free(w);
	conn_restart(c);
	half_unlock(&c->out);
	return true;
}

bool pgwire_read(struct conn *c, struct bytes in)
{
	struct half *h = &c->in;
	struct pgwire *w = c->wire;

	h->bytes += in.len;
	if (UNLIKELY(atomic_load(&w->is_asked)) && in.len && (!answer(c, &in) || !c->wire))
		return !c->wire;
	for (;;) {
		switch (pg3_step(&w->in, &in)) {
		case PG3_NEED_MORE:
			if (h->scratch && !pg3_holds_room(&w->in)) {
				pg3_lend(&w->in, NULL);
				half_return(h);
			}
			return true;
		case PG3_NEED_ROOM:
			if (!half_borrow(h))
				return false;
			pg3_lend(&w->in, h->scratch->text);
			break;
		case PG3_MESSAGE:
			if (!take(w, c))
				return false;
			break;
		default:
			return false;
		}
	}
}

/*
 * A connection that ends before the answer: by the other side that is an error, by this one it is
 * given up.  Of one that was not understood to its end nothing is known.
 */
void pgwire_over(struct conn *c, bool is_forked)
{
	struct pgwire *w = c->wire;
	bool is_unknown = is_forked || atomic_load(&c->is_opaque) || atomic_load(&c->is_blind);
	struct pgwire_op *op;

	while ((op = pgwire_first(w))) {
		struct span *s = span_mine(op->span);

		if (is_unknown || op->kind == PGWIRE_SYNC) {
			span_discard(s);
			pgwire_pop(w);
			continue;
		}
		if (c->error || c->is_eof)
			db_span_fail(s, BYTES(""), BYTES("08006"));
		else if (atomic_load(&c->is_timed_out))
			db_span_fail(s, BYTES(""), BYTES("timeout"));
		pgwire_end(w, op);
	}
	c->wire = NULL;
	pgwire_free(w);
}
