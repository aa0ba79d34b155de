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

/* Nothing leads there any more: ends it, or leaves that to who holds a half of it. */
void conn_end_unheld(struct conn *c, uint32_t generation);

/* Tells what there is to tell, and gives the memory back.  Once. */
void conn_end(struct conn *c);

#endif
