/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_IMPL_H
#define HTTP1_IMPL_H
/*
 * What the four files of the parser say to each other.  Nobody else includes this.
 *
 *   http1.c       driver, states of a head        -> line, head
 *   http1_body.c  states of bodies and chunks     -> line
 *   http1_line.c  lines that are cut by the input's end
 *   http1_head.c  what a whole line of a head says, and how long the message therefore is
 */
#include <stddef.h>
#include <string.h>

#include "http1.h"
#include "token.h"

enum http1_state {
	HTTP1_AT_START = 0,   /* the first byte of a message; blank lines before it are skipped */
	HTTP1_AT_START_LINE,  /* until LF */
	HTTP1_AT_HEADER,      /* a line: a header, or the empty one */
	HTTP1_AT_FOLD,        /* a header's line is whole: does the next one continue it? */
	HTTP1_AT_HEAD_END,    /* the CR and LF of the empty line */
	HTTP1_AT_BODY,        /* body_left bytes */
	HTTP1_AT_CLOSE,       /* a body until the connection closes */
	HTTP1_AT_CHUNK_SIZE,  /* hex digits */
	HTTP1_AT_CHUNK_EXT,   /* until CRLF, ignored */
	HTTP1_AT_SIZE_END,    /* the line end right behind the digits */
	HTTP1_AT_CHUNK,       /* body_left bytes */
	HTTP1_AT_CHUNK_END,   /* the CRLF behind a chunk's data */
	HTTP1_AT_TRAILER,     /* a line: a trailer, or the empty one */
	HTTP1_IN_TRAILER,     /* until LF, ignored */
	HTTP1_AT_TRAILER_END, /* the CR and LF of the empty line */
	HTTP1_AT_END,         /* no byte: MESSAGE_END is due */
	HTTP1_IN_TUNNEL,      /* sticky */
	HTTP1_IS_DEAD,        /* sticky */
	HTTP1_STATES
};

/* Of a step: no event yet, ask the next state. */
#define HTTP1_AGAIN HTTP1_EVENTS

static ALWAYS_INLINE enum http1_event http1_die(struct http1 *p, enum http1_reason why)
{
	p->state = HTTP1_IS_DEAD;
	p->reason = (uint8_t)why;
	return HTTP1_DEAD;
}

static ALWAYS_INLINE enum http1_event http1_go(struct http1 *p, enum http1_state next)
{
	p->state = (uint8_t)next;
	return HTTP1_AGAIN;
}

/* The facts of the message before; state and what it was told to do stay. */
static ALWAYS_INLINE void http1_forget(struct http1 *p)
{
	memset((char *)p + offsetof(struct http1, status), 0,
	       sizeof(*p) - offsetof(struct http1, status));
}

static ALWAYS_INLINE bool http1_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* http1_body.c */

/* As much of body_left as there is; true when none of it is left. */
static ALWAYS_INLINE bool http1_body_take(struct http1 *p, struct bytes *in)
{
	size_t n = in->len < p->body_left ? in->len : (size_t)p->body_left;

	*in = bytes_skip(*in, n);
	p->body_left -= n;
	p->body_bytes += n;
	return p->body_left == 0;
}

enum http1_event http1_step_body(struct http1 *p, struct bytes *in);
enum http1_event http1_step_close(struct http1 *p, struct bytes *in);
enum http1_event http1_step_chunk_size(struct http1 *p, struct bytes *in);
enum http1_event http1_step_chunk_ext(struct http1 *p, struct bytes *in);
enum http1_event http1_step_size_end(struct http1 *p, struct bytes *in);
enum http1_event http1_step_chunk(struct http1 *p, struct bytes *in);
enum http1_event http1_step_chunk_end(struct http1 *p, struct bytes *in);
enum http1_event http1_step_trailer(struct http1 *p, struct bytes *in);
enum http1_event http1_step_in_trailer(struct http1 *p, struct bytes *in);
enum http1_event http1_step_trailer_end(struct http1 *p, struct bytes *in);

/* http1_line.c */
enum http1_taken {
	HTTP1_TAKEN_PART, /* no line end yet; all input is taken */
	HTTP1_TAKEN_LF,   /* the line end was a bare LF */
	HTTP1_TAKEN_CRLF,
	HTTP1_TAKEN_BAD, /* a CR without LF, or a NUL */
};

/* Takes the next piece of a line off in; *ret_part, if set, is without the line end. */
enum http1_taken http1_line_take(struct http1 *p, struct bytes *in, struct bytes *ret_part);

/* CR LF or LF, and nothing else, from here on. */
enum http1_taken http1_newline_take(struct http1 *p, struct bytes *in);

/* The line under way, or the one that begins here, goes on in the line buffer. */
enum http1_taken http1_line_gather(struct http1 *p, struct bytes *in);

/* Appends to the line buffer; what does not fit is dropped but for its end. */
void http1_line_keep(struct http1 *p, struct bytes part);

static ALWAYS_INLINE bool http1_line_is_under_way(const struct http1 *p)
{
	return p->line_len || p->line_dropped;
}

static ALWAYS_INLINE struct bytes http1_line_kept(const struct http1 *p)
{
	return (struct bytes){ p->line + p->line_at, p->line_len };
}

/*
 * http1_head.c.  Takes a request line that lies whole in the input and is as nearly all are; false:
 * it is not, or not quite, and nothing is taken.
 */
bool http1_request_in_place(struct http1 *p, struct bytes *in);

/* All return HTTP1_ALIVE, or why not.  line has no line end. */
enum http1_reason http1_request_line(struct http1 *p, struct bytes line);
enum http1_reason http1_status_line(struct http1 *p, struct bytes line);
enum http1_reason http1_header_line(struct http1 *p, struct bytes line);

#define HTTP1_FRAMING (HTTP1_TELL(7) | HTTP1_TELL(10) | HTTP1_TELL(14) | HTTP1_TELL(17))

/* A header of these lengths may be Upgrade, Connection, Content-Length or Transfer-Encoding. */
static ALWAYS_INLINE bool http1_may_frame(const struct http1 *p)
{
	return p->name.len < 31 && (HTTP1_FRAMING >> p->name.len & 1);
}

/* What p->name and p->value say about the message; line_len is that of their whole line. */
enum http1_reason http1_framing(struct http1 *p, size_t line_len);

/* The head is whole: decides how the message ends; sets after, is_close, body_left. */
enum http1_reason http1_frame(struct http1 *p);

/* Neither NUL nor CR: the two that no line of a head may hold (RFC 9110 5.5, RFC 9112 2.2). */
bool http1_is_text(struct bytes s);

#endif
