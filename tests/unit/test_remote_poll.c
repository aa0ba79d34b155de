/* SPDX-License-Identifier: Apache-2.0 */
/* How a Jaeger is asked for its strategy (E40); the real one answers in interop/test_backends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "remote.h"
#include "remote_poll.h"
#include "stats.h"
#include "test_exporter_server.h"

#define ANSWER(status, text) \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" text
#define HALF                                                                                   \
	"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"probabilisticSampling\":" \
	"{\"samplingRate\":0.5}}"

static struct server server;
static struct config cfg;
static struct exporter x;
static struct resource resource;
static struct remote_poll poll_;
static char argument[128];
static char logged[512];
static unsigned log_lines;

void exporter_log(struct bytes message)
{
	size_t len = message.len < sizeof(logged) - 1 ? message.len : sizeof(logged) - 1;

	memcpy(logged, message.ptr, len);
	logged[len] = '\0';
	log_lines++;
}

static uint32_t version(void)
{
	return atomic_load(&remote_of(x.store)->version);
}

static void begin_at(const char *endpoint, const char *service)
{
	stats_reset();
	log_lines = 0;
	memset(&x, 0, sizeof(x));
	memset(&cfg, 0, sizeof(cfg));
	x.store = store_open();
	x.config = &cfg;
	assert_non_null(x.store);
	memset(remote_of(x.store), 0, sizeof(struct remote));
	x.store->polls_asked = 0;
	snprintf(argument, sizeof(argument), "endpoint=%s", endpoint);
	cfg.traces_sampler = SAMPLER_PARENTBASED | SAMPLER_JAEGER_REMOTE;
	cfg.traces_sampler_arg = bytes_from_str(argument);
	cfg.service_name = bytes_from_str(service);
	resource_init_for(&resource, &cfg, BYTES("/bin/shop"), BYTES("host"));
	remote_poll_begin(&poll_, &x, &resource);
}

static void begin(const char *const *script, const char *path, const char *service)
{
	char url[64];

	server_start(&server, script);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server.port, path);
	begin_at(url, service);
}

static void end(void)
{
	remote_poll_end(&poll_);
	server_stop(&server);
}

/* As the worker does. */
static void ask(void)
{
	x.store->polls_asked++;
	assert_true(remote_poll_is_due(&poll_));
	remote_poll_turn(&poll_);
	while (poll_.is_under_way) {
		remote_poll_wait(&poll_);
		remote_poll_turn(&poll_);
	}
	assert_false(remote_poll_is_due(&poll_));
}

