/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/sampler.h"

static const struct trace_id trace = { { 1 } };

static void test_sampler_samples_roots(void **state) /* E43 */
{
	uint8_t flags = TRACE_FLAG_RANDOM;

	(void)state;
	assert_int_equal(sampler_decide(NULL, &trace, &flags), VERDICT_SAMPLE);
	assert_int_equal(flags, 0x03);
}

static void test_sampler_does_what_the_parent_did(void **state) /* E43, E45 */
{
	(void)state;
	for (unsigned int remote = 0; remote < 2; remote++)
		for (unsigned int in = 0; in < 256; in++) {
			struct span_context parent = { .trace = trace, .is_remote = remote };
			uint8_t flags = in & TRACE_FLAG_RANDOM;
			enum verdict verdict;

			parent.flags = (uint8_t)in;
			verdict = sampler_decide(&parent, &trace, &flags);
			assert_int_equal(verdict, in & 1 ? VERDICT_SAMPLE : VERDICT_DROP);
			assert_int_equal(flags, in & 3);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sampler_samples_roots),
		cmocka_unit_test(test_sampler_does_what_the_parent_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
