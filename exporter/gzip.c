/* SPDX-License-Identifier: Apache-2.0 */
#include "gzip.h"

#include <limits.h>

#define Z_PREFIX
#define Z_SOLO
#include <static-zlib/zlib.h>

#define LEVEL 1          /* 6 takes three times as long for a tenth less */
#define WINDOW (15 + 16) /* 32 KiB, in the envelope of gzip */
#define MEMORY 8
#define ROOM 8u /* before what comes out: TRANSPORT_PREFIX */

static z_stream stream;
static bool is_ready;

static void *take(void *unused, unsigned int n, unsigned int len)
{
	(void)unused;
	return pool_calloc(n, len);
}

static void give(void *unused, void *at)
{
	(void)unused;
	pool_free(at);
}

static bool begin(void)
{
	if (is_ready)
		return deflateReset(&stream) == Z_OK;
	stream = (z_stream){ .zalloc = take, .zfree = give };
	is_ready = deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW, MEMORY, Z_DEFAULT_STRATEGY) ==
		   Z_OK;
	return is_ready;
}

struct bytes gzip(struct scratch *to, struct bytes body)
{
	uint8_t *at;
	size_t bound;

	if (body.len > UINT_MAX / 2 || !begin())
		return (struct bytes){ NULL, 0 };
	bound = deflateBound(&stream, body.len);
	at = scratch_alloc(to, ROOM + bound);
	if (!at)
		return (struct bytes){ NULL, 0 };
	stream.next_in = (uint8_t *)(uintptr_t)body.ptr;
	stream.avail_in = (unsigned int)body.len;
	stream.next_out = at + ROOM;
	stream.avail_out = (unsigned int)bound;
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
		scratch_shrink(to, at, 0);
		return (struct bytes){ NULL, 0 };
	}
	bound -= stream.avail_out;
	scratch_shrink(to, at, ROOM + bound);
	return (struct bytes){ (const char *)at + ROOM, bound };
}

void gzip_done(void)
{
	if (is_ready)
		deflateEnd(&stream);
	is_ready = false;
}

void gzip_forget(void)
{
	is_ready = false;
}
