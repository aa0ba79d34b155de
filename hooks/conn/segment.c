/* SPDX-License-Identifier: Apache-2.0 */
#include "segment.h"

#include "lines.h"
#include "stats.h"

struct cursor cursor_at(const struct io_call *call, size_t offset)
{
	struct cursor at = { call, 0, offset };

	while (at.i < call->count && at.skip >= call->iov[at.i].iov_len)
		at.skip -= call->iov[at.i++].iov_len;
	return at;
}

static void cursor_skip(struct cursor *at, size_t n)
{
	at->skip += n;
	while (at->i < at->call->count && at->skip >= at->call->iov[at->i].iov_len)
		at->skip -= at->call->iov[at->i++].iov_len;
}

struct iovec cursor_next(struct cursor *at, size_t len)
{
	struct iovec piece = { 0 };

	if (at->i == at->call->count)
		return piece;
	piece = at->call->iov[at->i];
	piece.iov_base = (char *)piece.iov_base + at->skip;
	piece.iov_len -= at->skip;
	if (piece.iov_len > len)
		piece.iov_len = len;
	cursor_skip(at, piece.iov_len);
	return piece;
}

static void begin(struct segment *s)
{
	s->vector = s->iov;
	s->count = s->len = s->ours = s->bytes = 0;
	s->marks = 0;
}

/* --- without edits --- */

/* Whole pieces, at most len bytes, in the application's own vector; false: none begins here. */
static bool add_direct(struct segment *s, struct cursor at, size_t len)
{
	size_t n = 0, bytes = 0;

	if (at.skip)
		return false;
	while (at.i + n < at.call->count && at.call->iov[at.i + n].iov_len <= len - bytes)
		bytes += at.call->iov[at.i + n++].iov_len;
	if (!bytes)
		return false;
	s->vector = &at.call->iov[at.i];
	s->count = n;
	s->len = bytes;
	return true;
}

void segment_plain(struct segment *s, const struct io_call *call, size_t done, size_t len)
{
	struct cursor at = cursor_at(call, done);

	begin(s);
	if (add_direct(s, at, len))
		return;
	while (s->count < SEGMENT_PIECES && s->len < len) {
		s->iov[s->count] = cursor_next(&at, len - s->len);
		s->len += s->iov[s->count++].iov_len;
	}
}

/* --- with edits --- */

struct fill {
	struct segment *s;
	struct edits *edits;
	struct iovec *to;
	size_t room;
	struct cursor at;
	const struct ahead *ahead;
	uint64_t base, end; /* of what is to be sent, in the stream */
};

static size_t sent_of(const struct fill *f, const struct edit *e)
{
	return e == &f->edits->list[f->edits->done] ? f->edits->sent : 0;
}

/* The next len bytes of the application, or (false) as many as there is room for. */
static bool add_app(struct fill *f, size_t len)
{
	struct segment *s = f->s;

	while (len) {
		struct iovec piece;

		if (s->count == f->room)
			return false;
		piece = cursor_next(&f->at, len);
		if (!piece.iov_len)
			return false;
		f->to[s->count++] = piece;
		s->len += piece.iov_len;
		s->bytes += piece.iov_len;
		len -= piece.iov_len;
	}
	return true;
}

/* Where edit e begins in this call, or AHEAD_NONE: not here, or not any more. */
static uint64_t place(struct fill *f, struct edit *e)
{
	const struct ahead *a = f->ahead;
	uint64_t here = f->base + f->s->len;
	size_t sent = sent_of(f, e), left = e->len - sent;
	uint64_t at = e->at + sent;

	if (!e->old && sent) /* owed */
		return here;
	if (!a)
		return AHEAD_NONE;
	if (!e->old) {
		if (a->has_closing)
			e->at = a->written.closing;
		return a->has_closing && e->at >= here && e->at < f->end ? e->at : AHEAD_NONE;
	}
	if (at >= f->end)
		return AHEAD_NONE;
	left = left < f->end - at ? left : (size_t)(f->end - at);
	if (at >= here && at + left <= a->seen && lines_is_at(&a->call, at, e->old + sent, left))
		return at;
	/* Other bytes than before: this is none of ours any more. */
	edits_refuse(f->edits, STAT_INJECT_REFUSED);
	return AHEAD_NONE;
}

