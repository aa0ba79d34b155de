/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITE_RIG_H
#define WRITE_RIG_H
/*
 * The write door between an application and a kernel, both made up, and a slow model that tells
 * which bytes may be on the wire.  A tape of bytes makes all choices; where it ends, everything
 * goes well: a fuzzer's input, a random one, or a cut that a test walks through.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "config.h"
#include "conn.h"
#include "context.h"
#include "guard.h"
#include "host.h"
#include "stats.h"
#include "store.h"
#include "write.h"

#define RIG_FD 700
#define RIG_BYTES (1u << 17)
#define RIG_TRACE "0af7651916cd43dd8448eb211c80319c"
#define RIG_PARENT "b7ad6b7169203331"
#define RIG_VALUE "00-" RIG_TRACE "-" RIG_PARENT "-01"

/* --- the tape --- */

struct tape {
	const uint8_t *data;
	size_t len;
};

static inline unsigned tape_next(struct tape *t, unsigned below)
{
	if (!t->len)
		return 0;
	t->len--;
	return *t->data++ % below;
}

static inline size_t tape_size(struct tape *t, size_t below)
{
	size_t n = tape_next(t, 256);

	return (n << 8 | tape_next(t, 256)) % below;
}

/* --- the kernel --- */

struct rig {
	struct tape tape;
	bool is_blocking;
	bool is_looked;       /* the caller looks for the connection, as the hooks of sockets do */
	bool is_broken;       /* EPIPE from now on */
	char wire[RIG_BYTES]; /* what the kernel took */
	size_t wire_len;
	char app[RIG_BYTES]; /* what the application was told that it had taken */
	size_t app_len;
	size_t took;             /* bytes of any kind, in the application's call under way */
	int error;               /* of the kernel, in that call; 0: none */
	unsigned cut;            /* if not 0: takes so many bytes in all, then says EAGAIN once */
	unsigned calls, mores;   /* those that were said to be followed by more */
	size_t pieces;           /* of the last one */
	void (*meanwhile)(void); /* once, while a call is in the kernel: others go on */
};

static struct rig rig;

static inline void rig_die(const char *why)
{
	for (int i = 0; i < STATS; i++)
		if (stats_read((enum stat_id)i))
			fprintf(stderr, "%s: %u\n", stats_text((enum stat_id)i),
				(unsigned)stats_read((enum stat_id)i));
	fprintf(stderr, "%s\n--- application, %zu bytes\n%.*s\n--- wire, %zu bytes\n%.*s\n---\n",
		why, rig.app_len, (int)rig.app_len, rig.app, rig.wire_len, (int)rig.wire_len,
		rig.wire);
	abort();
}

static inline ssize_t rig_fails(int error)
{
	rig.error = errno = error;
	return -1;
}

/* How many of n bytes the kernel takes this time; 0: none, and an error. */
static inline size_t rig_choose(size_t n, int *ret_error)
{
	unsigned choice = tape_next(&rig.tape, 16);

	*ret_error = EAGAIN;
	if (rig.cut) {
		size_t left = rig.cut > rig.wire_len ? rig.cut - rig.wire_len : 0;

		if (!left)
			rig.cut = 0;
		return left < n ? left : n;
	}
	switch (choice) {
	case 8:
		return rig.is_blocking ? n : 0;
	case 9:
		*ret_error = EINTR;
		return 0;
	case 10:
		*ret_error = EPIPE;
		return 0;
	case 11 ... 15:
		return 1 + tape_size(&rig.tape, n);
	default:
		return n;
	}
}

static inline ssize_t rig_take(const struct iovec *iov, size_t count)
{
	size_t n = 0, left;
	int error;

	for (size_t i = 0; i < count; i++)
		n += iov[i].iov_len;
	rig.calls++;
	rig.pieces = count;
	if (rig.meanwhile) {
		void (*meanwhile)(void) = rig.meanwhile;

		rig.meanwhile = NULL;
		meanwhile();
	}
	if (count > 1024)
		return rig_fails(EINVAL);
	if (rig.is_broken)
		return rig_fails(EPIPE);
	if (n == 0)
		return 0;
	left = rig_choose(n, &error);
	if (getenv("RIG_LOG"))
		fprintf(stderr, "kernel: %zu pieces, %zu bytes: %zu %d\n", count, n, left,
			left ? 0 : error);
	rig.is_broken = !left && error == EPIPE;
	if (!left)
		return rig_fails(error);
	if (rig.wire_len + left > RIG_BYTES)
		abort();
	rig.took += left;
	n = left;
	for (size_t i = 0; left; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		if (part)
			memcpy(rig.wire + rig.wire_len, iov[i].iov_base, part);
		rig.wire_len += part;
		left -= part;
	}
	return (ssize_t)n;
}

