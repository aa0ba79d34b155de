/* SPDX-License-Identifier: Apache-2.0 */
/* Several exporters at once: each is counted by itself, and none waits for another. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "exporter.h"
#include "sink.h"
#include "stats.h"
#include "test_exporter_server.h"

#define MS 1000000u
#define BATCH 8
#define BOTH (EXPORTER_OTLP | EXPORTER_ZIPKIN)

static struct server otlp, zipkin;
static struct store *st;
static struct config cfg;
static struct exporter x;
static char otlp_url[64], zipkin_url[64];
static pthread_t thread;
static uint32_t batch = BATCH; /* else: nothing is sent before it is full, or the end */

static char said[512]; /* the last message; read when the exporter has ended */

void exporter_log(struct bytes message)
{
	snprintf(said, sizeof(said), "%.*s", (int)message.len, message.ptr);
}

static void *run(void *unused)
{
	(void)unused;
	(void)exporter_run(&x);
	return NULL;
}

static void wake(void)
{
	atomic_fetch_add(&st->wake, 1);
	syscall(SYS_futex, &st->wake, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
}

static void prepare(uint32_t exporters, const char *const *otlp_script,
		    const char *const *zipkin_script)
{
	server_start(&otlp, otlp_script);
	server_start(&zipkin, zipkin_script);
	snprintf(otlp_url, sizeof(otlp_url), "http://127.0.0.1:%d", otlp.port);
	snprintf(zipkin_url, sizeof(zipkin_url), "http://127.0.0.1:%d/z", zipkin.port);
	cfg.otlp_endpoint = bytes_from_str(otlp_url);
	cfg.zipkin_endpoint = bytes_from_str(zipkin_url);
	cfg.otlp_metrics_endpoint = cfg.zipkin_endpoint;
	cfg.traces_exporter = exporters;
	cfg.otlp_traces_timeout_ms = 60000;
	cfg.zipkin_timeout_ms = 60000;
	cfg.bsp_schedule_delay_ms = batch == BATCH ? 1 : 60000;
	cfg.bsp_batch_size = batch;
	cfg.bsp_queue_size = 2048;
	cfg.span_event_count = cfg.span_link_count = 128;
	cfg.event_attr_count = cfg.link_attr_count = CONFIG_UNSET;
	cfg.span_attr_count = cfg.attr_count = CONFIG_UNSET;
	cfg.span_attr_length = cfg.attr_length = CONFIG_UNSET;
	st->batch = batch;
	memset(&x, 0, sizeof(x));
	x.store = st;
	x.config = &cfg;
	stats_reset();
}

static void begin(uint32_t exporters, const char *const *otlp_script,
		  const char *const *zipkin_script)
{
	prepare(exporters, otlp_script, zipkin_script);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
}

static void end(uint64_t deadline_ns)
{
	atomic_store(&x.deadline_ns, deadline_ns);
	atomic_store(&x.stop, 1);
	wake();
	pthread_join(thread, NULL);
	server_stop(&otlp);
	server_stop(&zipkin);
}

static void spans(int n)
{
	for (int i = 0; i < n; i++) {
		struct span *s = span_start(SPAN_CLIENT, NULL);

		assert_non_null(s);
		span_set_name(s, BYTES("GET"));
		span_end(s);
	}
}

/* Spans, a batch each time, until the counter says so many. */
static void spans_until(enum stat_id counter, uint64_t wanted)
{
	for (int i = 0; i < 100; i++) {
		spans(BATCH);
		for (int ms = 0; ms < 5000 && stats_read(counter) < (uint64_t)(i + 1) * BATCH; ms++)
			usleep(1000);
		if (stats_read(counter) >= wanted)
			return;
	}
	fail();
}

static void assert_counts(uint64_t otlp_exported, uint64_t otlp_dropped, uint64_t zipkin_exported,
			  uint64_t zipkin_dropped)
{
	assert_int_equal(stats_read(STAT_OTLP_EXPORTED), otlp_exported);
	assert_int_equal(stats_read(STAT_OTLP_DROPPED), otlp_dropped);
	assert_int_equal(stats_read(STAT_ZIPKIN_EXPORTED), zipkin_exported);
	assert_int_equal(stats_read(STAT_ZIPKIN_DROPPED), zipkin_dropped);
	assert_int_equal(stats_read(STAT_SPANS_EXPORTED), otlp_exported);
}

static void test_sink_both_get_all(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };

	(void)state;
	begin(BOTH, script, script);
	/* Each waits for both: one that is slow, as on a busy machine, is left behind. */
	for (uint64_t sent = BATCH; sent <= 160; sent += BATCH) {
		spans(BATCH);
		for (int ms = 0; ms < 5000 && (stats_read(STAT_OTLP_EXPORTED) < sent ||
					       stats_read(STAT_ZIPKIN_EXPORTED) < sent);
		     ms++)
			usleep(1000);
	}
	end(0);
	assert_counts(160, 0, 160, 0);
	assert_memory_equal(otlp.head, "POST /v1/traces HTTP/1.1\r\n", 26);
	assert_memory_equal(zipkin.head, "POST /z HTTP/1.1\r\n", 18);
	assert_non_null(strstr(zipkin.head, "\r\nContent-Type: application/json\r\n"));
	assert_memory_equal(zipkin.body, "[{\"traceId\":\"", 13);
}

