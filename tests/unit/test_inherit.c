/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread inherits from the one that starts it, how many can at once, and what ends it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "context.h"
#include "inherit.h"
#include "runtime.h"
#include "stats.h"

#define STARTS 128

static struct span *open_request(uint32_t runtime)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	assert_non_null(s);
	thread_self = (struct thread){ 0 };
	context_assume(runtime);
	context_request_read(span_ref(s), true);
	return s;
}

static bool answers(struct span *s)
{
	struct span_ref want = span_ref(s), got = context_current();

	return got.slot == want.slot && got.generation == want.generation;
}

static void *look(void *arg)
{
	struct span *s = *(struct span **)arg;
	bool is_right = answers(s);

	inherit_end();
	return is_right && context_current().slot == 0 ? arg : NULL;
}

static void *start(struct inherit_start *s)
{
	pthread_t t;
	void *ret;

	assert_int_equal(pthread_create(&t, NULL, inherit_run, s), 0);
	assert_int_equal(pthread_join(t, &ret), 0);
	return ret;
}

static void test_inherit_until_it_ends(void **state)
{
	struct span *s = open_request(0);
	struct inherit_start *given = inherit_prepare(look, &s, (void *)look);

	(void)state;
	assert_non_null(given);
	assert_ptr_equal(start(given), &s);
	span_discard(s);
}

/* A heir that reads a request of its own works for that. */
static void *read_another(void *arg)
{
	struct span *own = span_start(SPAN_SERVER, NULL);
	bool is_right = answers(*(struct span **)arg);

	context_request_read(span_ref(own), false);
	is_right &= context_current().slot == 0;
	span_discard(own);
	return is_right && context_current().slot == 0 ? arg : NULL;
}

static void test_inherit_until_a_request_is_read(void **state)
{
	struct span *s = open_request(0);

	(void)state;
	assert_ptr_equal(start(inherit_prepare(read_another, &s, (void *)look)), &s);
	span_discard(s);
}

static void *outlive(void *arg)
{
	bool is_right = answers(*(struct span **)arg);

	span_end(*(struct span **)arg);
	return is_right && context_current().slot == 0 ? arg : NULL;
}

static void test_inherit_until_the_request_ends(void **state)
{
	struct span *s = open_request(0);

	(void)state;
	assert_ptr_equal(start(inherit_prepare(outlive, &s, (void *)look)), &s);
	assert_null(inherit_prepare(look, &s, (void *)look));
}

static void test_inherit_not_where_tasks_are_not_threads(void **state)
{
	static const uint32_t kinds[] = { RUNTIME_PYTHON, RUNTIME_NGINX, RUNTIME_JVM, RUNTIME_RUBY,
					  RUNTIME_LIGHTTPD };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct span *s = open_request(kinds[i]);

		if (inherit_prepare(look, &s, (void *)look))
			fail_msg("runtime flags %#x inherit", kinds[i]);
		span_discard(s);
	}
}

/* GLib, Qt and the like have pools, and locks that nobody sees: here libc stands for them. */
static void test_inherit_not_if_a_library_starts_it(void **state)
{
	struct span *s = open_request(0);

	(void)state;
	assert_null(inherit_prepare(look, &s, (void *)(uintptr_t)malloc));
	assert_null(inherit_prepare(look, &s, NULL));
	span_discard(s);
}

static void test_inherit_is_bounded(void **state)
{
	struct span *s = open_request(0);
	struct inherit_start *given[STARTS];
	uint64_t before = stats_read(STAT_INHERIT_FULL);
	int status;
	pid_t child;

	(void)state;
	for (size_t i = 0; i < STARTS; i++) {
		given[i] = inherit_prepare(look, &s, (void *)look);
		assert_non_null(given[i]);
	}
	assert_null(inherit_prepare(look, &s, (void *)look));
	assert_int_equal(stats_read(STAT_INHERIT_FULL), before + 1);
	child = fork(); /* whose parent's threads are not there */
	if (child == 0)
		_exit(inherit_prepare(look, &s, (void *)look) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	for (size_t i = 0; i < STARTS; i++)
		inherit_cancel(given[i]);
	assert_non_null(given[0] = inherit_prepare(look, &s, (void *)look));
	inherit_cancel(given[0]);
	span_discard(s);
}

static void test_inherit_connections_are_the_heirs_last_four(void **state)
{
	struct span *s = open_request(0);

	(void)state;
	inherit_opened(7);
	assert_false(inherit_has_opened(7)); /* no heir */
	thread_self.inherited = span_ref(s);
	for (uint64_t entry = 1; entry <= 5; entry++)
		inherit_opened(entry);
	assert_false(inherit_has_opened(0));
	assert_false(inherit_has_opened(1));
	for (uint64_t entry = 2; entry <= 5; entry++)
		assert_true(inherit_has_opened(entry));
	inherit_end();
	span_discard(s);
}

int main(void)
{
	static char *const no_environment[] = { NULL };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inherit_until_it_ends),
		cmocka_unit_test(test_inherit_until_a_request_is_read),
		cmocka_unit_test(test_inherit_until_the_request_ends),
		cmocka_unit_test(test_inherit_not_where_tasks_are_not_threads),
		cmocka_unit_test(test_inherit_not_if_a_library_starts_it),
		cmocka_unit_test(test_inherit_is_bounded),
		cmocka_unit_test(test_inherit_connections_are_the_heirs_last_four),
	};

	config_load(no_environment);
	config.inherit_threads = true;
	runtime_init(environ);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
