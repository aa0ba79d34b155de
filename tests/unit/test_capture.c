/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture.h"
#include "compiler.h"
#include "config.h"
#include "glob.h"
#include "head.h"
#include "store.h"
#include "url.h"

static struct bytes str(const char *s)
{
	return bytes_from_str(s);
}

static int setup(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	return 0;
}

static void test_capture_wants_what_is_named(void **state)
{
	(void)state;
	assert_false(capture_any(CAPTURE_SERVER_REQUEST));
	config.server_request_headers = str("X-Tenant, accept");
	assert_true(capture_any(CAPTURE_SERVER_REQUEST));
	assert_false(capture_any(CAPTURE_CLIENT_REQUEST));
	assert_true(capture_wants(CAPTURE_SERVER_REQUEST, str("x-tenant")));
	assert_true(capture_wants(CAPTURE_SERVER_REQUEST, str("ACCEPT")));
	assert_false(capture_wants(CAPTURE_SERVER_REQUEST, str("x-tenan")));
	assert_false(capture_wants(CAPTURE_SERVER_REQUEST, str("")));
	assert_false(capture_wants(CAPTURE_SERVER_RESPONSE, str("accept")));
	config.correlation_headers = str("default");
	assert_true(capture_wants(CAPTURE_CLIENT_RESPONSE, str("X-Request-Id")));
}

/* Law 3: whoever names it. */
static void test_capture_refuses_credentials(void **state)
{
	static const char *const names[] = {
		"Authorization",        "proxy-authorization", "Cookie",
		"Set-Cookie",           "X-API-Key",           "X-Auth-Token",
		"x-amz-security-token", "X-CSRF-Token",        "Authentication-Info",
		"X-Client-Secret",      "X-Hub-Signature",     "X-SSL-Client-Cert",
		"X-Session-Id",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		config.client_request_headers = str(names[i]);
		if (capture_wants(CAPTURE_CLIENT_REQUEST, str(names[i])))
			fail_msg("%s", names[i]);
	}
}

static void test_capture_packs_name_and_redacted_value(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		const char *want;
	} rows[] = {
		{ "X-Tenant", "Acme", "\x08x-tenantAcme" },
		{ "Empty", "", "\5empty" },
		{ "Referer", "https://u:p@h/x?sig=1&a=2",
		  "\7refererhttps://REDACTED:REDACTED@h/x?sig=REDACTED&a=2" },
		{ "Referer", "/x?token=1", "\7referer/x?token=REDACTED" },
		{ "Location", "//u:p@h/x", "\x08location//REDACTED:REDACTED@h/x" },
		{ "Location", "u:p@h/x", "\x08locationREDACTED:REDACTED@h/x" },
		{ "X-Other", "https://h/x?sig=1", "\7x-otherhttps://h/x?sig=1" },
	};
	char to[CAPTURE_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = capture_pack(to, sizeof(to), str(rows[i].name), str(rows[i].value));

		if (len != strlen(rows[i].want) || memcmp(to, rows[i].want, len) != 0)
			fail_msg("%s: %s: %.*s", rows[i].name, rows[i].value, (int)len, to);
	}
}

static void test_capture_pack_is_bounded(void **state)
{
	static char big[9000];
	char to[CAPTURE_BYTES + 1];

	(void)state;
	memset(big, 'a', sizeof(big));
	to[CAPTURE_BYTES] = '!';
	assert_int_equal(capture_pack(to, CAPTURE_BYTES, str("x"), (struct bytes){ big, 9000 }),
			 2 + 1024);
	assert_int_equal(capture_pack(to, CAPTURE_BYTES, (struct bytes){ big, 255 },
				      (struct bytes){ big, 9000 }),
			 256 + 1024);
	big[0] = '/';
	big[1] = '/';
	assert_true(capture_pack(to, CAPTURE_BYTES, str("referer"), (struct bytes){ big, 9000 }) <=
		    8 + 1024);
	assert_int_equal(capture_pack(to, CAPTURE_BYTES, (struct bytes){ big, 256 }, str("v")), 0);
	assert_int_equal(capture_pack(to, CAPTURE_BYTES - 1, str("x"), str("v")), 0);
	assert_int_equal(to[CAPTURE_BYTES], '!');
}

/* Lines for attributes lie beside the others, at any number; what does not fit is counted. */
static void test_capture_in_a_head(void **state)
{
	static char text[HEAD_TEXT_BYTES];
	struct http1 p = { .name = str("X-Many"), .value = str("one"), .tell = HTTP1_TELL_ALL };
	struct bytes packed;
	struct head h;
	uint16_t at;

	(void)state;
	config_parse(&config, NULL);
	config.client_request_headers = str("x-many");
	head_init(&h);
	head_field(&h, text, &p);
	p.name = str("baggage");
	p.value = str("a=1");
	head_field(&h, text, &p);
	p.name = str("x-many");
	p.value = str("two");
	head_field(&h, text, &p);
	at = h.captured_first;
	assert_true(head_line(text, &at, &packed));
	assert_memory_equal(packed.ptr, "\6x-manyone", packed.len);
	assert_true(head_line(text, &at, &packed));
	assert_memory_equal(packed.ptr, "\6x-manytwo", packed.len);
	assert_false(head_line(text, &at, &packed));
	at = h.baggage_first;
	assert_true(head_line(text, &at, &packed));
	assert_memory_equal(packed.ptr, "a=1", packed.len);
	for (int i = 0; i < 40000; i++)
		head_field(&h, text, &p);
	assert_true(h.captured_lost > 0);
	assert_true(h.used <= HEAD_TEXT_BYTES);
	assert_false(h.is_full);
}

static void test_capture_globs(void **state)
{
	static const struct {
		const char *pattern;
		const char *text;
		bool want;
	} rows[] = {
		{ "/healthz", "/healthz", true },
		{ "/healthz", "/healthz/", false },
		{ "/healthz", "/health", false },
		{ "/users/*", "/users/", true },
		{ "/users/*", "/users/7/x", true },
		{ "/users/*", "/user", false },
		{ "*/ping", "/a/ping/ping", true },
		{ "*/ping", "/a/pingx", false },
		{ "/a*b*c", "/axbxbxc", true },
		{ "/a*b*c", "/axcxb", false },
		{ "*", "", true },
		{ "", "", true },
		{ "", "a", false },
		{ "**a", "ba", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (glob_match(str(rows[i].pattern), str(rows[i].text)) != rows[i].want)
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
}

static void test_capture_decodes(void **state)
{
	char to[16];

	(void)state;
	assert_int_equal(url_decode(to, sizeof(to), str("a%20b%2")), 5);
	assert_memory_equal(to, "a b%2", 5);
	assert_int_equal(url_decode(to, 2, str("%61%62%63")), 2);
	assert_memory_equal(to, "ab", 2);
	assert_int_equal(url_decode(to, sizeof(to), str("%zz%")), 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_capture_##name, setup)
	const struct CMUnitTest tests[] = {
		TEST(wants_what_is_named),
		TEST(refuses_credentials),
		TEST(packs_name_and_redacted_value),
		TEST(pack_is_bounded),
		TEST(in_a_head),
		TEST(globs),
		TEST(decodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
