/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler.h"
#include "path_shape.h"

static const struct row {
	const char *path;
	const char *want;
} rows[] = {
	{ "/users/7/items/12", "/users/*/items/*" },
	{ "/", "/" },
	{ "", "" },
	{ "/users", "/users" },
	{ "/users/", "/users/" },
	{ "//7//", "//*//" },
	{ "/v1/users/12345", "/v1/users/*" },
	{ "/v12/v123", "/v12/v*" },
	{ "/item-1/page2of3", "/item-*/page*of*" },
	{ "/o/0af7651916cd43dd8448eb211c80319c", "/o/*" },
	{ "/o/0AF76519-16cd-43dd-8448-eb211c80319c/x", "/o/*/x" },
	{ "/o/deadbeef", "/o/deadbeef" }, /* a word */
	{ "/o/deadbee7", "/o/*" },
	{ "/o/dead7", "/o/dead*" },
	{ "/s/01hv3k2m4n5p6q7r8s9tabcdef", "/s/*" },
	{ "/s/notifications-preferences", "/s/notifications-preferences" },
	{ "/static/app.3f2a.css", "/static/app.*f*a.css" },
	{ "/caf%C3%A9", "/caf%C*%A*" },
};

static void test_path_shape_of_every_row(void **state)
{
	char to[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = path_shape(to, sizeof(to), bytes_from_str(rows[i].path));

		assert_int_equal(len, strlen(rows[i].want));
		assert_memory_equal(to, rows[i].want, len);
		assert_true(!path_is_shape(bytes_from_str(rows[i].path)) ||
			    !strcmp(rows[i].path, rows[i].want));
	}
}

/* Wherever in it a digit is. */
static void test_path_shape_is_known_without_digits(void **state)
{
	char path[41] = "/abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJK";

	(void)state;
	assert_true(path_is_shape(BYTES("")));
	for (size_t len = 1; len < sizeof(path); len++) {
		assert_true(path_is_shape((struct bytes){ path, len }));
		for (size_t at = 0; at < len; at++) {
			char was = path[at];

			path[at] = (char)('0' + at % 10);
			assert_false(path_is_shape((struct bytes){ path, len }));
			path[at] = "/:\x80"[at % 3];
			assert_true(path_is_shape((struct bytes){ path, len }));
			path[at] = was;
		}
	}
}

static void test_path_shape_is_cut_at_its_room(void **state)
{
	char to[8];

	(void)state;
	for (size_t cap = 0; cap < sizeof(to); cap++) {
		memset(to, 0xee, sizeof(to));
		assert_int_equal(path_shape(to, cap, BYTES("/a/77/bcdef")), cap);
		assert_memory_equal(to, "/a/*/bcdef", cap);
		assert_int_equal((unsigned char)to[cap], 0xee);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_shape_of_every_row),
		cmocka_unit_test(test_path_shape_is_known_without_digits),
		cmocka_unit_test(test_path_shape_is_cut_at_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
