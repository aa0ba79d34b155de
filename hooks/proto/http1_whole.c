/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each line's first sixteen bytes tell where its name ends, and the first control character where
 * the line does.  A name is looked at if its length is that of one that we know.
 */
#include "http1_whole.h"

#include "http1_impl.h"
#include "scan.h"
#include "word.h"

/* "HTTP/1.1 200\r\n\r\n", "GET / HTTP/1.1\r\n\r\n": no head is shorter than a block. */
#define LEAST 16u
_Static_assert(sizeof(scan_block) <= LEAST, "sixteen bytes that end where the input does");

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

/* " HTTP/1.1\r\n", and one byte more. */
#define VERSION_END 12

/* "HTTP/1.1" */
static ALWAYS_INLINE bool version_take(struct http1 *p, const char *s)
{
	if (UNLIKELY(load8(s) != load8("HTTP/1.1") &&
		     (memcmp(s, "HTTP/1.", 7) != 0 || !is_digit(s[7]))))
		return false;
	p->version = (uint8_t)(10 + s[7] - '0');
	return true;
}

/* --- lines --- */

/* A line of a head, as far as its ends tell. */
struct line {
	size_t len;          /* of its name; at that place is a colon */
	const char *control; /* its first control character */
};

/* The same where a name is long, or the input's end is near; false: one of the two is not there. */
static NO_INLINE bool line_look_on(const char *s, const char *end, struct line *ret)
{
	const char *name_end = scan_header(s, end, &ret->len);

	ret->control = name_end;
	return name_end != end && s[ret->len] == ':';
}

#define LINE_LOOK 33 /* bytes that are looked at at once: two blocks, and one behind the first */

static ALWAYS_INLINE bool line_look(const char *s, const char *end, struct line *ret)
{
	scan_block first, second;
	uint64_t controls;

	if (UNLIKELY(s > end - LINE_LOOK))
		return line_look_on(s, end, ret);
	first = scan_load(s);
	second = scan_load(s + 16);
	ret->len = scan_first(~(uint64_t)scan_bits(scan_is_name(first)));
	if (UNLIKELY(s[ret->len] != ':'))
		return ret->len == 16 && line_look_on(s, end, ret);
	controls = scan_bits(scan_is_control(first)) | scan_bits(scan_is_control(second)) << 16;
	ret->control =
		LIKELY(controls) ? s + scan_first(controls) : scan_on(s + 32, end, scan_is_control);
	return true;
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
static ALWAYS_INLINE const char *lines_take(struct whole *w, const char *s, const char *end,
					    uint64_t lengths, take_fn *take)
{
	while ((uint8_t)*s > ' ') {
		struct line l;

		if (UNLIKELY(!line_look(s, end, &l) || l.control >= end - 2 || !is_crlf(l.control)))
			return NULL;
		if (((lengths | NAME(0)) >> l.len % 64 & 1) &&
		    UNLIKELY(!take(w, (struct bytes){ s, l.len }, l.control)))
			return NULL;
		s = l.control + 2;
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
	default: /* of no length, or 64 more than one that is known */
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

/* State and what it was told to do stay: it is still where it was. */
static ALWAYS_INLINE void facts_clear(struct http1 *p)
{
	memset(p, 0, offsetof(struct http1, line));
}

/* --- responses --- */

/* Returns where the next line begins, which is there, or NULL. */
static ALWAYS_INLINE const char *status_line(struct http1 *p, const char *s, const char *end)
{
	const char *eol = s + 12;

	if (!version_take(p, s) || s[8] != ' ' || s[9] == '0' || !is_digit(s[9]) ||
	    !is_digit(s[10]) || !is_digit(s[11]))
		return NULL;
	if (LIKELY(*eol == ' '))
		eol = scan_for(eol, end, scan_is_control);
	if (end - eol < 3 || !is_crlf(eol))
		return NULL;
	p->status = (uint16_t)((s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0'));
	return eol + 2;
}

bool http1_whole_response(struct http1 *p, struct bytes *in, bool is_head, bool is_connect)
{
	struct whole w = { .p = p, .start = in->ptr };
	const char *end = end_of(*in), *s;

	if (!may_be_whole(p, *in))
		return false;
	facts_clear(p);
	s = status_line(p, w.start, end);
	if (s)
		s = lines_take(&w, s, end, FRAMING, take_framing);
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

/* The blank behind a method that is as it should be, or NULL. */
static ALWAYS_INLINE const char *method_end(const char *s, const char *end)
{
	size_t n;

	if (LIKELY(load4(s) == load4("GET ")))
		return s + 3;
	n = token_len((struct bytes){ s, (size_t)(end - s) });
	return n && n <= HTTP1_WHOLE_METHOD && s + n < end && s[n] == ' ' ? s + n : NULL;
}

/* As status_line(). */
static ALWAYS_INLINE const char *request_line(struct whole *w, const char *end)
{
	const char *blank = method_end(w->start, end), *target, *s;
	struct bytes method;

	if (!blank)
		return NULL;
	target = blank + 1;
	s = scan_for(target, end, scan_ends_word);
	if (end - s < VERSION_END || *s != ' ' || s == target || !version_take(w->p, s + 1) ||
	    !is_crlf(s + 9))
		return NULL;
	method = (struct bytes){ w->start, (size_t)(blank - w->start) };
	keep(w, HEAD_METHOD, method);
	keep(w, HEAD_TARGET, (struct bytes){ target, (size_t)(s - target) });
	w->p->is_head = bytes_equal(method, BYTES("HEAD"));
	w->p->is_connect = bytes_equal(method, BYTES("CONNECT"));
	return s + 11;
}

bool http1_whole_request(struct http1 *p, struct bytes *in, struct head_fields *ret,
			 struct http1_others *ret_others)
{
	struct whole w = { p, in->ptr, ret, ret_others };
	const char *end = end_of(*in), *s;

	if (!may_be_whole(p, *in))
		return false;
	facts_clear(p);
	ret->base = w.start;
	ret->seen = 0;
	ret->traceparents = 0;
	ret_others->count = 0;
	s = request_line(&w, end);
	if (s)
		s = lines_take(&w, s, end, REQUEST, take_request);
	return s && take_head(p, in, s);
}
