/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONN_H
#define CONN_H
/*
 * A connection: what descriptors lead to, with two halves that are watched apart.
 *
 * The application's call is made between conn_look() and the conn_read_done() or conn_wrote() that
 * takes its bytes in; nothing is held meanwhile, since the call may block, be cancelled or longjmp
 * away.  So the bytes' order is only known if no other thread made a call on the same half in
 * between: that is what its turn finds out, and then the half is blind for good.
 *
 * A half is changed by whoever holds it; nobody ever waits for it.  The connection's memory is
 * never unmapped.  It ends when no descriptor leads to it, nobody has it pinned (refs) and nobody
 * holds a half: the last one out ends it.  Everything here: any thread, async-signal-safe, inside
 * the guard, no errno.
 */
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common.h"
#include "detect.h"
#include "edits.h"
#include "fate.h"
#include "head.h"
#include "http1.h"
#include "last_call.h"
#include "repeat.h"
#include "span.h"
#include "tag.h"

struct ahead;

enum conn_role { CONN_SERVER, CONN_CLIENT };

/*
 * The layer that is parsed.  Of a connection that speaks TLS it is the plaintext, which the hooks
 * of a TLS library bring (tls.h); what its descriptor moves is passed by from the first record on.
 */
enum layer {
	LAYER_FD,
	LAYER_HELLO,   /* TLS; the client's first message is on its way: its random is not whole */
	LAYER_WAITING, /* for the library whose session has that random */
	LAYER_TLS,
};

#define TLS_RANDOM 32u
#define TLS_CIPHER 48u
#define TLS_NAME 96u /* a longer one is not kept */

struct conn_tls {
	int fd;       /* that its first record was seen on */
	uint8_t seen; /* of the beginning of the stream, up to the end of the random */
	uint8_t random[TLS_RANDOM];
	uint16_t calls;          /* on the descriptor, while nobody has found the connection */
	uint16_t version;        /* 0x0303, 0x0304; 0: not known */
	char cipher[TLS_CIPHER]; /* by its registered name; empty: not known */
	char name[TLS_NAME];     /* client: whom it wants to talk to; empty: not known */
	uint64_t established_ns; /* CLOCK_MONOTONIC; 0: not yet */
	const char *unverified;  /* client: why it cannot trust the peer; NULL: it may */
	_Atomic bool is_told;    /* that it has failed */
	_Atomic bool is_gnutls;  /* whose session it is; else of OpenSSL, or its like */
	bool is_announced;       /* client: a session of this process has made its random */
};

#define VECTOR_MAX 1024u /* UIO_MAXIOV */

/* Memory that a half needs only while a head or an edit of it is under way. */
struct scratch {
	char line[HTTP1_LINE_BYTES +
		  256]; /* a list of 8 KiB, and the name ahead of it (C43, C66) */
	char text[HEAD_TEXT_BYTES];
	char edit[HEAD_EDIT_BYTES];
	struct iovec vector[VECTOR_MAX]; /* of a call with edits, for those with many pieces */
};

/*
 * The word of a half: the connection's generation (32 bits), the number of calls taken in so far
 * (30), dead, busy.  So one compare-exchange finds out whether this still is that connection and
 * whether another thread's call came in between, takes the half, and counts.  HALF_DEAD: no
 * descriptor is left; who finds it there when he gives the half back ends the connection.
 */
#define HALF_BUSY 1u
#define HALF_DEAD 2u
#define HALF_TURN 4u

struct half {
	/* The first line of the cache: all that a message needs whose head is known already. */
	_Alignas(64) _Atomic uint64_t word;
	uint64_t bytes; /* taken in so far */
	struct http1 parser;

	struct head head;
	struct scratch *scratch; /* NULL: not lent */
	uint32_t scratch_index;
};

#define HALF_USUAL_BYTES 64u
_Static_assert(offsetof(struct half, parser.body_bytes) + sizeof(uint64_t) <= HALF_USUAL_BYTES,
	       "of the parser the first part");

