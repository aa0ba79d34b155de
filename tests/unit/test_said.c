/* SPDX-License-Identifier: Apache-2.0 */
/* What the application says of itself, and of whom it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "context.h"
#include "guard.h"
#include "runtime.h"
#include "said.h"
#include "stats.h"
#include "store.h"

static struct record record;

static struct span *request(void)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	context_request_read(span_ref(s), true);
	return s;
}

static size_t receive(void)
{
	struct store *st = store_get();
	uint32_t index[64];
	size_t n = store_collect(st, index, 64);

	for (size_t i = 0; i < n; i++) {
		assert_true(store_read(st, index[i], &record));
		slot_free(st, store_slot(st, index[i]));
	}
	return n;
}

static size_t items_of(enum item_type type)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0, n = 0;

	while (record_next(&record, &at, &head, &value))
		n += head.type == type;
	return n;
}

static void say_all(void)
{
	said_attribute(BYTES("k"), BYTES("v"));
	said_error(BYTES("e"));
	said_event(BYTES("h"));
	said_int(BYTES("i"), 7);
	said_double(BYTES("d"), 0.5);
	said_event_with(BYTES("w"), (const char *const[]){ "a", "b" }, 1);
	said_link(BYTES("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), BYTES(""), NULL,
		  3);
	said_link(BYTES("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), BYTES(""), NULL,
		  0);
	said_force();
}

static void test_said_of_the_request(void **state)
{
	struct span *s = request();
	char trace[33], span[17];

	(void)state;
	assert_int_equal(said_trace_id(trace), 32);
	assert_int_equal(said_span_id(span), 16);
	say_all();
	span_end(s);
	assert_int_equal(receive(), 1);
	assert_int_equal(items_of(ITEM_NAMED), 1);
	assert_int_equal(items_of(ITEM_OWN_EVENT), 1);
	assert_int_equal(items_of(ITEM_NAMED_INT), 1);
	assert_int_equal(items_of(ITEM_NAMED_DOUBLE), 1);
	assert_int_equal(items_of(ITEM_EVENT_OF), 1);
	assert_int_equal(items_of(ITEM_LINK), 1);
	assert_int_equal(record.head.status, SPAN_STATUS_ERROR);
	assert_int_equal(said_trace_id(trace), 0);
}

/* Whoever it is whose thread this is: of a request that another one serves nothing is said. */
static void test_said_of_nobody(void **state)
{
	struct span *s = span_start(SPAN_SERVER, NULL);
	char trace[33];

	(void)state;
	thread_self.inherited = span_ref(s);
	assert_int_equal(said_trace_id(trace), 32);
	say_all();
	thread_self.inherited = (struct span_ref){ 0, 0 };
	say_all();
	span_end(s);
	assert_int_equal(receive(), 1);
	assert_int_equal(record.items_len, 0);
	assert_int_equal(record.head.status, SPAN_STATUS_UNSET);
}

static void test_said_by_tasks_of_one_thread(void **state)
{
	static const uint32_t runtimes[] = { RUNTIME_NODE, RUNTIME_GREENLET, RUNTIME_JVM,
					     RUNTIME_NGINX };

	(void)state;
	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
		context_assume(runtimes[i]);
		assert_int_equal(said_span_start(BYTES("x")), 0);
	}
	context_assume(0);
	assert_int_equal(receive(), 0);
}

static void test_said_spans_end_with_the_outer_one(void **state)
{
	uint64_t outer, inner;
	struct span_ref none = { 0, 0 };

	(void)state;
	outer = said_span_start(BYTES("outer"));
	inner = said_span_start(BYTES("inner"));
	assert_true(outer && inner);
	assert_int_equal(said_parent(none).slot, (uint32_t)inner);
	said_span_end(outer);
	assert_int_equal(said_parent(none).slot, 0);
	assert_int_equal(receive(), 2);
	said_span_end(inner);
	said_span_end(outer);
	assert_int_equal(receive(), 0);
}

/* Without a request: after a wait for several an event loop may run another task on this thread. */
static void test_said_span_is_of_its_task_alone(void **state)
{
	struct span_ref none = { 0, 0 };
	uint64_t own = said_span_start(BYTES("own"));
	char trace[33];

	(void)state;
	context_waited(7, false);
	assert_int_equal(said_parent(none).slot, (uint32_t)own);
	context_waited(CONTEXT_MANY, false);
	assert_int_equal(said_parent(none).slot, 0);
	assert_int_equal(said_trace_id(trace), 0);
	said_span_end(own);
	assert_int_equal(receive(), 1);
	own = said_span_start(BYTES("next"));
	assert_int_equal(said_parent(none).slot, (uint32_t)own);
	said_span_end(own);
	assert_int_equal(receive(), 1);
}

static void test_said_span_is_of_its_request_alone(void **state)
{
	struct span *first = request(), *second;
	uint64_t own = said_span_start(BYTES("own"));

	(void)state;
	assert_int_equal(said_parent(context_current()).slot, (uint32_t)own);
	span_end(first);
	second = request();
	assert_int_equal(said_parent(context_current()).slot, span_ref(second).slot);
	own = said_span_start(BYTES("next"));
	assert_true(own);
	assert_int_equal(stats_read(STAT_SPANS_DISCARDED), 1);
	said_span_end(own);
	span_end(second);
	assert_int_equal(receive(), 3);
}

static void test_said_span_is_ended_by_its_process(void **state)
{
	uint64_t own = said_span_start(BYTES("own"));
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		said_span_end(own);
		say_all();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(receive(), 0);
	said_span_end(own);
	assert_int_equal(receive(), 1);
	assert_int_equal(items_of(ITEM_NAMED), 0);
}

static void test_said_too_much(void **state)
{
	static char key[300], value[9000];
	uint64_t own = said_span_start(BYTES("own"));

	(void)state;
	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	said_attribute((struct bytes){ key, 255 }, (struct bytes){ value, sizeof(value) });
	said_attribute((struct bytes){ key, 256 }, BYTES("x"));
	said_event((struct bytes){ value, sizeof(value) });
	for (unsigned i = 0; i < 200; i++)
		said_attribute(BYTES("n"), BYTES("x"));
	said_span_end(own);
	assert_int_equal(receive(), 1);
	assert_int_equal(record.head.attrs, 128);
	assert_int_equal(record.head.dropped_attrs, 73);
	assert_int_equal(items_of(ITEM_OWN_EVENT), 1);
}

static int setup(void **state)
{
	(void)state;
	config_load(NULL);
	context_assume(0);
	return store_open() ? 0 : -1;
}

static int setup_each(void **state)
{
	(void)state;
	stats_reset();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(test_said_##name, setup_each)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(of_the_request),
		TEST(of_nobody),
		TEST(by_tasks_of_one_thread),
		TEST(spans_end_with_the_outer_one),
		TEST(span_is_of_its_task_alone),
		TEST(span_is_of_its_request_alone),
		TEST(span_is_ended_by_its_process),
		TEST(too_much),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