/* False: there is no room. */
static bool add_edit(struct fill *f, const struct edit *e, uint64_t where)
{
	struct segment *s = f->s;
	size_t sent = sent_of(f, e), n = e->len - sent;

	if (s->count == f->room)
		return false;
	if (e->old && n > f->end - where)
		n = (size_t)(f->end - where);
	s->mark[s->marks++] = (struct segment_mark){ (uint16_t)s->count, e->old != NULL };
	f->to[s->count++] = (struct iovec){ (void *)(uintptr_t)(e->text + sent), n };
	s->ours += n;
	s->bytes += n;
	if (!e->old)
		return true;
	s->len += n;
	cursor_skip(&f->at, n);
	return true;
}

/* False: there was no room for all. */
static bool add_edits(struct fill *f, bool can_edit)
{
	struct edits *all = f->edits;

	for (unsigned i = all->done; i < all->count; i++) {
		struct edit *e = &all->list[i];
		uint64_t where;

		/* What has begun must go on. */
		if (!can_edit && !sent_of(f, e))
			return true;
		where = place(f, e);
		if (where == AHEAD_NONE)
			break;
		if (!add_app(f, (size_t)(where - f->base - f->s->len)) || !add_edit(f, e, where))
			return false;
	}
	return !can_edit || add_app(f, (size_t)(f->end - f->base - f->s->len));
}

void segment_fill(struct segment *s, struct conn *c, const struct io_call *call, size_t done,
		  size_t len, const struct ahead *a)
{
	struct fill f = { .s = s,
			  .edits = &c->edits,
			  .to = s->iov,
			  .room = SEGMENT_PIECES,
			  .at = cursor_at(call, done),
			  .ahead = a,
			  .base = c->out.bytes,
			  .end = c->out.bytes + len };

	begin(s);
	/* Each edit cuts one of the application's pieces in two, and adds its own. */
	if (call->count + 2 * EDITS_MAX > SEGMENT_PIECES && half_borrow(&c->out)) {
		f.to = c->out.scratch->vector;
		f.room = VECTOR_MAX;
	}
	s->vector = f.to;
	if (!add_edits(&f, call->can_edit))
		len = s->len;
	if (!s->marks)
		segment_plain(s, call, done, len);
}

static size_t taken_in_part(const struct segment *s, size_t n, size_t *ret_ours)
{
	size_t app = 0, m = 0;

	for (size_t i = 0; i < s->count && n; i++) {
		size_t took = s->vector[i].iov_len < n ? s->vector[i].iov_len : n;
		bool is_ours = m < s->marks && s->mark[m].at == i;

		n -= took;
		if (!is_ours || s->mark[m].is_instead)
			app += took;
		if (!is_ours)
			continue;
		*ret_ours += took;
		m++;
	}
	return app;
}

size_t segment_taken(const struct segment *s, size_t n, size_t *ret_ours)
{
	*ret_ours = 0;
	if (!s->marks)
		return n;
	if (n != s->bytes)
		return taken_in_part(s, n, ret_ours);
	*ret_ours = s->ours;
	return s->len;
}

void segment_settle(struct edits *e, size_t ours)
{
	while (ours) {
		size_t left = e->list[e->done].len - e->sent;
		size_t out = ours < left ? ours : left;

		ours -= out;
		e->sent += (uint32_t)out;
		if (out == left) {
			e->done++;
			e->sent = 0;
		}
	}
	atomic_store_explicit(&e->owes, e->sent && !e->list[e->done].old, memory_order_relaxed);
}