/* One request and its response. */
struct exchange {
	struct span_ref span;   /* of ours; ended spans, and {0, 0}, are not told of */
	struct span_ref parent; /* client: the request that it is made for */
	uint8_t is_head : 1;
	uint8_t is_connect : 1;
	uint8_t has_begun : 1;   /* its response */
	uint8_t is_stand_in : 1; /* span only carries the caller's context, and is not told of */
	uint16_t url_at;         /* client: of url.full in what is set on span */
	uint32_t common; /* client: common.serial of what is set on span, 0: something else */
};

#define CONN_EXCHANGES 32u /* a power of two */

/*
 * Single producer (the half that carries requests), single consumer (the other): pushed with
 * release, looked at with acquire.  Where there is none, the next one gets the first place again,
 * so that one request after the other needs one line of the cache: who pushes sets from, and who
 * looks there reads it behind the tail that came with it.
 */
struct exchanges {
	_Alignas(64) _Atomic uint32_t head;
	_Atomic uint32_t tail;
	_Atomic uint32_t from; /* the number in the first place */
	struct exchange at[CONN_EXCHANGES];
};

/* Of the request with that number (exchange_number()): the other half's thread may ask. */
struct body_size {
	_Atomic uint32_t of;
	_Atomic uint64_t bytes;
};

/*
 * In the order in which a message goes through it: a request finds what its connection was left in
 * out of the caches, and how many lines it needs is what it costs (conn_prefetch()).
 */
struct conn {
	/* The first line of the cache: what who looks for it needs. */
	_Alignas(64) _Atomic uint32_t refs;
	_Atomic uint32_t generation;
	uint32_t index;
	union {
		struct {
			uint8_t role; /* enum conn_role */
			_Atomic bool is_opaque;
			_Atomic bool is_blind;
			_Atomic uint8_t layer; /* enum layer */
		};
		_Atomic uint32_t usual; /* all of them at once: the role alone, usually */
	};
	_Atomic bool is_shared;       /* another process may have a descriptor of it */
	_Atomic bool is_never_edited; /* somebody else counts its bytes, too */
	bool is_eof;                  /* the peer has said that it will send no more */
	bool is_fresh;                /* client: no request yet */
	bool is_connecting;           /* client: connect() said EINPROGRESS */
	bool has_peer;
	uint32_t epoch;         /* process epoch at the start */
	uint32_t forks;         /* of this process at the start */
	uint32_t connect_waits; /* context_waits() at connect or accept */
	_Atomic int fd;         /* the last one that led here: for conn_fate() alone */
	const void *acceptor;   /* server: &thread_self of the thread that accepted it */
	struct span_ref connect_context;
	uint64_t connect_ns; /* CLOCK_MONOTONIC, when connect() was called */

	/*
	 * Server: when the response under way began, if not in the call that ends it; it has begun
	 * in the call that is being taken in.
	 */
	_Alignas(64) uint64_t first_byte_ns;
	bool is_first_byte;
	bool is_read_again;        /* the last read said EAGAIN */
	_Atomic bool is_timed_out; /* the last wait for it, by poll() and its like or SO_RCVTIMEO */
	int error;                 /* errno of the read or write that failed for good */
	struct body_size request_body;
	const struct arrival *arrival; /* the read that is being taken in */
	/* What the application may have seen of the bytes to come (MSG_PEEK). */
	_Atomic uint32_t peeks; /* calls under way; one that longjmp left stays */
	struct detect detect;
	_Atomic uint64_t peeked_to; /* position in the stream of in */
	struct half in, out;        /* bytes that the application reads, writes */
	struct exchanges exchanges;
	/* Client: the request whose head is on its way out. */
	struct exchange pending;
	bool has_pending;
	bool pending_decided;
	bool is_again;         /* its head is what c->request keeps: see write.c */
	_Atomic uint8_t offer; /* enum offer */
	struct edits edits;
	struct repeat request, response; /* who holds the half that carries it */
	struct common common;
	struct last_call last_call; /* client */

