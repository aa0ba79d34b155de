/* SPDX-License-Identifier: Apache-2.0 */
#include "http_body.h"

#include <stdlib.h>
#include <zlib.h>

static size_t under_way; /* sum of cap of all bodies */

static enum body_verdict reserve(struct body *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 16384;
	char *ptr;

	if (need > BODY_MAX)
		return BODY_TOO_LARGE;
	if (need <= b->cap)
		return BODY_GOOD;
	while (cap < need)
		cap *= 2;
	if (under_way - b->cap + cap > BODIES_MAX)
		return BODY_NO_ROOM;
	ptr = realloc(b->ptr, cap);
	if (!ptr)
		return BODY_NO_ROOM;
	under_way += cap - b->cap;
	b->ptr = ptr;
	b->cap = cap;
	return BODY_GOOD;
}

enum body_verdict body_add(struct body *b, struct bytes more)
{
	enum body_verdict verdict = reserve(b, b->len + more.len);

	if (verdict == BODY_GOOD && more.len) {
		memcpy(b->ptr + b->len, more.ptr, more.len);
		b->len += more.len;
	}
	return verdict;
}

void body_done(struct body *b)
{
	under_way -= b->cap;
	free(b->ptr);
	*b = (struct body){ 0 };
}

static enum body_verdict inflate_all(z_stream *z, struct body *to)
{
	unsigned char block[65536];
	enum body_verdict verdict = BODY_GOOD;
	int r = Z_OK;

	while (verdict == BODY_GOOD) {
		z->next_out = block;
		z->avail_out = sizeof(block);
		r = inflate(z, Z_NO_FLUSH);
		if (r != Z_OK && r != Z_STREAM_END)
			return BODY_DAMAGED; /* Z_BUF_ERROR: it ends too early */
		verdict =
			body_add(to, (struct bytes){ (char *)block, sizeof(block) - z->avail_out });
		if (r == Z_STREAM_END && z->avail_in == 0)
			return verdict;
		if (r == Z_STREAM_END && inflateReset(z) != Z_OK)
			return BODY_DAMAGED;
	}
	return verdict;
}

enum body_verdict body_gunzip(struct body *b)
{
	z_stream z = { .next_in = (unsigned char *)b->ptr, .avail_in = (unsigned)b->len };
	struct body plain = { 0 };
	enum body_verdict verdict;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return BODY_NO_ROOM;
	verdict = inflate_all(&z, &plain);
	inflateEnd(&z);
	if (verdict != BODY_GOOD) {
		body_done(&plain);
		return verdict;
	}
	body_done(b);
	*b = plain;
	return BODY_GOOD;
}