static inline ssize_t rig_pass(const struct io_call *call)
{
	return rig_take(call->iov, call->count);
}

static inline ssize_t rig_send(const struct io_call *call, const struct iovec *iov, size_t count,
			       bool is_more)
{
	if (count == 0)
		rig_die("a call without a vector");
	(void)call;
	rig.mores += is_more;
	return rig_take(iov, count);
}

/* --- the application --- */

/* One call, checked as far as one can without the wire. */
static inline ssize_t rig_call(const struct iovec *iov, size_t count, bool can_edit)
{
	struct io_call call = { .fd = RIG_FD,
				.iov = iov,
				.count = count,
				.can_edit = can_edit,
				.pass = rig_pass,
				.send = rig_send };
	size_t len = 0;
	ssize_t n;

	for (size_t i = 0; i < count; i++)
		len += iov[i].iov_len;
	rig.took = 0;
	rig.error = 0;
	errno = 77;
	if (getenv("RIG_LOG"))
		fprintf(stderr, "app: %zu pieces, %zu bytes\n", count, len);
	n = rig.is_looked ? conn_write_looked(&call, conn_look(RIG_FD, false)) : conn_write(&call);
	if (n < 0 && (!rig.error || errno != rig.error))
		rig_die("an error that the kernel did not tell");
	if (n >= 0 && errno != 77)
		rig_die("errno has changed");
	if (n == 0 && len)
		rig_die("nothing taken, and no error");
	if (n > 0 && ((size_t)n > len || (size_t)n > rig.took))
		rig_die("more taken than there was");
	for (size_t i = 0, left = n > 0 ? (size_t)n : 0; left; i++) {
		size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;

		if (part)
			memcpy(rig.app + rig.app_len, iov[i].iov_base, part);
		rig.app_len += part;
		left -= part;
	}
	return n;
}

/* In memory of its own, byte for byte, cut into a vector as the tape says. */
static inline ssize_t rig_write(const char *text, size_t len, bool can_edit)
{
	static struct iovec iov[1024];
	size_t count = 0, most, at = 0;
	unsigned shape = tape_next(&rig.tape, 8);
	ssize_t n;

	most = shape < 4 ? 1 : shape < 6 ? 5 : shape == 6 ? 40 : 1024;
	while (count < most) {
		size_t part = len - at;

		if (count + 1 < most && part)
			part = most > 5 ? tape_next(&rig.tape, 4) : tape_size(&rig.tape, part + 1);
		part = part < len - at ? part : len - at;
		iov[count].iov_base = part ? malloc(part) : NULL;
		iov[count].iov_len = part;
		if (part)
			memcpy(iov[count].iov_base, text + at, part);
		count++;
		at += part;
		if (at == len && tape_next(&rig.tape, 2) == 0)
			break;
	}
	n = rig_call(iov, count, can_edit);
	for (size_t i = 0; i < count; i++)
		free(iov[i].iov_base);
	return n;
}

/* --- life --- */

static inline void rig_begin(const uint8_t *tape, size_t len)
{
	static const struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = 0x5000 };
	static int fd;

	if (!fd) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (fd < 0 || dup2(fd, RIG_FD) != RIG_FD)
			abort();
		config_parse(&config, NULL);
		context_assume(0);
		atomic_store(&host_observed, true);
	}
	rig.tape = (struct tape){ tape, len };
	rig.is_blocking = rig.is_broken = rig.is_looked = false;
	rig.wire_len = rig.app_len = 0;
	rig.cut = rig.calls = rig.mores = 0;
	rig.meanwhile = NULL;
	atomic_store(&span_ended_without_owner, NULL); /* nobody exports */
	thread_self = (struct thread){ 0 };
	conn_connected(RIG_FD, (const void *)&peer, sizeof(peer), false, 1);
}

static inline void rig_end(void)
{
	conn_fd_closing(RIG_FD);
}

/* The request that is being served, whose caller sent RIG_VALUE. */
static inline struct span *rig_serve(void)
{
	struct span_context caller = { .flags = 1, .is_remote = true };
	struct span *s;

	if (!hex_decode(caller.trace.bytes, RIG_TRACE, 16) ||
	    !hex_decode(caller.span.bytes, RIG_PARENT, 8))
		abort();
	s = span_start(SPAN_SERVER, &caller);
	if (s)
		context_request_read(span_ref(s), true);
	return s;
}

/* The client's span of the request that waits for its answer. */
static inline struct span *rig_under_way(void)
{
	struct conn *c = conn_pin(RIG_FD);
	struct exchange *x = exchange_first(c);
	struct span *s = x ? span_get(x->span) : NULL;

	conn_unpin(c);
	if (!s)
		rig_die("no request is under way");
	return s;
}

