/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "forwarded.h"

static const struct row {
	const char *name;
	const char *in;
	bool want;
	const char *client, *proto, *host; /* NULL: not told */
} rows[] = {
	{ "H86: all three", "for=192.0.2.60;proto=http;by=203.0.113.43;host=example.com", true,
	  "192.0.2.60", "http", "example.com" },
	{ "H86: names in any case", "For=a;PROTO=b;hOsT=c", true, "a", "b", "c" },
	{ "H86: quoted", "for=\"[2001:db8:cafe::17]:4711\"", true, "[2001:db8:cafe::17]:4711", NULL,
	  NULL },
	{ "H86: the first element", "for=192.0.2.43, for=198.51.100.17;proto=https", true,
	  "192.0.2.43", NULL, NULL },
	{ "H86: what only a later element tells is not told", "proto=https, for=1.2.3.4", true,
	  NULL, "https", NULL },
	{ "H86: a comma in quotes", "for=\"a,b\";proto=http", true, "a,b", "http", NULL },
	{ "H86: unknown and obfuscated", "for=unknown;by=_hidden", true, "unknown", NULL, NULL },
	{ "unquoted port", "for=192.0.2.60:80;host=h:8080", true, "192.0.2.60:80", NULL, "h:8080" },
	{ "unquoted IPv6", "for=[::1]:80", true, "[::1]:80", NULL, NULL },
	{ "blanks", " for=a ; proto=b , for=c", true, "a", "b", NULL },
	{ "empty pairs and elements", ",, ;for=a;;proto=b;,", true, "a", "b", NULL },
	{ "empty", "", true, NULL, NULL, NULL },
	{ "empty value", "for=;host=\"\"", true, "", NULL, "" },
	{ "twice in one element", "for=a;for=b", false, NULL, NULL, NULL },
	{ "no =", "for", false, NULL, NULL, NULL },
	{ "no name", "=a", false, NULL, NULL, NULL },
	{ "a blank before =", "for =a", false, NULL, NULL, NULL },
	{ "quote without end", "for=\"a", false, NULL, NULL, NULL },
	{ "a backslash", "for=\"a\\\"b\"", false, NULL, NULL, NULL },
	{ "an escape that means nothing", "for=\"a\\b\"", false, NULL, NULL, NULL },
	{ "rubbish behind a quote", "for=\"a\"b", false, NULL, NULL, NULL },
	{ "a control", "for=a\x01;host=b", false, NULL, NULL, NULL },
};

static bool is_same(struct bytes got, const char *want)
{
	return want ? got.ptr && bytes_equal(got, bytes_from_str(want)) : !got.ptr;
}

static void test_forwarded_first_element_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct forwarded f = { 0 };
		bool got = forwarded_parse(bytes_from_str(r->in), &f);

		if (got != r->want || !is_same(f.client, r->client) ||
		    !is_same(f.proto, r->proto) || !is_same(f.host, r->host))
			fail_msg("%s: %d \"%.*s\" \"%.*s\" \"%.*s\"", r->name, got,
				 (int)f.client.len, f.client.ptr, (int)f.proto.len, f.proto.ptr,
				 (int)f.host.len, f.host.ptr);
	}
}

static void test_forwarded_ends_whatever_bytes_come(void **state)
{
	static const char chars[] = "for=\",;: []\\a\0";
	char in[24];

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		size_t n = (size_t)rand() % sizeof(in);
		struct forwarded f;

		for (size_t k = 0; k < n; k++)
			in[k] = chars[(size_t)rand() % sizeof(chars)];
		(void)forwarded_parse((struct bytes){ in, n }, &f);
	}
}

static void test_forwarded_first_of_a_list(void **state)
{
	(void)state;
	assert_true(
		bytes_equal(forwarded_first(BYTES(" 192.0.2.1 , 10.0.0.1")), BYTES("192.0.2.1")));
	assert_true(bytes_equal(forwarded_first(BYTES("https")), BYTES("https")));
	assert_true(bytes_equal(forwarded_first(BYTES(", ,a")), BYTES("a")));
	assert_int_equal(forwarded_first(BYTES("")).len, 0);
	assert_int_equal(forwarded_first(BYTES(" , ")).len, 0);
	assert_non_null(forwarded_first(BYTES(",")).ptr);
}

static const struct node {
	const char *in;
	const char *address; /* NULL: none */
	uint16_t port;
} nodes[] = {
	{ "192.0.2.1", "192.0.2.1", 0 },
	{ "192.0.2.1:4711", "192.0.2.1", 4711 },
	{ "[2001:db8::1]:80", "2001:db8::1", 80 },
	{ "[2001:db8::1]", "2001:db8::1", 0 },
	{ "2001:db8::1", "2001:db8::1", 0 },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", 0 },
	{ "unknown", NULL, 0 },
	{ "_hidden", NULL, 0 },
	{ "_hidden:80", NULL, 0 },
	{ "192.0.2.1:_port", NULL, 0 },
	{ "example.com", NULL, 0 },
	{ "1.2.3", NULL, 0 },
	{ "1.2.3.4.5", NULL, 0 },
	{ "<script>", NULL, 0 },
	{ "", NULL, 0 },
};

static void test_forwarded_node_is_an_address_or_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		struct bytes address = { "untouched", 9 };
		uint16_t port = 77;
		bool got = forwarded_node(bytes_from_str(nodes[i].in), &address, &port);
		const char *want = nodes[i].address ? nodes[i].address : "untouched";

		if (got != (nodes[i].address != NULL) || !is_same(address, want) ||
		    port != (got ? nodes[i].port : 77))
			fail_msg("\"%s\": %d \"%.*s\" %u", nodes[i].in, got, (int)address.len,
				 address.ptr, port);
	}
}

static void test_forwarded_scheme_is_one_of_two(void **state)
{
	(void)state;
	assert_true(bytes_equal(forwarded_scheme(BYTES("HTTPS")), BYTES("https"))); /* H58 */
	assert_true(bytes_equal(forwarded_scheme(BYTES("http")), BYTES("http")));
	assert_int_equal(forwarded_scheme(BYTES("javascript")).len, 0);
	assert_int_equal(forwarded_scheme(BYTES("")).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarded_first_element_is_read),
		cmocka_unit_test(test_forwarded_ends_whatever_bytes_come),
		cmocka_unit_test(test_forwarded_first_of_a_list),
		cmocka_unit_test(test_forwarded_node_is_an_address_or_nothing),
		cmocka_unit_test(test_forwarded_scheme_is_one_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
