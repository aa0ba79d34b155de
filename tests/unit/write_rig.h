/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITE_RIG_H
#define WRITE_RIG_H
/*
 * The write door between an application and a kernel, both made up; write_model.h tells which bytes
 * may be on the wire.  A tape of bytes makes all choices; where it ends, everything goes well: a
 * fuzzer's input, a random one, or a cut that a test walks through.
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

#endif
