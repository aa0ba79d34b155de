/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each line's first sixteen bytes tell where its name ends, and the first control character where
 * the line does.  A name is looked at if its length is that of one that we know.
 */
#include "http1_whole.h"

#include "http1_impl.h"
#include "scan.h"
#include "word.h"

/* "GET / HTTP/1.1\r\n\r\n" is as short as a head is, but for some that are rare. */
#define LEAST 18u
#define LEFT 3 /* bytes of which the first may end a line: CR, LF and what follows */

struct whole {
	struct http1 *p;
	const char *start;
	struct head_fields *fields;
	struct http1_others *others;
};

/* As numbers, so that comparing them is no comparison of texts. */
static ALWAYS_INLINE uint64_t load8(const char *s)
{
	uint64_t w;

	memcpy(&w, s, sizeof(w));
	return w;
}

static ALWAYS_INLINE uint32_t load4(const char *s)
{
	uint32_t w;

	memcpy(&w, s, sizeof(w));
	return w;
}

static ALWAYS_INLINE uint16_t load2(const char *s)
{
	uint16_t w;

	memcpy(&w, s, sizeof(w));
	return w;
}

static ALWAYS_INLINE bool is_crlf(const char *s)
{
	return load2(s) == load2("\r\n");
}

static ALWAYS_INLINE bool is_digit(char c)
{
	return (uint8_t)(c - '0') < 10;
}

/* "HTTP/1.1" */
#define VERSION 8

static ALWAYS_INLINE bool version_take(struct http1 *p, const char *s)
{
	if (UNLIKELY(load8(s) != load8("HTTP/1.1") &&
		     (memcmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]))))
		return false;
	p->version = (uint8_t)(10 + s[7] - '0');
	return true;
}

/* --- lines --- */

/*
 * Where lines end: a bit for each byte of 64 that is a control character and follows none.  What
 * is looked for next does not wait for what is found, as it would going from line to line.
 */
struct ends {
	const char *start;
	const char *from; /* of the lowest bit */
	const char *last; /* where the last one may be, since behind a line something follows */
	uint64_t bits;    /* still to come */
	uint64_t before;  /* is the byte ahead of the 64 no control character? */
};

static ALWAYS_INLINE uint64_t plain_of(const char *s, unsigned int at)
{
	return (uint64_t)scan_plain(s + at) << at;
}

static ALWAYS_INLINE uint64_t plain_of_64(const char *s)
{
	return plain_of(s, 0) | plain_of(s, 16) | plain_of(s, 32) | plain_of(s, 48);
}

/* Of 16 to 63 bytes. */
static ALWAYS_INLINE uint64_t plain_of_few(const char *s, size_t len)
{
	uint64_t bits = plain_of(s, 0) | (uint64_t)scan_plain(s + len - 16) << (len - 16);

	if (len > 32)
		bits |= plain_of(s, 16);
	return len > 48 ? bits | plain_of(s, 32) : bits;
}

/* The next 64, or as many as there are. */
static ALWAYS_INLINE void ends_look(struct ends *e)
{
	size_t len = (size_t)(e->last - e->from) + 1;
	uint64_t plain;

	if (LIKELY(len >= 64))
		plain = plain_of_64(e->from);
	else if (LIKELY(e->last - e->start >= 63))
		plain = plain_of_64(e->last - 63) >> (64 - len) | ~UINT64_C(0) << len;
	else
		plain = plain_of_few(e->from, len) | ~UINT64_C(0) << len;
	e->bits = ~plain & (plain << 1 | e->before);
	e->before = plain >> 63;
}

/* The end of the next line: CR LF, and there is more behind it.  NULL: not so. */
static ALWAYS_INLINE const char *next_end(struct ends *e)
{
	const char *at;

	while (!e->bits) {
		e->from += 64;
		if (UNLIKELY(e->from > e->last))
			return NULL;
		ends_look(e);
	}
	at = e->from + scan_first(e->bits);
	e->bits &= e->bits - 1;
	return LIKELY(is_crlf(at)) ? at : NULL;
}

