/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HTTP call is told as on the span of its request: what it was, not what the last one was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler.h"
#include "config.h"
#include "http_attrs.h"
#include "http_call.h"
#include "store.h"

static struct conn conn;
static struct record record;

static int setup(void **state)
{
	(void)state;
	config_parse(&config, NULL);
	return 0;
}

struct asked {
	const char *address;
	int64_t port;
	const char *method;
	const char *url;
	uint32_t common; /* the same number: so are the first three */
};

static struct span *begin(const struct asked *a, struct exchange *x)
{
	struct span *s = span_start(SPAN_CLIENT, NULL);

	span_set_str(s, ATTR_HTTP_REQUEST_METHOD, bytes_from_str(a->method));
	span_set_str(s, ATTR_SERVER_ADDRESS, bytes_from_str(a->address));
	span_set_int(s, ATTR_SERVER_PORT, a->port);
	x->common = a->common;
	x->url_at = (uint16_t)span_mark(s).used;
	span_set_str(s, ATTR_URL_FULL, bytes_from_str(a->url));
	return s;
}

/* Collects what there is; record: the SERVER span. */
static void receive(struct span *server)
{
	struct store *st = store_get();
	uint32_t index[8];
	size_t n;

	span_end(server);
	n = store_collect(st, index, 8);
	for (size_t i = 0; i < n; i++) {
		assert_true(store_read(st, index[i], &record));
		if (record.head.kind == SPAN_SERVER)
			break;
	}
	assert_int_equal(record.head.kind, SPAN_SERVER);
	store_give_back(st, index, n);
}

static struct bytes find(enum attr key)
{
	struct bytes found = { NULL, 0 }, value;
	struct item_head head;
	size_t at = 0;

	while (record_next(&record, &at, &head, &value))
		if (head.type < ITEM_NAME && head.key == key)
			found = value;
	return found;
}

static void assert_text(enum attr key, const char *want)
{
	struct bytes found = find(key);

	assert_int_equal(found.len, strlen(want));
	assert_memory_equal(found.ptr, want, found.len);
}

static void assert_repeated(const char *peer, const char *operation, const char *summary)
{
	assert_text(ATTR_CALLS_REPEATED_PEER, peer);
	assert_text(ATTR_CALLS_REPEATED_OPERATION, operation);
	assert_text(ATTR_CALLS_REPEATED_SUMMARY, summary);
}

/* Twice the same in one request, behind others on the same connection. */
static void ask_twice(const struct asked *a)
{
	struct span *server = span_start(SPAN_SERVER, NULL);
	struct exchange x = { .parent = span_ref(server) };

	for (int i = 0; i < 2; i++)
		http_call_end(&conn, &x, begin(a, &x));
	receive(server);
}

#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"

static void test_http_call_is_what_it_is(void **state)
{
	static const struct row {
		struct asked asked;
		const char *peer, *operation, *summary;
	} rows[] = {
		{ { "shop", 80, "GET", "http://shop/a", 1 }, "shop:80", "GET", "/a" },
		{ { "shop", 80, "GET", "http://shop/b", 1 }, "shop:80", "GET", "/b" },
		{ { "shop", 80, "GET", "http://shop/ab", 1 }, "shop:80", "GET", "/ab" },
		{ { "shop", 80, "GET", "http://shop/items/17", 1 }, "shop:80", "GET", "/items/*" },
		{ { "shop", 80, "GET", "http://shop/items/18", 1 }, "shop:80", "GET", "/items/*" },
		/* Something else is kept by now, the URL is the same. */
		{ { "shop", 80, "PUT", "http://shop/items/18", 2 }, "shop:80", "PUT", "/items/*" },
		{ { "shop", 8080, "PUT", "http://shop/items/18", 3 },
		  "shop:8080",
		  "PUT",
		  "/items/*" },
		/* Nothing is kept of these, and what was is of no use for them. */
		{ { "stock", 81, "POST", "http://shop/items/18", 0 },
		  "stock:81",
		  "POST",
		  "/items/*" },
		{ { "shop", 8080, "PUT", "http://shop/items/18", 3 },
		  "shop:8080",
		  "PUT",
		  "/items/*" },
		/* Too long to be kept, and then again one that is not. */
		{ { "shop", 8080, "PUT", "http://shop/" LONG LONG LONG, 3 },
		  "shop:8080",
		  "PUT",
		  "/*" },
		{ { LETTERS LETTERS, 8080, "PUT", "http://shop/c", 4 },
		  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst",
		  "PUT",
		  "/c" },
		{ { "shop", 80, "GET", "http://shop/c?d", 5 }, "shop:80", "GET", "/c" },
		{ { "shop", 80, "GET", "", 5 }, "shop:80", "GET", "" },
		{ { "shop", 80, "GET", "http://shop/c", 5 }, "shop:80", "GET", "/c" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ask_twice(&rows[i].asked);
		assert_repeated(rows[i].peer, rows[i].operation, rows[i].summary);
	}
}

static struct span *ask(struct bytes in, struct exchange *x)
{
	struct span *s = span_start(SPAN_CLIENT, NULL);
	struct half *h = &conn.out;
	enum http1_event e;

	http1_init_request(&h->parser);
	head_init(&h->head);
	while ((e = http1_step(&h->parser, &in)) != HTTP1_HEAD_END) {
		assert_int_not_equal(e, HTTP1_NEED_MORE);
		assert_int_not_equal(e, HTTP1_DEAD);
		if (e == HTTP1_START_LINE)
			head_start(&h->head, h->scratch->text, &h->parser);
		if (e == HTTP1_HEADER)
			head_field(&h->head, h->scratch->text, &h->parser);
	}
	conn.pending = *x;
	attrs_client_request(s, &conn, -1, &h->head, h->scratch->text, &h->parser);
	*x = conn.pending;
	return s;
}

/* One request behind another on a connection: the same path, of another method, of other hosts. */
static void test_http_call_is_what_was_written(void **state)
{
	static const struct row {
		const char *request, *peer, *operation;
	} rows[] = {
		{ "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", "h:80", "GET" },
		{ "PUT /a HTTP/1.1\r\nHost: h\r\n\r\n", "h:80", "PUT" },
		{ "PUT /a HTTP/1.1\r\nHost: i:81\r\n\r\n", "i:81", "PUT" },
		{ "PUT http://j:82/a HTTP/1.1\r\nHost: i:81\r\n\r\n", "j:82", "PUT" },
		{ "PUT http://k:83/a HTTP/1.1\r\nHost: i:81\r\n\r\n", "k:83", "PUT" },
		{ "PUT /a HTTP/1.1\r\nHost: i:81\r\n\r\n", "i:81", "PUT" },
	};

	(void)state;
	conn.has_peer = true;
	conn.role = CONN_CLIENT;
	assert_true(half_borrow(&conn.out));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span *server = span_start(SPAN_SERVER, NULL);
		struct exchange x = { .parent = span_ref(server) };

		for (int j = 0; j < 2; j++)
			http_call_end(&conn, &x, ask(bytes_from_str(rows[i].request), &x));
		receive(server);
		assert_repeated(rows[i].peer, rows[i].operation, "/a");
	}
	half_return(&conn.out);
}

