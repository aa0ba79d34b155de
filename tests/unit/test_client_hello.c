/* SPDX-License-Identifier: Apache-2.0 */
/* The name in a client's first message, cut and bent everywhere: RFC 8446 4.1.2, RFC 6066 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "client_hello.h"

#define RANDOM                                                              \
	"\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7" \
	"\10"

/* Record, message, version, random; a session of 2 bytes, 2 ciphers, a compression. */
#define HEAD(rest) "\26\3\1\0\x55\1\0\0\x51\3\3" RANDOM "\2ss\0\4\x13\1\x13\2\1\0" rest

/* Ahead of the name: another extension, which is empty; behind it, another one. */
static const char hello[] = HEAD("\0\x1a\0\x17\0\0\0\0\0\x0a\0\x08\0\0\5a.bcd"
				 "\0\x10\0\2\0\0");
#define HELLO (sizeof(hello) - 1)
#define NAME_END (HELLO - 6)

static void assert_name(struct bytes first, const char *want)
{
	struct bytes got = client_hello_name(first);

	if (!want) {
		assert_null(got.ptr);
		return;
	}
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

static void test_client_hello_has_a_name(void **state)
{
	static const char none[] = HEAD("\0\4\0\x17\0\0");
	static const char other[] = HEAD("\0\x0c\0\0\0\x08\0\6\1\0\3abc");
	static const char second[] = HEAD("\0\x10\0\0\0\x0c\0\x0a\1\0\1x\0\0\3abc");

	(void)state;
	assert_name((struct bytes){ hello, HELLO }, "a.bcd");
	assert_name((struct bytes){ none, sizeof(none) - 1 }, NULL);
	assert_name((struct bytes){ other, sizeof(other) - 1 }, NULL);
	assert_name((struct bytes){ second, sizeof(second) - 1 }, "abc");
}

/* Each beginning, at the end of its memory: the name is there, or it is not. */
static void test_client_hello_cut_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n <= HELLO; n++) {
		char *part = malloc(n ? n : 1);

		assert_non_null(part);
		memcpy(part, hello, n);
		assert_name((struct bytes){ part, n }, n >= NAME_END ? "a.bcd" : NULL);
		free(part);
	}
}

/* Any byte is another one: nothing but what is there is looked at. */
static void test_client_hello_bent_anywhere(void **state)
{
	char *bent = malloc(HELLO);

	(void)state;
	assert_non_null(bent);
	for (size_t at = 0; at < HELLO; at++)
		for (unsigned value = 0; value < 256; value++) {
			struct bytes got;

			memcpy(bent, hello, HELLO);
			bent[at] = (char)value;
			got = client_hello_name((struct bytes){ bent, HELLO });
			if (got.ptr)
				assert_true(got.ptr >= bent && got.ptr + got.len <= bent + HELLO);
			if (at == 0 || at == 5) /* no handshake, no first message */
				assert_int_equal(got.ptr != NULL, bent[at] == hello[at]);
		}
	free(bent);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client_hello_has_a_name),
		cmocka_unit_test(test_client_hello_cut_anywhere),
		cmocka_unit_test(test_client_hello_bent_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
