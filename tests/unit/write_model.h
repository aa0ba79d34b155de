/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITE_MODEL_H
#define WRITE_MODEL_H
/*
 * A slow, simple model of what may be on the wire: the application's bytes, and in its heads the
 * edits of design 4.
 */
#include "write_rig.h"

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
