/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS 3, by what its manual says, as openssl.h does with OpenSSL.  It takes one record at most
 * of what it is given, tells how much that was, and wants to be called again, with the same or with
 * nothing, as long as it says that it could not send.
 */
#include "conn_impl.h"
#include "gnutls_failure.h"
#include "hook.h"
#include "library.h"
#include "tls_failure.h"
#include "tls_write.h"

typedef struct gnutls_session_int *gnutls_session_t;
typedef struct mbuffer_st *gnutls_packet_t;
struct gnutls_range_st;
struct gnutls_typed_vdata_st;

typedef struct {
	unsigned char *data;
	unsigned size;
} gnutls_datum_t;

#define IS_SERVER 1u /* of gnutls_init() */
#define MEMORY_ERROR (-25)
#define AGAIN (-28)
#define INTERRUPTED (-52)
#define WARNING_ALERT_RECEIVED (-16)
#define REHANDSHAKE (-37)
#define GOT_APPLICATION_DATA (-38)

int gnutls_init(gnutls_session_t *session, unsigned flags);
int gnutls_handshake(gnutls_session_t session);
ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t len);
ssize_t gnutls_record_recv_seq(gnutls_session_t session, void *data, size_t len,
			       unsigned char *seq);
ssize_t gnutls_record_recv_packet(gnutls_session_t session, gnutls_packet_t *packet);
ssize_t gnutls_record_recv_early_data(gnutls_session_t session, void *data, size_t len);
ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t len);
ssize_t gnutls_record_send2(gnutls_session_t session, const void *data, size_t len, size_t pad,
			    unsigned flags);
ssize_t gnutls_record_send_range(gnutls_session_t session, const void *data, size_t len,
				 const struct gnutls_range_st *range);
ssize_t gnutls_record_send_early_data(gnutls_session_t session, const void *data, size_t len);
ssize_t gnutls_record_send_file(gnutls_session_t session, int fd, off_t *at, size_t count);
int gnutls_certificate_verify_peers(gnutls_session_t session, struct gnutls_typed_vdata_st *data,
				    unsigned elements, unsigned *status);
int gnutls_certificate_verify_peers2(gnutls_session_t session, unsigned *status);
int gnutls_certificate_verify_peers3(gnutls_session_t session, const char *name, unsigned *status);
int gnutls_bye(gnutls_session_t session, int how);
void gnutls_deinit(gnutls_session_t session);

enum {
#define HOOK(name)
#define LIBRARY_HOOK(name) FN_##name,
#include "hooks.def"
#undef HOOK
};

enum extra {
	EXTRA_session_get_random,
	EXTRAS_NEEDED,
	EXTRA_protocol_get_version = EXTRAS_NEEDED,
	EXTRA_alpn_get_selected_protocol,
	EXTRA_ciphersuite_get,
	EXTRA_alert_get,
	EXTRA_session_get_verify_cert_status,
};

static const struct library_kind gnutls = {
	.library = { "gnutls_", "gnutls_init" },
	.names =
#define HOOK(name)
#define LIBRARY_HOOK(name) #name "\0"
#include "hooks.def"
#undef HOOK
		,
	.extras = "gnutls_session_get_random\0gnutls_protocol_get_version\0"
		  "gnutls_alpn_get_selected_protocol\0gnutls_ciphersuite_get\0gnutls_alert_get\0"
		  "gnutls_session_get_verify_cert_status\0",
	.needed = EXTRAS_NEEDED,
};
static struct library_sites sites;

#define TARGET(name) library_target(&gnutls, &sites, FN_##name, __builtin_return_address(0))
#define CALL(target, name) LIBRARY_CALL(target, name)

struct call {
	gnutls_session_t session;
	const struct library_copy *copy; /* NULL: not to be looked at */
	struct tls *tls;
	struct conn_token token;
};

#define ASK(c, type, which) ((type)(c)->copy->extra[EXTRA_##which])

/* --- around a call --- */

static void begin(struct call *c)
{
	tls_seen();
	c->tls = tls_of(c->session);
}

/* Outside the guard. */
static struct call call_begin(gnutls_session_t session, const struct target *target)
{
	struct call c = { session, target->copy, NULL, { 0 } };

	if (c.copy && host_is_observed())
		OBSERVE(begin(&c));
	if (!c.tls)
		c.copy = NULL;
	return c;
}

