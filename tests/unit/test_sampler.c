/* SPDX-License-Identifier: Apache-2.0 */
/* Expected thresholds and verdicts are worked out from E34-E63. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "ot_member.h"
#include "preload/sampler.h"
#include "stats.h"

/* The last seven bytes are the random value: of trace_low 0x2000.., of trace_high 0xe000... */
static const struct trace_id trace_low = { { 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x20 } };
static const struct trace_id trace_high = { { 1, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xe0 } };

/* As with that environment. */
static void set(const char *const *envp)
{
	config_parse(&config, (char *const *)(uintptr_t)envp);
	sampler_init();
}

#define SET(...) set((const char *const[]){ __VA_ARGS__, NULL })

static struct span_context parent_of(unsigned flags, const char *tracestate)
{
	return (struct span_context){ .trace = trace_low,
				      .flags = (uint8_t)flags,
				      .is_remote = true,
				      .tracestate = bytes_from_str(tracestate) };
}

static enum verdict verdict_of(const struct span_context *parent, const struct trace_id *trace)
{
	struct sampler_case c = { .parent = parent, .trace = trace };
	uint8_t flags = TRACE_FLAG_RANDOM;
	struct decision d = sampler_decide(&c, &flags);

	/* E45: sampled is told exactly of what is. */
	assert_int_equal(flags, d.verdict == VERDICT_SAMPLE ? 0x03 : 0x02);
	return d.verdict;
}

static void test_sampler_samples_roots(void **state) /* E37, E43 */
{
	static const char *const nothing[] = { NULL };

	(void)state;
	set(nothing);
	assert_false(sampler_is_set);
	assert_int_equal(verdict_of(NULL, &trace_low), VERDICT_SAMPLE);
}

static void test_sampler_does_what_the_parent_did(void **state) /* E43, E45 */
{
	static const char *const nothing[] = { NULL };

	(void)state;
	set(nothing);
	for (unsigned in = 0; in < 256; in++) {
		struct span_context parent = parent_of(in, NULL);

		assert_int_equal(verdict_of(&parent, &trace_low),
				 in & 1 ? VERDICT_SAMPLE : VERDICT_DROP);
	}
}

static void test_samplers(void **state) /* E34-E39, E43 */
{
	static const struct {
		const char *sampler, *argument;
		/* of a root, behind a sampled parent, behind one that is not */
		enum verdict low, high, sampled, unsampled;
	} rows[] = {
#define D VERDICT_DROP
#define S VERDICT_SAMPLE
		{ "always_on", "", S, S, S, S },
		{ "ALWAYS_ON", "0", S, S, S, S },
		{ "always_off", "1", D, D, D, D },
		{ "traceidratio", "", S, S, S, S },
		{ "traceidratio", "0.5", D, S, D, D },
		{ "traceidratio", "0.875", S, S, S, S }, /* T = 0x20.. */
		{ "traceidratio", "0.874", D, S, D, D },
		{ "traceidratio", "0", D, D, D, D },
		{ "traceidratio", "0.125", D, S, D, D }, /* T = 0xe0.. */
		{ "traceidratio", "0.124", D, D, D, D },
		{ "traceidratio", "1.5", S, S, S, S }, /* E25 */
		{ "traceidratio", "half", S, S, S, S },
		{ "probability", "0.5", D, S, D, D },
		{ "parentbased_always_on", "", S, S, S, D },
		{ "parentbased_always_off", "", D, D, S, D },
		{ "parentbased_traceidratio", "0.5", D, S, S, D },
		{ "ParentBased_TraceIdRatio", "0", D, D, S, D },
		{ "parentbased_probability", "0.5", D, S, S, D },
		{ "xray", "0", S, S, S, D },         /* E10, E42 */
		{ "parentbased_", "0", S, S, S, D }, /* E10 */
		{ "", "0", S, S, S, D },             /* E1, E25 */
#undef D
#undef S
	};
	struct span_context sampled = parent_of(1, NULL), unsampled = parent_of(0, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char sampler[64] = "OTEL_TRACES_SAMPLER=",
		     argument[64] = "OTEL_TRACES_SAMPLER_ARG=";

		strcat(sampler, rows[i].sampler);
		strcat(argument, rows[i].argument);
		SET(sampler, argument);
		if (verdict_of(NULL, &trace_low) != rows[i].low ||
		    verdict_of(NULL, &trace_high) != rows[i].high ||
		    verdict_of(&sampled, &trace_low) != rows[i].sampled ||
		    verdict_of(&unsampled, &trace_low) != rows[i].unsampled)
			fail_msg("%s %s", sampler, argument);
	}
}

static struct decision decide(const struct span_context *parent, const struct trace_id *trace,
			      unsigned rule, uint64_t now)
{
	struct sampler_case c = { parent, trace, now, rule };
	uint8_t flags = 0;

	return sampler_decide(&c, &flags);
}

