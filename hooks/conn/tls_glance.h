/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_GLANCE_H
#define TLS_GLANCE_H
/*
 * The usual call of a TLS library: a session that has its connection and is past its handshake.
 * Loads alone, which need no guard; a descriptor that such a call moves ciphertext on is passed by.
 *
 * Any thread, async-signal-safe, no errno; outside the guard, while it is free.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"
#include "conn_impl.h"
#include "guard.h"
#include "tls.h"

#define TLS_BUCKET 8u
#define TLS_BUCKETS 4096u /* half a MiB of pages that are there once they are used */

/*
 * A session is used by one thread at a time, but not by every program: who finds the key finds what
 * was stored before it.
 */
struct tls_slot {
	_Atomic uintptr_t key; /* tls_key() of the session; 0: free */
	struct tls *_Atomic tls;
};
#define TLS_CLAIMED 2u /* no session's: it is about to be one's */

/* No session at all, which some library is asked for and refuses, is not what is free. */
static ALWAYS_INLINE uintptr_t tls_key(const void *session)
{
	return (uintptr_t)session + 1;
}

/* NULL: none yet.  Not an array, for the object is to be smaller than 2 MiB (check-imports). */
extern HIDDEN struct tls_slot (*_Atomic tls_sessions)[TLS_BUCKET];

/* NULL: no memory, or none yet. */
static ALWAYS_INLINE struct tls_slot *tls_bucket_of(const void *session)
{
	struct tls_slot(*all)[TLS_BUCKET] =
		atomic_load_explicit(&tls_sessions, memory_order_acquire);

	return LIKELY(all) ? all[((uintptr_t)session >> 4) * 0x9e3779b97f4a7c15u >> 52] : NULL;
}
_Static_assert(TLS_BUCKETS == 1u << 12, "tls_bucket_of()");

/* NULL: not known. */
static ALWAYS_INLINE struct tls_slot *tls_slot_of(const void *session)
{
	struct tls_slot *b = tls_bucket_of(session);

	for (unsigned i = 0; b && i < TLS_BUCKET; i++)
		if (LIKELY(atomic_load_explicit(&b[i].key, memory_order_acquire) ==
			   tls_key(session)))
			return &b[i];
	return NULL;
}

struct tls_glance {
	struct tls *tls;
	struct conn_token token; /* never empty */
	bool is_server;
};

/* tls_look() for the usual case.  False: all else has to be asked. */
static ALWAYS_INLINE bool tls_glance(struct tls_glance *ret_g, const void *session, bool is_in)
{
	const struct tls_slot *s = tls_slot_of(session);
	struct tls *t;
	struct conn *c;

	if (UNLIKELY(!s))
		return false;
	t = atomic_load_explicit(&s->tls, memory_order_relaxed);
	if (UNLIKELY(t->state != TLS_BOUND || !t->is_established))
		return false;
	c = conn_at(t->entry);
	if (UNLIKELY(atomic_load_explicit(&c->is_opaque, memory_order_relaxed) ||
		     atomic_load_explicit(&c->is_blind, memory_order_relaxed)))
		return false;
	conn_prefetch(c, (enum conn_role)c->role, is_in);
	ret_g->tls = t;
	ret_g->token = half_look(t->entry, c, is_in ? &c->in : &c->out);
	ret_g->is_server = c->role == CONN_SERVER;
	return LIKELY(ret_g->token.conn != NULL);
}

/*
 * Around the library's function.  Who jumps out of that leaves a mark of that connection, below
 * whose frame nobody is any more; and where somebody is all the same, nothing is lost but that
 * ciphertext of that one connection tells no loop what it works for, which its plaintext does.
 */
static ALWAYS_INLINE void tls_enter(const struct tls_glance *g)
{
	char here;

	thread_self.tls_frame = (uintptr_t)&here;
	thread_self.tls_inside = g->tls->entry;
}

static ALWAYS_INLINE void tls_leave(void)
{
	thread_self.tls_inside = 0;
}

/* Is fd what the call that this thread is in moves ciphertext on?  Others pay a load. */
static ALWAYS_INLINE bool tls_is_inside(int fd)
{
	char here;

	return UNLIKELY(thread_self.tls_inside) && fd_entry(fd) == thread_self.tls_inside &&
	       (uintptr_t)&here < thread_self.tls_frame;
}

#endif
