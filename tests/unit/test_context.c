/* SPDX-License-Identifier: Apache-2.0 */
/* Which request caused this call: each shape that answers, and each that must not (design 5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config.h"
#include "context.h"
#include "guard.h"
#include "runtime.h"
#include "span.h"

static struct span *open_request(void)
{
	struct span *s = span_start(SPAN_SERVER, NULL);

	assert_non_null(s);
	return s;
}

static bool answers(struct span *s)
{
	struct span_ref want = span_ref(s), got = context_current();

	return got.slot == want.slot && got.generation == want.generation;
}

static bool answers_none(void)
{
	return context_current().slot == 0;
}

/* A thread that starts anew, in a program of this kind. */
static void begin(uint32_t runtime)
{
	thread_self = (struct thread){ 0 };
	context_assume(runtime);
}

static void test_context_solo_answers_the_request_that_was_read(void **state)
{
	struct span *s;

	(void)state;
	begin(0);
	assert_true(answers_none());
	s = open_request();
	context_request_read(span_ref(s), true);
	assert_true(answers(s));
	context_waited(7, true); /* for an answer of a call of its own */
	assert_true(answers(s));
	span_end(s);
	assert_true(answers_none()); /* an ended span is none */
}

static void test_context_solo_denies_after_a_wait_for_others(void **state)
{
	struct span *s;

	(void)state;
	begin(0);
	s = open_request();
	context_request_read(span_ref(s), true);
	context_waited(CONTEXT_MANY, false);
	assert_true(answers_none());
	context_request_read(span_ref(s), true);
	context_waited(9, false); /* one descriptor, but not a connection of its own: a queue? */
	assert_true(answers_none());
	span_discard(s);
}

static void test_context_solo_denies_what_was_not_read_synchronously(void **state)
{
	struct span *s;

	(void)state;
	begin(0);
	s = open_request();
	context_request_read(span_ref(s), false);
	assert_true(answers_none());
	span_discard(s);
}

static void test_context_solo_denies_while_two_requests_are_open(void **state)
{
	struct span *a, *b;

	(void)state;
	begin(0);
	a = open_request();
	b = open_request();
	context_request_read(span_ref(a), true);
	context_request_read(span_ref(b), true);
	assert_true(answers_none());
	span_end(b);
	assert_true(answers_none()); /* a is the only open one: that is a guess, not a proof */
	span_end(a);
	a = open_request();
	context_request_read(span_ref(a), true);
	assert_true(answers(a)); /* and the thread is good again */
	span_discard(a);
}

static void test_context_many_open_requests_stay_crowded_until_they_end(void **state)
{
	struct span *s[6];

	(void)state;
	begin(0);
	for (size_t i = 0; i < 6; i++) {
		s[i] = open_request();
		context_request_read(span_ref(s[i]), true);
	}
	for (size_t i = 0; i < 6; i++) {
		assert_true(answers_none());
		span_end(s[i]);
	}
	s[0] = open_request();
	context_request_read(span_ref(s[0]), true);
	assert_true(answers(s[0]));
	span_discard(s[0]);
}

static void test_context_who_reads_at_once(void **state)
{
	(void)state;
	begin(0);
	assert_false(context_reads_at_once(true)); /* a loop may do so, and go on to others */
	begin(RUNTIME_APACHE);
	assert_true(context_reads_at_once(false));
	begin(RUNTIME_UWSGI);
	assert_true(context_reads_at_once(true));
	assert_false(context_reads_at_once(false));
}

/* Apache's event MPM: the last bytes of a response are left to whoever comes by. */
static void test_context_a_request_that_was_let_go_is_over_for_its_thread(void **state)
{
	struct span *a, *b;

	(void)state;
	begin(RUNTIME_APACHE);
	a = open_request();
	b = open_request();
	context_request_read(span_ref(a), true);
	assert_true(context_is(span_ref(a)));
	context_let_go(span_ref(b));
	assert_true(answers(a));
	context_let_go(span_ref(a));
	assert_false(context_is(span_ref(a)));
	assert_true(answers_none());
	context_request_read(span_ref(b), true); /* the thread is good for the next one */
	assert_true(answers(b));
	span_discard(a);
	span_discard(b);
}

/* A loop that is not apache's goes on to work for what it watches. */
static void test_context_letting_go_means_nothing_elsewhere(void **state)
{
	struct span *a, *b;

	(void)state;
	begin(0);
	a = open_request();
	b = open_request();
	context_request_read(span_ref(a), true);
	context_let_go(span_ref(a));
	assert_true(answers(a));
	context_request_read(span_ref(b), true);
	assert_true(answers_none());
	span_discard(a);
	span_discard(b);
}

static void test_context_loop_follows_the_touched_descriptor(void **state)
{
	struct span *a, *b;

	(void)state;
	begin(RUNTIME_LIGHTTPD);
	a = open_request();
	b = open_request();
	context_request_read(span_ref(a), false);
	assert_true(answers(a));
	context_request_read(span_ref(b), false);
	assert_true(answers(b));
	context_touched(span_ref(a));
	assert_true(answers(a));
	context_touched((struct span_ref){ 0 });
	assert_true(answers_none());
	context_touched(span_ref(b));
	context_waited(CONTEXT_MANY, false);
	assert_true(answers_none()); /* a wait ends it: what comes next is another event */
	context_touched(span_ref(a));
	context_doubt();
	assert_true(answers_none()); /* until the next wait */
	context_touched(span_ref(a));
	assert_true(answers_none());
	context_waited(CONTEXT_MANY, false);
	context_touched(span_ref(a));
	assert_true(answers(a));
	span_discard(a);
	span_discard(b);
}

static void test_context_touches_mean_nothing_outside_known_loops(void **state)
{
	struct span *a;

	(void)state;
	begin(0);
	a = open_request();
	context_touched(span_ref(a));
	assert_true(answers_none());
	span_discard(a);
}

static void test_context_runtimes_with_many_tasks_are_always_denied(void **state)
{
	static const uint32_t kinds[] = { RUNTIME_GREENLET, RUNTIME_JVM,
					  RUNTIME_NODE,     RUNTIME_RUBY,
					  RUNTIME_BEAM,     RUNTIME_LUA | RUNTIME_NGINX };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct span *s;

		begin(kinds[i]);
		s = open_request();
		context_request_read(span_ref(s), true);
		context_touched(span_ref(s));
		if (!answers_none())
			fail_msg("runtime flags %#x answer", kinds[i]);
		span_discard(s);
	}
}

int main(void)
{
	static char *const no_environment[] = { NULL };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_context_solo_answers_the_request_that_was_read),
		cmocka_unit_test(test_context_solo_denies_after_a_wait_for_others),
		cmocka_unit_test(test_context_solo_denies_what_was_not_read_synchronously),
		cmocka_unit_test(test_context_solo_denies_while_two_requests_are_open),
		cmocka_unit_test(test_context_many_open_requests_stay_crowded_until_they_end),
		cmocka_unit_test(test_context_who_reads_at_once),
		cmocka_unit_test(test_context_a_request_that_was_let_go_is_over_for_its_thread),
		cmocka_unit_test(test_context_letting_go_means_nothing_elsewhere),
		cmocka_unit_test(test_context_loop_follows_the_touched_descriptor),
		cmocka_unit_test(test_context_touches_mean_nothing_outside_known_loops),
		cmocka_unit_test(test_context_runtimes_with_many_tasks_are_always_denied),
	};

	config_load(no_environment);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
