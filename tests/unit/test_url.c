/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "compiler.h"
#include "url.h"

/* H48 */
#define KEYS                                                                                \
	BYTES("X-Amz-Signature,X-Amz-Credential,X-Amz-Security-Token,X-Goog-Signature,sig," \
	      "AWSAccessKeyId,Signature")

static char out[512];

/* --- url.full, url.path, url.query --- */

static const struct row {
	const char *name;
	const char *target;
	bool is_connect;
	const char *full; /* over https, Host: h:8 */
	const char *path;
	const char *query; /* NULL: none */
} rows[] = {
	{ "H47: origin form", "/webshop/articles/4?s=1&t=2", false,
	  "https://h:8/webshop/articles/4?s=1&t=2", "/webshop/articles/4", "s=1&t=2" },
	{ "H47: root", "/", false, "https://h:8/", "/", NULL },
	{ "H47: two slashes", "//x/y", false, "https://h:8//x/y", "//x/y", NULL },
	{ "H47: a colon in the path", "/a://b@c", false, "https://h:8/a://b@c", "/a://b@c", NULL },
	{ "H47: absolute form", "HTTP://other:81/p?q", false, "HTTP://other:81/p?q", "/p", "q" },
	{ "H47: absolute form, no path", "http://other", false, "http://other", "/", NULL },
	{ "H47: absolute form, only a query", "http://other?a=b", false, "http://other?a=b", "/",
	  "a=b" },
	{ "H47: asterisk form", "*", false, "https://h:8", "*", NULL },
	{ "H47: authority form", "h2:443", true, "//h2:443", "", NULL },
	{ "an odd one", "abc?d", false, "https://h:8/abc?d", "abc", "d" },
	{ "H50: an empty query", "/a?", false, "https://h:8/a?", "/a", "" },
	{ "H50: a second ?", "/a?b?c=/d", false, "https://h:8/a?b?c=/d", "/a", "b?c=/d" },
	{ "H46: a fragment", "/a?b#c?d", false, "https://h:8/a?b#c?d", "/a", "b" },
	{ "H51: percent-encoding stays", "/%41%00%zz%", false, "https://h:8/%41%00%zz%",
	  "/%41%00%zz%", NULL },
	{ "H45: user and password", "https://user:pw@h/x", false, "https://REDACTED:REDACTED@h/x",
	  "/x", NULL },
	{ "H45: user alone", "https://token@h/", false, "https://REDACTED@h/", "/", NULL },
	{ "H45: @ in the password", "https://u:p@ss:w@h/", false, "https://REDACTED:REDACTED@h/",
	  "/", NULL },
	{ "H45: an empty one", "https://@h/", false, "https://REDACTED@h/", "/", NULL },
	{ "H45: @ behind the authority is none", "http://h/a@b?c@d", false, "http://h/a@b?c@d",
	  "/a@b", "c@d" },
	{ "H45: no path behind", "http://u:p@h?q", false, "http://REDACTED:REDACTED@h?q", "/",
	  "q" },
	{ "H45: authority form", "u:p@h:1", true, "//REDACTED:REDACTED@h:1", "", NULL },
	{ "H45: in what is no form", "u:p@h/x@y", false, "https://h:8/REDACTED:REDACTED@h/x@y",
	  "REDACTED:REDACTED@h/x@y", NULL },
	{ "H48: one key", "/a?sig=secret&b=c", false, "https://h:8/a?sig=REDACTED&b=c", "/a",
	  "sig=REDACTED&b=c" },
	{ "H48: all keys",
	  "/?X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Security-Token=3&X-Goog-Signature=4&sig=5&"
	  "AWSAccessKeyId=6&Signature=7&z=8",
	  false,
	  "https://h:8/?X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token="
	  "REDACTED&X-Goog-Signature=REDACTED&sig=REDACTED&AWSAccessKeyId=REDACTED&Signature="
	  "REDACTED"
	  "&z=8",
	  "/",
	  "X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED&"
	  "X-Goog-Signature=REDACTED&sig=REDACTED&AWSAccessKeyId=REDACTED&Signature=REDACTED&z=8" },
	{ "H48: case counts", "/?SIG=1&Sig=2&sign=3&si=4&xsig=5", false,
	  "https://h:8/?SIG=1&Sig=2&sign=3&si=4&xsig=5", "/", "SIG=1&Sig=2&sign=3&si=4&xsig=5" },
	{ "H48: = in the value, no value, no =", "/?sig=a=b&sig=&sig&&=x", false,
	  "https://h:8/?sig=REDACTED&sig=REDACTED&sig&&=x", "/",
	  "sig=REDACTED&sig=REDACTED&sig&&=x" },
	{ "H48: an encoded key is the same key", "/?s%69g=1&X%2dAmz%2DSignature=2&s%6g=3", false,
	  "https://h:8/?s%69g=REDACTED&X%2dAmz%2DSignature=REDACTED&s%6g=3", "/",
	  "s%69g=REDACTED&X%2dAmz%2DSignature=REDACTED&s%6g=3" },
	{ "H48: absolute form, before a fragment", "http://o/?sig=1#f", false,
	  "http://o/?sig=REDACTED#f", "/", "sig=REDACTED" },
};