static struct tls_facts facts_of(const struct call *c)
{
	int (*get_version)(gnutls_session_t) =
		ASK(c, int (*)(gnutls_session_t), protocol_get_version);
	int (*get_alpn)(gnutls_session_t, gnutls_datum_t *) =
		ASK(c, int (*)(gnutls_session_t, gnutls_datum_t *), alpn_get_selected_protocol);
	const char *(*get_cipher)(gnutls_session_t) =
		ASK(c, const char *(*)(gnutls_session_t), ciphersuite_get);
	struct tls_facts f = { .is_gnutls = true };
	gnutls_datum_t alpn = { NULL, 0 };

	/* They count from SSL 3.0, which is 1. */
	if (get_version)
		f.version = (uint16_t)(0x0300 + get_version(c->session) - 1);
	if (get_alpn && get_alpn(c->session, &alpn) == 0)
		f.is_http2 = alpn.size == 2 && alpn.data[0] == 'h' && alpn.data[1] == '2';
	if (get_cipher)
		f.cipher = get_cipher(c->session);
	return f;
}

static bool is_to_be_repeated(ssize_t r)
{
	return r == AGAIN || r == INTERRUPTED || r == WARNING_ALERT_RECEIVED || r == REHANDSHAKE ||
	       r == GOT_APPLICATION_DATA;
}

static void shake_failed(struct call *c, int r, int error)
{
	unsigned (*get_status)(gnutls_session_t) =
		ASK(c, unsigned (*)(gnutls_session_t), session_get_verify_cert_status);
	int (*get_alert)(gnutls_session_t) = ASK(c, int (*)(gnutls_session_t), alert_get);

	tls_failed(c->tls,
		   gnutls_failure(r, get_alert ? (unsigned)get_alert(c->session) : 0,
				  get_status ? get_status(c->session) : 0),
		   error);
}

static void shake_end(struct call *c, int r, int error)
{
	void (*get_random)(gnutls_session_t, gnutls_datum_t *, gnutls_datum_t *) =
		ASK(c, void (*)(gnutls_session_t, gnutls_datum_t *, gnutls_datum_t *),
		    session_get_random);
	static const uint8_t none[TLS_RANDOM];
	gnutls_datum_t client = { NULL, 0 }, server = { NULL, 0 };
	bool is_bound = false;

	get_random(c->session, &client, &server);
	if (client.size == TLS_RANDOM && memcmp(client.data, none, sizeof(none)) != 0)
		is_bound = tls_bind(c->tls, client.data, c->tls->role);
	if (!is_bound && r == 0)
		tls_ignore(c->tls);
	if (is_bound && r == 0 && !c->tls->is_established) {
		struct tls_facts facts = facts_of(c);

		tls_established(c->tls, &facts);
	}
	if (is_bound && r < 0 && !is_to_be_repeated(r))
		shake_failed(c, r, error);
}

static void started(struct call *c, unsigned flags)
{
	tls_forget(c->session);
	begin(c);
	if (c->tls)
		c->tls->role = flags & IS_SERVER ? CONN_SERVER : CONN_CLIENT;
}

/* Which side a session is on is told here, and by no function that we could ask later. */
EXPORT int gnutls_init(gnutls_session_t *session, unsigned flags)
{
	struct target t = TARGET(gnutls_init);
	struct call c = { 0 };
	int r;

	if (!t.function)
		return MEMORY_ERROR;
	r = CALL(t, gnutls_init)(session, flags);
	c.session = r == 0 ? *session : NULL;
	if (t.copy && c.session)
		OBSERVE(started(&c, flags));
	return r;
}

EXPORT int gnutls_handshake(gnutls_session_t session)
{
	struct target t = TARGET(gnutls_handshake);
	struct call c;
	int r, error;

	if (!t.function)
		return AGAIN;
	c = call_begin(session, &t);
	r = CALL(t, gnutls_handshake)(session);
	error = errno;
	if (c.copy)
		OBSERVE(shake_end(&c, r, error));
	return r;
}