	/* What it is. */
	uint64_t opened_ns;  /* when it was open, as far as known: 0 before the first request */
	uint64_t cookie;     /* SO_COOKIE; 0: server, or a kernel without */
	struct pgwire *wire; /* client: it speaks PostgreSQL's protocol; NULL: it does not */
	char peer_text[INET6_ADDRSTRLEN]; /* empty: not written yet */
	uint16_t peer_port;
	union {
		struct sockaddr sa;
		struct sockaddr_storage storage;
	} peer;
	struct conn_tls tls;
};

enum offer {
	OFFER_NONE,
	OFFER_MADE,
	OFFER_BUSY, /* one of the halves is about to push it */
	OFFER_TAKEN,
};

/*
 * What is remembered over the application's call; conn NULL: not ours.  It may be another one's
 * memory by the time that it is held, which the word tells.
 */
struct conn_token {
	struct conn *conn;
	uint64_t word; /* of the half, free */
};

/* --- life --- */
void conn_accepted(int fd);
/* started_ns: CLOCK_MONOTONIC, when connect() was called. */
void conn_connected(int fd, const struct sockaddr *peer, socklen_t len, bool in_progress,
		    uint64_t started_ns);
void conn_fd_closing(int fd);
void conn_range_closing(unsigned first, unsigned last, unsigned flags);
/*
 * to has become a copy of from.  A number that was in use is asked about by conn_replacing() before
 * the call, which closes it only if it succeeds; for one that the kernel chose, was is fd_entry().
 */
uint64_t conn_replacing(int to);
void conn_duped(int from, int to, uint64_t was);
void conn_shut(int fd, int how);
/* Pinned; nothing more will be written to it.  fd: its descriptor; -1: TLS says so. */
void conn_shut_out(struct conn *c, int fd);
/*
 * Of a server, under the lock of out: have others written to it, as a child does, or a call that no
 * hook sees?  Then it is blind.
 */
void conn_ask_unseen(struct conn *c, int fd);
/* May another process go on with it?  Then what we do not know is not told. */
bool conn_is_forked(const struct conn *c);
/* Sent to somebody, who may go on with it (SCM_RIGHTS): nothing is known, nor told of the rest. */
void conn_handed_on(int fd);
/*
 * An option was set under which bytes or calls are counted (SO_ZEROCOPY, SO_TIMESTAMPING ...): no
 * line of ours goes into what fd sends.  Sockets that are connected later are asked.
 */
void conn_option_set(int fd, int level, int name);

/* To those who read, write and close it inside libc: nothing that comes is seen. */
void conn_given_away(int fd);

/* Is fd a connection to that peer, or on its way to it? */
bool conn_leads_to(int fd, const struct sockaddr *peer, socklen_t len);
/*
 * A number may have been closed where no hook sees it, and be a file's by now: is fd what c was
 * made for?  A system call.
 */
bool conn_is_still(const struct conn *c, int fd);

/* Pins the connection of fd; NULL: not ours any more.  conn_unpin() may end it. */
struct conn *conn_pin(int fd);
struct conn *conn_pin_entry(uint64_t entry);
struct conn *conn_pin_token(struct conn_token t);
void conn_unpin(struct conn *c);
uint64_t conn_entry(const struct conn *c);

/* Counts what the first bytes of its client have turned out to be. */
void conn_speaks(struct conn *c, enum detect_result what);
void conn_is_telemetry(struct conn *c);

/*
 * Tells what is made of it now (fate.h); again: that it goes on, and of what else is known of it.
 */
void conn_fate(struct conn *c, enum fate what);
void conn_fate_again(struct conn *c);

