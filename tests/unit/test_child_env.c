/* SPDX-License-Identifier: Apache-2.0 */
/* The environment that a program is started with (C104, C107-C110), row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../preload/child_env.c"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define ORIGIN "TRACEPARENT=00-" TRACE "-b7ad6b7169203331-01"
#define CALLER "TRACEPARENT=00-" TRACE "-00f067aa0ba902b7-01"
#define OTHER "TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"

/* A list of entries, and its end. */
#define GIVEN(...) ((char *const *)(uintptr_t)(const char *const[]){ __VA_ARGS__, NULL })
#define BECOMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static char own_text[sizeof(OTHER)]; /* the request's, or empty */
static struct span *request;

/* A process that was started by ORIGIN; serves a request of CALLER's, with that trace state. */
static void begin(enum origin origin, bool is_serving, const char *tracestate)
{
	struct span_context caller = { .tracestate = bytes_from_str(tracestate) };
	struct span_context own;

	span_discard(request);
	request = NULL;
	*own_text = '\0';
	thread_self = (struct thread){ 0 };
	context_assume(0);
	config.propagate_env = true;
	config.bsp_queue_size = 64;
	atomic_store(&host_observed, true);
	atomic_store(&origin_state, ORIGIN_NONE);
	if (origin != ORIGIN_NONE)
		origin_init(GIVEN(ORIGIN));
	if (origin == ORIGIN_OVER)
		origin_end();
	if (!is_serving)
		return;
	assert_int_equal(traceparent_parse(bytes_from_str(strchr(CALLER, '=') + 1), &caller.trace,
					   &caller.span, &caller.flags),
			 TRACEPARENT_VALID);
	request = span_start(SPAN_SERVER, &caller);
	assert_non_null(request);
	context_request_read(span_ref(request), true);
	own = span_get_context(request);
	memcpy(own_text, PARENT, sizeof(PARENT) - 1);
	traceparent_format(own_text + sizeof(PARENT) - 1, &own.trace, &own.span, own.flags);
}

static struct child_env begin_with(char *const *envp)
{
	return child_env_begin(envp, "/bin/x", CHILD_EXECS);
}

/* What is handed on has these entries, and what was given is as it was. */
static void check(char *const *given, const char *const *expected)
{
	char *before[8] = { NULL };
	struct child_env e;
	size_t n = 0;

	for (; given && given[n]; n++)
		before[n] = given[n];
	e = begin_with(given);
	for (n = 0; expected[n]; n++) {
		assert_non_null(e.envp[n]);
		assert_string_equal(e.envp[n], expected[n]);
	}
	assert_null(e.envp ? e.envp[n] : NULL);
	for (n = 0; given && given[n]; n++)
		assert_ptr_equal(given[n], before[n]);
	child_env_failed(&e);
	assert_null(e.copy);
}

static void test_child_env_is_as_it_was_without_a_request(void **state)
{
	(void)state;
	for (int origin = ORIGIN_NONE; origin <= ORIGIN_OVER; origin++) {
		begin((enum origin)origin, false, NULL);
		check(GIVEN("A=1", "B=2"), BECOMES("A=1", "B=2"));
		check(GIVEN(OTHER, "TRACESTATE=x=1"), BECOMES(OTHER, "TRACESTATE=x=1"));
		check(GIVEN("TRACEPARENT=junk"), BECOMES("TRACEPARENT=junk"));
	}
	begin(ORIGIN_LIVE, false, NULL);
	check(GIVEN("A=1", ORIGIN, "TRACESTATE=x=1"), BECOMES("A=1", ORIGIN, "TRACESTATE=x=1"));
}

static void test_child_env_carries_the_request(void **state)
{
	(void)state;
	begin(ORIGIN_NONE, true, NULL);
	check(GIVEN("A=1", "LD_PRELOAD=x"), BECOMES("A=1", "LD_PRELOAD=x", own_text));
	check(GIVEN("A=1", CALLER, "B=2"), BECOMES("A=1", own_text, "B=2"));
	check(GIVEN("TRACEPARENT=", "A=1"), BECOMES(own_text, "A=1"));
	check(GIVEN("TRACEPARENT=junk", "traceparent=x"), BECOMES(own_text, "traceparent=x"));
	begin(ORIGIN_LIVE, true, NULL);
	check(GIVEN(ORIGIN), BECOMES(own_text));
	begin(ORIGIN_OVER, true, NULL);
	check(GIVEN(ORIGIN, "A=1", ORIGIN), BECOMES(own_text, "A=1"));
}

static void test_child_env_carries_the_requests_trace_state(void **state)
{
	(void)state;
	begin(ORIGIN_NONE, true, "a=1,b=2");
	check(GIVEN("A=1"), BECOMES("A=1", own_text, "TRACESTATE=a=1,b=2"));
	check(GIVEN("TRACESTATE=x=1", "A=1"), BECOMES("TRACESTATE=a=1,b=2", "A=1", own_text));
	begin(ORIGIN_NONE, true, NULL); /* C107: a stale one goes */
	check(GIVEN("TRACESTATE=x=1", "A=1"), BECOMES("A=1", own_text));
}

