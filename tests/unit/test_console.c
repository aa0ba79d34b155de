/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "console.h"
#include "test_exporter_record.h"

static struct record r;
static char line[CONSOLE_LINE_MAX + 1];

static int setup(void **state)
{
	(void)state;
	record_start(&r);
	return 0;
}

static void assert_line(const char *want)
{
	size_t len = console_format(&r, line);

	line[len] = '\0';
	assert_string_equal(line, want);
}

/* E118: free-form, and this is it. */
static void test_console_line_is_this(void **state)
{
	(void)state;
	r.head.end_ns = r.head.start_ns + 12034567;
	r.head.has_parent = 1;
	memset(r.head.parent.bytes, 0xbb, 8);
	r.head.status = SPAN_STATUS_ERROR;
	record_str(&r, ATTR_URL_FULL, "http://a/b?c=d");
	record_str(&r, ATTR_HTTP_REQUEST_METHOD, "GET");
	record_int(&r, ATTR_HTTP_RESPONSE_STATUS_CODE, 503);
	record_item(&r, ITEM_BOOL, ATTR_URL_SCHEME, "\0", 1);
	record_item(&r, ITEM_BAGGAGE, 0, "secret=1", 8);
	record_item(&r, ITEM_LINK, 0, "123456789abcdef0ABCDEFGH\x03\x01\x00\x00\x00\x00", 30);
	record_name(&r, "GET /b");
	assert_line("interspan pid=77 CLIENT \"GET /b\" 12.034ms "
		    "trace=0102030405060708090a0b0c0d0e0f10 span=a1a2a3a4a5a6a7a8 "
		    "parent=bbbbbbbbbbbbbbbb "
		    "link=31323334353637383961626364656630-4142434445464748 ERROR "
		    "url.full=\"http://a/b?c=d\" "
		    "http.request.method=GET http.response.status_code=503 url.scheme=false\n");
}

/* What came off a wire must not speak to the terminal. */
static void test_console_escapes_control_characters(void **state)
{
	(void)state;
	record_str(&r, ATTR_USER_AGENT_ORIGINAL, "\x1b[31m\"\\\n\x7f");
	record_str(&r, ATTR_URL_PATH, "\xff");
	record_str(&r, ATTR_URL_QUERY, "");
	record_name(&r, "gr\xc3\xbc\n");
	r.head.kind = SPAN_SERVER;
	assert_line("interspan pid=77 SERVER \"gr\xc3\xbc\\x0a\" 0.000ms "
		    "trace=0102030405060708090a0b0c0d0e0f10 span=a1a2a3a4a5a6a7a8 "
		    "user_agent.original=\"\\x1b[31m\\\"\\\\\\x0a\\x7f\" url.path=\"\\xff\" "
		    "url.query=\"\"\n");
}

/* Prefix and key make the attribute's name; one that is an element of a list is shown like it. */
static void test_console_shows_attributes_with_names_of_their_own(void **state)
{
	(void)state;
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, "\x0cx-request-id", "4711");
	record_named(&r, ITEM_ELEMENT, ATTR_HTTP_REQUEST_HEADER, "\x0cx-request-id", "a b");
	record_named(&r, ITEM_NAMED, ATTR_HTTP_RESPONSE_HEADER,
		     "\x04"
		     "etag",
		     "\x1b");
	record_item(&r, ITEM_NAMED, ATTR_HTTP_RESPONSE_HEADER, "\x40short", 6); /* hostile */
	record_name(&r, "GET");
	assert_line("interspan pid=77 CLIENT \"GET\" 0.000ms "
		    "trace=0102030405060708090a0b0c0d0e0f10 span=a1a2a3a4a5a6a7a8 "
		    "http.request.header.x-request-id=4711 "
		    "http.request.header.x-request-id=\"a b\" "
		    "http.response.header.etag=\"\\x1b\"\n");
}

static void test_console_cuts_long_lines(void **state)
{
	static char value[STORE_VALUE_MAX];
	size_t len;

	(void)state;
	memset(value, 'v', sizeof(value));
	record_item(&r, ITEM_STR, ATTR_URL_FULL, value, sizeof(value));
	record_str(&r, ATTR_URL_PATH, "/");
	len = console_format(&r, line);
	assert_int_equal(len, CONSOLE_LINE_MAX);
	assert_int_equal(line[len - 1], '\n');
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(test_console_##name, setup)
	const struct CMUnitTest tests[] = {
		TEST(line_is_this),
		TEST(escapes_control_characters),
		TEST(shows_attributes_with_names_of_their_own),
		TEST(cuts_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
