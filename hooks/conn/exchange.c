/* SPDX-License-Identifier: Apache-2.0 */
/* Requests under way on a connection, in order. */
#include "conn.h"
#include "context.h"
#include "stats.h"

bool exchange_push(struct conn *c, const struct exchange *x)
{
	uint32_t tail = atomic_load_explicit(&c->exchanges.tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&c->exchanges.head, memory_order_acquire) >=
	    CONN_EXCHANGES) {
		stats_inc(STAT_PIPELINE_FULL);
		return false;
	}
	c->exchanges.at[tail % CONN_EXCHANGES] = *x;
	/* Publishes the exchange; pairs with the acquire of exchange_first() in the other half. */
	atomic_store_explicit(&c->exchanges.tail, tail + 1, memory_order_release);
	return true;
}

unsigned exchange_count(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.tail, memory_order_acquire) -
	       atomic_load_explicit(&c->exchanges.head, memory_order_acquire);
}

struct exchange *exchange_first(struct conn *c)
{
	uint32_t head = atomic_load_explicit(&c->exchanges.head, memory_order_relaxed);

	return exchange_count(c) ? &c->exchanges.at[head % CONN_EXCHANGES] : NULL;
}

uint32_t exchange_last_number(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.tail, memory_order_acquire);
}

uint32_t exchange_first_number(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.head, memory_order_acquire) + 1;
}

void exchange_pop(struct conn *c)
{
	uint32_t head = atomic_load_explicit(&c->exchanges.head, memory_order_relaxed);

	atomic_store_explicit(&c->exchanges.head, head + 1, memory_order_release);
}

bool conn_serves_current(int fd)
{
	struct conn *c = conn_pin(fd);
	bool is_so = c && c->role == CONN_SERVER && context_is(conn_bound(c));

	if (c)
		conn_unpin(c);
	return is_so;
}

struct span_ref conn_bound(struct conn *c)
{
	struct exchange *x = exchange_first(c);

	if (c->role == CONN_SERVER) /* with several at once nobody knows which one it is about */
		return exchange_count(c) == 1 && x ? x->span : (struct span_ref){ 0 };
	if (x)
		return x->parent;
	if (c->has_pending)
		return c->pending.parent;
	return c->is_connecting ? c->connect_context : (struct span_ref){ 0 };
}