/* The application's own check of the peer, after the handshake. */
#define VERIFY(name, ...)                                                            \
	do {                                                                         \
		struct target t_ = TARGET(name);                                     \
		struct call c_;                                                      \
		int r_;                                                              \
                                                                                     \
		if (!t_.function)                                                    \
			return MEMORY_ERROR;                                         \
		c_ = call_begin(session, &t_);                                       \
		r_ = CALL(t_, name)(__VA_ARGS__);                                    \
		if (c_.copy && r_ == 0)                                              \
			OBSERVE(tls_unverified(c_.tls, gnutls_unverified(*status))); \
		return r_;                                                           \
	} while (0)

EXPORT int gnutls_certificate_verify_peers(gnutls_session_t session,
					   struct gnutls_typed_vdata_st *data, unsigned elements,
					   unsigned *status)
{
	VERIFY(gnutls_certificate_verify_peers, session, data, elements, status);
}

EXPORT int gnutls_certificate_verify_peers2(gnutls_session_t session, unsigned *status)
{
	VERIFY(gnutls_certificate_verify_peers2, session, status);
}

EXPORT int gnutls_certificate_verify_peers3(gnutls_session_t session, const char *name,
					    unsigned *status)
{
	VERIFY(gnutls_certificate_verify_peers3, session, name, status);
}

/* --- reads --- */

static void read_begin(struct call *c)
{
	c->token = tls_look(c->tls, true);
}

/* iov NULL: where the bytes are is not told. */
static void read_end(struct call *c, const struct iovec *iov, ssize_t n, size_t len, int error)
{
	if (is_to_be_repeated(n)) {
		n = -1;
		error = EAGAIN;
	} else if (n < 0) {
		n = error && error_is_final(error) ? -1 : 0;
	}
	conn_read_done(c->tls->fd, c->token, iov, iov != NULL, n, len, error);
}

#define READ(name, buf, len, ...)                                                      \
	do {                                                                           \
		struct target t_ = TARGET(name);                                       \
		struct iovec iov_ = { buf, len };                                      \
		struct call c_;                                                        \
		int error_;                                                            \
		ssize_t n_;                                                            \
                                                                                       \
		if (!t_.function)                                                      \
			return AGAIN;                                                  \
		c_ = call_begin(session, &t_);                                         \
		if (c_.copy)                                                           \
			OBSERVE(read_begin(&c_));                                      \
		n_ = CALL(t_, name)(__VA_ARGS__);                                      \
		error_ = errno;                                                        \
		if (c_.copy)                                                           \
			OBSERVE(read_end(&c_, (buf) ? &iov_ : NULL, n_, len, error_)); \
		return n_;                                                             \
	} while (0)

EXPORT ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t len)
{
	READ(gnutls_record_recv, data, len, session, data, len);
}

EXPORT ssize_t gnutls_record_recv_seq(gnutls_session_t session, void *data, size_t len,
				      unsigned char *seq)
{
	READ(gnutls_record_recv_seq, data, len, session, data, len, seq);
}

EXPORT ssize_t gnutls_record_recv_packet(gnutls_session_t session, gnutls_packet_t *packet)
{
	READ(gnutls_record_recv_packet, NULL, 1, session, packet);
}

EXPORT ssize_t gnutls_record_recv_early_data(gnutls_session_t session, void *data, size_t len)
{
	READ(gnutls_record_recv_early_data, data, len, session, data, len);
}

/* --- writes --- */

struct writing {
	struct tls_call tls; /* first */
	struct call c;
	const struct target *target;
	enum { PLAIN, PADDED, RANGED } how;
	size_t pad;
	unsigned flags;
	const struct gnutls_range_st *range;
	ssize_t returned;
};

static ssize_t write_really(struct writing *w, const void *buf, size_t len)
{
	gnutls_session_t s = w->c.session;

	if (w->how == PADDED)
		return CALL(*w->target, gnutls_record_send2)(s, buf, len, w->pad, w->flags);
	if (w->how == RANGED)
		return CALL(*w->target, gnutls_record_send_range)(s, buf, len, w->range);
	return CALL(*w->target, gnutls_record_send)(s, buf, len);
}

static enum tls_sent send_plaintext(struct tls_call *call, const char *buf, size_t len,
				    size_t *ret_n)
{
	struct writing *w = (struct writing *)call;

	w->returned = write_really(w, buf, len);
	*ret_n = w->returned > 0 ? (size_t)w->returned : 0;
	if (w->returned > 0)
		return TLS_SENT;
	return w->returned == 0 || is_to_be_repeated(w->returned) ? TLS_PENDING : TLS_FAILED;
}

