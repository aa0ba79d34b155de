/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_write.h"

#include <errno.h>

#include "pool.h"
#include "stats.h"
#include "write_impl.h"

/* Longest plaintext of a record (RFC 8446 5.1). */
#define RECORD_BYTES 16384u

#define PIECES (2 * EDITS_MAX + 1)

struct stage {
	const char *buf; /* of the application, for which this stands */
	size_t app;      /* bytes of it */
	size_t len, out; /* bytes of text, and those that are out */
	size_t count;
	struct iovec piece[PIECES]; /* of text */
	uint8_t marks;
	struct segment_mark mark[EDITS_MAX];
	char text[RECORD_BYTES];
};

#define STAGE_CHUNKS 16u
static struct pool stages;

static struct stage *stage_take(struct tls *t)
{
	t->stage = pool_get(&stages, sizeof(struct stage), STAGE_CHUNKS, &t->stage_index);
	return t->stage;
}

void tls_unstage(struct tls *t)
{
	if (t->stage)
		pool_put(&stages, t->stage_index);
	t->stage = NULL;
}

/* --- bytes with lines of ours among them --- */

/* False: the lines, and some of the application's behind them, are not in one record. */
static bool stage_fill(struct stage *st, const struct segment *s, const char *buf)
{
	size_t last = s->mark[s->marks - 1].at;

	st->buf = buf;
	st->app = st->len = st->out = st->count = 0;
	st->marks = s->marks;
	memcpy(st->mark, s->mark, s->marks * sizeof(s->mark[0]));
	for (size_t i = 0, m = 0; i < s->count && st->len < RECORD_BYTES; i++) {
		size_t n = s->vector[i].iov_len, room = RECORD_BYTES - st->len;
		bool is_ours = m < s->marks && s->mark[m].at == i;

		if (st->count == PIECES || (i <= last && n > room))
			return false;
		n = n < room ? n : room;
		memcpy(st->text + st->len, s->vector[i].iov_base, n);
		st->piece[st->count++] = (struct iovec){ st->text + st->len, n };
		st->len += n;
		if (!is_ours || s->mark[m].is_instead)
			st->app += n;
		m += is_ours;
	}
	return st->count > last + !s->mark[s->marks - 1].is_instead;
}

/* Does the application come with the bytes that this was made of? */
static bool stage_is_of(const struct stage *st, const struct tls_call *call, size_t done)
{
	const char *p = call->buf + done;
	size_t m = 0;

	if (!call->len)
		return true;
	if (call->len - done < st->app || (!call->is_moving && p != st->buf))
		return false;
	for (size_t i = 0; i < st->count; i++) {
		bool is_ours = m < st->marks && st->mark[m].at == i;

		if (!is_ours && memcmp(p, st->piece[i].iov_base, st->piece[i].iov_len) != 0)
			return false;
		if (!is_ours || st->mark[m].is_instead)
			p += st->piece[i].iov_len;
		m += is_ours;
	}
	return true;
}

/* write_done() of a call that has sent nothing; is_kept: the same will be tried again. */
static void done_without(struct write *w, enum tls_sent how, bool is_kept)
{
	int error = errno;

	w->is_kept = is_kept;
	if (how != TLS_FAILED)
		errno = EAGAIN;
	else if (!errno || !error_is_final(errno))
		errno = EPIPE;
	write_done(w, -1);
	errno = error;
}

/* All of it, or nothing is told. */
static enum tls_sent stage_flush(struct tls_call *call, struct write *w, size_t *ret_n)
{
	struct tls *t = call->tls;
	struct stage *st = t->stage;

	while (st->out < st->len) {
		size_t n = 0;
		enum tls_sent how = call->send(call, st->text + st->out, st->len - st->out, &n);

		if (how == TLS_FAILED)
			tls_unstage(t);
		if (how != TLS_SENT) {
			done_without(w, how, how != TLS_FAILED);
			return how;
		}
		st->out += n;
	}
	write_done(w, (ssize_t)st->len);
	*ret_n = st->app;
	tls_unstage(t);
	return TLS_SENT;
}

