/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from birth to end, and what descriptors lead to. */
#include "conn_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>

#include "capture.h"
#include "clock.h"
#include "compiler.h"
#include "config.h"
#include "context.h"
#include "counts.h"
#include "epoll_set.h"
#include "fate.h"
#include "fd_table.h"
#include "guard.h"
#include "host.h"
#include "inherit.h"
#include "loop.h"
#include "pool.h"
#include "process.h"
#include "rawsys.h"
#include "shake.h"
#include "socket.h"
#include "stats.h"
#include "tls_failure.h"

struct pool conn_pool;
/* Connections with is_timed_out. */
static _Atomic uint32_t timed_out;

/* --- life --- */

uint64_t conn_entry(const struct conn *c)
{
	return (uint64_t)atomic_load_explicit(&c->generation, memory_order_relaxed) << 32 |
	       (c->index + 1);
}

/* Everything but what survives recycling: index, generation, refs. */
static void conn_reset(struct conn *c)
{
	struct half *halves[] = { &c->in, &c->out };

	atomic_store(&c->layer, LAYER_FD);
	c->tls = (struct conn_tls){ .fd = -1 };
	atomic_store(&c->is_opaque, false);
	atomic_store(&c->is_blind, false);
	atomic_store(&c->is_shared, false);
	atomic_store(&c->is_never_edited, false);
	c->is_eof = c->is_connecting = c->has_peer = c->is_read_again = c->is_first_byte = false;
	c->is_fresh = true;
	c->connect_context = (struct span_ref){ 0 };
	c->cookie = 0;
	c->peer_text[0] = 0;
	c->error = 0;
	c->connect_ns = c->opened_ns = c->first_byte_ns = 0;
	atomic_store(&c->request_body.of, 0);
	if (atomic_exchange(&c->is_timed_out, false))
		atomic_fetch_sub(&timed_out, 1);
	c->detect = (struct detect){ 0 };
	c->arrival = NULL;
	c->wire = NULL;
	atomic_store(&c->peeks, 0);
	atomic_store(&c->peeked_to, 0);
	for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
		atomic_store(&halves[i]->word, (uint64_t)atomic_load(&c->generation) << 32);
		halves[i]->scratch = NULL;
		halves[i]->bytes = 0;
		head_init(&halves[i]->head);
	}
	atomic_store(&c->exchanges.head, 0);
	atomic_store(&c->exchanges.tail, 0);
	c->has_pending = c->pending_decided = c->is_again = false;
	atomic_store(&c->offer, OFFER_NONE);
	edits_clear(&c->edits);
	atomic_store(&c->edits.is_under_way, false);
	c->common.version = 0;
	c->epoch = process_epoch();
	c->forks = process_forks();
}

static void parsers_init(struct conn *c)
{
	bool is_server = c->role == CONN_SERVER;
	struct http1 *request = is_server ? &c->in.parser : &c->out.parser;
	struct http1 *response = is_server ? &c->out.parser : &c->in.parser;

	http1_init_request(request);
	http1_init_response(response);
	repeat_init(&c->request);
	repeat_init(&c->response);
	if (!capture_any(CAPTURE_SERVER_REQUEST) && !capture_any(CAPTURE_CLIENT_REQUEST) &&
	    !config.force_header.len && !config_has_items())
		http1_tell(request, HEAD_TELL | (is_server ? 0 : HTTP1_TELL_CLOSING) |
					    (config_has_others() ? FORMAT_TELL : 0));
	if (!capture_any(is_server ? CAPTURE_SERVER_RESPONSE : CAPTURE_CLIENT_RESPONSE))
		http1_tell(response, 0);
}

void conn_restart(struct conn *c)
{
	half_return(&c->in);
	half_return(&c->out);
	c->in.bytes = c->out.bytes = 0;
	head_init(&c->in.head);
	head_init(&c->out.head);
	c->detect = (struct detect){ 0 };
	parsers_init(c);
}

static struct conn *conn_new(enum conn_role role, const struct sockaddr *peer, socklen_t len)
{
	uint32_t index;
	struct conn *c = pool_get(&conn_pool, sizeof(struct conn), POOL_CHUNKS, &index);

	if (!c) {
		stats_inc(STAT_CONNS_UNTRACKED);
		return NULL;
	}
	c->index = index;
	c->role = (uint8_t)role;
	conn_reset(c);
	parsers_init(c);
	if (peer && len >= sizeof(sa_family_t) && len <= sizeof(c->peer)) {
		memset(&c->peer, 0, sizeof(c->peer));
		memcpy(&c->peer, peer, len);
		c->has_peer = true;
	}
	atomic_store_explicit(&c->refs, 1, memory_order_release);
	return c;
}

bool conn_is_forked(const struct conn *c)
{
	return c->epoch != process_epoch() || c->forks != process_forks() ||
	       atomic_load(&c->is_shared);
}