static void write_begin(struct call *c)
{
	c->token = tls_look(c->tls, false);
}

static void write_end(struct call *c, const struct iovec *iov, ssize_t n, int error)
{
	if (n < 0 && is_to_be_repeated(n))
		return;
	if (n < 0 && (!error || !error_is_final(error)))
		error = EPIPE;
	conn_wrote(c->tls->fd, c->token, iov, iov != NULL, n < 0 ? -1 : n, error);
}

static ssize_t write_watched(struct writing *w, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct call *c = &w->c;
	size_t n = 0;
	int error;

	if (!c->copy)
		return write_really(w, buf, len);
	OBSERVE(write_begin(c));
	w->tls.tls = c->tls;
	if (tls_is_writing(c->tls) ||
	    (len && c->token.conn && conn_role(c->token) == CONN_CLIENT)) {
		w->tls.send = send_plaintext;
		w->tls.buf = buf;
		w->tls.len = len;
		w->tls.can_edit = w->how != RANGED && !w->pad && !w->flags;
		w->tls.is_partial = w->tls.is_moving = true;
		return tls_write(&w->tls, &n) == TLS_SENT ? (ssize_t)n : w->returned;
	}
	w->returned = write_really(w, buf, len);
	error = errno;
	/* Without bytes it goes on with those that it was given before, which we do not have. */
	OBSERVE(write_end(c, len ? &iov : NULL, w->returned, error));
	return w->returned;
}

EXPORT ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t len)
{
	struct target t = TARGET(gnutls_record_send);
	struct writing w = { .target = &t, .how = PLAIN };

	if (!t.function)
		return AGAIN;
	w.c = call_begin(session, &t);
	return write_watched(&w, data, len);
}

EXPORT ssize_t gnutls_record_send2(gnutls_session_t session, const void *data, size_t len,
				   size_t pad, unsigned flags)
{
	struct target t = TARGET(gnutls_record_send2);
	struct writing w = { .target = &t, .how = PADDED, .pad = pad, .flags = flags };

	if (!t.function)
		return AGAIN;
	w.c = call_begin(session, &t);
	return write_watched(&w, data, len);
}

EXPORT ssize_t gnutls_record_send_range(gnutls_session_t session, const void *data, size_t len,
					const struct gnutls_range_st *range)
{
	struct target t = TARGET(gnutls_record_send_range);
	struct writing w = { .target = &t, .how = RANGED, .range = range };

	if (!t.function)
		return AGAIN;
	w.c = call_begin(session, &t);
	return write_watched(&w, data, len);
}

/* Before there is a connection: what has left by it makes the rest of no use. */
EXPORT ssize_t gnutls_record_send_early_data(gnutls_session_t session, const void *data, size_t len)
{
	struct target t = TARGET(gnutls_record_send_early_data);
	struct call c;

	if (!t.function)
		return AGAIN;
	c = call_begin(session, &t);
	if (c.copy)
		OBSERVE(tls_ignore(c.tls));
	return CALL(t, gnutls_record_send_early_data)(session, data, len);
}

EXPORT ssize_t gnutls_record_send_file(gnutls_session_t session, int fd, off_t *at, size_t count)
{
	struct target t = TARGET(gnutls_record_send_file);
	struct call c;
	ssize_t n;
	int error;

	if (!t.function)
		return AGAIN;
	c = call_begin(session, &t);
	if (c.copy)
		OBSERVE(write_begin(&c));
	n = CALL(t, gnutls_record_send_file)(session, fd, at, count);
	error = errno;
	if (c.copy && n > 0)
		OBSERVE(write_end(&c, NULL, n, error));
	return n;
}

/* --- the end --- */

EXPORT int gnutls_bye(gnutls_session_t session, int how)
{
	struct target t = TARGET(gnutls_bye);
	struct call c;

	if (!t.function)
		return AGAIN;
	c = call_begin(session, &t);
	if (c.copy)
		OBSERVE(tls_shut(c.tls));
	return CALL(t, gnutls_bye)(session, how);
}

EXPORT void gnutls_deinit(gnutls_session_t session)
{
	struct target t = TARGET(gnutls_deinit);

	if (!t.function)
		return;
	if (session)
		OBSERVE(tls_forget(session));
	CALL(t, gnutls_deinit)(session);
}
