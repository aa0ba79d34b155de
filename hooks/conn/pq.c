/* SPDX-License-Identifier: Apache-2.0 */
/* libpq's connections, from their opening to their end, and what is under way on them. */
#include "pq_impl.h"

#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "pool.h"
#include "process.h"
#include "shake.h"
#include "single.h"
#include "stats.h"

#define BUCKETS 4096u
#define PROBES 8u
#define CONN_CHUNKS 64u

static struct pool conns;
static struct pq_conn *_Atomic buckets[BUCKETS]; /* never unmapped; NULL: free */

/* --- the table --- */

static ALWAYS_INLINE struct pq_conn *_Atomic *bucket(const void *conn, unsigned int probe)
{
	uint64_t hash = (uint64_t)(uintptr_t)conn * 0x9e3779b97f4a7c15u >> 52;

	return &buckets[(hash + probe) % BUCKETS];
}

/* Held from here on; NULL: not known, or another thread has it, which must not be. */
struct pq_conn *pq_hold(const void *conn)
{
	for (unsigned int i = 0; i < PROBES; i++) {
		struct pq_conn *c = atomic_load_explicit(bucket(conn, i), memory_order_acquire);
		uint64_t is_busy = 0;

		if (!c || atomic_load_explicit(&c->key, memory_order_relaxed) != conn)
			continue;
		if (!single_exchange(&c->busy, &is_busy, 1))
			return NULL;
		SHAKE();
		if (atomic_load(&c->key) == conn)
			return c;
		atomic_store(&c->busy, 0);
	}
	return NULL;
}

void pq_release(struct pq_conn *c)
{
	SHAKE();
	atomic_store_explicit(&c->busy, 0, memory_order_release);
}

static bool enter(const void *conn, struct pq_conn *c)
{
	for (unsigned int i = 0; i < PROBES; i++) {
		struct pq_conn *none = NULL;

		/* Publishes the connection; pairs with the acquire of pq_hold(). */
		if (atomic_compare_exchange_strong_explicit(
			    bucket(conn, i), &none, c, memory_order_release, memory_order_relaxed))
			return true;
	}
	return false;
}

static void clear(struct pq_conn *c)
{
	statements_clear(&c->statements);
	c->head = c->tail = c->beyond = 0;
	c->beyond_has_result = c->has_common = c->is_open = false;
	c->last_shape = NULL;
	c->told_of = NULL;
	c->epoch = process_epoch();
	c->opened_ns = c->started_ns = 0;
}

/* The same connection once more is an address that was freed unseen: it begins anew. */
static struct pq_conn *make(const void *conn)
{
	struct pq_conn *c = pq_hold(conn);
	uint32_t index;

	if (c) {
		pq_ops_end(c);
		clear(c);
		return c;
	}
	c = pool_get(&conns, sizeof(*c), CONN_CHUNKS, &index);
	if (!c) {
		stats_inc(STAT_PQ_UNTRACKED);
		return NULL;
	}
	clear(c);
	atomic_store(&c->busy, 1);
	atomic_store(&c->key, conn);
	c->number = index + 1;
	if (enter(conn, c))
		return c;
	atomic_store(&c->key, NULL);
	pool_put(&conns, index);
	stats_inc(STAT_PQ_UNTRACKED);
	return NULL;
}

static void forget(struct pq_conn *c, const void *conn)
{
	uint32_t number = c->number;

	clear(c);
	atomic_store(&c->key, NULL);
	for (unsigned int i = 0; i < PROBES; i++) {
		struct pq_conn *is = c;

		if (atomic_compare_exchange_strong(bucket(conn, i), &is, 0))
			break;
	}
	pq_release(c);
	pool_put(&conns, number - 1);
}

/* --- life --- */

void pq_opening(const struct pq *pq, uint64_t started_ns)
{
	struct pq_conn *c = config.sdk_disabled ? NULL : make(pq->conn);

	if (!c)
		return;
	c->started_ns = started_ns;
	pq_release(c);
}

/* PQconnectPoll() may be called again, when it is open: that is no news. */
void pq_opened(const struct pq *pq, bool is_open)
{
	struct pq_conn *c = pq_hold(pq->conn);

	if (!c)
		return;
	if (!is_open && c->started_ns)
		pq_tell_failure(c, pq);
	if (is_open && c->started_ns && !c->is_open)
		c->opened_ns = clock_monotonic_ns();
	else
		c->started_ns = 0;
	c->is_open = is_open;
	pq_release(c);
}

void pq_closing(const struct pq *pq)
{
	struct pq_conn *c = pq_hold(pq->conn);

	if (!c)
		return;
	pq_ops_end(c);
	forget(c, pq->conn);
}