/* One batch after the other, each delivered before the next one begins, takes the memory of one. */
static void test_sink_takes_the_memory_of_one_batch(void **state)
{
	static const char *const script[] = { OK_EMPTY, NULL };
	static struct sinks all;
	static struct record r;
	uint32_t index;

	(void)state;
	prepare(EXPORTER_OTLP, script, script);
	assert_true(sinks_begin(&all, &x, 0));
	for (unsigned n = 1; n <= 3; n++) {
		spans(1);
		assert_int_equal(store_collect(st, &index, 1), 1);
		assert_true(store_read(st, index, &r));
		store_give_back(st, &index, 1);
		assert_true(sink_take(all.list, &r));
		sinks_flush(&all, true);
		assert_int_equal(stats_read(STAT_OTLP_EXPORTED), n);
	}
	assert_true(all.list[0].batch[0].memory.mapped > 0);
	assert_int_equal(all.list[0].batch[1].memory.mapped, 0);
	sinks_end(&all);
	server_stop(&otlp);
	server_stop(&zipkin);
}

/* Its timeout is a minute: had the other one to wait once, this would take that long. */
static void test_sink_silence_holds_nobody(void **state)
{
	static const char *const ok[] = { OK_EMPTY, NULL };
	static const char *const silent[] = { SERVER_SILENCE, NULL };
	uint64_t start = clock_monotonic_ns();

	(void)state;
	begin(BOTH, ok, silent);
	spans_until(STAT_OTLP_EXPORTED, 320);
	end(clock_monotonic_ns() + 100 * MS);
	assert_true(clock_monotonic_ns() - start < 30000000000u);
	assert_counts(320, 0, 0, 320);
}

/* The first one counts for the program; the second is served all the same. */
static void test_sink_first_that_refuses_holds_nobody(void **state)
{
	static const char *const ok[] = { OK_EMPTY, NULL };
	static const char *const bad[] = { "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
					   NULL };

	(void)state;
	begin(BOTH, bad, ok);
	spans_until(STAT_ZIPKIN_EXPORTED, 80);
	end(0);
	assert_counts(0, 80, 80, 0);
	assert_int_equal(stats_read(STAT_SPANS_FAILED), 80);
	assert_int_equal(atomic_load(&st->in_hand), 0);
}

static const char *in_body(const struct server *server, const char *part, size_t len)
{
	return memmem(server->body, server->body_len, part, len);
}

/* O91: a refusal, the wait and a second attempt are one export, and by its end a fine one. */
static void test_sink_export_with_a_retry_is_one_operation(void **state)
{
	static const char *const ok[] = { OK_EMPTY, NULL };
	static const char *const once[] = { "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
					    OK_EMPTY, NULL };
	static const char one[] = "\x21\x01\0\0\0\0\0\0\0\x29"; /* its count; its sum follows */
	static const char fine[] = "http.response.status_code\x12\x03\x18\xc8\x01";
	static const char busy[] = "http.response.status_code\x12\x03\x18\xf7\x03";
	double seconds = 0;
	const char *at;

	(void)state;
	batch = 512;
	cfg.metrics_exporter = BYTES("otlp");
	cfg.metric_interval_ms = 60000; /* at the end alone, whenever the thread hears of it */
	begin(EXPORTER_OTLP, once, ok);
	spans(BATCH);
	end(0);
	batch = BATCH;
	cfg.metrics_exporter = BYTES("");
	assert_int_equal(otlp.requests, 2);
	assert_int_equal(zipkin.requests, 1);
	at = in_body(&zipkin, one, sizeof(one) - 1);
	assert_non_null(at);
	memcpy(&seconds, at + sizeof(one) - 1, sizeof(seconds));
	assert_true(seconds >= 0.16 && seconds < 60); /* 200 ms, less a fifth */
	assert_non_null(in_body(&zipkin, fine, sizeof(fine) - 1));
	assert_null(in_body(&zipkin, busy, sizeof(busy) - 1));
}