static void check(const struct row *r, const char *what, size_t len, const char *want)
{
	if (len != strlen(want) || memcmp(out, want, len) != 0)
		fail_msg("%s, %s: \"%.*s\"", r->name, what, (int)len, out);
}

static void test_url_is_written_by_form_and_without_secrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct url u = url_split(bytes_from_str(r->target), r->is_connect);

		check(r, "full",
		      url_write_full(out, sizeof(out), &u, BYTES("https"), BYTES("h:8"), KEYS),
		      r->full);
		check(r, "path", url_write_path(out, sizeof(out), &u), r->path);
		assert_int_equal(u.query.ptr != NULL, r->query != NULL);
		if (r->query)
			check(r, "query", url_write_query(out, sizeof(out), &u, KEYS), r->query);
	}
}

/* Whatever fits is a beginning of the whole: a secret is gone before anything is cut. */
static void test_url_that_does_not_fit_is_a_beginning_of_the_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct url u = url_split(bytes_from_str(rows[i].target), rows[i].is_connect);

		for (size_t cap = 0; cap <= strlen(rows[i].full); cap++) {
			out[cap] = '!';
			assert_int_equal(
				url_write_full(out, cap, &u, BYTES("https"), BYTES("h:8"), KEYS),
				cap);
			assert_memory_equal(out, rows[i].full, cap);
			assert_int_equal(out[cap], '!');
		}
	}
}

static void test_url_is_cut_between_characters(void **state)
{
	struct url u = url_split(BYTES("/\xc3\xa9\xe2\x82\xac"), false);

	(void)state;
	/* http://h/ is 9 bytes, then 2, then 3. */
	assert_int_equal(url_write_full(out, 10, &u, BYTES("http"), BYTES("h"), KEYS), 9);
	assert_int_equal(url_write_full(out, 11, &u, BYTES("http"), BYTES("h"), KEYS), 11);
	assert_int_equal(url_write_full(out, 13, &u, BYTES("http"), BYTES("h"), KEYS), 11);
	assert_int_equal(url_write_full(out, 14, &u, BYTES("http"), BYTES("h"), KEYS), 14);
	/* Nothing comes behind what was left out, though it would fit. */
	u = url_split(BYTES("/\xe2\x82\xac?a=b"), false);
	assert_int_equal(url_write_full(out, 11, &u, BYTES("http"), BYTES("h"), KEYS), 9);
}

static void test_url_host_header_gives_no_user_info_away(void **state)
{
	struct url u = url_split(BYTES("/"), false);
	size_t n = url_write_full(out, sizeof(out), &u, BYTES("http"), BYTES("u:p@h"), KEYS);

	(void)state;
	assert_int_equal(n, strlen("http://REDACTED:REDACTED@h/"));
	assert_memory_equal(out, "http://REDACTED:REDACTED@h/", n);
}

static void test_url_list_of_keys_can_be_replaced(void **state)
{
	struct url u = url_split(BYTES("/?sig=1&k=2&l=3"), false);
	size_t n;

	(void)state;
	n = url_write_query(out, sizeof(out), &u, BYTES(" k , l,")); /* H49 */
	assert_int_equal(n, 27);
	assert_memory_equal(out, "sig=1&k=REDACTED&l=REDACTED", n);
	n = url_write_query(out, sizeof(out), &u, BYTES(""));
	assert_memory_equal(out, "sig=1&k=2&l=3", n);
	n = url_write_query(out, sizeof(out), &u, (struct bytes){ NULL, 0 });
	assert_memory_equal(out, "sig=1&k=2&l=3", n);
}

