/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"

#include "client_hello.h"
#include "clock.h"
#include "conn_impl.h"
#include "context.h"
#include "copy.h"
#include "rawsys.h"
#include "region.h"
#include "shake.h"
#include "stats.h"
#include "tls_glance.h"
#include "tls_write.h"

/* --- sessions --- */

#define TLS_CHUNKS (TLS_BUCKETS * TLS_BUCKET / POOL_CHUNK_ITEMS)
_Static_assert(TLS_CHUNKS <= POOL_CHUNKS, "pool_get()");

struct tls_slot (*_Atomic tls_sessions)[TLS_BUCKET];
static struct pool pool;

static NO_INLINE void sessions_map(void)
{
	struct tls_slot(*none)[TLS_BUCKET] = NULL;
	size_t bytes = sizeof(struct tls_slot) * TLS_BUCKETS * TLS_BUCKET;
	void *at = region_map(bytes);

	if (at && !atomic_compare_exchange_strong(&tls_sessions, &none, at))
		raw_munmap(at, bytes);
}

static struct tls_slot *slot_claim(const void *session)
{
	struct tls_slot *b;

	if (!atomic_load(&tls_sessions))
		sessions_map();
	b = tls_bucket_of(session);
	for (unsigned i = 0; b && i < TLS_BUCKET; i++) {
		uintptr_t none = 0;

		if (atomic_compare_exchange_strong(&b[i].key, &none, TLS_CLAIMED))
			return &b[i];
	}
	return NULL;
}

static NO_INLINE struct tls *tls_make(const void *session)
{
	uint32_t index;
	struct tls *t = pool_get(&pool, sizeof(struct tls), TLS_CHUNKS, &index);
	struct tls_slot *s = t ? slot_claim(session) : NULL;

	if (!s) {
		stats_inc(STAT_CONNS_TLS_FULL);
		if (t)
			pool_put(&pool, index);
		return NULL;
	}
	*t = (struct tls){ .state = TLS_NEW, .role = -1, .index = index };
	atomic_store_explicit(&s->tls, t, memory_order_relaxed);
	SHAKE();
	atomic_store_explicit(&s->key, tls_key(session), memory_order_release);
	return t;
}

struct tls *tls_of(const void *session)
{
	struct tls_slot *s = tls_slot_of(session);

	if (LIKELY(s != NULL))
		return atomic_load_explicit(&s->tls, memory_order_relaxed);
	return session ? tls_make(session) : NULL;
}

/* All of them: two threads that came with it at once have made two. */
void tls_forget(const void *session)
{
	struct tls_slot *s;

	while ((s = tls_slot_of(session)) != NULL) {
		uintptr_t key = tls_key(session);
		struct tls *t;

		if (!atomic_compare_exchange_strong(&s->key, &key, TLS_CLAIMED))
			continue;
		t = atomic_load_explicit(&s->tls, memory_order_relaxed);
		tls_unstage(t);
		/* The slot first: who gets the item from the pool may want one in this bucket. */
		atomic_store_explicit(&s->key, 0, memory_order_release);
		pool_put(&pool, t->index);
	}
}

/* --- connections that wait for one --- */

#define NEST 4u
#define NESTS 2048u

/* Entries that are none. */
#define AMBIGUOUS UINT64_MAX
#define CLAIMED (UINT64_MAX - 1) /* its key is being written */

static struct waiting {
	_Atomic uint64_t key;
	_Atomic uint64_t entry;
} waiting[NESTS][NEST];

static uint64_t key_of(const uint8_t *random, enum conn_role role)
{
	uint64_t w;

	memcpy(&w, random, sizeof(w));
	return (w & ~(uint64_t)1) | (role == CONN_SERVER);
}

static struct waiting *nest_of(uint64_t key)
{
	return waiting[(key >> 1) % NESTS];
}

/* What has its session is still found, should that be freed where no hook sees it. */
enum use { USE_NONE, USE_BOUND, USE_WAITS };

static enum use use_of(uint64_t entry)
{
	struct conn *c = entry >= CLAIMED ? NULL : conn_pin_entry(entry);
	bool is_bound = c && conn_is_tls(c);

	if (c)
		conn_unpin(c);
	return !c ? USE_NONE : is_bound ? USE_BOUND : USE_WAITS;
}

/*
 * Randoms that sessions have made and that no connection has carried yet, which are on their way
 * through memory of the application's.  One of them may take another's place.
 */
#define ANNOUNCED 256u
static _Atomic uint64_t announced[ANNOUNCED];

static _Atomic uint64_t *announcement_of(uint64_t key)
{
	return &announced[(key >> 1) % ANNOUNCED];
}

static bool room_claim(struct waiting *room, uint64_t seen)
{
	SHAKE();
	return seen != CLAIMED && atomic_compare_exchange_strong(&room->entry, &seen, CLAIMED);
}

