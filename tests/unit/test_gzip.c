/* SPDX-License-Identifier: Apache-2.0 */
/* What comes out is a gzip of what went in, by the system's zlib; memory may end anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "gzip.h"

#define LONG (3u << 20)

static struct scratch memory;
static char plain[LONG];
static char back[LONG + 1];

static size_t unpacked(struct bytes packed)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)packed.ptr,
		       .avail_in = (unsigned int)packed.len,
		       .next_out = (unsigned char *)back,
		       .avail_out = sizeof(back) };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	inflateEnd(&z);
	return sizeof(back) - z.avail_out;
}

static void round_trip(size_t len)
{
	struct bytes packed = gzip(&memory, (struct bytes){ plain, len });

	assert_non_null(packed.ptr);
	assert_memory_equal(packed.ptr, "\x1f\x8b\x08", 3);
	assert_int_equal(unpacked(packed), len);
	assert_memory_equal(back, plain, len);
	scratch_reset(&memory);
}

static void test_gzip_round_trips(void **state)
{
	uint32_t x = 1;

	(void)state;
	memory.limit = 64u << 20;
	for (size_t i = 0; i < LONG; i++) {
		x = x * 1664525u + 1013904223u;
		plain[i] = i < LONG / 2 ? (char)(x >> 24) : "span"[i % 4]; /* noise, then none */
	}
	round_trip(0);
	round_trip(1);
	round_trip(70000);
	round_trip(LONG);
	round_trip(5); /* nothing of the one before */
	gzip_done();
	gzip_done();
	round_trip(70000);
	gzip_done();
	assert_int_equal(pool_in_use(), 0);
}

static void test_gzip_without_memory(void **state)
{
	struct bytes packed;

	(void)state;
	pool_set_limit(100000); /* not enough for its state */
	packed = gzip(&memory, (struct bytes){ plain, 1000 });
	assert_null(packed.ptr);
	pool_set_limit(0);
	assert_int_equal(pool_in_use(), 0);
	scratch_done(&memory);
	memory.limit = 1000; /* not enough for what comes out */
	packed = gzip(&memory, (struct bytes){ plain, 1u << 20 });
	assert_null(packed.ptr);
	gzip_done();
	memory.limit = 64u << 20;
	round_trip(1000);
	gzip_done();
	scratch_done(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip_round_trips),
		cmocka_unit_test(test_gzip_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