/* Of a name that is long, or near the end of the input; 0: there is no colon behind it. */
static NO_INLINE size_t long_name_len(const char *s, const char *end)
{
	const char *at = scan_name(s, end);

	return at != end && *at == ':' ? (size_t)(at - s) : 0;
}

static ALWAYS_INLINE size_t name_len(const char *s, const char *end)
{
	size_t len;

	len = scan_first(scan_name_ends(s) | 1u << 16);
	if (LIKELY(s[len] == ':'))
		return len;
	return len == 16 ? long_name_len(s, end) : 0;
}

/* Without the blanks around it, of which there usually is one, ahead of it. */
static ALWAYS_INLINE struct bytes value_of(const char *colon, const char *eol)
{
	const char *s = colon + 1;

	if (*s == ' ')
		s++;
	if (UNLIKELY((uint8_t)*s <= ' ' || (uint8_t)eol[-1] <= ' '))
		return bytes_trim((struct bytes){ s, (size_t)(eol - s) });
	return (struct bytes){ s, (size_t)(eol - s) };
}

#define NAME(len) (UINT64_C(1) << (len))

typedef bool take_fn(struct whole *w, struct bytes name, const char *eol);

/*
 * The lines from s on, up to behind the empty one; NULL: not so.  Those whose name has one of the
 * lengths (modulo 64) are given to take.
 */
static ALWAYS_INLINE const char *lines_take(struct whole *w, struct ends *e, const char *s,
					    uint64_t lengths, take_fn *take)
{
	const char *end = e->last + LEFT, *near_end = end - 17;

	while ((uint8_t)*s > ' ') {
		const char *eol = next_end(e);
		size_t len;

		if (UNLIKELY(!eol))
			return NULL;
		len = LIKELY(s <= near_end) ? name_len(s, end) : long_name_len(s, end);
		if (((lengths | NAME(0)) >> len % 64 & 1) &&
		    UNLIKELY(!take(w, (struct bytes){ s, len }, eol)))
			return NULL;
		s = eol + 2;
	}
	return s + 2 <= end && is_crlf(s) ? s + 2 : NULL;
}

/* --- what frames --- */

static ALWAYS_INLINE bool take_length(struct http1 *p, struct bytes value)
{
	uint64_t n = 0;

	/* Eighteen digits are less than 2^63; how several lines agree is for others to see. */
	if (!value.len || value.len > 18 || p->has_length)
		return false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned int digit = (uint8_t)(value.ptr[i] - '0');

		if (digit > 9)
			return false;
		n = n * 10 + digit;
	}
	p->body_left = n;
	p->has_length = true;
	return true;
}

static ALWAYS_INLINE bool take_connection(struct http1 *p, struct bytes value)
{
	bool is_close = word_is(value, BYTES("close"));

	p->says_close |= is_close;
	p->says_keep_alive |= !is_close;
	return is_close || word_is(value, BYTES("keep-alive"));
}

static ALWAYS_INLINE bool take_coding(struct http1 *p, struct bytes value)
{
	if (p->has_te)
		return false;
	p->has_te = p->is_chunked = true;
	return word_is(value, BYTES("chunked"));
}

#define FRAMING (NAME(7) | NAME(10) | NAME(14) | NAME(17))

static ALWAYS_INLINE bool take_framing(struct whole *w, struct bytes name, const char *eol)
{
	const char *colon = name.ptr + name.len;

	switch (name.len) {
	case 7:
		w->p->has_upgrade |= word_is(name, BYTES("upgrade"));
		return true;
	case 10:
		return !word_is(name, BYTES("connection")) ||
		       take_connection(w->p, value_of(colon, eol));
	case 14:
		return !word_is(name, BYTES("content-length")) ||
		       take_length(w->p, value_of(colon, eol));
	case 17:
		return !word_is(name, BYTES("transfer-encoding")) ||
		       take_coding(w->p, value_of(colon, eol));
	default: /* none, or 64 more than one that is known */
		return name.len;
	}
}