/* From now on it costs what a descriptor that is not ours costs. */
void conn_make_opaque(struct conn *c, int fd);
void conn_make_blind(int fd); /* a call on fd passes unseen; also without the guard */
void conn_set_blind(struct conn *c);

static ALWAYS_INLINE bool conn_is_tls(const struct conn *c)
{
	return atomic_load_explicit(&c->layer, memory_order_relaxed) == LAYER_TLS;
}

/* Parsers and all that is known of its streams as if it had just been opened. */
void conn_restart(struct conn *c);

/* --- halves --- */

/*
 * Takes a half on the strength of a token, for that one call if is_turn; no pin is needed.  NULL:
 * the connection is gone, or it is blind from now on.
 */
struct conn *conn_hold(struct conn_token t, bool is_in, bool is_turn);
void conn_release(struct conn *c, struct half *h); /* may end it */

/* The same for who has the connection pinned. */
MUST_USE bool half_lock(struct half *h);
void half_unlock(struct half *h);

static ALWAYS_INLINE uint64_t half_turn(const struct half *h)
{
	return atomic_load_explicit(&h->word, memory_order_relaxed) & ~(uint64_t)(HALF_TURN - 1);
}

/* For a call that moved bytes several times: the token of the next, when one is taken in. */
static ALWAYS_INLINE struct conn_token conn_token_next(struct conn_token t)
{
	uint32_t next = (uint32_t)t.word + HALF_TURN; /* wraps for itself */

	return (struct conn_token){ t.conn, (t.word & ~(uint64_t)UINT32_MAX) | next };
}

MUST_USE bool half_borrow(struct half *h); /* scratch; false: none to be had */
void half_return(struct half *h);
/* The memory stays in use by whoever is sending from it, who has its number (scratch_index). */
void half_abandon(struct half *h);
void scratch_return(uint32_t index);

/* --- bytes --- */
struct conn_token conn_look(int fd, bool is_in);
/* The same for the plaintext of a connection that speaks TLS. */
struct conn_token conn_look_inside(uint64_t entry, bool is_in);
bool conn_seems_connecting(int fd); /* loads alone: to be looked at again under a pin */
/* iov NULL: the n bytes passed by unseen (sendfile, MSG_TRUNC); they must lie in a body. */
void conn_read_done(int fd, struct conn_token t, const struct iovec *iov, size_t count, ssize_t n,
		    size_t wanted, int error);
void conn_wrote(int fd, struct conn_token t, const struct iovec *iov, size_t count, ssize_t n,
		int error);
/* The same, tokens not empty, of n bytes that are not none; and were read into one piece. */
void conn_read_some(int fd, struct conn_token t, const struct iovec *iov, size_t n);
void conn_wrote_some(int fd, struct conn_token t, const struct iovec *iov, size_t count, size_t n);

/*
 * Around a call that shows bytes and leaves them where they are: n as it returned.  What has been
 * shown is never tagged.
 */
struct conn_token conn_peek_begin(int fd);
struct conn_token conn_peek_begin_inside(uint64_t entry);
void conn_peek_done(int fd, struct conn_token t, ssize_t n);

/* May the application have seen the byte at that position of what it reads? */
static ALWAYS_INLINE bool conn_is_peeked(const struct conn *c, uint64_t at)
{
	return UNLIKELY(atomic_load_explicit(&c->peeks, memory_order_acquire)) ||
	       UNLIKELY(at < atomic_load_explicit(&c->peeked_to, memory_order_acquire));
}

/*
 * The parts of conn_wrote(), for who holds the half: takes n bytes in (false: they make no sense);
 * releases it.
 */
bool conn_took(struct conn *c, int fd, const struct iovec *iov, size_t count, size_t n);
void conn_finish(struct conn *c, struct half *h, int fd, bool is_understood);

bool error_is_final(int error); /* of a read or write: not to be tried again */