/*
 * Room for one more: whose connection is gone, or has its session, or else where it hits somebody
 * at random.  NULL: others want the same.  Both ends of a connection in one process come for one
 * nest at one time.
 */
static struct waiting *room_in(struct waiting *nest, uint64_t key)
{
	for (enum use u = USE_NONE; u <= USE_WAITS; u++)
		for (unsigned i = 0; i < NEST; i++) {
			struct waiting *room = &nest[((key >> 32) + i) % NEST];
			uint64_t seen = atomic_load(&room->entry);

			if (use_of(seen) <= u && room_claim(room, seen))
				return room;
		}
	return NULL;
}

/* Who else waits for the like; true: somebody does, and is told of as little as we are. */
static bool is_twice(struct waiting *nest, const struct waiting *but, uint64_t key)
{
	bool is_so = false;

	for (struct waiting *w = nest; w < nest + NEST; w++) {
		uint64_t entry = atomic_load(&w->entry);

		if (w == but || atomic_load(&w->key) != key)
			continue;
		if (entry != AMBIGUOUS && use_of(entry) == USE_NONE)
			continue;
		atomic_compare_exchange_strong(&w->entry, &entry, AMBIGUOUS);
		is_so = true;
	}
	return is_so;
}

static void wait_for_session(struct conn *c)
{
	uint64_t key = key_of(c->tls.random, (enum conn_role)c->role);
	struct waiting *nest = nest_of(key), *room;

	atomic_store_explicit(&c->layer, LAYER_WAITING, memory_order_release);
	conn_fate(c, FATE_TLS_WAITS);
	c->tls.is_announced =
		atomic_load_explicit(announcement_of(key), memory_order_relaxed) == key;
	if (is_twice(nest, NULL, key))
		return;
	room = room_in(nest, key);
	if (!room) {
		stats_inc(STAT_CONNS_TLS_FULL);
		return;
	}
	SHAKE();
	atomic_store(&room->key, key);
	atomic_store(&room->entry, conn_entry(c));
	SHAKE();
	/* Of two at once that have the same one at least sees the other. */
	if (is_twice(nest, room, key))
		atomic_store(&room->entry, AMBIGUOUS);
}

/* Pinned; NULL: none, or more than one. */
static struct conn *find(const uint8_t *random, enum conn_role role)
{
	uint64_t key = key_of(random, role);
	struct waiting *nest = nest_of(key);

	for (unsigned i = 0; i < NEST; i++) {
		uint64_t entry = atomic_load(&nest[i].entry);
		struct conn *c;

		if (atomic_load(&nest[i].key) != key || !entry || entry >= CLAIMED)
			continue;
		c = conn_pin_entry(entry);
		if (c && c->role == role &&
		    atomic_load_explicit(&c->layer, memory_order_acquire) >= LAYER_WAITING &&
		    memcmp(c->tls.random, random, TLS_RANDOM) == 0)
			return c;
		if (c)
			conn_unpin(c);
	}
	return NULL;
}

static struct conn *find_only(const uint8_t *random)
{
	struct conn *client = find(random, CONN_CLIENT), *server = find(random, CONN_SERVER);

	if (!client || !server)
		return client ? client : server;
	conn_unpin(client);
	conn_unpin(server);
	return NULL;
}

/* --- one and the other --- */

/* The first session that comes for it: from here on its plaintext is what is parsed. */
static bool begin(struct conn *c)
{
	bool is_free;

	if (conn_is_tls(c)) /* freed, as far as we saw, and it goes on all the same */
		return true;
	is_free = half_lock(&c->in);
	if (is_free && !half_lock(&c->out)) {
		half_unlock(&c->in);
		is_free = false;
	}
	if (!is_free) {
		conn_set_blind(c);
		return false;
	}
	conn_restart(c);
	atomic_store_explicit(&c->layer, LAYER_TLS, memory_order_release);
	conn_fate(c, FATE_QUIET);
	half_unlock(&c->out);
	half_unlock(&c->in);
	stats_inc(STAT_CONNS_TLS);
	return true;
}

static bool is_bound_to(const struct tls *t, const uint8_t *random)
{
	return t->state == TLS_BOUND && memcmp(t->random, random, TLS_RANDOM) == 0;
}

bool tls_bind(struct tls *t, const uint8_t random[static TLS_RANDOM], int role)
{
	struct conn *c;

	if (is_bound_to(t, random))
		return true;
	c = role < 0 ? find_only(random) : find(random, (enum conn_role)role);
	if (!c && role == CONN_CLIENT) {
		uint64_t key = key_of(random, CONN_CLIENT);

		atomic_store_explicit(announcement_of(key), key, memory_order_relaxed);
	}
	if (!c)
		return false;
	if (t->state == TLS_BOUND) { /* freed by the library itself, and another one is here */
		tls_unstage(t);
		t->credit = 0;
		t->is_passed = false;
	}
	if (begin(c)) {
		t->entry = conn_entry(c);
		t->fd = c->tls.fd;
		t->state = TLS_BOUND;
		t->is_established = false;
		memcpy(t->random, random, TLS_RANDOM);
	} else {
		t->state = TLS_IGNORED;
	}
	conn_unpin(c);
	return t->state == TLS_BOUND;
}

