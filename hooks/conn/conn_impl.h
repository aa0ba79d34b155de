/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONN_IMPL_H
#define CONN_IMPL_H
/* What conn.c and half.c share. */
#include "conn.h"
#include "pool.h"

extern struct pool conn_pool;

/* The connection that an entry names, or one that took its place: entry is not 0. */
static ALWAYS_INLINE struct conn *conn_at(uint64_t entry)
{
	return pool_at(&conn_pool, sizeof(struct conn), (uint32_t)entry - 1);
}

/* A half's token; empty: it is that of another connection by now. */
static ALWAYS_INLINE struct conn_token half_look(uint64_t entry, const struct half *h)
{
	uint64_t word = atomic_load_explicit(&h->word, memory_order_acquire);

	if (UNLIKELY(word >> 32 != entry >> 32 || word & HALF_DEAD))
		return (struct conn_token){ 0 };
	/* Busy: that other call has been made and is being taken in; ours comes after it. */
	return (struct conn_token){ entry, word & ~(uint64_t)HALF_BUSY };
}

/* conn_process_ends(): why a request has no answer. */
extern _Atomic bool conn_process_is_over;

/* Nothing leads there any more: ends it, or leaves that to who holds a half of it. */
void conn_end_unheld(struct conn *c, uint32_t generation);

/* Tells what there is to tell, and gives the memory back.  Once. */
void conn_end(struct conn *c);

#endif