/* What does not lie in the first slot is not read there. */
static void test_http_call_without_room_for_its_url(void **state)
{
	static const struct asked a = { "shop", 80, "GET", "http://shop/a", 6 };
	static char text[SPAN_DATA_BYTES];
	struct span *server = span_start(SPAN_SERVER, NULL);
	struct exchange x = { .parent = span_ref(server) };
	struct span *s = span_start(SPAN_CLIENT, NULL);

	(void)state;
	http_call_end(&conn, &x, begin(&a, &x));
	memset(text, 'x', sizeof(text));
	span_set_str(s, ATTR_USER_AGENT_ORIGINAL, (struct bytes){ text, sizeof(text) });
	x.url_at = (uint16_t)span_mark(s).used;
	span_set_str(s, ATTR_URL_FULL, BYTES("http://shop/a"));
	assert_null(span_text_at(s, x.url_at, ATTR_URL_FULL).ptr);
	http_call_end(&conn, &x, s);
	receive(server);
	assert_null(find(ATTR_CALLS_REPEATED_COUNT).ptr);
}

/*
 * Of a URL that goes on in another slot what lies in the first one tells calls apart.  A template
 * of the user's is for a path of which all is there.
 */
static void test_http_call_of_a_long_url(void **state)
{
	static char routes[] = "OTEL_INTERSPAN_HTTP_ROUTES=/long/{a}/{b}/{c}";
	static char url[SPAN_DATA_BYTES + 100] = "http://shop/long/1/" LONG LONG "/";
	char *envp[] = { routes, NULL };
	size_t len = strlen(url);
	struct asked a = { "shop", 80, "GET", url, 7 };

	(void)state;
	memset(url + len, '7', sizeof(url) - 1 - len);
	ask_twice(&a);
	assert_repeated("shop:80", "GET", "/long/*/*/*");
	config_parse(&config, envp);
	ask_twice(&a);
	assert_repeated("shop:80", "GET", "/long/*/*/*");
	url[len + 8] = '?'; /* from here on it is the query that is long */
	ask_twice(&a);
	assert_repeated("shop:80", "GET", "/long/{a}/{b}/{c}");
	config_parse(&config, NULL);
}

static void test_text_at_is_that_of_its_key(void **state)
{
	struct span *s = span_start(SPAN_CLIENT, NULL);
	uint32_t number = span_mark(s).used, text;
	struct bytes found;

	(void)state;
	span_set_int(s, ATTR_SERVER_PORT, 80);
	text = span_mark(s).used;
	span_set_str(s, ATTR_URL_FULL, BYTES("http://shop/a"));
	found = span_text_at(s, text, ATTR_URL_FULL);
	assert_int_equal(found.len, 13);
	assert_memory_equal(found.ptr, "http://shop/a", 13);
	assert_null(span_text_at(s, text, ATTR_SERVER_ADDRESS).ptr);
	assert_null(span_text_at(s, number, ATTR_SERVER_PORT).ptr);
	assert_null(span_text_at(s, span_mark(s).used, ATTR_URL_FULL).ptr);
	assert_false(span_text_is_cut(s, found));
	s->used -= 2; /* its end is not there */
	assert_int_equal(span_text_at(s, text, ATTR_URL_FULL).len, 11);
	span_discard(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_call_is_what_it_is),
		cmocka_unit_test(test_http_call_is_what_was_written),
		cmocka_unit_test(test_http_call_without_room_for_its_url),
		cmocka_unit_test(test_http_call_of_a_long_url),
		cmocka_unit_test(test_text_at_is_that_of_its_key),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