/* The head is whole, and s is behind it. */
static ALWAYS_INLINE bool take_head(struct http1 *p, struct bytes *in, const char *s)
{
	if (http1_frame(p) != HTTP1_ALIVE)
		return false;
	p->state = p->after;
	*in = (struct bytes){ s, (size_t)(in->ptr + in->len - s) };
	return true;
}

static ALWAYS_INLINE const char *end_of(struct bytes in)
{
	return in.ptr + (in.len < HTTP1_WHOLE_BYTES ? in.len : HTTP1_WHOLE_BYTES);
}

static ALWAYS_INLINE bool may_be_whole(const struct http1 *p, struct bytes in)
{
	return p->state == HTTP1_AT_START && !p->has_cr && in.len >= LEAST;
}

/* --- responses --- */

static ALWAYS_INLINE bool status_line(struct http1 *p, const char *s, const char *eol)
{
	if (eol - s < 12 || !version_take(p, s) || s[8] != ' ' || s[9] == '0' || !is_digit(s[9]) ||
	    !is_digit(s[10]) || !is_digit(s[11]) || (s + 12 != eol && s[12] != ' '))
		return false;
	p->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
	return true;
}

bool http1_whole_response(struct http1 *p, struct bytes *in, bool is_head, bool is_connect)
{
	struct whole w = { .p = p, .start = in->ptr };
	struct ends e = { in->ptr, in->ptr, end_of(*in) - LEFT, 0, 1 };
	const char *eol, *s;

	if (!may_be_whole(p, *in))
		return false;
	http1_forget(p);
	ends_look(&e);
	eol = next_end(&e);
	if (!eol || !status_line(p, w.start, eol))
		return false;
	s = lines_take(&w, &e, eol + 2, FRAMING, take_framing);
	p->is_head = is_head;
	p->is_connect = is_connect;
	return s && take_head(p, in, s);
}

/* --- requests --- */

static ALWAYS_INLINE void keep(struct whole *w, enum head_field which, struct bytes value)
{
	struct head_fields *f = w->fields;

	f->piece[which] =
		(struct head_piece){ (uint16_t)(value.ptr - w->start), (uint16_t)value.len };
	f->seen = (uint16_t)(f->seen | 1u << which);
}

/* The first one counts. */
static ALWAYS_INLINE bool keep_first(struct whole *w, enum head_field which, const char *colon,
				     const char *eol)
{
	struct bytes value = value_of(colon, eol);

	if (UNLIKELY(value.len > HTTP1_WHOLE_FIELD))
		return false;
	if (LIKELY(!(w->fields->seen >> which & 1)))
		keep(w, which, value);
	return true;
}

static NO_INLINE bool keep_other(struct http1_others *o, struct bytes name, const char *eol)
{
	if (o->count == HTTP1_WHOLE_OTHERS)
		return false;
	o->line[o->count++] = (struct http1_other){ name, value_of(name.ptr + name.len, eol) };
	return true;
}

static ALWAYS_INLINE bool take_traceparent(struct whole *w, const char *colon, const char *eol)
{
	w->fields->traceparents = (uint8_t)(w->fields->traceparents + 1);
	return w->fields->traceparents && keep_first(w, HEAD_TRACEPARENT, colon, eol);
}

#define REQUEST (FRAMING | NAME(4) | NAME(9) | NAME(11) | NAME(13) | NAME(15) | NAME(16))