void tls_ignore(struct tls *t)
{
	struct conn *c = t->state == TLS_BOUND ? conn_pin_entry(t->entry) : NULL;

	t->state = TLS_IGNORED;
	if (!c)
		return;
	conn_make_opaque(c, t->fd);
	conn_unpin(c);
}

void tls_shut(struct tls *t)
{
	struct conn *c = t->state == TLS_BOUND ? conn_pin_entry(t->entry) : NULL;

	if (!c)
		return;
	conn_shut_out(c, -1);
	conn_unpin(c);
}

struct conn_token tls_look(struct tls *t, bool is_in)
{
	struct conn_token token = { 0 };

	if (t->state != TLS_BOUND)
		return token;
	token = conn_look_inside(t->entry, is_in);
	if (!token.conn)
		tls_ignore(t);
	return token;
}

void tls_established(struct tls *t, const struct tls_facts *facts)
{
	struct conn *c = conn_pin_entry(t->entry);
	size_t len = facts->cipher ? strnlen(facts->cipher, TLS_CIPHER - 1) : 0;

	t->is_established = true;
	if (!c)
		return;
	c->tls.version = facts->version;
	copy_short(c->tls.cipher, facts->cipher, len);
	c->tls.cipher[len] = 0;
	c->tls.established_ns = clock_monotonic_ns();
	atomic_store(&c->tls.is_gnutls, facts->is_gnutls);
	conn_fate_again(c);
	if (facts->is_http2) {
		c->detect.result = DETECT_HTTP2;
		tls_ignore(t);
	}
	conn_unpin(c);
}

/* --- ciphertext --- */

static _Atomic bool is_used;

void tls_seen(void)
{
	if (!atomic_load_explicit(&is_used, memory_order_relaxed))
		atomic_store(&is_used, true);
}

/* A record of a handshake (22), which begins with the client's first message (1); its random. */
#define RECORD_TYPE_AT 0u
#define MESSAGE_TYPE_AT 5u
#define RANDOM_AT 11u
#define HELLO_BYTES (RANDOM_AT + TLS_RANDOM)

/* False: it is none. */
static bool take_byte(struct conn_tls *t, uint8_t byte)
{
	uint8_t at = t->seen++;

	if (at >= RANDOM_AT)
		t->random[at - RANDOM_AT] = byte;
	return at == RECORD_TYPE_AT ? byte == 22 : at == MESSAGE_TYPE_AT ? byte == 1 : true;
}

static void keep_name(struct conn_tls *t, struct bytes name)
{
	if (name.len >= TLS_NAME)
		return;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] > '~')
			return;
	copy_short(t->name, name.ptr, name.len);
}

bool tls_hello(struct conn *c, int fd, const struct iovec *iov, size_t count, size_t n)
{
	struct conn_tls *t = &c->tls;

	if (!atomic_load_explicit(&is_used, memory_order_relaxed))
		return false;
	if (atomic_load(&c->layer) == LAYER_FD) {
		if (c->in.bytes || c->out.bytes || c->detect.blank)
			return false;
		t->fd = fd;
		atomic_store(&c->layer, LAYER_HELLO);
	}
	for (size_t i = 0; i < count && n && t->seen < HELLO_BYTES; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t part = iov[i].iov_len < n ? iov[i].iov_len : n;

		if (!t->seen && c->role == CONN_CLIENT)
			keep_name(t, client_hello_name((struct bytes){ iov[i].iov_base, part }));
		for (size_t k = 0; k < part && t->seen < HELLO_BYTES; k++)
			if (!take_byte(t, p[k]))
				return false;
		n -= part;
	}
	if (t->seen == HELLO_BYTES)
		wait_for_session(c);
	return true;
}

/* A handshake needs fewer; who waits longer has a library that we do not know. */
#define CALLS_MAX 64u

struct conn_token tls_look_outside(struct conn *c, int fd, bool is_in)
{
	enum layer layer = atomic_load_explicit(&c->layer, memory_order_acquire);

	context_touched(conn_bound(c));
	if (layer == LAYER_HELLO && is_in == (c->role == CONN_SERVER))
		return half_look(conn_entry(c), c, is_in ? &c->in : &c->out);
	if (layer != LAYER_TLS && ++c->tls.calls > CALLS_MAX)
		conn_make_opaque(c, fd);
	return (struct conn_token){ 0 };
}