static void test_trace_state_tells_the_probability(void **state) /* E46, E48, E54-E58 */
{
	struct span_context random = parent_of(1, "ot=rv:ffffffffffffff");
	struct decision d;

	(void)state;
	SET("OTEL_TRACES_SAMPLER=probability", "OTEL_TRACES_SAMPLER_ARG=0.5");
	d = decide(NULL, &trace_high, 0, 0);
	assert_int_equal(d.state, STATE_SET);
	assert_int_equal(d.threshold, OT_ALL / 2);
	d = decide(NULL, &trace_low, 0, 0);
	assert_int_equal(d.state, STATE_ERASE);
	d = decide(&random, &trace_low, 0, 0); /* instead of the id (E54) */
	assert_int_equal(d.verdict, VERDICT_SAMPLE);
	SET("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5");
	d = decide(NULL, &trace_high, 0, 0);
	assert_int_equal(d.state, STATE_KEEP);
	d = decide(&random, &trace_low, 0, 0); /* on the id alone (E36) */
	assert_int_equal(d.verdict, VERDICT_DROP);
	SET("OTEL_TRACES_SAMPLER=parentbased_probability", "OTEL_TRACES_SAMPLER_ARG=0.5");
	d = decide(&random, &trace_low, 0, 0);
	assert_int_equal(d.state, STATE_KEEP);
}

static void test_first_rule_that_fits_decides(void **state)
{
	const struct sampler_name none = { { NULL, 0 }, { NULL, 0 } };
	struct span_context sampled = parent_of(1, NULL);
	struct decision d;

	(void)state;
	SET("OTEL_SERVICE_NAME=shop", "OTEL_INTERSPAN_SAMPLING_RULES=nonsense;batch: *=0;GET "
				      "/health*=0; shop: POST=0.5;/x=1");
	assert_true(sampler_has_rules);
	assert_int_equal(sampler_rule(BYTES("GET"), BYTES("/healthz"), none), 1);
	assert_int_equal(sampler_rule(BYTES("POST"), BYTES("/healthz"), none), 2);
	assert_int_equal(sampler_rule(BYTES("GET"), BYTES("/x"), none), 3);
	assert_int_equal(sampler_rule(BYTES("POST"), BYTES("/x"), none),
			 2); /* the third fits, too */
	assert_int_equal(sampler_rule(BYTES("GET"), BYTES("/y"), none), 0);
	assert_int_equal(decide(NULL, &trace_high, 1, 0).verdict, VERDICT_DROP);
	d = decide(NULL, &trace_high, 2, 0);
	assert_int_equal(d.verdict, VERDICT_SAMPLE);
	assert_int_equal(d.state, STATE_SET);
	assert_int_equal(d.threshold, OT_ALL / 2);
	assert_int_equal(decide(NULL, &trace_low, 2, 0).verdict, VERDICT_DROP);
	assert_int_equal(decide(NULL, &trace_low, 0, 0).verdict, VERDICT_SAMPLE);
	/* Whoever began the trace has decided. */
	assert_int_equal(decide(&sampled, &trace_low, 1, 0).verdict, VERDICT_SAMPLE);
	SET("OTEL_TRACES_SAMPLER=always_off", "OTEL_INTERSPAN_SAMPLING_RULES=/x=1");
	assert_int_equal(decide(&sampled, &trace_low, 1, 0).verdict, VERDICT_SAMPLE);
	assert_int_equal(decide(&sampled, &trace_low, 0, 0).verdict, VERDICT_DROP);
}

/* How many of n traces that begin at that time are kept. */
static unsigned kept(unsigned n, unsigned rule, uint64_t now)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++)
		got += decide(NULL, &trace_low, rule, now).verdict == VERDICT_SAMPLE;
	return got;
}

#define SECOND 1000000000u
#define START (1000 * (uint64_t)SECOND)

static void test_limit_is_kept(void **state)
{
	struct span_context sampled = parent_of(1, NULL);

	(void)state;
	stats_reset();
	SET("OTEL_INTERSPAN_TRACES_PER_SECOND=10");
	assert_int_equal(kept(100, 0, START), 10);
	assert_int_equal(stats_read(STAT_RATE_LIMITED), 90);
	assert_int_equal(kept(100, 0, START + SECOND / 2), 5);
	assert_int_equal(kept(100, 0, START + 60ull * SECOND), 10); /* nothing is saved up */
	/* Of traces that begin here: the others' are counted where they begin. */
	assert_int_equal(decide(&sampled, &trace_low, 0, START).verdict, VERDICT_SAMPLE);
	/* What share that is nobody knows: no th (E58). */
	assert_int_equal(decide(NULL, &trace_low, 0, START + 99ull * SECOND).state, STATE_ERASE);
	SET("OTEL_INTERSPAN_TRACES_PER_SECOND=0.1");
	assert_int_equal(kept(100, 0, START), 1);
	assert_int_equal(kept(100, 0, START + 9ull * SECOND), 0);
	assert_int_equal(kept(100, 0, START + 10ull * SECOND), 1);
	SET("OTEL_INTERSPAN_TRACES_PER_SECOND=0"); /* refused: there is always_off for that */
	assert_int_equal(kept(100, 0, START), 100);
	SET("OTEL_INTERSPAN_SAMPLING_RULES=/x=3/s;/y=2/s");
	assert_int_equal(kept(100, 1, START), 3);
	assert_int_equal(kept(100, 2, START), 2);
	assert_int_equal(kept(100, 0, START), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sampler_samples_roots),
		cmocka_unit_test(test_sampler_does_what_the_parent_did),
		cmocka_unit_test(test_samplers),
		cmocka_unit_test(test_trace_state_tells_the_probability),
		cmocka_unit_test(test_first_rule_that_fits_decides),
		cmocka_unit_test(test_limit_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
