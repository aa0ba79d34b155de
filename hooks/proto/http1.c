/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser's driver and the states of a head.  A line that lies whole in the input is used there;
 * one that is cut waits in the lent buffer (http1_line.c).
 */
#include "http1_impl.h"
#include "scan.h"

/*
 * The line that begins here, if all of it is there and it is text: the usual case, nothing is
 * copied.
 */
static ALWAYS_INLINE bool line_in_place(struct bytes *in, struct bytes *ret_line)
{
	const char *end = in->ptr + in->len;
	const char *eol = scan_line(in->ptr, end);
	const char *next = eol;

	if (next < end && *next == '\r')
		next++;
	if (next >= end || *next != '\n')
		return false;
	*ret_line = (struct bytes){ in->ptr, (size_t)(eol - in->ptr) };
	*in = (struct bytes){ next + 1, (size_t)(end - next - 1) };
	return true;
}

/* --- the head --- */

static void line_done(struct http1 *p)
{
	p->line_len = 0;
	p->line_dropped = 0;
	p->is_folded = false;
}

/* Can this begin a message?  Then one begins: all facts of the one before are forgotten. */
static ALWAYS_INLINE bool message_begin(struct http1 *p, char first)
{
	if (p->is_response ? first != 'H' : !is_token_char(first))
		return false;
	http1_forget(p);
	p->state = HTTP1_AT_START_LINE;
	return true;
}

static enum http1_event step_start(struct http1 *p, struct bytes *in)
{
	/* Some clients send a line end too many behind a body (RFC 9112 2.2). */
	while (in->len && (p->has_cr || *in->ptr == '\r' || *in->ptr == '\n'))
		if (http1_newline_take(p, in) == HTTP1_TAKEN_BAD)
			return http1_die(p, HTTP1_MALFORMED);
	if (!in->len)
		return HTTP1_NEED_MORE;
	return message_begin(p, *in->ptr) ? HTTP1_AGAIN : http1_die(p, HTTP1_MALFORMED);
}

static enum http1_event start_line(struct http1 *p, struct bytes line)
{
	enum http1_reason why =
		p->is_response ? http1_status_line(p, line) : http1_request_line(p, line);

	line_done(p);
	if (why)
		return http1_die(p, why);
	p->state = HTTP1_AT_HEADER;
	return HTTP1_START_LINE;
}

static enum http1_event step_start_line(struct http1 *p, struct bytes *in)
{
	struct bytes line;

	if (!in->len)
		return HTTP1_NEED_MORE;
	if (!http1_line_is_under_way(p)) {
		if (line_in_place(in, &line))
			return start_line(p, line);
		if (!p->line)
			return HTTP1_NEED_LINE;
	}
	switch (http1_line_gather(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		return start_line(p, http1_line_kept(p));
	}
}

static enum http1_event header_line(struct http1 *p, struct bytes line)
{
	enum http1_reason why = http1_header_line(p, line);

