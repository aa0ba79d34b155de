/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_H
#define HTTP1_H
/*
 * HTTP/1 as seen by somebody who only watches (RFC 9110, 9112): bytes in, facts out, at any split.
 *
 * An observer that guesses tells lies, so whatever two receivers could read differently ends in
 * HTTP1_DEAD: the connection is opaque from then on, which is a gap and not an error.
 *
 * One direction is one parser.  Its owner calls http1_step() until HTTP1_NEED_MORE, with an empty
 * input too, since MESSAGE_END may follow without a byte.
 *
 * Parsing ahead: http1_ahead(p) is a copy that parses a buffer before it is known how much of it
 * will be accepted.  All of it: *p = ahead.  The first k bytes: forget the copy and feed those to
 * p; the same events come again.  Both share the lent line buffer: http1_ahead() sees to it that
 * the copy leaves alone what p keeps there; after a plain assignment that holds only while
 * !http1_holds_line(p).
 *
 * No allocation, no clock, no errno.  Any thread, async-signal-safe; one owner at a time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"

/* Wanted size of a lent buffer.  A framing header whose line is longer is refused at any split. */
#define HTTP1_LINE_BYTES 8192u
#define HTTP1_LINE_MIN 64u

enum http1_event {
	HTTP1_NEED_MORE,    /* all input is taken */
	HTTP1_NEED_LINE,    /* a line must wait for bytes to come: http1_lend(), or http1_kill() */
	HTTP1_START_LINE,   /* request: method, target, version; response: status, version */
	HTTP1_HEADER,       /* name, value without surrounding blanks; trailers are not told */
	HTTP1_HEAD_CLOSING, /* in->ptr is at the CR or LF of the empty line: lines fit in here; all
			     * facts are known.  Only that one byte need be there.  For those
			     * who ask for HTTP1_TELL_CLOSING. */
	HTTP1_HEAD_END,     /* the empty line is taken.  After a 1xx the next head follows. */
	HTTP1_MESSAGE_END,  /* its last byte is taken; right behind HEAD_END if it has no body */
	HTTP1_TUNNEL,       /* behind HEAD_END of a 101, or of a 2xx to CONNECT; sticky, takes
			     * nothing: in->ptr is at the first byte that is not HTTP/1 */
	HTTP1_DEAD,         /* not HTTP/1, or ambiguous; sticky; reason tells */
	HTTP1_EVENTS
};

enum http1_reason {
	HTTP1_ALIVE,
	HTTP1_MALFORMED, /* no receiver has to understand this */
	HTTP1_SMUGGLING, /* two receivers may disagree about where the message ends */
	HTTP1_TOO_LONG,  /* a line that matters was cut and does not fit in the line buffer */
	HTTP1_HTTP2,     /* the connection preface of HTTP/2 */
	HTTP1_GIVEN_UP,  /* by the owner: no line buffer, blind half, ... */
	HTTP1_REASONS
};

struct http1 {
	/*
	 * Which headers are told, by the length of their names: see http1_tell().  Others may be,
	 * too; and what they say about framing is always heard.
	 */
	uint32_t tell;
	uint8_t state; /* enum http1_state of http1_impl.h */
	bool is_response;
	uint16_t line_cap;
	char *line;         /* lent; see the note on parsing ahead */
	uint16_t line_hold; /* bytes before this one belong to the parser that we are a copy of */

	/*
	 * From here on: forgotten when the next message begins.  What a message needs whose head is
	 * known already comes first.
	 */
	uint16_t status; /* of a response: 100..999 */
	uint8_t version; /* 10: HTTP/1.0, 11: HTTP/1.1, ... 19 */
	uint8_t after;   /* the state that follows this head */
	uint8_t reason;  /* enum http1_reason */

	/* Facts, complete at HEAD_CLOSING; they stay until the next START_LINE. */
	bool is_head : 1;    /* request: method HEAD; response: http1_expect() said so */
	bool is_connect : 1; /* likewise CONNECT */
	bool is_close : 1;   /* the connection does not outlive this message */
	bool is_chunked : 1;
	bool has_length : 1;  /* Content-Length was sent */
	bool has_upgrade : 1; /* Upgrade was sent */
	bool is_cut : 1; /* this target or value is only the beginning: the line buffer was full */

	/* The parser's own. */
	bool has_cr : 1;    /* the last byte taken was a CR: only LF may follow */
	bool has_digit : 1; /* of a chunk size */
	bool is_folded : 1; /* the line under way was continued */
	bool has_te : 1;
	bool te_is_bad : 1; /* chunked twice, not last, or not told plainly */
	bool says_close : 1;
	bool says_keep_alive : 1;