static ALWAYS_INLINE bool take_request(struct whole *w, struct bytes name, const char *eol)
{
	const char *colon = name.ptr + name.len;

	switch (name.len) {
	case 4:
		return !word_is(name, BYTES("host")) || keep_first(w, HEAD_HOST, colon, eol);
	case 7:
		if (word_is(name, BYTES("baggage")))
			return keep_other(w->others, name, eol);
		return take_framing(w, name, eol);
	case 9:
		if (word_is(name, BYTES("forwarded")))
			return keep_first(w, HEAD_FORWARDED, colon, eol);
		return !word_is(name, BYTES("signature")) || keep_other(w->others, name, eol);
	case 10:
		if (word_is(name, BYTES("user-agent")))
			return keep_first(w, HEAD_USER_AGENT, colon, eol);
		if (word_is(name, BYTES("tracestate")))
			return keep_other(w->others, name, eol);
		return take_framing(w, name, eol);
	case 11:
		return !word_is(name, BYTES("traceparent")) || take_traceparent(w, colon, eol);
	case 13:
		return !word_is(name, BYTES("authorization")) || keep_other(w->others, name, eol);
	case 15:
		if (word_is(name, BYTES("x-forwarded-for")))
			return keep_first(w, HEAD_X_FORWARDED_FOR, colon, eol);
		return !word_is(name, BYTES("signature-input")) || keep_other(w->others, name, eol);
	case 16:
		return !word_is(name, BYTES("x-forwarded-host")) ||
		       keep_first(w, HEAD_X_FORWARDED_HOST, colon, eol);
	case 17:
		if (word_is(name, BYTES("x-forwarded-proto")))
			return keep_first(w, HEAD_X_FORWARDED_PROTO, colon, eol);
		return take_framing(w, name, eol);
	default:
		return take_framing(w, name, eol);
	}
}

/* What is not GET; returns the blank behind it, or NULL. */
static NO_INLINE const char *method_end(struct http1 *p, const char *s, const char *end)
{
	struct bytes method = { s, (size_t)(end - s) };

	method.len = token_len(method);
	if (!method.len || method.len > HTTP1_WHOLE_METHOD || method.len == (size_t)(end - s) ||
	    s[method.len] != ' ')
		return NULL;
	p->is_head = bytes_equal(method, BYTES("HEAD"));
	p->is_connect = bytes_equal(method, BYTES("CONNECT"));
	return s + method.len;
}

/* A target without blanks and controls.  end: of the input. */
static ALWAYS_INLINE bool target_take(struct whole *w, struct bytes target, const char *end)
{
	unsigned int capitals = 0;

	keep(w, HEAD_TARGET, target);
	for (const char *s = target.ptr; s < target.ptr + target.len; s += 16) {
		size_t left = (size_t)(target.ptr + target.len - s);
		unsigned int ours = left < 16 ? (1u << left) - 1 : 0xffff;
		unsigned int back = scan_has_block(s, end) ? 0 : (unsigned int)(16 - (end - s));
		scan_block b = scan_load(s - back);

		if (UNLIKELY(scan_bits(scan_ends_word(b)) >> back & ours))
			return false;
		capitals |= scan_bits((scan_block)(b == 'S')) >> back & ours;
	}
	w->others->has_s = capitals != 0;
	return target.len;
}

static ALWAYS_INLINE bool request_line(struct whole *w, const char *eol, const char *end)
{
	const char *start = w->start, *blank = start + 3, *version = eol - VERSION;

	if (eol - start < 4 + VERSION)
		return false;
	if (UNLIKELY(load4(start) != load4("GET ")))
		blank = method_end(w->p, start, version - 1);
	if (!blank || blank > version - 2 || version[-1] != ' ' || !version_take(w->p, version))
		return false;
	keep(w, HEAD_METHOD, (struct bytes){ start, (size_t)(blank - start) });
	return target_take(w, (struct bytes){ blank + 1, (size_t)(version - blank - 2) }, end);
}

bool http1_whole_request(struct http1 *p, struct bytes *in, struct head_fields *ret,
			 struct http1_others *ret_others)
{
	struct whole w = { p, in->ptr, ret, ret_others };
	struct ends e = { in->ptr, in->ptr, end_of(*in) - LEFT, 0, 1 };
	const char *eol, *s;

	if (!may_be_whole(p, *in))
		return false;
	http1_forget(p);
	ret->base = w.start;
	ret->seen = 0;
	ret->traceparents = 0;
	ret_others->count = 0;
	ends_look(&e);
	eol = next_end(&e);
	if (!eol || !request_line(&w, eol, e.last + LEFT))
		return false;
	s = lines_take(&w, &e, eol + 2, REQUEST, take_request);
	return s && take_head(p, in, s);
}