/* One that is away for a while gets what comes after; what could not wait is counted. */
static void test_sink_comes_back(void **state)
{
	static const char *const ok[] = { OK_EMPTY, NULL };
	static const char *const busy[] = {
		"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
		OK_EMPTY,
		NULL,
	};

	(void)state;
	begin(BOTH, ok, busy);
	spans_until(STAT_OTLP_EXPORTED, 80);
	for (int ms = 0; ms < 20000 && stats_read(STAT_ZIPKIN_EXPORTED) == 0; ms++)
		usleep(1000);
	spans(BATCH);
	end(0);
	assert_int_equal(stats_read(STAT_OTLP_EXPORTED), 88);
	assert_true(stats_read(STAT_ZIPKIN_EXPORTED) >= 2 * BATCH);
	assert_int_equal(stats_read(STAT_ZIPKIN_EXPORTED) + stats_read(STAT_ZIPKIN_DROPPED), 88);
}

/* A batch of long spans goes in parts of 4 MiB at most (O37), and none is lost. */
static void test_sink_long_batch_goes_in_parts(void **state)
{
	static const char *const ok[] = { OK_EMPTY, NULL };
	static char value[8000];

	(void)state;
	memset(value, 'x', sizeof(value));
	batch = 512;
	begin(EXPORTER_OTLP, ok, ok);
	batch = BATCH;
	for (int i = 0; i < 300; i++) {
		struct span *s = span_start(SPAN_CLIENT, NULL);

		assert_non_null(s);
		span_set_str(s, ATTR_URL_PATH, (struct bytes){ value, sizeof(value) });
		span_set_str(s, ATTR_URL_QUERY, (struct bytes){ value, sizeof(value) });
		span_end(s);
	}
	end(0);
	assert_int_equal(stats_read(STAT_OTLP_EXPORTED), 300);
	assert_int_equal(stats_read(STAT_OTLP_DROPPED), 0);
	assert_in_range(otlp.longest, 3 << 20, 4 << 20);
	assert_int_equal(otlp.requests, 2);
}

/* O81, O85: lines at the end of a file of its owner's, which comes when its directory does. */
static void test_sink_file(void **state)
{
	static const char *const ok[] = { OK_EMPTY, NULL };
	static char text[65536];
	char dir[] = "/tmp/test_sink.XXXXXX";
	char path[64];
	struct stat attributes;
	ssize_t n;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/later/spans.jsonl", dir);
	cfg.otlp_file = bytes_from_str(path);
	begin(EXPORTER_OTLP_FILE, ok, ok);
	spans(1);
	for (int ms = 0; ms < 5000 && stats_read(STAT_FILE_DROPPED) == 0; ms++)
		usleep(1000);
	assert_int_equal(stats_read(STAT_FILE_DROPPED), 1);
	*strrchr(path, '/') = '\0';
	assert_int_equal(mkdir(path, 0700), 0);
	path[strlen(path)] = '/';
	spans_until(STAT_FILE_EXPORTED, 8);
	end(0);
	assert_string_equal(said,
			    "spans were lost: OTEL_INTERSPAN_OTLP_FILE: No such file or directory");
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &attributes), 0);
	assert_int_equal(attributes.st_mode & 0777, 0600);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	assert_memory_equal(text, "{\"resourceSpans\":[", 18);
	assert_memory_equal(text + n - 4, "}]}\n", 4);
	close(fd);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: what was observed is kept for as long as the process. */
		cmocka_unit_test(test_sink_export_with_a_retry_is_one_operation),
		cmocka_unit_test(test_sink_both_get_all),
		cmocka_unit_test(test_sink_takes_the_memory_of_one_batch),
		cmocka_unit_test(test_sink_silence_holds_nobody),
		cmocka_unit_test(test_sink_first_that_refuses_holds_nobody),
		cmocka_unit_test(test_sink_comes_back),
		cmocka_unit_test(test_sink_long_batch_goes_in_parts),
		cmocka_unit_test(test_sink_file),
	};
	char *envp[] = { NULL };

	config_load(envp);
	st = store_open();
	if (!st)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