/* --- parts of a call --- */

static void io_of(struct io_call *io, const struct tls_call *call, struct iovec *iov, bool can_edit)
{
	*iov = (struct iovec){ (void *)(uintptr_t)call->buf, call->len };
	*io = (struct io_call){ .fd = call->tls->fd,
				.inside = call->tls->entry,
				.iov = iov,
				.count = 1,
				.can_edit = can_edit };
}

/* What is staged goes on; the application's bytes are compared, not planned with anew. */
static enum tls_sent part_again(struct tls_call *call, size_t done, size_t *ret_n)
{
	struct tls *t = call->tls;
	struct stage *st = t->stage;
	struct iovec iov;
	struct io_call io;
	struct write w;
	enum tls_sent how;

	if (!stage_is_of(st, call, done)) {
		tls_unstage(t);
		conn_make_blind(t->fd);
		how = call->send(call, call->buf + done, call->len - done, ret_n);
		if (how == TLS_SENT && *ret_n > call->len - done)
			*ret_n = call->len - done;
		return how;
	}
	io_of(&io, call, &iov, true);
	if (!call->len)
		iov = (struct iovec){ (void *)(uintptr_t)st->buf, st->app };
	w.call = &io;
	w.total = iov.iov_len;
	w.done = call->len ? done : 0;
	w.segment.vector = st->piece;
	w.segment.count = st->count;
	w.segment.marks = st->marks;
	memcpy(w.segment.mark, st->mark, sizeof(st->mark));
	write_plan_again(&w);
	return stage_flush(call, &w, ret_n);
}

static enum tls_sent part_plain(struct tls_call *call, struct write *w, size_t *ret_n)
{
	size_t len = w->is_pass || !w->segment.count ? w->total - w->done : w->segment.len;
	enum tls_sent how = call->send(call, call->buf + w->done, len, ret_n);

	tls_passed(call->tls, how);
	if (how == TLS_SENT)
		write_done(w, (ssize_t)*ret_n);
	else
		done_without(w, how, how == TLS_PENDING);
	return how;
}

static enum tls_sent part(struct tls_call *call, size_t done, size_t *ret_n)
{
	struct tls *t = call->tls;
	bool can_edit = call->can_edit && !t->is_passed;
	struct iovec iov;
	struct io_call io;
	struct write w;

	if (t->stage)
		return part_again(call, done, ret_n);
	for (;;) {
		io_of(&io, call, &iov, can_edit);
		w.call = &io;
		w.total = call->len;
		w.done = done;
		w.looked.conn = NULL;
		w.segment.marks = w.segment.count = 0;
		if (!write_plan(&w)) {
			enum tls_sent how =
				call->send(call, call->buf + done, call->len - done, ret_n);

			tls_passed(t, how);
			return how;
		}
		if (!w.segment.marks)
			return part_plain(call, &w, ret_n);
		if (stage_take(t) && stage_fill(t->stage, &w.segment, call->buf + done))
			return stage_flush(call, &w, ret_n);
		tls_unstage(t);
		done_without(&w, TLS_AGAIN, true);
		can_edit = false;
	}
}

void tls_passed(struct tls *t, enum tls_sent how)
{
	t->is_passed = how == TLS_PENDING || (how == TLS_AGAIN && t->is_passed);
}

enum tls_sent tls_write(struct tls_call *call, size_t *ret_n)
{
	struct tls *t = call->tls;
	bool is_same = call->is_moving || call->buf == t->credited;
	size_t done = t->credit < call->len && is_same ? t->credit : 0;

	t->credit = 0;
	do {
		size_t n = 0;
		enum tls_sent how = part(call, done, &n);

		if (how != TLS_SENT) {
			t->credit = done;
			t->credited = call->buf;
			return how;
		}
		done += n;
	} while (done < call->len && !call->is_partial);
	*ret_n = done;
	return TLS_SENT;
}
