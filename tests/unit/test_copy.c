/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of every usual length are exact, and every byte counts in a comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "copy.h"

#define LONGEST 300u

static void fill(unsigned char *s, unsigned char first)
{
	for (unsigned int i = 0; i < LONGEST + 2; i++)
		s[i] = (unsigned char)(first + i * 7);
}

/* Between two bytes that must stay. */
static void check(size_t n)
{
	unsigned char from[LONGEST + 2], to[LONGEST + 2], want[LONGEST + 2];

	fill(from, 1);
	fill(to, 2);
	memcpy(want, to, sizeof(want));
	for (size_t i = 1; i <= n; i++)
		want[i] = from[i];
	copy_short(to + 1, from + 1, n);
	assert_memory_equal(to, want, sizeof(to));
	if (n >= 16)
		return;
	fill(to, 2);
	copy_few(to + 1, from + 1, n);
	assert_memory_equal(to, want, sizeof(to));
}

static void test_copy_is_exact(void **state)
{
	(void)state;
	for (size_t n = 0; n <= LONGEST; n++)
		check(n);
}

static void test_copy_every_byte_counts(void **state)
{
	unsigned char a[LONGEST + 2], b[LONGEST + 2];

	(void)state;
	fill(a, 1);
	fill(b, 1);
	for (size_t n = 0; n <= LONGEST; n++) {
		b[n] ^= 0x80; /* behind the end */
		assert_true(copy_is_same(a, b, n));
		b[n] ^= 0x80;
		for (size_t i = 0; i < n; i++) {
			b[i] ^= 0x10;
			assert_false(copy_is_same(a, b, n));
			b[i] ^= 0x10;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_is_exact),
		cmocka_unit_test(test_copy_every_byte_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
