/* SPDX-License-Identifier: Apache-2.0 */
/* Names as they are found on Debian, in containers of the language's makers, and near misses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "runtime.h"

static void test_runtime_program_names(void **state)
{
	static const struct {
		const char *name;
		uint32_t flags;
	} rows[] = {
		{ "nginx", RUNTIME_NGINX },
		{ "openresty", RUNTIME_NGINX | RUNTIME_LUA },
		{ "lighttpd", RUNTIME_LIGHTTPD },
		{ "node", RUNTIME_NODE },
		{ "nodejs", RUNTIME_NODE },
		{ "java", RUNTIME_JVM },
		{ "ruby", RUNTIME_RUBY },
		{ "ruby3.1", RUNTIME_RUBY },
		{ "beam.smp", RUNTIME_BEAM },
		{ "luajit-2.1.0", 0 }, /* its library tells */
		{ "luajit", RUNTIME_LUA },
		{ "nginx-debug", RUNTIME_NGINX }, /* of the official image */
		{ "nginx-quic", 0 },
		{ "node_exporter", 0 },
		{ "javac", 0 },
		{ "rubyx", 0 },
		{ "mynginx", 0 },
		{ "ngin", 0 },
		{ "", 0 },
		{ "haproxy", RUNTIME_HAPROXY },
		{ "python3.11", RUNTIME_PYTHON },
		{ "pythonista", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t got = runtime_of_program(bytes_from_str(rows[i].name));

		if (got != rows[i].flags)
			fail_msg("%s: %#x", rows[i].name, got);
	}
}

static void test_runtime_library_names(void **state)
{
	static const struct {
		const char *path;
		uint32_t flags;
	} rows[] = {
		{ "/usr/lib/python3/dist-packages/greenlet/"
		  "_greenlet.cpython-311-x86_64-linux-gnu.so",
		  RUNTIME_GREENLET },
		{ "greenlet._greenlet.so", RUNTIME_GREENLET },
		{ "/opt/java/openjdk/lib/server/libjvm.so", RUNTIME_JVM },
		{ "/lib/x86_64-linux-gnu/libnode.so.108", RUNTIME_NODE },
		{ "libruby-3.1.so.3.1", RUNTIME_RUBY },
		{ "/usr/lib/x86_64-linux-gnu/libluajit-5.1.so.2", RUNTIME_LUA },
		{ "/usr/lib/nginx/modules/ngx_http_lua_module.so", RUNTIME_LUA },
		{ "modules/ngx_http_js_module.so", RUNTIME_LUA },
		{ "/greenlet/libssl.so.3", 0 }, /* the directory says nothing */
		{ "libjvmti.so", 0 },
		{ "libc.so.6", 0 },
		{ "greenle", 0 },
		{ "", 0 },
		{ "/", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t got = runtime_of_library(rows[i].path);

		if (got != rows[i].flags)
			fail_msg("%s: %#x", rows[i].path, got);
	}
}

static void test_runtime_flags_are_only_raised(void **state)
{
	(void)state;
	assert_int_equal(runtime_flags(), 0);
	runtime_init(environ); /* this program is none of them */
	assert_int_equal(runtime_flags(), 0);
	runtime_seen(NULL);
	runtime_seen("libjvm.so");
	runtime_seen("libnode.so.108");
	runtime_seen("libc.so.6");
	assert_int_equal(runtime_flags(), RUNTIME_JVM | RUNTIME_NODE);
}

static void test_runtime_program_is_this_one(void **state)
{
	static char *moved[] = { NULL, NULL };

	(void)state;
	assert_true(bytes_equal(runtime_program(environ), BYTES("test_runtime")));
	/* No arguments to be found there: the kernel's name of the file must do. */
	assert_true(bytes_equal(runtime_program(moved + 1), BYTES("test_runtime")));
	assert_true(bytes_equal(runtime_program(NULL), BYTES("test_runtime")));
}

static void test_runtime_whose_code_it_is(void **state)
{
	(void)state;
	runtime_init(environ);
	assert_int_equal(runtime_code_at((void *)test_runtime_whose_code_it_is), CODE_PROGRAM);
	assert_int_equal(runtime_code_at((void *)(uintptr_t)strlen), CODE_OTHER);
	assert_int_equal(runtime_code_at(NULL), CODE_OTHER);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runtime_program_names),
		cmocka_unit_test(test_runtime_library_names),
		cmocka_unit_test(test_runtime_flags_are_only_raised),
		cmocka_unit_test(test_runtime_program_is_this_one),
		cmocka_unit_test(test_runtime_whose_code_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