	uint16_t line_at;  /* where the line under way starts */
	uint16_t line_len; /* how much of it is kept */
	/*
	 * In a head: Content-Length if has_length.  Afterwards: what is left of body or chunk.
	 * From HEAD_CLOSING on it is 0 where the message has no body, whatever the header said.
	 */
	uint64_t body_left;
	uint64_t body_bytes;   /* of payload, taken so far; framing of chunks not counted */
	uint32_t line_dropped; /* bytes of the line under way that did not fit */
	char line_tail[9];     /* the last bytes of a request line that did not fit: " HTTP/1.1" */

	/* Views into the input, or into the line buffer; good until the next call. */
	union {
		struct bytes method;
		struct bytes name;
	};
	union {
		struct bytes target;
		struct bytes value;
	};
};

#define HTTP1_TELL_ALL UINT32_MAX
#define HTTP1_TELL_CLOSING HTTP1_TELL(0) /* no name is empty: HEAD_CLOSING is told */
#define HTTP1_TELL(len) (1u << ((len) < 31 ? (len) : 31)) /* 31: that long, and longer */

void http1_init_request(struct http1 *p);
void http1_init_response(struct http1 *p);

/*
 * Who wants only a few headers says so, as HTTP1_TELL(length of name) | ...; at first all are told,
 * and HEAD_CLOSING.
 */
static inline void http1_tell(struct http1 *p, uint32_t lengths)
{
	p->tell = lengths;
}

/* Takes from in what it has consumed. */
enum http1_event http1_step(struct http1 *p, struct bytes *in);

/*
 * Response: which request this answers.  To be called between START_LINE and HEAD_CLOSING of every
 * response (best at START_LINE, when status tells whether it is the final one); it is forgotten
 * with the next start line.  Not called: neither HEAD nor CONNECT.
 */
void http1_expect(struct http1 *p, bool is_head, bool is_connect);

/*
 * Answer to HTTP1_NEED_LINE; nothing of the input was taken, so go on with the same.  p borrows
 * buf (cap HTTP1_LINE_MIN..65535) until http1_unlend().
 */
void http1_lend(struct http1 *p, char *buf, size_t cap);

/* Is something kept in the line buffer that the next step needs? */
bool http1_holds_line(const struct http1 *p);

/*
 * Gives the line buffer back: NULL if there was none, or if it is in use.  Views into it die.
 * A dead or tunnelling parser gives it back always.
 */
char *http1_unlend(struct http1 *p);

/* A copy to parse ahead with: see above. */
struct http1 http1_ahead(const struct http1 *p);

/*
 * The next n bytes passed by where nobody saw them.  False: they do not all lie in a body or a
 * chunk, so the end of the message is lost.  Otherwise go on with http1_step(), with an empty input
 * if there is no other: MESSAGE_END may be due.
 */
MUST_USE bool http1_skip(struct http1 *p, uint64_t n);

/*
 * Response: a head that differs from the last one in the digits of its Content-Length alone, or in
 * what no parser cares about, need not be parsed.  http1_can_repeat(): at HEAD_END, is it such a
 * one?  http1_repeat(): it has come again, with that length if it has any; as behind its HEAD_END.
 * Only with http1_is_between().
 */
bool http1_can_repeat(const struct http1 *p);
void http1_repeat(struct http1 *p, uint64_t length);
/* The same, and behind it its body, to the MESSAGE_END; false: it is chunked. */
MUST_USE bool http1_repeat_whole(struct http1 *p, uint64_t length);

/* Gives up; sticky.  Where it is dead already the first reason stays. */
void http1_kill(struct http1 *p, enum http1_reason why);

/* Request: the response opened a tunnel (its parser said HTTP1_TUNNEL); sticky. */
void http1_tunnel(struct http1 *p);

/*
 * The sender closed its direction.  True: that is the proper end of a close-delimited message;
 * treat it as MESSAGE_END.  False: nothing ends, or, unless http1_is_between(), a message is cut.
 */
MUST_USE bool http1_eof(struct http1 *p);

/* The next byte begins a message, as far as one can tell without it. */
static inline bool http1_is_fresh(const struct http1 *p)
{
	return !p->state && !p->has_cr;
}

/* No byte of a message is taken that its MESSAGE_END (1xx: HEAD_END) is not told for. */
bool http1_is_between(const struct http1 *p);

/*
 * In a head: the next byte is the first one of a line, though that may go on with the one before.
 */
bool http1_is_line_start(const struct http1 *p);

const char *http1_reason_text(enum http1_reason why);

#endif