void conn_end(struct conn *c)
{
	bool is_forked = conn_is_forked(c);

	if (c->role == CONN_SERVER)
		server_over(c, is_forked);
	else
		client_over(c, is_forked);
	half_return(&c->in);
	/*
	 * Closed while another thread's call sends lines of ours: that one returns them (write.c).
	 */
	if (edits_are_under_way(&c->edits))
		half_abandon(&c->out);
	else
		half_return(&c->out);
	pool_put(&conn_pool, c->index);
}

static bool ref_if_alive(struct conn *c)
{
	uint32_t refs = atomic_load_explicit(&c->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak_explicit(
			    &c->refs, &refs, refs + 1, memory_order_acquire, memory_order_relaxed))
			return true;
	return false;
}

void conn_unpin(struct conn *c)
{
	/* Before we let go: after that, and an end, it would be the next one's. */
	uint32_t generation = atomic_load_explicit(&c->generation, memory_order_relaxed);

	SHAKE();
	if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		conn_end_unheld(c, generation);
}

/* c may be anybody's. */
static struct conn *pin(struct conn *c, uint32_t generation)
{
	if (!c || !ref_if_alive(c))
		return NULL;
	SHAKE();
	if (atomic_load_explicit(&c->generation, memory_order_relaxed) == generation)
		return c;
	conn_unpin(c);
	return NULL;
}

struct conn *conn_pin_entry(uint64_t entry)
{
	return pin(entry ? conn_at(entry) : NULL, (uint32_t)(entry >> 32));
}

struct conn *conn_pin_token(struct conn_token t)
{
	return pin(t.conn, (uint32_t)(t.word >> 32));
}

struct conn *conn_pin(int fd)
{
	return conn_pin_entry(fd_entry(fd));
}

static void set_timed_out(struct conn *c, bool is_timed_out)
{
	if (atomic_exchange(&c->is_timed_out, is_timed_out) != is_timed_out)
		atomic_fetch_add(&timed_out, is_timed_out ? 1u : UINT32_MAX);
}

bool conn_any_timed_out(void)
{
	return atomic_load_explicit(&timed_out, memory_order_relaxed) != 0;
}

void conn_waited(int fd, bool is_timed_out)
{
	struct conn *c = fd_is_own_client(fd) ? conn_pin(fd) : NULL;

	if (!c)
		return;
	set_timed_out(c, is_timed_out);
	conn_unpin(c);
}

/* SO_RCVTIMEO: a blocking read has said EAGAIN, and nothing came after that. */
static void note_timeout(struct conn *c, int fd)
{
	long flags = c->is_read_again ? raw_syscall3(SYS_fcntl, fd, F_GETFL, 0) : O_NONBLOCK;

	if (!raw_is_error(flags) && !(flags & O_NONBLOCK))
		set_timed_out(c, true);
}

/* What came to the descriptor of a handshake is not taken in: the kernel knows. */
static void note_end(struct conn *c, int fd)
{
	switch (socket_state(fd)) {
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
		c->is_eof = true;
		break;
	case TCP_CLOSE:
		c->error = ECONNRESET;
		break;
	default:
		break;
	}
}

void conn_ask_unseen(struct conn *c, int fd)
{
	if (exchange_count(c) && !conn_is_tls(c) && socket_sent(fd) > c->out.bytes)
		conn_set_blind(c);
}

/* What the end of a request that has no answer is called depends on things that end with fd. */
static void ask_before_end(struct conn *c, int fd)
{
	if (tls_is_shaking(c)) {
		note_timeout(c, fd);
		note_end(c, fd);
	}
	if (!exchange_count(c))
		return;
	if (c->role == CONN_CLIENT) {
		note_timeout(c, fd);
	} else if (half_lock(&c->out)) {
		conn_ask_unseen(c, fd);
		half_unlock(&c->out);
	}
}

/* fd no longer leads to its connection, which c is, pinned, if it is alive. */
static void forget(int fd, struct conn *c)
{
	fd_set_own_client(fd, false);
	fate_set(fd, FATE_NONE);
	if (!c) {
		fd_take(fd);
		return;
	}
	/* An upstream that timed out is closed on behalf of its request, which goes on. */
	if (c->role == CONN_CLIENT && (exchange_count(c) || c->is_connecting))
		context_touched(conn_bound(c));
	if (fd_take_if(fd, conn_entry(c)))
		conn_unpin(c); /* the descriptor's */
	conn_unpin(c);
}

void conn_fd_closing(int fd)
{
	struct conn *c = conn_pin(fd);

	if (c)
		ask_before_end(c, fd);
	forget(fd, c);
}

/* Those are refused with other flags: nothing is closed. */
#define CLOSE_RANGE_FLAGS (CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)

