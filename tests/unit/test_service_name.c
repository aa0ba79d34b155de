/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "preload/service_name.h"

#define ARGS_MAX 6

static void test_service_is_found_by_program(void **state)
{
	static const struct {
		const char *list, *program, *argv[ARGS_MAX], *want;
	} rows[] = {
		{ "nginx=edge;gunicorn=shop", "nginx", { "nginx", "-g", "x" }, "edge" },
		{ " nginx = edge ; gunicorn = shop",
		  "python3.11",
		  { "python3", "/usr/bin/gunicorn", "shop:app" },
		  "shop" },
		{ "gunicorn=shop", "python3", { "python3", "-u", "-m", "gunicorn", "x" }, "shop" },
		{ "server.js=a;server=b", "node", { "node", "--inspect", "/srv/server.js" }, "a" },
		{ "server=b", "node", { "node", "/srv/server.js" }, "b" },
		{ "node=c", "node", { "node", "/srv/server.js" }, "c" },
		{ "server=b;node=c", "node", { "node", "/srv/server.js" }, "b" },
		{ "c=x", "python3", { "python3", "-c", "c" }, NULL },
		{ "python3=y", "python3", { "python3", "-c", "c" }, "y" },
		{ "x=z", "nginx", { "nginx", "x" }, NULL }, /* an argument, no script */
		{ "nginx=", "nginx", { "nginx" }, NULL },
		{ "nginx", "nginx", { "nginx" }, NULL },
		{ "ngin=x;nginxx=y", "nginx", { "nginx" }, NULL },
		{ "nginx=a;nginx=b", "nginx", { "nginx" }, "a" },
		{ "a=b=c", "a", { "a" }, "b=c" },
		{ "", "nginx", { "nginx" }, NULL },
		{ "python3=y", "python3", { NULL }, "y" }, /* arguments are not known */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *argv[ARGS_MAX];
		struct bytes got;
		size_t n = 0;

		for (; n < ARGS_MAX && rows[i].argv[n]; n++)
			argv[n] = (char *)(uintptr_t)rows[i].argv[n];
		got = service_name_find(bytes_from_str(rows[i].list),
					bytes_from_str(rows[i].program), argv, n);
		if (rows[i].want ? !bytes_equal(got, bytes_from_str(rows[i].want)) : !!got.ptr)
			fail_msg("%s: %.*s", rows[i].list, (int)got.len, got.ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service_is_found_by_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
