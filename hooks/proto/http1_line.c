/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that are cut by the input's end.
 *
 * They wait in the lent buffer, which is only ever appended to: whoever goes back to an earlier
 * copy of the parser finds what that copy knows, and feeding the same bytes again writes the same
 * bytes again.  Therefore a CR at the input's end is a flag and not a byte of the buffer.
 */
#include "http1_impl.h"

enum http1_taken http1_line_take(struct http1 *p, struct bytes *in, struct bytes *ret_part)
{
	const char *lf = in->len ? memchr(in->ptr, '\n', in->len) : NULL;
	struct bytes part = { in->ptr, lf ? (size_t)(lf - in->ptr) : in->len };
	bool had_cr = p->has_cr;

	*in = bytes_skip(*in, part.len + (lf != NULL));
	if (had_cr && (part.len || !lf))
		return part.len ? HTTP1_TAKEN_BAD : HTTP1_TAKEN_PART;
	p->has_cr = false;
	if (part.len && part.ptr[part.len - 1] == '\r') {
		part.len--;
		p->has_cr = !lf;
		had_cr = true;
	}
	if (!http1_is_text(part))
		return HTTP1_TAKEN_BAD;
	*ret_part = part;
	if (!lf)
		return HTTP1_TAKEN_PART;
	return had_cr ? HTTP1_TAKEN_CRLF : HTTP1_TAKEN_LF;
}

enum http1_taken http1_newline_take(struct http1 *p, struct bytes *in)
{
	bool had_cr = p->has_cr;

	if (LIKELY(!had_cr && in->len >= 2 && in->ptr[0] == '\r' && in->ptr[1] == '\n')) {
		*in = bytes_skip(*in, 2);
		return HTTP1_TAKEN_CRLF;
	}
	if (in->len && !had_cr && *in->ptr == '\r') {
		p->has_cr = had_cr = true;
		*in = bytes_skip(*in, 1);
	}
	if (!in->len)
		return HTTP1_TAKEN_PART;
	if (*in->ptr != '\n')
		return HTTP1_TAKEN_BAD;
	p->has_cr = false;
	*in = bytes_skip(*in, 1);
	return had_cr ? HTTP1_TAKEN_CRLF : HTTP1_TAKEN_LF;
}

/* The last bytes of s go to the end of the tail. */
static void tail_keep(struct http1 *p, struct bytes s)
{
	size_t size = sizeof(p->line_tail);
	size_t n = s.len < size ? s.len : size;

	memmove(p->line_tail, p->line_tail + n, size - n);
	memcpy(p->line_tail + size - n, s.ptr + s.len - n, n);
}

void http1_line_keep(struct http1 *p, struct bytes part)
{
	size_t room = (size_t)(p->line_cap - p->line_at - p->line_len);
	size_t n = part.len < room ? part.len : room;

	if (n)
		memcpy(p->line + p->line_at + p->line_len, part.ptr, n);
	p->line_len = (uint16_t)(p->line_len + n);
	part = bytes_skip(part, n);
	if (!part.len)
		return;
	if (!p->line_dropped)
		tail_keep(p, http1_line_kept(p));
	tail_keep(p, part);
	if (__builtin_add_overflow(p->line_dropped, part.len, &p->line_dropped))
		p->line_dropped = UINT32_MAX;
}

enum http1_taken http1_line_gather(struct http1 *p, struct bytes *in)
{
	struct bytes part = { in->ptr, 0 };
	enum http1_taken taken;

	if (!http1_line_is_under_way(p))
		p->line_at = p->line_hold;
	taken = http1_line_take(p, in, &part);
	if (taken != HTTP1_TAKEN_BAD)
		http1_line_keep(p, part);
	return taken;
}