	line_done(p);
	if (why)
		return http1_die(p, why);
	p->state = HTTP1_AT_HEADER;
	return HTTP1_HEADER;
}

static ALWAYS_INLINE enum http1_event head_closing(struct http1 *p)
{
	enum http1_reason why = http1_frame(p);

	if (why)
		return http1_die(p, why);
	p->state = HTTP1_AT_HEAD_END;
	return p->tell & HTTP1_TELL_CLOSING ? HTTP1_HEAD_CLOSING : HTTP1_AGAIN;
}

/*
 * A header may be continued by the next line, so that it is known only once that one has begun:
 * until then a line waits in the buffer though it is whole.
 */
static enum http1_event step_header(struct http1 *p, struct bytes *in)
{
	if (!in->len)
		return HTTP1_NEED_MORE;
	if (!http1_line_is_under_way(p)) {
		if (*in->ptr == '\r' || *in->ptr == '\n')
			return head_closing(p);
		/* Behind the start line: skipped by some, refused by others (RFC 9112 2.2). */
		if (http1_is_blank(*in->ptr))
			return http1_die(p, HTTP1_SMUGGLING);
		if (!p->line)
			return HTTP1_NEED_LINE;
	}
	switch (http1_line_gather(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		return http1_go(p, HTTP1_AT_FOLD);
	}
}

/* The line end and the first blank behind it become one space (RFC 9112 5.2). */
static enum http1_event step_fold(struct http1 *p, struct bytes *in)
{
	if (!in->len)
		return HTTP1_NEED_MORE;
	if (!http1_is_blank(*in->ptr))
		return header_line(p, http1_line_kept(p));
	p->is_folded = true;
	http1_line_keep(p, BYTES(" "));
	*in = bytes_skip(*in, 1);
	return http1_go(p, HTTP1_AT_HEADER);
}

static ALWAYS_INLINE enum http1_event head_end(struct http1 *p)
{
	/* No body that is chunked has a length: body_left counts the chunk from here on. */
	p->state = p->after;
	return HTTP1_HEAD_END;
}

static enum http1_event step_head_end(struct http1 *p, struct bytes *in)
{
	switch (http1_newline_take(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		return head_end(p);
	}
}

static ALWAYS_INLINE enum http1_event message_end(struct http1 *p)
{
	p->state = HTTP1_AT_START;
	return HTTP1_MESSAGE_END;
}

/* A switch and no table, whose pointers would be relocated in every process that loads us. */
static ALWAYS_INLINE enum http1_event step(struct http1 *p, struct bytes *in)
{
	switch ((enum http1_state)p->state) {
	case HTTP1_AT_START:
		return step_start(p, in);
	case HTTP1_AT_START_LINE:
		return step_start_line(p, in);
	case HTTP1_AT_HEADER:
		return step_header(p, in);
	case HTTP1_AT_FOLD:
		return step_fold(p, in);
	case HTTP1_AT_HEAD_END:
		return step_head_end(p, in);
	case HTTP1_AT_BODY:
		return http1_step_body(p, in);
	case HTTP1_AT_CLOSE:
		return http1_step_close(p, in);
	case HTTP1_AT_CHUNK_SIZE:
		return http1_step_chunk_size(p, in);
	case HTTP1_AT_CHUNK_EXT:
		return http1_step_chunk_ext(p, in);
	case HTTP1_AT_SIZE_END:
		return http1_step_size_end(p, in);
	case HTTP1_AT_CHUNK:
		return http1_step_chunk(p, in);
	case HTTP1_AT_CHUNK_END:
		return http1_step_chunk_end(p, in);
	case HTTP1_AT_TRAILER:
		return http1_step_trailer(p, in);
	case HTTP1_IN_TRAILER:
		return http1_step_in_trailer(p, in);
	case HTTP1_AT_TRAILER_END:
		return http1_step_trailer_end(p, in);
	case HTTP1_AT_END:
		return message_end(p);
	case HTTP1_IN_TUNNEL:
		return HTTP1_TUNNEL;
	default:
		return HTTP1_DEAD;
	}
}

/* Step by step: all that there is. */
static NO_INLINE enum http1_event steps(struct http1 *p, struct bytes *in)
{
	enum http1_event e;

	do
		e = step(p, in);
	while (e == HTTP1_AGAIN);
	return e;
}

/* --- the usual, in place: whatever is not quite that is left to the steps --- */

static NO_INLINE enum http1_event start_in_place(struct http1 *p, struct bytes *in)
{
	struct bytes line;

	if (UNLIKELY(p->has_cr || !message_begin(p, *in->ptr)))
		return steps(p, in);
	if (!p->is_response && LIKELY(http1_request_in_place(p, in))) {
		p->state = HTTP1_AT_HEADER;
		return HTTP1_START_LINE;
	}
	return LIKELY(line_in_place(in, &line)) ? start_line(p, line) : steps(p, in);
}

static NO_INLINE enum http1_event closing_in_place(struct http1 *p, struct bytes *in)
{
	enum http1_event e = p->state == HTTP1_AT_HEADER ? head_closing(p) : HTTP1_AGAIN;

	if (e != HTTP1_AGAIN)
		return e;
	if (UNLIKELY(p->has_cr || in->len < 2 || memcmp(in->ptr, "\r\n", 2) != 0))
		return steps(p, in);
	*in = (struct bytes){ in->ptr + 2, in->len - 2 };
	return head_end(p);
}

/*
 * Without the blanks around it, of which there usually is one, ahead of it.  At end is a control.
 */
static ALWAYS_INLINE struct bytes value_trim(const char *s, const char *end)
{
	if (*s == ' ')
		s++;
	if ((uint8_t)*s <= ' ' || (uint8_t)end[-1] <= ' ')
		return bytes_trim((struct bytes){ s, (size_t)(end - s) });
	return (struct bytes){ s, (size_t)(end - s) };
}

struct line_end {
	const char *at;
	const char *next; /* NULL: it does not end, or nothing is behind it yet */
};

/* Of a line that goes on with a control character. */
static NO_INLINE struct line_end line_end(const char *s, const char *end)
{
	s = scan_line(s, end);
	if (end - s >= 2 && s[0] == '\n')
		return (struct line_end){ s, s + 1 };
	if (end - s >= 3 && s[0] == '\r' && s[1] == '\n')
		return (struct line_end){ s, s + 2 };
	return (struct line_end){ s, NULL };
}

static ALWAYS_INLINE bool is_in(uint32_t lengths, size_t len)
{
	return LIKELY(len < 31) ? lengths >> len & 1 : lengths >> 31;
}

/*
 * Headers as nearly all are: whole, in order, and the next line has begun and does not fold them.
 * One pass over their bytes, up to one that is told, or that frames badly.
 */
static NO_INLINE enum http1_event headers_in_place(struct http1 *p, struct bytes *in)
{
	const char *s = in->ptr, *end = s + in->len;
	uint32_t heard = p->tell | HTTP1_FRAMING | HTTP1_TELL(0); /* no name: not usual */

	for (bool goes_on = true; goes_on;) {
		size_t len;
		const char *control = scan_header(s, end, &len);
		struct line_end eol = { control, control + 2 };

		if (UNLIKELY(eol.next >= end || memcmp(control, "\r\n", 2) != 0))
			eol = line_end(control, end);
		if (UNLIKELY(!eol.next || s[len] != ':'))
			break;
		goes_on = (uint8_t)*eol.next > ' ';
		if (UNLIKELY(!goes_on) && http1_is_blank(*eol.next))
			break;
		if (is_in(heard, len)) {
			enum http1_reason why;

			if (UNLIKELY(!len))
				break;
			p->name = (struct bytes){ s, len };
			p->value = value_trim(s + len + 1, eol.at);
			p->is_cut = false;
			why = is_in(HTTP1_FRAMING, len) ? http1_framing(p, (size_t)(eol.at - s)) :
							  HTTP1_ALIVE;
			*in = (struct bytes){ eol.next, (size_t)(end - eol.next) };
			if (UNLIKELY(why))
				return http1_die(p, why);
			if (is_in(p->tell, len))
				return HTTP1_HEADER;
		}
		s = eol.next;
	}
	*in = (struct bytes){ s, (size_t)(end - s) };
	return LIKELY(*s == '\r') ? closing_in_place(p, in) : steps(p, in);
}

enum http1_event http1_step(struct http1 *p, struct bytes *in)
{
	if (UNLIKELY(!in->ptr))
		in->ptr = ""; /* so that no step computes with NULL */
	if (p->state == HTTP1_AT_START)
		return in->len ? start_in_place(p, in) : HTTP1_NEED_MORE;
	if (p->state == HTTP1_AT_HEADER && in->len && !http1_line_is_under_way(p))
		return *in->ptr == '\r' ? closing_in_place(p, in) : headers_in_place(p, in);
	if (p->state == HTTP1_AT_HEAD_END)
		return closing_in_place(p, in);
	if (p->state == HTTP1_AT_END)
		return message_end(p);
	if (p->state == HTTP1_AT_BODY)
		return http1_body_take(p, in) ? message_end(p) : HTTP1_NEED_MORE;
	return steps(p, in);
}

/* --- the owner's side --- */

void http1_init_request(struct http1 *p)
{
	*p = (struct http1){ .state = HTTP1_AT_START, .tell = HTTP1_TELL_ALL };
}

void http1_init_response(struct http1 *p)
{
	*p = (struct http1){ .state = HTTP1_AT_START, .is_response = true, .tell = HTTP1_TELL_ALL };
}

void http1_expect(struct http1 *p, bool is_head, bool is_connect)
{
	p->is_head = is_head;
	p->is_connect = is_connect;
}

static bool is_over(const struct http1 *p)
{
	return p->state == HTTP1_IN_TUNNEL || p->state == HTTP1_IS_DEAD;
}

void http1_lend(struct http1 *p, char *buf, size_t cap)
{
	p->line = buf;
	p->line_cap = (uint16_t)(cap < UINT16_MAX ? cap : UINT16_MAX);
	p->line_at = 0;
	p->line_hold = 0;
	line_done(p);
}

bool http1_holds_line(const struct http1 *p)
{
	return http1_line_is_under_way(p) && !is_over(p);
}

char *http1_unlend(struct http1 *p)
{
	char *buf = p->line;

	if (http1_holds_line(p))
		return NULL;
	http1_lend(p, NULL, 0);
	return buf;
}

struct http1 http1_ahead(const struct http1 *p)
{
	struct http1 ahead = *p;