/* --- exchanges --- */
MUST_USE bool exchange_push(struct conn *c, const struct exchange *x);
/*
 * The answer may be there, and another thread may read it, before the one that has written the
 * request gets to tell that it left.  So c->pending is on offer while the head is on its way out,
 * and the half that reads may take it, which pushes it.  Otherwise the half that writes pushes it
 * when it was sent, or withdraws it: false, if the exchange is the other half's.
 */
void exchange_offer(struct conn *c);
bool exchange_withdraw(struct conn *c);
MUST_USE bool exchange_sent(struct conn *c, const struct exchange *x);
MUST_USE bool exchange_take(struct conn *c);

static ALWAYS_INLINE unsigned exchange_count(const struct conn *c)
{
	return atomic_load_explicit(&c->exchanges.tail, memory_order_acquire) -
	       atomic_load_explicit(&c->exchanges.head, memory_order_acquire);
}

/* NULL: none. */
static ALWAYS_INLINE struct exchange *exchange_first(struct conn *c)
{
	uint32_t head = atomic_load_explicit(&c->exchanges.head, memory_order_relaxed);

	if (!exchange_count(c))
		return NULL;
	head -= atomic_load_explicit(&c->exchanges.from, memory_order_relaxed);
	return &c->exchanges.at[head % CONN_EXCHANGES];
}

static ALWAYS_INLINE void exchange_pop(struct conn *c)
{
	uint32_t head = atomic_load_explicit(&c->exchanges.head, memory_order_relaxed);

	atomic_store_explicit(&c->exchanges.head, head + 1, memory_order_release);
}

/* Of the request pushed last, of the first one that is not answered; they begin with 1. */
uint32_t exchange_last_number(const struct conn *c);
uint32_t exchange_first_number(const struct conn *c);

/*
 * A wait for fd alone or with others has ended by its timeout, or not: who closes without an answer
 * after the first has given up waiting, which is an error; else it is a cancellation (H18).
 */
void conn_waited(int fd, bool is_timed_out);
bool conn_any_timed_out(void);

/* The request that the descriptor works for (context_touched()). */
struct span_ref conn_bound_client(struct conn *c);

static ALWAYS_INLINE struct span_ref conn_bound(struct conn *c)
{
	struct exchange *x;

	if (UNLIKELY(c->role != CONN_SERVER))
		return conn_bound_client(c);
	x = exchange_first(c);
	/* With several at once nobody knows which one it is about. */
	return x && LIKELY(exchange_count(c) == 1) ? x->span : (struct span_ref){ 0 };
}

/*
 * May a thread that has inherited a request (inherit.h) wait for fd, or read from it, and still
 * work for nothing else?  It has opened that connection; what it reads are the answers of its
 * calls.
 */
bool conn_is_heirs(int fd, bool is_read);

/* Does fd bring the rest of the request that the calling thread works for? */
bool conn_serves_current(int fd);

/* --- protocol (http_server.c, http_client.c): a half has taken bytes in, under its lock --- */
bool server_read(struct conn *c, int fd, struct bytes in);
/*
 * *rest: so many more bytes come in the same call; 0: they have been taken in as well.  Those of a
 * body need not be looked at.
 */
bool server_wrote(struct conn *c, struct bytes in, size_t *rest);
void server_goes_on(struct conn *c); /* with is_first_byte: all that the call brought is taken in */
/* Nothing more will be sent.  is_known: nor has been by others, and the lock of in is held, too. */
void server_shut(struct conn *c, bool is_known);
void server_over(struct conn *c, bool is_forked);
bool client_wrote(struct conn *c, struct bytes in);
/* The same for len bytes of which a has found out all: at most one head and one message ended. */
bool client_foreseen(struct conn *c, const struct ahead *a, size_t len);
/* The same of the request that c->request keeps, and nothing but that. */
bool client_repeated(struct conn *c, size_t len);
bool client_read(struct conn *c, struct bytes in);
void client_over(struct conn *c, bool is_forked);

/* Low-cardinality name of an errno (H16). */
struct bytes error_name(int error);

#endif
