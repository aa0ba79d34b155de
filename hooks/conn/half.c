/* SPDX-License-Identifier: Apache-2.0 */
/* Halves of connections: looked at, held, given back; and the memory that is lent to them. */
#include "compiler.h"
#include "conn_impl.h"
#include "fd_table.h"
#include "loop.h"
#include "pool.h"
#include "shake.h"
#include "single.h"
#include "stats.h"
#include "tls.h"

/* A thousand heads at once: who sends slowly by the thousand is passed through untraced. */
#define SCRATCH_CHUNKS 16
static struct pool scratches;

/*
 * Or may owe it in a moment: who has a line of ours to send takes the half, says that it is under
 * way, and gives the half back.
 */
static bool half_may_owe(const struct conn *c)
{
	return atomic_load(&c->out.word) & HALF_BUSY || edits_are_under_way(&c->edits) ||
	       edits_owe(&c->edits);
}

/* Opaque or blind, but for what it owes; or ciphertext. */
static NO_INLINE struct conn_token look_slow(int fd, uint64_t entry, bool is_in)
{
	struct conn *c = conn_pin_entry(entry);
	struct conn_token t = { 0 };

	if (!c)
		return t;
	if (!atomic_load(&c->is_opaque) && !atomic_load(&c->is_blind))
		t = tls_look_outside(c, fd, is_in);
	else if (!is_in && half_may_owe(c))
		t = half_look(entry, c, is_in ? &c->in : &c->out);
	else
		conn_make_opaque(c, fd);
	conn_unpin(c);
	return t;
}

/*
 * Loads alone: the memory is always that of a connection, and if it is another one by now, or
 * becomes another, conn_hold() will see that.
 */
struct conn_token conn_look(int fd, bool is_in)
{
	uint64_t entry = fd_entry(fd);
	struct conn *c = entry ? conn_at(entry) : NULL;

	SHAKE();
	if (UNLIKELY(!c)) {
		if (entry)
			loop_touched(entry, is_in);
		return (struct conn_token){ 0 };
	}
	if (UNLIKELY(atomic_load_explicit(&c->is_opaque, memory_order_relaxed) ||
		     atomic_load_explicit(&c->is_blind, memory_order_relaxed) ||
		     atomic_load_explicit(&c->layer, memory_order_relaxed)))
		return look_slow(fd, entry, is_in);
	return half_look(entry, c, is_in ? &c->in : &c->out);
}

struct conn_token conn_look_inside(uint64_t entry, bool is_in)
{
	struct conn *c = conn_at(entry);

	if (atomic_load_explicit(&c->is_opaque, memory_order_relaxed) ||
	    atomic_load_explicit(&c->is_blind, memory_order_relaxed))
		return (struct conn_token){ 0 };
	return half_look(entry, c, is_in ? &c->in : &c->out);
}

bool conn_seems_connecting(int fd)
{
	uint64_t entry = fd_entry(fd);
	const struct conn *c = entry ? conn_at(entry) : NULL;

	return c && c->role == CONN_CLIENT && c->is_connecting;
}

/* --- the end --- */

/* False: it is another connection by now.  *ret_busy: somebody holds the half. */
static bool half_kill(struct half *h, uint32_t generation, bool *ret_busy)
{
	uint64_t word = atomic_load(&h->word);

	do
		if (word >> 32 != generation)
			return false;
	while (!atomic_compare_exchange_weak(&h->word, &word, word | HALF_DEAD));
	*ret_busy |= word & HALF_BUSY;
	SHAKE();
	return true;
}

void conn_end_unheld(struct conn *c, uint32_t generation)
{
	bool is_busy = false;

	if (half_kill(&c->in, generation, &is_busy) && half_kill(&c->out, generation, &is_busy) &&
	    !is_busy && atomic_compare_exchange_strong(&c->generation, &generation, generation + 1))
		conn_end(c);
}

/* --- holding --- */

NO_INLINE void conn_not_held(struct conn_token t)
{
	struct conn *c = conn_pin_token(t);

	if (!c)
		return;
	conn_set_blind(c);
	conn_unpin(c);
}

struct conn *conn_hold(struct conn_token t, bool is_in, bool is_turn)
{
	struct conn *c = t.conn;

	return half_hold(is_in ? &c->in : &c->out, t, is_turn) ? c : NULL;
}

void conn_release(struct conn *c, struct half *h)
{
	conn_let_go(c, h);
}

bool half_lock(struct half *h)
{
	uint64_t word = atomic_load_explicit(&h->word, memory_order_relaxed);

	return !(word & (HALF_BUSY | HALF_DEAD)) &&
	       atomic_compare_exchange_strong_explicit(&h->word, &word, word | HALF_BUSY,
						       memory_order_acquire, memory_order_relaxed);
}

/* Its connection is pinned: it cannot have died meanwhile. */
void half_unlock(struct half *h)
{
	SHAKE();
	atomic_fetch_sub_explicit(&h->word, HALF_BUSY, memory_order_release);
}

bool half_borrow(struct half *h)
{
	if (!h->scratch)
		h->scratch = pool_get(&scratches, sizeof(struct scratch), SCRATCH_CHUNKS,
				      &h->scratch_index);
	return h->scratch != NULL;
}

void half_return(struct half *h)
{
	if (!h->scratch)
		return;
	http1_unlend(&h->parser);
	pool_put(&scratches, h->scratch_index);
	h->scratch = NULL;
}

void half_abandon(struct half *h)
{
	http1_unlend(&h->parser);
	h->scratch = NULL;
}

void scratch_return(uint32_t index)
{
	pool_put(&scratches, index);
}