/* --- hosts --- */

static const struct host_row {
	const char *in;
	const char *host; /* NULL: none */
	uint16_t port;
} hosts[] = {
	{ "example.com", "example.com", 0 },
	{ "example.com:8080", "example.com", 8080 },
	{ " example.com:80 ", "example.com", 80 },
	{ "h:", "h", 0 },
	{ "192.0.2.1:65535", "192.0.2.1", 65535 },
	{ "u:p@h:1", "h", 1 },
	{ "[2001:db8::1]:8080", "2001:db8::1", 8080 }, /* H78 */
	{ "[::1]", "::1", 0 },
	{ "[::ffff:192.0.2.1]:", "::ffff:192.0.2.1", 0 },
	{ "[fe80::1%eth0]:1", "fe80::1%eth0", 1 },
	{ "2001:db8::1", "2001:db8::1", 0 },
	{ "b\xc3\xbc.de", NULL, 0 },
	{ "", NULL, 0 },
	{ ":80", NULL, 0 },
	{ "h:65536", NULL, 0 },
	{ "h:8a", NULL, 0 },
	{ "h:-1", NULL, 0 },
	{ "h:1:2", NULL, 0 },
	{ "[::1", NULL, 0 },
	{ "[]:1", NULL, 0 },
	{ "[::1]8", NULL, 0 },
	{ "[x::1]", NULL, 0 },
	{ "a b", NULL, 0 },
	{ "a/b", NULL, 0 },
	{ "a,b", NULL, 0 },
	{ "a\x01", NULL, 0 },
};

static void test_url_host_and_port_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct bytes host = { "untouched", 9 };
		uint16_t port = 77;
		bool got = url_split_host(bytes_from_str(hosts[i].in), &host, &port);
		const char *want = hosts[i].host ? hosts[i].host : "untouched";

		if (got != (hosts[i].host != NULL) || !bytes_equal(host, bytes_from_str(want)) ||
		    port != (got ? hosts[i].port : 77))
			fail_msg("\"%s\": %d \"%.*s\" %u", hosts[i].in, got, (int)host.len,
				 host.ptr, port);
	}
}

static void test_url_default_port_is_the_schemes(void **state)
{
	(void)state;
	assert_int_equal(url_default_port(BYTES("http")), 80); /* H25 */
	assert_int_equal(url_default_port(BYTES("HTTPS")), 443);
	assert_int_equal(url_default_port(BYTES("ws")), 80);
	assert_int_equal(url_default_port(BYTES("wss")), 443);
	assert_int_equal(url_default_port(BYTES("ftp")), 0);
	assert_int_equal(url_default_port(BYTES("")), 0);
}

static void test_url_methods_are_known_by_the_list_alone(void **state)
{
	struct bytes list = BYTES("CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,TRACE,QUERY");

	(void)state;
	assert_true(url_method_is_known(BYTES("GET"), list)); /* H52 */
	assert_true(url_method_is_known(BYTES("CONNECT"), list));
	assert_true(url_method_is_known(BYTES("QUERY"), list));
	assert_false(url_method_is_known(BYTES("get"), list));      /* H54, H118 */
	assert_false(url_method_is_known(BYTES("PROPFIND"), list)); /* H53, H117 */
	assert_false(url_method_is_known(BYTES("GE"), list));
	assert_false(url_method_is_known(BYTES("GETS"), list));
	assert_true(url_method_is_known(BYTES("get"), BYTES(" get , PROPFIND"))); /* H55 */
	assert_true(url_method_is_known(BYTES("PROPFIND"), BYTES(" get , PROPFIND")));
	assert_false(url_method_is_known(BYTES("GET"), BYTES(" get , PROPFIND")));
	assert_false(url_method_is_known(BYTES("GET"), BYTES("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_is_written_by_form_and_without_secrets),
		cmocka_unit_test(test_url_that_does_not_fit_is_a_beginning_of_the_whole),
		cmocka_unit_test(test_url_is_cut_between_characters),
		cmocka_unit_test(test_url_host_header_gives_no_user_info_away),
		cmocka_unit_test(test_url_list_of_keys_can_be_replaced),
		cmocka_unit_test(test_url_host_and_port_are_split),
		cmocka_unit_test(test_url_default_port_is_the_schemes),
		cmocka_unit_test(test_url_methods_are_known_by_the_list_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