	ahead.line_hold = http1_line_is_under_way(p) ? (uint16_t)(p->line_at + p->line_len) : 0;
	return ahead;
}

void http1_kill(struct http1 *p, enum http1_reason why)
{
	if (p->state != HTTP1_IS_DEAD)
		http1_die(p, why);
}

void http1_tunnel(struct http1 *p)
{
	if (p->state != HTTP1_IS_DEAD)
		p->state = HTTP1_IN_TUNNEL;
}

bool http1_eof(struct http1 *p)
{
	if (p->state != HTTP1_AT_CLOSE)
		return false;
	p->state = HTTP1_AT_START;
	return true;
}

bool http1_can_repeat(const struct http1 *p)
{
	return p->is_response && !p->is_head && !p->is_connect && p->status >= 200 &&
	       p->status != 204 && p->status != 304 && p->has_length != p->is_chunked && !p->tell;
}

void http1_repeat(struct http1 *p, uint64_t length)
{
	p->has_digit = p->has_cr = false;
	p->body_bytes = 0;
	p->body_left = p->is_chunked ? 0 : length;
	p->state = (uint8_t)(p->is_chunked ? HTTP1_AT_CHUNK_SIZE :
			     length        ? HTTP1_AT_BODY :
					     HTTP1_AT_END);
}

bool http1_repeat_whole(struct http1 *p, uint64_t length)
{
	if (p->is_chunked)
		return false;
	p->has_digit = p->has_cr = false;
	p->body_bytes = length;
	p->body_left = 0;
	p->state = HTTP1_AT_START;
	return true;
}

bool http1_is_between(const struct http1 *p)
{
	if (p->state == HTTP1_AT_START)
		return !p->has_cr;
	return p->state == HTTP1_AT_START_LINE && !http1_line_is_under_way(p);
}

bool http1_is_line_start(const struct http1 *p)
{
	return p->state == HTTP1_AT_FOLD ||
	       (p->state == HTTP1_AT_HEADER && !http1_line_is_under_way(p));
}

const char *http1_reason_text(enum http1_reason why)
{
	static const char text[HTTP1_REASONS][16] = {
		[HTTP1_ALIVE] = "alive",         [HTTP1_MALFORMED] = "malformed",
		[HTTP1_SMUGGLING] = "smuggling", [HTTP1_TOO_LONG] = "line too long",
		[HTTP1_HTTP2] = "HTTP/2",        [HTTP1_GIVEN_UP] = "given up",
	};

	return (unsigned int)why < HTTP1_REASONS ? text[why] : "unknown";
}
