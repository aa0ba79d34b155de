/* SPDX-License-Identifier: Apache-2.0 */
/* Requests under way on a connection, in order. */
#include "conn.h"
#include "context.h"
#include "fd_table.h"
#include "inherit.h"
#include "stats.h"

bool exchange_push(struct conn *c, const struct exchange *x)
{
	uint32_t tail = atomic_load_explicit(&c->exchanges.tail, memory_order_relaxed);
	uint32_t from = atomic_load_explicit(&c->exchanges.from, memory_order_relaxed);
	/* Acquire: who popped the last one has done with its place. */
	uint32_t head = atomic_load_explicit(&c->exchanges.head, memory_order_acquire);

	if (UNLIKELY(tail - head >= CONN_EXCHANGES)) {
		stats_inc(STAT_PIPELINE_FULL);
		return false;
	}
	if (LIKELY(tail == head)) {
		from = tail;
		atomic_store_explicit(&c->exchanges.from, from, memory_order_relaxed);
	}
	c->exchanges.at[(tail - from) % CONN_EXCHANGES] = *x;
	/* Publishes the exchange; pairs with the acquire of exchange_first() in the other half. */
	atomic_store_explicit(&c->exchanges.tail, tail + 1, memory_order_release);
	return true;
}

void exchange_offer(struct conn *c)
{
	/* Publishes c->pending; pairs with exchange_take(). */
	atomic_store_explicit(&c->offer, OFFER_MADE, memory_order_release);
}

/*
 * False: the half that reads has it.  True: it is nobody's but the caller's, until it is put into
 * that state.
 */
static bool offer_end(struct conn *c, enum offer state)
{
	uint8_t was = OFFER_MADE;

	if (atomic_compare_exchange_strong(&c->offer, &was, state) || was == OFFER_NONE)
		return true;
	/* There are two who push now. */
	if (was == OFFER_BUSY)
		conn_set_blind(c);
	else
		atomic_store_explicit(&c->offer, OFFER_NONE, memory_order_relaxed);
	return false;
}

bool exchange_withdraw(struct conn *c)
{
	return offer_end(c, OFFER_NONE);
}

bool exchange_sent(struct conn *c, const struct exchange *x)
{
	bool is_pushed;

	if (!offer_end(c, OFFER_BUSY))
		return true;
	is_pushed = exchange_push(c, x);
	atomic_store_explicit(&c->offer, OFFER_NONE, memory_order_release);
	return is_pushed;
}

/* The other half is about to push it: that takes no time, unless it is interrupted right there. */
#define SPINS 1000

bool exchange_take(struct conn *c)
{
	for (unsigned i = 0; i < SPINS; i++) {
		uint8_t was = OFFER_MADE;

		if (atomic_compare_exchange_strong(&c->offer, &was, OFFER_BUSY)) {
			bool is_pushed = exchange_push(c, &c->pending);

			/* Hands the queue's tail back to the half that writes. */
			atomic_store_explicit(&c->offer, OFFER_TAKEN, memory_order_release);
			return is_pushed;
		}
		if (exchange_first(c))
			return true;
		if (was != OFFER_BUSY)
			return false;
	}
	return false;
}

uint32_t exchange_last_number(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.tail, memory_order_acquire);
}

uint32_t exchange_first_number(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.head, memory_order_acquire) + 1;
}

bool conn_serves_current(int fd)
{
	struct conn *c = conn_pin(fd);
	bool is_so = c && c->role == CONN_SERVER && context_is(conn_bound(c));

	if (c)
		conn_unpin(c);
	return is_so;
}

bool conn_is_heirs(int fd, bool is_read)
{
	struct conn *c = inherit_has_opened(fd_entry(fd)) ? conn_pin(fd) : NULL;
	bool is_so = c && c->role == CONN_CLIENT &&
		     (!is_read || exchange_last_number(c) || c->has_pending);

	if (c)
		conn_unpin(c);
	return is_so;
}

struct span_ref conn_bound_client(struct conn *c)
{
	struct exchange *x = exchange_first(c);

	if (x)
		return x->parent;
	if (c->has_pending)
		return c->pending.parent;
	return c->is_connecting ? c->connect_context : (struct span_ref){ 0 };
}
