/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "sampler.h"
#include "spare.h"

/* Whatever more than ids it has, it is no bare one. */
static void test_spare_bare_has_ids_alone(void **state)
{
	struct span_context caller = { .trace = { { 1 } }, .span = { { 2 } }, .is_remote = true };

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct span *s = span_start(SPAN_SERVER, &caller);

		if (i == 1)
			span_keep_baggage(s, BYTES("a=b"));
		if (i == 2)
			span_set_error(s, BYTES("x"));
		if (i == 3)
			span_count_dropped(s, 1);
		if (i == 4)
			span_keep_caller(s, &caller.trace, &caller.span);
		if (i == 5)
			span_set_debug(s);
		if (i == 6)
			s->verdict = VERDICT_RECORD;
		assert_true(span_is_bare(s) == !i);
		span_end(s);
	}
	caller.flags = TRACE_FLAG_SAMPLED;
	for (int i = 0; i < 3; i++) {
		struct span *s = span_start(i ? SPAN_CLIENT : SPAN_SERVER, i == 2 ? NULL : &caller);

		assert_false(span_is_bare(s));
		span_end(s);
	}
}

/* The slot at hand lies in memory that both have, and is one's. */
static void test_spare_bare_is_of_one_process(void **state)
{
	struct span_context caller = { .trace = { { 1 } }, .span = { { 2 } }, .is_remote = true };
	struct span *s = span_start(SPAN_SERVER, &caller);
	struct span_ref ref;
	int status;
	pid_t child;

	(void)state;
	assert_true(span_end_bare(s, span_ref(s)));
	child = fork();
	if (!child)
		_exit(span_start_bare(&caller, 0, &ref) != NULL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	span_end(span_start_bare(&caller, 0, &ref));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spare_bare_has_ids_alone),
		cmocka_unit_test(test_spare_bare_is_of_one_process),
	};

	config_parse(&config, NULL);
	sampler_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