static void test_child_env_leaves_what_others_told(void **state)
{
	(void)state;
	begin(ORIGIN_LIVE, true, "a=1");
	check(GIVEN(OTHER, "TRACESTATE=x=1"), BECOMES(OTHER, "TRACESTATE=x=1"));
	check(GIVEN(OTHER), BECOMES(OTHER));
}

static void test_child_env_of_a_server_does_not_name_who_started_it(void **state)
{
	(void)state;
	begin(ORIGIN_OVER, false, NULL); /* C110 */
	check(GIVEN("A=1", ORIGIN, "TRACESTATE=x=1", "B=2"), BECOMES("A=1", "B=2"));
}

static void test_child_env_may_be_none(void **state)
{
	static const char *const none[] = { NULL };

	(void)state;
	begin(ORIGIN_NONE, true, NULL);
	check(NULL, BECOMES(own_text));
	check((char *const[]){ NULL }, BECOMES(own_text));
	begin(ORIGIN_NONE, false, NULL);
	check(NULL, none);
}

static void test_child_env_is_not_made_where_nobody_asked(void **state)
{
	(void)state;
	begin(ORIGIN_LIVE, true, NULL);
	config.propagate_env = false;
	check(GIVEN(ORIGIN), BECOMES(ORIGIN));
	config.propagate_env = true;
	thread_self.inside = 1; /* a signal handler that interrupted us */
	check(GIVEN(ORIGIN), BECOMES(ORIGIN));
	thread_self.inside = 0;
	atomic_store(&host_observed, false);
	check(GIVEN(ORIGIN), BECOMES(ORIGIN));
}

static void test_child_env_leaves_memory_that_is_not_there_to_the_kernel(void **state)
{
	char *pages = mmap(NULL, (size_t)2 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *hole = pages + PAGE;
	const char **array = (const char **)(hole - 2 * sizeof(char *));
	struct child_env e;

	(void)state;
	assert_int_equal(munmap(hole, PAGE), 0);
	begin(ORIGIN_NONE, true, NULL);
	e = begin_with((char *const *)8);
	assert_null(e.copy);
	array[0] = array[1] = "A=1"; /* no NULL before the hole */
	e = begin_with((char *const *)(uintptr_t)array);
	assert_null(e.copy);
	array[0] = hole;
	array[1] = NULL;
	e = begin_with(
		(char *const *)(uintptr_t)array); /* the kernel will say EFAULT of this one */
	assert_ptr_equal(e.envp[0], hole);
	child_env_failed(&e);
	memcpy(hole - 6, "TRACEP", 6);
	e = begin_with((char *const[]){ hole - 6, NULL });
	assert_ptr_equal(e.envp[0], hole - 6);
	child_env_failed(&e);
	munmap(pages, PAGE);
}

static void test_child_env_of_a_vfork_child_is_its_parents_to_give_back(void **state)
{
	char *const *given = GIVEN("A=1");
	struct child_env first, second;

	(void)state;
	begin(ORIGIN_NONE, true, NULL);
	thread_self.in_vfork = 1;
	first = begin_with(given);
	assert_non_null(first.copy);
	assert_ptr_equal(thread_self.vfork_copy, first.copy);
	child_env_failed(&first); /* the exec failed */
	assert_null(thread_self.vfork_copy);
	first = begin_with(given);
	second = begin_with(given); /* of a vfork child's vfork child */
	assert_ptr_equal(thread_self.vfork_copy, second.copy);
	thread_self.in_vfork = 0;
	child_env_vforked(7);
	assert_null(thread_self.vfork_copy);
	child_env_vforked(7);
	(void)first;
}

static void test_child_env_is_lent_and_taken_back(void **state)
{
	char **before = environ;
	char entry[] = "A=1", *mine[] = { entry, NULL };
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	struct child_env e;

	(void)state;
	begin(ORIGIN_NONE, true, NULL);
	environ = mine;
	e = child_env_lend(here);
	assert_non_null(e.copy);
	assert_string_equal(environ[1], own_text);
	assert_null(child_env_lend(here - 64).copy); /* in a signal handler meanwhile */
	child_env_take_back(&e);
	assert_ptr_equal(environ, mine);
	assert_non_null(child_env_lend(here - 64).copy);
	e = child_env_lend(here); /* the frame that had it was left by a longjmp */
	assert_non_null(e.copy);
	child_env_take_back(&e);
	assert_ptr_equal(environ, mine);
	child_env_thread();
	assert_null(child_env_lend(here).copy);
	assert_ptr_equal(environ, mine);
	environ = before;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_env_is_as_it_was_without_a_request),
		cmocka_unit_test(test_child_env_carries_the_request),
		cmocka_unit_test(test_child_env_carries_the_requests_trace_state),
		cmocka_unit_test(test_child_env_leaves_what_others_told),
		cmocka_unit_test(test_child_env_of_a_server_does_not_name_who_started_it),
		cmocka_unit_test(test_child_env_may_be_none),
		cmocka_unit_test(test_child_env_is_not_made_where_nobody_asked),
		cmocka_unit_test(test_child_env_leaves_memory_that_is_not_there_to_the_kernel),
		cmocka_unit_test(test_child_env_of_a_vfork_child_is_its_parents_to_give_back),
		cmocka_unit_test(test_child_env_is_lent_and_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
