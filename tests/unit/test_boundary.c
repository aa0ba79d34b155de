/* SPDX-License-Identifier: Apache-2.0 */
/* OTEL_INTERSPAN_PROPAGATE_TO: which requests are told of their trace (C124). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "boundary.h"
#include "config.h"

static char text[HEAD_TEXT_BYTES];

static struct bytes str(const char *s)
{
	return (struct bytes){ s, strlen(s) };
}

/* host NULL: no such header. */
static bool is_inside(const char *list, const char *target, const char *host)
{
	bool is_connect = target[0] != '/' && !strstr(target, "://");
	struct http1 p = { .method = str(is_connect ? "CONNECT" : "GET"), .target = str(target) };
	struct head h;

	config.propagate_to = str(list);
	head_start(&h, text, &p);
	if (host) {
		p.name = str("Host");
		p.value = str(host);
		head_field(&h, text, &p);
	}
	return boundary_has(&h, text, is_connect);
}

static void test_boundary_is_open_by_default(void **state)
{
	(void)state;
	assert_true(is_inside("", "/", "h"));
	assert_true(is_inside("", "/", NULL));
}

static void test_boundary_hosts(void **state)
{
	(void)state;
	assert_true(is_inside("api.example.com", "/", "api.example.com"));
	assert_true(is_inside("api.example.com", "/", "API.Example.com:8443"));
	assert_true(is_inside("a, API.example.COM ,b", "/", "api.example.com"));
	assert_false(is_inside("api.example.com", "/", "api.example.com.evil"));
	assert_false(is_inside("api.example.com", "/", "evil.api.example.com"));
	assert_false(is_inside("api.example.com", "/", "apixexample.com"));
	assert_true(is_inside("*.example.com", "/", "api.example.com:80"));
	assert_false(is_inside("*.example.com", "/", "example.com"));
	assert_false(is_inside("*.example.com", "/", "api.example.com.evil"));
	assert_true(is_inside("10.*", "/", "10.0.0.7:9"));
	assert_false(is_inside("a,,", "/", "h"));
	assert_false(is_inside(",", "/", ""));
}

/* A pattern with a colon is for the port, too. */
static void test_boundary_ports(void **state)
{
	(void)state;
	assert_true(is_inside("h:8080", "/", "h:8080"));
	assert_false(is_inside("h:8080", "/", "h:80"));
	assert_false(is_inside("h:8080", "/", "h"));
	assert_true(is_inside("*:8080", "/", "h:8080"));
	assert_true(is_inside("[::1]:*", "/", "[::1]:8080"));
}

/* The target's own host beats the header (RFC 9112 3.2.2); user info is none of it. */
static void test_boundary_targets(void **state)
{
	(void)state;
	assert_true(is_inside("inside", "http://inside/a", "outside"));
	assert_false(is_inside("inside", "http://outside/a", "inside"));
	assert_true(is_inside("inside", "http://user:pw@inside:80/a", NULL));
	assert_false(is_inside("inside", "http://inside@outside/a", "inside"));
	assert_false(is_inside("inside", "http://inside:80@outside:80/a", "inside"));
	assert_true(is_inside("inside", "inside:443", "outside"));
	assert_false(is_inside("inside", "outside:443", "inside"));
}

static void test_boundary_no_host(void **state)
{
	static char name[300];

	(void)state;
	assert_false(is_inside("inside", "/", NULL));
	assert_true(is_inside("*", "/", NULL));
	memset(name, 'a', sizeof(name) - 1);
	assert_false(is_inside("aa*", "/", name)); /* longer than any */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boundary_is_open_by_default),
		cmocka_unit_test(test_boundary_hosts),
		cmocka_unit_test(test_boundary_ports),
		cmocka_unit_test(test_boundary_targets),
		cmocka_unit_test(test_boundary_no_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
