/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser's driver and the states of a head.  A line that lies whole in the input is used there;
 * one that is cut waits in the lent buffer (http1_line.c).
 */
#include "http1_impl.h"
#include "scan.h"

typedef enum http1_event step_fn(struct http1 *p, struct bytes *in);

/* The line that begins here, if all of it is there: the usual case, nothing is copied. */
static bool line_in_place(struct bytes in, struct bytes *ret_line, struct bytes *ret_rest)
{
	const char *lf = memchr(in.ptr, '\n', in.len);
	struct bytes line = { in.ptr, lf ? (size_t)(lf - in.ptr) : 0 };

	if (!lf)
		return false;
	*ret_rest = bytes_skip(in, line.len + 1);
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	*ret_line = line;
	return true;
}

/* --- the head --- */

static void line_done(struct http1 *p)
{
	p->line_len = 0;
	p->line_dropped = 0;
	p->is_folded = false;
}

/* A message begins: all facts of the one before are forgotten, the line buffer stays. */
static void message_begin(struct http1 *p)
{
	struct http1 fresh = {
		.line = p->line,
		.line_cap = p->line_cap,
		.line_hold = p->line_hold,
		.is_response = p->is_response,
		.state = HTTP1_AT_START_LINE,
	};

	*p = fresh;
}

static enum http1_event step_start(struct http1 *p, struct bytes *in)
{
	/* Some clients send a line end too many behind a body (RFC 9112 2.2). */
	while (in->len && (p->has_cr || *in->ptr == '\r' || *in->ptr == '\n'))
		if (http1_newline_take(p, in) == HTTP1_TAKEN_BAD)
			return http1_die(p, HTTP1_MALFORMED);
	if (!in->len)
		return HTTP1_NEED_MORE;
	if (p->is_response ? *in->ptr != 'H' : !is_token_char(*in->ptr))
		return http1_die(p, HTTP1_MALFORMED);
	message_begin(p);
	return HTTP1_AGAIN;
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
		if (line_in_place(*in, &line, in))
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

/*
 * A header as nearly all are: whole, in order, and the next line has begun and does not fold it.
 * One pass over its bytes.  False: something is unusual, and nothing is taken.
 */
static bool header_in_place(struct http1 *p, struct bytes *in, size_t *ret_len)
{
	const char *s = in->ptr, *end = s + in->len;
	const char *colon = scan_name(s, end);
	const char *eol = scan_line(colon, end);
	const char *next = eol;

	if (colon == s || colon == end || *colon != ':')
		return false;
	if (next < end && *next == '\r')
		next++;
	if (next >= end || *next != '\n' || ++next == end || http1_is_blank(*next))
		return false;
	p->name = (struct bytes){ s, (size_t)(colon - s) };
	p->value = bytes_trim((struct bytes){ colon + 1, (size_t)(eol - colon - 1) });
	p->is_cut = false;
	*in = (struct bytes){ next, (size_t)(end - next) };
	*ret_len = (size_t)(eol - s);
	return true;
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

static enum http1_event head_closing(struct http1 *p)
{
	enum http1_reason why = http1_frame(p);

	if (why)
		return http1_die(p, why);
	p->state = HTTP1_AT_HEAD_END;
	return HTTP1_HEAD_CLOSING;
}

/*
 * A header may be continued by the next line, so that it is known only once that one has begun:
 * until then a line waits in the buffer though it is whole.
 */
static enum http1_event step_header(struct http1 *p, struct bytes *in)
{
	size_t len;

	if (!in->len)
		return HTTP1_NEED_MORE;
	if (!http1_line_is_under_way(p)) {
		if (LIKELY(header_in_place(p, in, &len))) {
			enum http1_reason why = http1_may_frame(p) ? http1_framing(p, len) : 0;

			return why ? http1_die(p, why) : HTTP1_HEADER;
		}
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

static enum http1_event step_head_end(struct http1 *p, struct bytes *in)
{
	switch (http1_newline_take(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		/* No body that is chunked has a length: body_left counts the chunk from here on. */
		p->state = p->after;
		return HTTP1_HEAD_END;
	}
}

/* --- the ends --- */

static enum http1_event step_end(struct http1 *p, struct bytes *in)
{
	(void)in;
	p->state = HTTP1_AT_START;
	return HTTP1_MESSAGE_END;
}

static enum http1_event step_tunnel(struct http1 *p, struct bytes *in)
{
	(void)p;
	(void)in;
	return HTTP1_TUNNEL;
}

static enum http1_event step_dead(struct http1 *p, struct bytes *in)
{
	(void)p;
	(void)in;
	return HTTP1_DEAD;
}

static step_fn *const step[HTTP1_STATES] = {
	[HTTP1_AT_START] = step_start,
	[HTTP1_AT_START_LINE] = step_start_line,
	[HTTP1_AT_HEADER] = step_header,
	[HTTP1_AT_FOLD] = step_fold,
	[HTTP1_AT_HEAD_END] = step_head_end,
	[HTTP1_AT_BODY] = http1_step_body,
	[HTTP1_AT_CLOSE] = http1_step_close,
	[HTTP1_AT_CHUNK_SIZE] = http1_step_chunk_size,
	[HTTP1_AT_CHUNK_EXT] = http1_step_chunk_ext,
	[HTTP1_AT_SIZE_END] = http1_step_size_end,
	[HTTP1_AT_CHUNK] = http1_step_chunk,
	[HTTP1_AT_CHUNK_END] = http1_step_chunk_end,
	[HTTP1_AT_TRAILER] = http1_step_trailer,
	[HTTP1_IN_TRAILER] = http1_step_in_trailer,
	[HTTP1_AT_TRAILER_END] = http1_step_trailer_end,
	[HTTP1_AT_END] = step_end,
	[HTTP1_IN_TUNNEL] = step_tunnel,
	[HTTP1_IS_DEAD] = step_dead,
};

enum http1_event http1_step(struct http1 *p, struct bytes *in)
{
	enum http1_event e;

	if (!in->ptr)
		in->ptr = ""; /* so that no step computes with NULL */
	do
		e = step[p->state](p, in);
	while (e == HTTP1_AGAIN);
	return e;
}

/* --- the owner's side --- */

void http1_init_request(struct http1 *p)
{
	*p = (struct http1){ .state = HTTP1_AT_START };
}

void http1_init_response(struct http1 *p)
{
	*p = (struct http1){ .state = HTTP1_AT_START, .is_response = true };
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

bool http1_is_between(const struct http1 *p)
{
	if (p->state == HTTP1_AT_START)
		return !p->has_cr;
	return p->state == HTTP1_AT_START_LINE && !http1_line_is_under_way(p);
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