/* The application reads an answer. */
static inline void rig_answer(const char *text)
{
	struct iovec iov = { (char *)(uintptr_t)text, strlen(text) };
	struct conn_token t = conn_look(RIG_FD, true);

	if (!t.conn)
		rig_die("an answer that is not looked at");
	conn_read_done(RIG_FD, t, &iov, 1, (ssize_t)iov.iov_len, 4096, 0);
}

/* --- the model --- */

struct model {
	const char *app; /* what the application wrote */
	size_t app_len;
	const char *wire;
	size_t wire_len;
	size_t i, j;    /* how far both are explained */
	bool is_steady; /* each byte was written as it was meant at first, and may be edited */
	/* Of the head under way, on the wire. */
	unsigned traceparents;                 /* that a receiver would see */
	unsigned inserted, rewritten, renamed; /* in all */
	unsigned plain, plain_told; /* whole heads without a header of that kind, and with ours */
};

static inline bool model_hex(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789abcdef", s[i]) || !s[i])
			return false;
	return true;
}

static inline bool model_is_traceparent(const char *s)
{
	return !memcmp(s, "00-", 3) && model_hex(s + 3, 32) && s[35] == '-' &&
	       model_hex(s + 36, 16) && s[52] == '-' && s[53] == '0' && model_hex(s + 54, 1) &&
	       memcmp(s + 3, "00000000000000000000000000000000", 32) != 0 &&
	       memcmp(s + 36, "0000000000000000", 16) != 0;
}

static inline bool model_is_name(const char *s, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || s[n] != ':')
		return false;
	for (size_t i = 0; i < n; i++)
		if ((s[i] | 0x20) != name[i])
			return false;
	return true;
}

static inline void model_wrong(const char *why, const struct model *m)
{
	fprintf(stderr, "explained: %zu of the application, %zu of the wire\n", m->i, m->j);
	rig_die(why);
}

/* n bytes of the application, as they are; fewer only where the wire ends. */
static inline void model_same(struct model *m, size_t n)
{
	size_t have = m->wire_len - m->j;

	if (have < n || memcmp(m->app + m->i, m->wire + m->j, n) != 0)
		model_wrong("the wire has other bytes", m);
	m->i += n;
	m->j += n;
}

/* The value of a line of len bytes, blanks around it taken off. */
static inline size_t model_value(const char *line, size_t len, size_t *ret_at)
{
	const char *colon = memchr(line, ':', len);
	size_t at = colon ? (size_t)(colon - line) + 1 : 0, end = len;

	while (at < end && strchr(" \t", line[at]) && line[at])
		at++;
	while (end > at && strchr(" \t\r\n", line[end - 1]) && line[end - 1])
		end--;
	*ret_at = at;
	return end - at;
}

/*
 * A line of a head, of which len bytes were taken.  A value that has changed is ours, as far as it
 * goes; a name that has changed is one that nobody reads.  A folded value may have changed, too.
 */
static inline void model_line(struct model *m, size_t len)
{
	static const char *const names[][2] = { { "traceparent", "x-discarded" },
						{ "tracestate", "x-replaced" } };
	const char *a = m->app + m->i, *w = m->wire + m->j;
	size_t at, value;
	bool is_cut = a[len - 1] != '\n', is_fold = *a == ' ' || *a == '\t';

	if (m->wire_len - m->j < len)
		model_wrong("a line is missing", m);
	for (size_t k = 0; k < 2; k++) {
		size_t n = strlen(names[k][0]);
		size_t part = len < n ? len : n;

		if (!model_is_name(a, len, names[k][0]) && !is_cut)
			continue;
		if (memcmp(a, w, part) == 0 || memcmp(w, names[k][1], part) != 0)
			continue;
		if (memcmp(a + part, w + part, len - part) != 0)
			model_wrong("renamed, and more than that", m);
		m->renamed++;
		m->i += len;
		m->j += len;
		return;
	}
	if (model_is_name(a, len, "traceparent"))
		m->traceparents++;
	if (memcmp(a, w, len) != 0) {
		if (!model_is_name(a, len, "traceparent") && !is_fold)
			model_wrong("a line has changed", m);
		value = model_value(a, len, &at);
		if (!is_cut && (value != 55 || !model_is_traceparent(w + at) ||
				memcmp(a + at + 55, w + at + 55, len - at - 55) != 0))
			model_wrong("a value has changed into none", m);
		if (memcmp(a, w, at) != 0)
			model_wrong("more than a value has changed", m);
		m->rewritten++;
	}
	m->i += len;
	m->j += len;
}

