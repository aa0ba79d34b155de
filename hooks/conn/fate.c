/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a connection: what it speaks, or that it is given up. */
#include "fate.h"
#include "compiler.h"
#include "conn_impl.h"
#include "context.h"
#include "counts.h"
#include "guard.h"
#include "loop.h"
#include "stats.h"

static enum fate fate_so_far(const struct conn *c)
{
	return fate_of(atomic_load_explicit(&c->fd, memory_order_relaxed)) & FATE_WHAT;
}

void conn_fate(struct conn *c, enum fate what)
{
	int fd = atomic_load_explicit(&c->fd, memory_order_relaxed);
	uint32_t fate = what;

	if (fd_entry(fd) != conn_entry(c)) /* closed; a copy of it may be left */
		return;
	if (what == FATE_QUIET && c->wire) /* it asked for TLS, and has it now */
		fate = FATE_POSTGRES;
	if (c->role == CONN_CLIENT)
		fate |= FATE_CLIENT;
	if (conn_is_tls(c))
		fate |= FATE_IN_TLS | (atomic_load(&c->tls.is_gnutls) ? FATE_GNUTLS : 0);
	if (atomic_load_explicit(&c->is_never_edited, memory_order_relaxed))
		fate |= FATE_UNEDITED;
	fate_set(fd, (uint8_t)fate);
}

void conn_fate_again(struct conn *c)
{
	conn_fate(c, fate_so_far(c));
}

void conn_speaks(struct conn *c, enum detect_result what)
{
	struct store *st = store_get();

	if (st)
		counts_settle(st);
	if (what == DETECT_HTTP1_REQUEST) {
		stats_inc(STAT_CONNS_HTTP1);
		/* What a client's head says is known before its bytes are taken in. */
		if (fate_so_far(c) != FATE_TELEMETRY)
			conn_fate(c, FATE_HTTP1);
	}
}

void conn_is_telemetry(struct conn *c)
{
	stats_inc(STAT_CONNS_OTLP);
	conn_fate(c, FATE_TELEMETRY);
}

/* Of one that was blind before it is known as such. */
static enum fate fate_of_opaque(const struct conn *c)
{
	enum fate was = fate_so_far(c);

	if (was == FATE_BLIND || was == FATE_LIBPQ)
		return was;
	if (c->detect.result == DETECT_HTTP2)
		return FATE_HTTP2;
	if (c->detect.result == DETECT_TLS)
		return FATE_TLS_UNREAD;
	return was == FATE_HTTP1 ? FATE_LEFT : FATE_OPAQUE;
}

void conn_make_opaque(struct conn *c, int fd)
{
	uint64_t entry = conn_entry(c);

	if (!atomic_exchange(&c->is_opaque, true)) {
		stats_inc(STAT_CONNS_OPAQUE);
		if (c->detect.result == DETECT_HTTP2)
			stats_inc(STAT_CONNS_HTTP2);
		else if (c->detect.result == DETECT_TLS)
			stats_inc(STAT_CONNS_TLS_UNREAD);
		conn_fate(c, fate_of_opaque(c));
		if (c->role == CONN_SERVER)
			context_request_unseen();
	}
	if (fd_take_if(fd, entry)) {
		loop_keep(fd, (enum conn_role)c->role);
		conn_unpin(c);
	}
}

void conn_set_blind(struct conn *c)
{
	if (atomic_exchange(&c->is_blind, true))
		return;
	stats_inc(STAT_CONNS_BLIND);
	conn_fate(c, FATE_BLIND);
	if (c->role == CONN_SERVER)
		context_request_unseen();
}

void conn_handed_on(int fd)
{
	struct conn *c = conn_pin(fd);

	if (!c)
		return;
	atomic_store(&c->is_shared, true);
	conn_set_blind(c);
	conn_unpin(c);
}

void conn_given_away(int fd)
{
	struct conn *c = conn_pin(fd);

	if (!c)
		return;
	conn_set_blind(c);
	if (fd_take_if(fd, conn_entry(c)))
		conn_unpin(c);
	conn_unpin(c);
}

/* No lock, no pin, since we may be in a signal handler. */
void conn_make_blind(int fd)
{
	/* A vfork child owns nothing. */
	uint64_t entry = thread_self.in_vfork | thread_self.ours ? 0 : fd_entry(fd);
	struct conn *c = entry ? conn_at(entry) : NULL;

	if (c && conn_entry(c) == entry)
		conn_set_blind(c);
}
