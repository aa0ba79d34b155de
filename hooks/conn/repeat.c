/* SPDX-License-Identifier: Apache-2.0 */
#include "repeat.h"

#include "copy.h"
#include "scan.h"
#include "signature.h"
#include "traceparent.h"
#include "word.h"

/* Neither a blank nor a visible character of ASCII. */
static ALWAYS_INLINE scan_block scan_is_odd(scan_block b)
{
	return (scan_block)((b < 0x20) | (b > 0x7e));
}

/* --- keeping --- */

#define DUE_MISSES 4u
#define DUE_EVERY 32u

bool repeat_is_due(struct repeat *r)
{
	r->misses++;
	return r->misses <= DUE_MISSES || r->misses % DUE_EVERY == 0;
}

/* A header's line, taken off *rest; false: it is the empty line, or none that is as usual. */
static bool line_take(struct bytes *rest, struct bytes *ret_name, struct bytes *ret_value)
{
	const char *end = memmem(rest->ptr, rest->len, "\r\n", 2);
	struct bytes line, value;

	if (!end || end == rest->ptr)
		return false;
	line = (struct bytes){ rest->ptr, (size_t)(end - rest->ptr) };
	*rest = bytes_skip(*rest, line.len + 2);
	value = line;
	*ret_name = bytes_split(&value, ':');
	if (!value.ptr || !ret_name->len || *line.ptr == ' ' || *line.ptr == '\t')
		return false;
	*ret_value = bytes_trim(value);
	return true;
}

static bool is_over(struct bytes rest)
{
	return bytes_equal(rest, BYTES("\r\n"));
}

static void keep(struct repeat *r, struct bytes head)
{
	memcpy(r->head, head.ptr, head.len);
	r->len = (uint16_t)head.len;
}

#define SEEN(field) (1u << (field))
#define PLAIN                                                                              \
	(SEEN(HEAD_METHOD) | SEEN(HEAD_TARGET) | SEEN(HEAD_HOST) | SEEN(HEAD_USER_AGENT) | \
	 SEEN(HEAD_TRACEPARENT))

/* Nothing is known of it but where the usual fields are. */
static bool is_plain(const struct head *h)
{
	return !(h->fields.seen & ~PLAIN) && h->fields.traceparents <= 1 &&
	       !(h->tracestates | h->baggages | h->others | h->signed_names | h->is_forced |
		 h->is_full | h->items | h->captured_first | h->captured_lost);
}

void repeat_keep_request(struct repeat *r, struct bytes head, const struct head *h,
			 const struct http1 *p)
{
	const struct head_piece *target = &h->fields.piece[HEAD_TARGET];
	const struct head_piece *ids = &h->fields.piece[HEAD_TRACEPARENT];

	repeat_end(r);
	if (head.len > REPEAT_BYTES || h->fields.base != head.ptr || p->is_connect ||
	    p->has_length || p->is_chunked || !is_plain(h))
		return;
	if (head_has(h, HEAD_TRACEPARENT) && ids->len != TRACEPARENT_LEN)
		return;
	r->is_common = false;
	r->now = *h;
	r->now.fields.base = NULL;
	r->target = (struct repeat_hole){ target->at, target->len };
	r->ids.len = 0;
	if (head_has(h, HEAD_TRACEPARENT))
		r->ids = (struct repeat_hole){ ids->at, ids->len };
	keep(r, head);
}

/* Behind the start line; ptr NULL: it does not end. */
static struct bytes fields_of(struct bytes head)
{
	const char *end = memmem(head.ptr, head.len, "\r\n", 2);

	return end ? bytes_skip(head, (size_t)(end - head.ptr) + 2) : (struct bytes){ NULL, 0 };
}

#define DATE_LEN 29u /* of RFC 9110 5.6.7 */

#define DIGITS_MAX 18u /* that a length never wraps */

/* Digits at its beginning, so many at most; returns how many there are. */
static ALWAYS_INLINE size_t number_get(struct bytes s, uint64_t *ret)
{
	uint64_t number = 0;
	size_t n = 0;

	for (; n < DIGITS_MAX && n < s.len; n++) {
		unsigned digit = (unsigned)(uint8_t)s.ptr[n] - '0';

		if (digit > 9)
			break;
		number = number * 10 + digit;
	}
	*ret = number;
	return n;
}

void repeat_keep_response(struct repeat *r, struct bytes head, const struct http1 *p)
{
	struct bytes rest = fields_of(head), name, value;

	repeat_end(r);
	if (head.len > REPEAT_BYTES || !rest.ptr || !http1_can_repeat(p))
		return;
	r->date.len = r->length.len = 0;
	r->length_told = 0;
	while (line_take(&rest, &name, &value)) {
		struct repeat_hole here = { (uint16_t)(value.ptr - head.ptr), (uint16_t)value.len };

		if (name.len == 4 && word_is(name, BYTES("date")) && value.len == DATE_LEN)
			r->date = here;
		if (name.len != 14 || !word_is(name, BYTES("content-length")))
			continue;
		if (r->length.len || !value.len || number_get(value, &r->length_told) != value.len)
			return;
		r->length = here;
	}
	if (is_over(rest) && (r->length.len != 0) == p->has_length)
		keep(r, head);
}

/* --- is it the same? --- */

/* In one place: to fetch this code several times takes longer than to call it. */
static NO_INLINE bool head_is_same(const char *a, const char *b, size_t n)
{
	return copy_is_same(a, b, n);
}