/* Lines of ours in front of the empty line; is_end: the application went no further. */
static inline void model_insertion(struct model *m, bool is_end)
{
	static const char *const names[] = { "traceparent: ", "tracestate: ", "baggage: " };
	size_t began = m->j;

	for (size_t k = 0; k < 3; k++) {
		const char *w = m->wire + m->j, *end;
		size_t n = strlen(names[k]), left = m->wire_len - m->j;
		size_t part = left < n ? left : n;

		if (part == 0 || memcmp(w, names[k], part) != 0)
			continue;
		end = memchr(w, '\n', left);
		if (!end) {
			if (!is_end)
				model_wrong("an insertion is torn", m);
			m->j = m->wire_len;
			break;
		}
		if (k == 0 && (end - w != 13 + 56 || !model_is_traceparent(w + 13)))
			model_wrong("what was inserted is no traceparent", m);
		if (end[-1] != '\r')
			model_wrong("what was inserted has no line end", m);
		m->traceparents += k == 0;
		m->j += (size_t)(end + 1 - w);
	}
	if (m->j > began)
		m->inserted++;
}

static inline bool model_is_ours(const struct model *m, size_t line_len)
{
	const char *w = m->wire + m->j;
	size_t left = m->wire_len - m->j;

	return left >= 70 && !memcmp(w, "traceparent: ", 13) && model_is_traceparent(w + 13) &&
	       !memcmp(w + 68, "\r\n", 2) && !model_is_name(m->app + m->i, line_len, "traceparent");
}

struct model_head {
	uint64_t length;
	bool is_chunked;
	unsigned traceparents, tracestates; /* of the application */
};

static inline void model_fact(struct model_head *h, const char *line, size_t len)
{
	size_t at;

	if (model_is_name(line, len, "content-length")) {
		model_value(line, len, &at);
		h->length = strtoull(line + at, NULL, 10);
	}
	h->is_chunked |= model_is_name(line, len, "transfer-encoding");
	h->traceparents += model_is_name(line, len, "traceparent");
	h->tracestates += model_is_name(line, len, "tracestate");
}

/* One byte after the other up to the end of the last chunk and its trailers. */
static inline size_t model_chunks(const char *s, size_t len)
{
	size_t at = 0;

	for (;;) {
		const char *eol = memchr(s + at, '\n', len - at);
		size_t size;

		if (!eol)
			return len;
		size = strtoul(s + at, NULL, 16);
		at = (size_t)(eol + 1 - s);
		if (size && size + 2 > len - at)
			return len;
		if (size) {
			at += size + 2;
			continue;
		}
		for (;;) { /* trailers */
			size_t begin = at;

			eol = memchr(s + at, '\n', len - at);
			if (!eol)
				return len;
			at = (size_t)(eol + 1 - s);
			if (s[begin] == '\r' || s[begin] == '\n')
				return at;
		}
	}
}

static inline void model_message(struct model *m)
{
	struct model_head h = { 0 };
	bool is_start = true;
	unsigned renamed = m->renamed, inserted = m->inserted;
	size_t left, n;

	m->traceparents = 0;
	for (;;) {
		const char *line = m->app + m->i;
		const char *eol = memchr(line, '\n', m->app_len - m->i);

		left = m->app_len - m->i;
		if (!is_start && (!left || *line == '\r' || *line == '\n')) {
			model_insertion(m, !left);
			if (!left)
				return;
			n = eol ? (size_t)(eol + 1 - line) : left;
			model_same(m, n);
			if (!eol)
				return;
			break;
		}
		n = eol ? (size_t)(eol + 1 - line) : left;
		if (!n)
			return;
		if (is_start) {
			model_same(m, n);
		} else if (model_is_ours(m, n)) {
			/* It was owed, and the application went on with another line. */
			model_insertion(m, false);
			continue;
		} else {
			model_fact(&h, line, n);
			model_line(m, n);
		}
		is_start = false;
		if (!eol)
			return;
	}
	if (m->traceparents > 1 && m->traceparents > h.traceparents)
		model_wrong("one more traceparent than there was", m);
	if ((m->inserted != inserted || (m->is_steady && m->renamed != renamed)) &&
	    m->traceparents != 1)
		model_wrong("not one traceparent", m);
	if (!h.traceparents && !h.tracestates) {
		m->plain++;
		m->plain_told += m->inserted != inserted;
	}
	left = m->app_len - m->i;
	n = h.is_chunked    ? model_chunks(m->app + m->i, left) :
	    h.length < left ? (size_t)h.length :
			      left;
	model_same(m, n);
}

/* The wire against what the application wrote, which is well-formed as far as it goes. */
static inline struct model model_check(bool is_steady)
{
	struct model m = { .app = rig.app,
			   .app_len = rig.app_len,
			   .wire = rig.wire,
			   .wire_len = rig.wire_len,
			   .is_steady = is_steady };

	while (m.i < m.app_len)
		model_message(&m);
	if (m.j != m.wire_len)
		model_wrong("more on the wire than was written", &m);
	return m;
}

#endif