void conn_range_closing(unsigned first, unsigned last, unsigned flags)
{
	int top = fd_highest();

	if (flags & CLOSE_RANGE_CLOEXEC || flags & ~CLOSE_RANGE_FLAGS)
		return;
	if (top < 0)
		return;
	for (unsigned fd = first; fd <= last && fd <= (unsigned)top; fd++)
		if (fd_is_ours((int)fd) || fd_is_own_client((int)fd))
			conn_fd_closing((int)fd);
}

_Atomic bool conn_process_is_over;

/* One whose request still lacks lines of ours is left: whoever goes on with it must send them. */
void conn_process_ends(void)
{
	int top = fd_highest();

	atomic_store(&conn_process_is_over, true);
	for (int fd = 0; fd <= top; fd++) {
		struct conn *c = fd_is_ours(fd) ? conn_pin(fd) : NULL;
		bool is_owed = c && edits_owe(&c->edits);

		if (c)
			conn_unpin(c);
		if (c && !is_owed)
			conn_fd_closing(fd);
	}
}

bool conn_is_still(const struct conn *c, int fd)
{
	return c->cookie ? socket_cookie(fd) == c->cookie : socket_is_stream(fd);
}

/* Has this process ever set one of them?  Most never do, and are spared the questions. */
static _Atomic bool any_counted;

void conn_option_set(int fd, int level, int name)
{
	struct conn *c;

	if (!socket_option_counts(level, name))
		return;
	atomic_store(&any_counted, true);
	c = conn_pin(fd);
	if (!c)
		return;
	atomic_store(&c->is_never_edited, true);
	conn_fate_again(c);
	conn_unpin(c);
}

bool conn_leads_to(int fd, const struct sockaddr *peer, socklen_t len)
{
	struct conn *c = conn_pin(fd);
	bool is_it;

	if (!c)
		return false;
	is_it = c->role == CONN_CLIENT && c->has_peer && len <= sizeof(c->peer) &&
		memcmp(&c->peer, peer, len) == 0;
	conn_unpin(c);
	return is_it;
}

static void put(int fd, struct conn *c)
{
	uint8_t side = c->role == CONN_CLIENT ? FATE_CLIENT : 0;

	conn_fd_closing(fd); /* closed behind our back, if it is there */
	atomic_store_explicit(&c->fd, fd, memory_order_relaxed);
	fate_set(fd, FATE_QUIET | side); /* once it can be found others may end it */
	if (!fd_put(fd, conn_entry(c))) {
		fate_set(fd, FATE_UNTRACKED | side);
		stats_inc(STAT_CONNS_UNTRACKED);
		if (c->role == CONN_SERVER)
			context_request_unseen();
		conn_unpin(c);
	}
}

void conn_accepted(int fd)
{
	struct conn *c = conn_new(CONN_SERVER, NULL, 0);

	if (!c) {
		fate_set(fd, FATE_UNTRACKED);
		context_request_unseen();
		return;
	}
	stats_inc(STAT_CONNS_SERVER);
	context_touched((struct span_ref){ 0 });
	c->acceptor = &thread_self;
	c->connect_waits = context_waits();
	put(fd, c);
}

void conn_connected(int fd, const struct sockaddr *peer, socklen_t len, bool in_progress,
		    uint64_t started_ns)
{
	struct conn *c = conn_new(CONN_CLIENT, peer, len);

	if (!c) {
		fate_set(fd, FATE_UNTRACKED | FATE_CLIENT);
		return;
	}
	stats_inc(STAT_CONNS_CLIENT);
	loop_connected(fd);
	c->cookie = socket_cookie(fd);
	atomic_store(&c->is_never_edited, atomic_load(&any_counted) && socket_is_counted(fd));
	c->is_connecting = in_progress;
	c->connect_ns = started_ns;
	c->opened_ns = in_progress ? 0 : clock_monotonic_ns();
	/* What is inherited ends sooner than a wait for others does (inherit.h). */
	c->connect_context = inherit_has() ? (struct span_ref){ 0 } : context_current();
	c->connect_waits = context_waits();
	inherit_opened(conn_entry(c));
	put(fd, c);
	fd_set_own_client(fd, true);
}

uint64_t conn_replacing(int to)
{
	struct conn *c = conn_pin(to);
	uint64_t was = fd_entry(to);

	if (!c)
		return was;
	ask_before_end(c, to);
	conn_unpin(c);
	return was;
}

void conn_duped(int from, int to, uint64_t was)
{
	struct conn *c = conn_pin(from);

	if (fd_entry(to) != was) { /* closed and opened again meanwhile, by another thread */
		if (c)
			conn_unpin(c);
		return;
	}
	forget(to, conn_pin_entry(was));
	fd_set_own_client(to, fd_is_own_client(from));
	fate_set(to, fate_of(from));
	epoll_set_copied(from);
	if (c && !fd_put(to, conn_entry(c)))
		conn_unpin(c);
	else if (c)
		atomic_store_explicit(&c->fd, to, memory_order_relaxed);
}