#define LONG 64u /* from here on the library's comparison wins, which ends where they differ */

static ALWAYS_INLINE bool text_is_same(const char *a, const char *b, size_t n)
{
	return n < LONG ? head_is_same(a, b, n) : memcmp(a, b, n) == 0;
}

/* All of it but for the ids: who asks again asks for the same more often than not. */
static ALWAYS_INLINE bool has_same_target(const struct repeat *r, const char *in)
{
	size_t ids = r->ids.len ? r->ids.at : r->len, behind = ids + r->ids.len;

	return text_is_same(in, r->head, ids) &&
	       text_is_same(in + behind, r->head + behind, r->len - behind);
}

static ALWAYS_INLINE void fields_move(struct head *h, size_t target_len)
{
	uint16_t by = (uint16_t)(target_len - h->fields.piece[HEAD_TARGET].len);

	if (LIKELY(!by))
		return;
	h->fields.piece[HEAD_TARGET].len = (uint16_t)target_len;
	for (unsigned i = HEAD_TARGET + 1; i < HEAD_FIELDS; i++)
		h->fields.piece[i].at = (uint16_t)(h->fields.piece[i].at + by);
}

static ALWAYS_INLINE scan_block scan_may_sign(scan_block b)
{
	return (scan_block)(scan_ends_word(b) | (scan_block)(b == 'S'));
}

/* Whole, and without a signature, which may cover what the last one's did not. */
static NO_INLINE bool is_unsigned(const char *target, const char *end)
{
	return scan_word(target, end) == end &&
	       !signature_in_target((struct bytes){ target, (size_t)(end - target) });
}

NO_INLINE bool repeat_is_request(struct repeat *r, struct bytes in)
{
	size_t start = r->target.at, end = start + r->target.len, rest = r->len - end;
	size_t ids = r->ids.len ? r->ids.at - end : 0, behind = r->ids.len ? ids + r->ids.len : 0;
	const char *target = in.ptr + start, *tail = in.ptr + in.len - rest;

	if (LIKELY(in.len == r->len) && LIKELY(has_same_target(r, in.ptr))) {
		fields_move(&r->now, r->target.len);
		r->misses = 0;
		return true;
	}
	if (UNLIKELY(in.len <= start + rest || in.len > REPEAT_MAX) ||
	    UNLIKELY(!head_is_same(in.ptr, r->head, start)))
		return false;
	if (UNLIKELY(!head_is_same(tail, r->head + end, ids)) ||
	    UNLIKELY(!head_is_same(tail + behind, r->head + end + behind, rest - behind)))
		return false;
	if (UNLIKELY(scan_for(target, tail, scan_may_sign) != tail) && !is_unsigned(target, tail))
		return false;
	fields_move(&r->now, (size_t)(tail - target));
	r->misses = 0;
	return true;
}

/* What has been compared of a response so far. */
struct place {
	struct bytes in;
	size_t at;   /* there */
	size_t kept; /* in the head that is kept */
	const char *date, *length;
};

static ALWAYS_INLINE bool same_to(struct place *w, const struct repeat *r, size_t to)
{
	size_t n = to - w->kept;

	if (w->in.len - w->at < n || !head_is_same(w->in.ptr + w->at, r->head + w->kept, n))
		return false;
	w->at += n;
	w->kept = to;
	return true;
}

/* A date has neither controls nor bytes above ASCII in it; others are for the parser. */
static ALWAYS_INLINE bool date_at(struct place *w)
{
	const char *s = w->in.ptr + w->at, *last = s + DATE_LEN - 16;

	if (w->in.len - w->at < DATE_LEN)
		return false;
	w->date = s;
	w->at += DATE_LEN;
	w->kept += DATE_LEN;
	return !scan_bits(scan_is_odd(scan_load(s)) | scan_is_odd(scan_load(last)));
}

static ALWAYS_INLINE bool length_at(struct place *w, const struct repeat *r, uint64_t *ret)
{
	size_t n = number_get(bytes_skip(w->in, w->at), ret);

	w->length = n == r->length.len ? w->in.ptr + w->at : NULL;
	w->at += n;
	w->kept += r->length.len;
	return n != 0;
}

/* The next ones will be of this second, and of this length, too. */
static ALWAYS_INLINE void renew(struct repeat *r, const struct place *w, uint64_t length)
{
	if (w->date)
		memcpy(r->head + r->date.at, w->date, DATE_LEN);
	if (w->length) {
		memcpy(r->head + r->length.at, w->length, r->length.len);
		r->length_told = length;
	}
}

NO_INLINE size_t repeat_is_response(struct repeat *r, struct bytes in, uint64_t *ret_length)
{
	struct place w = { .in = in };
	bool date_first = r->date.len && r->date.at < r->length.at;

	/* All of it, of the same second, and as long. */
	if (LIKELY(in.len >= r->len) && LIKELY(text_is_same(in.ptr, r->head, r->len))) {
		*ret_length = r->length_told;
		r->misses = 0;
		return r->len;
	}
	*ret_length = 0;
	if (date_first && !(same_to(&w, r, r->date.at) && date_at(&w)))
		return 0;
	if (r->length.len && !(same_to(&w, r, r->length.at) && length_at(&w, r, ret_length)))
		return 0;
	if (r->date.len && !date_first && !(same_to(&w, r, r->date.at) && date_at(&w)))
		return 0;
	if (!same_to(&w, r, r->len))
		return 0;
	renew(r, &w, *ret_length);
	r->misses = 0;
	return w.at;
}