static void test_request_of_a_strategy(void **state) /* E40 */
{
	static const char *const script[] = { HALF, NULL };
	static const struct {
		const char *path, *service, *head;
	} rows[] = {
		{ "", "shop", "GET /sampling?service=shop HTTP/1.1\r\n" },
		{ "/api/sampling", "a b&c", "GET /api/sampling?service=a%20b%26c HTTP/1.1\r\n" },
		{ "/s?zone=1#x", "caf\xc3\xa9", "GET /s?zone=1&service=caf%C3%A9 HTTP/1.1\r\n" },
		{ "?zone=1", "shop", "GET /sampling?zone=1&service=shop HTTP/1.1\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		begin(script, rows[i].path, rows[i].service);
		assert_false(remote_poll_is_due(&poll_)); /* nobody has asked */
		remote_poll_turn(&poll_);
		assert_int_equal(server.requests, 0);
		ask();
		assert_int_equal(server.requests, 1);
		assert_memory_equal(server.head, rows[i].head, strlen(rows[i].head));
		assert_null(strstr(server.head, "Content-Encoding"));
		assert_int_equal(version(), 1);
		assert_int_equal(stats_read(STAT_STRATEGIES_TAKEN), 1);
		assert_int_equal(remote_of(x.store)->is[1].threshold, 1ull << 55);
		end();
	}
}

/* What comes after a good one changes nothing, is counted, and told once in a while. */
static void test_bad_answers_keep_the_last_strategy(void **state)
{
	static const char *const script[] = {
		HALF,
		ANSWER("200 OK", "{}"),
		ANSWER("200 OK", "<html>"),
		ANSWER("500 Oops", "collector error"),
		ANSWER("302 Found", "{\"probabilisticSampling\":{}}"),
		ANSWER("404 Not Found", "{\"probabilisticSampling\":{\"samplingRate\":1}}"),
		SERVER_CLOSE,
		HALF,
		NULL,
	};

	(void)state;
	begin(script, "", "shop");
	ask();
	for (unsigned i = 1; i <= 6; i++) {
		ask();
		assert_int_equal(version(), 1);
		assert_int_equal(stats_read(STAT_STRATEGIES_FAILED), i);
		assert_int_equal(log_lines, 1);
	}
	assert_non_null(strstr(logged, "jaeger_remote: no strategy: "));
	ask();
	assert_int_equal(version(), 2);
	assert_int_equal(stats_read(STAT_STRATEGIES_TAKEN), 2);
	end();
}

/* More than is kept of an answer is none; and nobody is there at all. */
static void test_answers_that_are_too_long_or_none(void **state)
{
	static char body[RESPONSE_KEPT + 200];
	static const char *const script[] = { body, NULL };
	int port;

	(void)state;
	memset(body, ' ', sizeof(body) - 1);
	memcpy(body, "HTTP/1.0 200 OK\r\n\r\n", 19);
	memcpy(body + sizeof(body) - 50, "{\"probabilisticSampling\":{}}", 28);
	begin(script, "", "shop");
	ask();
	assert_int_equal(version(), 0);
	assert_int_equal(stats_read(STAT_STRATEGIES_FAILED), 1);
	port = server.port;
	end();
	snprintf(argument, sizeof(argument), "http://127.0.0.1:%d", port);
	begin_at(argument, "shop");
	ask();
	assert_int_equal(stats_read(STAT_STRATEGIES_FAILED), 1);
	remote_poll_end(&poll_);
}

/* Who asks goes on meanwhile, and a deadline ends it. */
static void test_no_answer_holds_nobody_up(void **state)
{
	static const char *const script[] = { SERVER_SILENCE, NULL };

	(void)state;
	begin(script, "", "shop");
	x.store->polls_asked++;
	remote_poll_turn(&poll_);
	assert_true(poll_.is_under_way);
	remote_poll_wait(&poll_);
	remote_poll_turn(&poll_);
	assert_true(poll_.is_under_way);
	poll_.until_ns = clock_monotonic_ns();
	remote_poll_turn(&poll_);
	assert_false(poll_.is_under_way);
	assert_int_equal(stats_read(STAT_STRATEGIES_FAILED), 1);
	x.store->polls_asked++;
	atomic_store(&x.stop, 1); /* no time for it */
	remote_poll_turn(&poll_);
	assert_false(poll_.is_under_way);
	end();
}

static void test_endpoints_that_cannot_be_asked(void **state)
{
	static const char *const rows[] = { "ftp://h", "unix:///run/jaeger", "http://" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		begin_at(rows[i], "shop");
		assert_int_equal(log_lines, 1);
		assert_int_equal(stats_read(STAT_STRATEGIES_FAILED), 1);
		x.store->polls_asked++;
		assert_false(remote_poll_is_due(&poll_));
		remote_poll_turn(&poll_);
		remote_poll_end(&poll_);
	}
	cfg.traces_sampler = SAMPLER_PARENTBASED | SAMPLER_TRACEIDRATIO;
	remote_poll_begin(&poll_, &x, &resource);
	assert_null(poll_.transport);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_of_a_strategy),
		cmocka_unit_test(test_bad_answers_keep_the_last_strategy),
		cmocka_unit_test(test_answers_that_are_too_long_or_none),
		cmocka_unit_test(test_no_answer_holds_nobody_up),
		cmocka_unit_test(test_endpoints_that_cannot_be_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
