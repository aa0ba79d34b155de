/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "route.h"

static const struct row {
	const char *routes;
	const char *path;
	const char *want; /* NULL: none */
} rows[] = {
	{ "/users/{id};/orders/{id}/items", "/users/7", "/users/{id}" },
	{ "/users/{id};/orders/{id}/items", "/orders/7/items", "/orders/{id}/items" },
	{ "/users/{id};/orders/{id}/items", "/orders/7", NULL },
	{ "/users/{id};/orders/{id}/items", "/orders/7/items/1", NULL },
	{ "/users/{id}", "/users/", NULL },   /* a segment is not empty */
	{ "/users/{id}", "/users/7/", NULL }, /* a slash at the end counts */
	{ "/users/{id}/", "/users/7/", "/users/{id}/" },
	{ "/users/{id}/", "/users/7", NULL },
	{ "/users/{id}", "/Users/7", NULL },              /* case counts */
	{ "/users/{id}", "/users/a%2Fb", "/users/{id}" }, /* percent-encoding is left alone */
	{ "/a%20b", "/a%20b", "/a%20b" },
	{ "/a%20b", "/a b", NULL },
	{ "/{a}/x;/y/{b}", "/y/x", "/{a}/x" }, /* the first one wins */
	{ "/y/{b};/{a}/x", "/y/x", "/y/{b}" },
	{ "/", "/", "/" },
	{ "/", "/a", NULL },
	{ "/a", "/", NULL },
	{ " ;; /a ; /b ", "/b", "/b" },
	{ "/static/*", "/static/css/a.css", "/static/*" },
	{ "/static/*", "/static/", "/static/*" },
	{ "/static/*", "/static", NULL },
	{ "/static/{file...}", "/static/a/b/", "/static/{file...}" },
	{ "/*", "/anything/at/all", "/*" },
	{ "/a/*/c", "/a/*/c", "/a/*/c" }, /* not at the end it is itself */
	{ "/a/*/c", "/a/b/c", NULL },
	{ "/{a...}/c", "/x/c", "/{a...}/c" }, /* not at the end it is one segment */
	{ "/{a...}/c", "/x/y/c", NULL },
	{ "/{}", "/x", NULL }, /* no name: itself */
	{ "/{}", "/{}", "/{}" },
	{ "/v{n}", "/v1", NULL }, /* a parameter is a whole segment */
	{ "//a", "//a", "//a" },
	{ "//a", "/a", NULL },
	{ "users", "users", NULL }, /* templates begin with a slash */
	{ "/a", "*", NULL },
	{ "/a", "", NULL },
	{ "", "/a", NULL },
};

static void test_route_is_the_first_template_that_fits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes got =
			route_match(bytes_from_str(rows[i].routes), bytes_from_str(rows[i].path));
		bool is_right =
			rows[i].want ? bytes_equal(got, bytes_from_str(rows[i].want)) : !got.ptr;

		if (!is_right)
			fail_msg("%s in %s: \"%.*s\"", rows[i].path, rows[i].routes, (int)got.len,
				 got.ptr ? got.ptr : "");
		/* H62: what is told is the user's text, never a part of the path. */
		if (got.ptr)
			assert_true(got.ptr >= rows[i].routes &&
				    got.ptr < rows[i].routes + strlen(rows[i].routes));
	}
	assert_null(route_match((struct bytes){ NULL, 0 }, BYTES("/a")).ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_is_the_first_template_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
