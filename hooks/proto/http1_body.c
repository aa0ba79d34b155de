/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies: nobody looks at their bytes, all of a piece is skipped at once. */
#include "http1_impl.h"

enum http1_event http1_step_body(struct http1 *p, struct bytes *in)
{
	return http1_body_take(p, in) ? http1_go(p, HTTP1_AT_END) : HTTP1_NEED_MORE;
}

enum http1_event http1_step_close(struct http1 *p, struct bytes *in)
{
	p->body_bytes += in->len;
	*in = bytes_skip(*in, in->len);
	return HTTP1_NEED_MORE;
}

bool http1_skip(struct http1 *p, uint64_t n)
{
	bool is_counted = p->state == HTTP1_AT_BODY || p->state == HTTP1_AT_CHUNK;

	if (!is_counted && p->state != HTTP1_AT_CLOSE)
		return n == 0;
	if (is_counted && n > p->body_left)
		return false;
	if (is_counted)
		p->body_left -= n;
	p->body_bytes += n;
	return true;
}

/* --- chunks --- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum http1_event http1_step_chunk_size(struct http1 *p, struct bytes *in)
{
	int digit;

	for (; in->len && (digit = hex_digit(*in->ptr)) >= 0; *in = bytes_skip(*in, 1)) {
		if (p->body_left >> 59) /* 2^63 and more: negative to others */
			return http1_die(p, HTTP1_SMUGGLING);
		p->body_left = p->body_left << 4 | (unsigned int)digit;
		p->has_digit = true;
	}
	if (!in->len)
		return HTTP1_NEED_MORE;
	if (!p->has_digit)
		return http1_die(p, HTTP1_MALFORMED);
	p->has_digit = false;
	if (*in->ptr == ';' || http1_is_blank(*in->ptr))
		return http1_go(p, HTTP1_AT_CHUNK_EXT);
	return http1_go(p, HTTP1_AT_SIZE_END);
}

static enum http1_event size_known(struct http1 *p)
{
	return http1_go(p, p->body_left ? HTTP1_AT_CHUNK : HTTP1_AT_TRAILER);
}

/* A bare LF in here is a line end to some and part of the extension to others. */
enum http1_event http1_step_chunk_ext(struct http1 *p, struct bytes *in)
{
	struct bytes ignored;

	switch (http1_line_take(p, in, &ignored)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_CRLF:
		return size_known(p);
	default:
		return http1_die(p, HTTP1_SMUGGLING);
	}
}

enum http1_event http1_step_size_end(struct http1 *p, struct bytes *in)
{
	switch (http1_newline_take(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		return size_known(p);
	}
}

enum http1_event http1_step_chunk(struct http1 *p, struct bytes *in)
{
	return http1_body_take(p, in) ? http1_go(p, HTTP1_AT_CHUNK_END) : HTTP1_NEED_MORE;
}

/* Some skip two bytes here without a look, so nothing but CRLF will do. */
enum http1_event http1_step_chunk_end(struct http1 *p, struct bytes *in)
{
	switch (http1_newline_take(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_CRLF:
		return http1_go(p, HTTP1_AT_CHUNK_SIZE);
	default:
		return http1_die(p, HTTP1_SMUGGLING);
	}
}

enum http1_event http1_step_trailer(struct http1 *p, struct bytes *in)
{
	if (!in->len)
		return HTTP1_NEED_MORE;
	if (*in->ptr == '\r' || *in->ptr == '\n')
		return http1_go(p, HTTP1_AT_TRAILER_END);
	return http1_go(p, HTTP1_IN_TRAILER);
}

enum http1_event http1_step_in_trailer(struct http1 *p, struct bytes *in)
{
	struct bytes ignored;

	switch (http1_line_take(p, in, &ignored)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		return http1_go(p, HTTP1_AT_TRAILER);
	}
}

enum http1_event http1_step_trailer_end(struct http1 *p, struct bytes *in)
{
	switch (http1_newline_take(p, in)) {
	case HTTP1_TAKEN_PART:
		return HTTP1_NEED_MORE;
	case HTTP1_TAKEN_BAD:
		return http1_die(p, HTTP1_MALFORMED);
	default:
		return http1_go(p, HTTP1_AT_END);
	}
}
