/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONN_IMPL_H
#define CONN_IMPL_H
/* What conn.c and half.c share, and the hooks that move bytes. */
#include "conn.h"
#include "fd_table.h"
#include "guard.h"
#include "pool.h"
#include "rng.h"
#include "shake.h"
#include "single.h"
#include "store.h"

extern HIDDEN struct pool conn_pool;

/* conn_process_ends(): why a request has no answer. */
extern HIDDEN _Atomic bool conn_process_is_over;

/* Nothing leads there any more: ends it, or leaves that to who holds a half of it. */
void conn_end_unheld(struct conn *c, uint32_t generation);

/* The connection that an entry names, or one that took its place: entry is not 0. */
static ALWAYS_INLINE struct conn *conn_at(uint64_t entry)
{
	return pool_at(&conn_pool, sizeof(struct conn), (uint32_t)entry - 1);
}

static ALWAYS_INLINE enum conn_role
conn_role(struct conn_token t) /* of a token that is not empty */
{
	return (enum conn_role)t.conn->role;
}

/* The token of a half of c's; empty: it is that of another connection than entry's by now. */
static ALWAYS_INLINE struct conn_token half_look(uint64_t entry, struct conn *c,
						 const struct half *h)
{
	uint64_t word = atomic_load_explicit(&h->word, memory_order_acquire);

	if (UNLIKELY(word >> 32 != entry >> 32 || word & HALF_DEAD))
		return (struct conn_token){ 0 };
	/* Busy: that other call has been made and is being taken in; ours comes after it. */
	return (struct conn_token){ c, word & ~(uint64_t)HALF_BUSY };
}

/* Out of line: two threads in one half, or a connection that is gone. */
void conn_not_held(struct conn_token t);

/* conn_hold() of a half of t.conn's. */
static ALWAYS_INLINE bool half_hold(struct half *h, struct conn_token t, bool is_turn)
{
	uint32_t next = (uint32_t)t.word + (is_turn ? HALF_TURN : 0); /* wraps for itself */
	uint64_t held = (t.word & ~(uint64_t)UINT32_MAX) | next | HALF_BUSY;

	/* Acquire: what the last holder did is over. */
	if (LIKELY(!atomic_load_explicit(&t.conn->is_blind, memory_order_relaxed) &&
		   single_exchange(&h->word, &(uint64_t){ t.word }, held))) {
		SHAKE();
		return true;
	}
	conn_not_held(t);
	return false;
}

/*
 * conn_release().  Sequentially consistent, as half_kill() is: either we see the mark that it
 * leaves, or it sees that we are gone.
 */
static ALWAYS_INLINE void conn_let_go(struct conn *c, struct half *h)
{
	uint64_t word = single_sub(&h->word, HALF_BUSY);

	SHAKE();
	if (UNLIKELY(word & HALF_DEAD))
		conn_end_unheld(c, (uint32_t)(word >> 32));
}

#define LINE_BYTES 64u
#define REPEAT_USUAL 320u /* of what is kept of a head, and of what spans have in common */

static ALWAYS_INLINE void lines_ask(const void *from, size_t bytes)
{
#pragma GCC unroll 16
	for (size_t i = 0; i < bytes; i += LINE_BYTES)
		__builtin_prefetch((const char *)from + i);
}

static ALWAYS_INLINE void slot_ask(const struct span *s, bool is_recorded)
{
	lines_ask(s, STORE_BARE_BYTES);
	if (is_recorded)
		lines_ask((const char *)s + STORE_BARE_BYTES, STORE_USUAL_BYTES - STORE_BARE_BYTES);
}

/*
 * The application is about to make its call: asks for the memory that its bytes will be taken in
 * by.  Between two messages of one connection the others' have been there, and to wait for these
 * lines one after the other takes as long as all the rest; the call takes longer than they do.
 * Nobody holds anything here, and what is asked for may be another connection's by then.
 */
static ALWAYS_INLINE void conn_prefetch(const struct conn *c, enum conn_role role, bool is_in)
{
	bool is_request = LIKELY(role == CONN_SERVER) == is_in;
	uint32_t slot = thread_self.current.slot;
	const struct store *st = store_get();

	__builtin_prefetch(&c->first_byte_ns);
	lines_ask(is_in ? &c->in : &c->out, HALF_USUAL_BYTES);
	__builtin_prefetch(&c->exchanges);
	if (is_request) {
		lines_ask(&c->request, REPEAT_USUAL);
		if (thread_self.records)
			lines_ask(&c->common, REPEAT_USUAL);
		__builtin_prefetch(tag_table[rng_place_expected() / TAG_BUCKET]);
	} else {
		lines_ask(&c->response.len, REPEAT_USUAL - LINE_BYTES);
		if (slot && st)
			slot_ask(store_slot(st, slot - 1), thread_self.records);
	}
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && LAYER_FD == 0,
	       "conn->usual is the role where nothing else is to be said");

/*
 * conn_look() for the usual case: loads alone, which need no guard.  Empty: conn_look() has to be
 * asked.
 */
static ALWAYS_INLINE struct conn_token conn_glance(int fd, bool is_in)
{
	uint64_t entry = fd_entry(fd);
	struct conn *c = LIKELY(entry) ? conn_at(entry) : NULL;
	uint32_t role;

	if (UNLIKELY(!c))
		return (struct conn_token){ 0 };
	role = atomic_load_explicit(&c->usual, memory_order_relaxed);
	if (UNLIKELY(role > CONN_CLIENT)) /* or opaque, or blind, or of another layer */
		return (struct conn_token){ 0 };
	conn_prefetch(c, (enum conn_role)role, is_in);
	return half_look(entry, c, is_in ? &c->in : &c->out);
}

/* Tells what there is to tell, and gives the memory back.  Once. */
void conn_end(struct conn *c);

#endif
