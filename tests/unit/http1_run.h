/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP1_RUN_H
#define HTTP1_RUN_H
/*
 * Runs the parser over an input and writes down what it says, one line an event:
 *
 *   S GET /a 11            start line of a request: method, target, version
 *   S 200 11               of a response: status, version
 *   H Name=value           header
 *   C 42 len=5 chunked close connect up        head closing at byte 42, and the facts
 *   E 44                   head end: 44 bytes are consumed
 *   M 49 5                 message end; payload bytes
 *   T 44                   tunnel
 *   D smuggling            dead
 *   between | cut | closed what the end of the stream means
 *
 * The input lies in front of a guard page, in pieces; each piece is overwritten when it is taken.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http1.h"
#include "http1_whole_run.h"

struct http1_run {
	struct http1 p;
	struct whole_run whole;
	bool is_response;
	const char *expect; /* what responses answer, a letter each: H(EAD), C(ONNECT), other */
	char *line;         /* what is lent when asked for; NULL: the parser is killed */
	size_t line_cap;
	size_t taken; /* bytes of the stream */
	bool is_over; /* tunnel or dead */
	size_t log_len;
	char log[65536];
};

/* cap bytes that end where an unmapped page begins. */
static inline char *guarded(size_t cap)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (cap + page - 1) / page * page;
	char *at = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED || mprotect(at + bytes, page, PROT_NONE) != 0)
		abort();
	return at + bytes - cap;
}

__attribute__((format(printf, 2, 3))) static inline void http1_run_note(struct http1_run *r,
									const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(r->log + r->log_len, sizeof(r->log) - r->log_len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(r->log) - r->log_len)
		abort();
	r->log_len += (size_t)n;
}

#define TEXT_OF(b) (int)(b).len, (b).ptr

static inline void http1_run_init(struct http1_run *r, bool is_response, const char *expect,
				  char *line, size_t line_cap)
{
	r->is_response = is_response;
	r->expect = expect ? expect : "";
	r->line = line;
	r->line_cap = line_cap;
	r->taken = 0;
	r->is_over = false;
	r->whole.is_whole = false;
	r->log_len = 0;
	r->log[0] = 0;
	if (is_response)
		http1_init_response(&r->p);
	else
		http1_init_request(&r->p);
}

static inline void http1_run_start_line(struct http1_run *r)
{
	struct http1 *p = &r->p;

	if (!r->is_response) {
		http1_run_note(r, "S %.*s %.*s %u%s\n", TEXT_OF(p->method), TEXT_OF(p->target),
			       p->version, p->is_cut ? " cut" : "");
		return;
	}
	http1_run_note(r, "S %u %u\n", p->status, p->version);
	http1_expect(p, *r->expect == 'H', *r->expect == 'C');
	if ((p->status >= 200 || p->status == 101) && *r->expect)
		r->expect++;
}

static inline void http1_run_facts(struct http1_run *r)
{
	struct http1 *p = &r->p;

	http1_run_note(r, "C %zu", r->taken);
	if (p->has_length)
		http1_run_note(r, " len=%llu", (unsigned long long)p->body_left);
	http1_run_note(
		r, "%s%s%s%s\n", p->is_chunked ? " chunked" : "", p->is_close ? " close" : "",
		!r->is_response && p->is_connect ? " connect" : "", p->has_upgrade ? " up" : "");
}

static inline void http1_run_whole(struct http1_run *r, enum http1_event e, size_t left)
{
	switch (e) {
	case HTTP1_START_LINE:
		whole_run_start(&r->whole, &r->p);
		break;
	case HTTP1_HEADER:
		whole_run_header(&r->whole, &r->p);
		break;
	case HTTP1_HEAD_END:
		whole_run_end(&r->whole, &r->p, left);
		break;
	case HTTP1_HEAD_CLOSING:
		break;
	default:
		whole_must(!r->whole.is_whole);
		break;
	}
}

static inline void http1_run_event(struct http1_run *r, enum http1_event e)
{
	struct http1 *p = &r->p;

	switch (e) {
	case HTTP1_START_LINE:
		http1_run_start_line(r);
		break;
	case HTTP1_HEADER:
		http1_run_note(r, "H %.*s=%.*s%s\n", TEXT_OF(p->name), TEXT_OF(p->value),
			       p->is_cut ? " cut" : "");
		break;
	case HTTP1_HEAD_CLOSING:
		http1_run_facts(r);
		break;
	case HTTP1_HEAD_END:
		http1_run_note(r, "E %zu\n", r->taken);
		break;
	case HTTP1_MESSAGE_END:
		http1_run_note(r, "M %zu %llu\n", r->taken, (unsigned long long)p->body_bytes);
		break;
	case HTTP1_TUNNEL:
		http1_run_note(r, "T %zu\n", r->taken);
		r->is_over = true;
		break;
	case HTTP1_DEAD:
		http1_run_note(r, "D %s\n", http1_reason_text((enum http1_reason)p->reason));
		r->is_over = true;
		break;
	default:
		abort();
	}
}

/* One piece, as it is: the caller sees to guard and overwriting. */
static inline void http1_run_feed(struct http1_run *r, struct bytes in)
{
	while (!r->is_over) {
		size_t before = in.len;
		enum http1_event e;

		if (!r->whole.is_whole)
			whole_run_begin(&r->whole, &r->p, in, *r->expect);
		e = http1_step(&r->p, &in);
		http1_run_whole(r, e, in.len);
		r->taken += before - in.len;
		if (e == HTTP1_NEED_MORE) {
			if (in.len)
				abort(); /* the contract: all input is taken */
			return;
		}
		if (e != HTTP1_NEED_LINE)
			http1_run_event(r, e);
		else if (r->line)
			http1_lend(&r->p, r->line, r->line_cap);
		else
			http1_kill(&r->p, HTTP1_GIVEN_UP);
	}
}

static inline void http1_run_end(struct http1_run *r)
{
	if (r->is_over)
		return;
	if (http1_is_between(&r->p))
		http1_run_note(r, "between\n");
	else if (http1_eof(&r->p))
		http1_run_note(r, "closed\n");
	else
		http1_run_note(r, "cut\n");
}

#define PIECE_MAX 65536u

/* in, in pieces of at most `piece` bytes, the first of them ending at `first`. */
static inline void http1_run_pieces(struct http1_run *r, struct bytes in, size_t first,
				    size_t piece)
{
	static char *end;

	if (!end)
		end = guarded(PIECE_MAX) + PIECE_MAX;
	for (size_t at = 0, n; at < in.len; at += n) {
		n = at < first ? first - at : piece;
		if (n > in.len - at)
			n = in.len - at;
		memcpy(end - n, in.ptr + at, n);
		http1_run_feed(r, (struct bytes){ end - n, n });
		memset(end - n, 0xdd, n);
	}
}

#endif
