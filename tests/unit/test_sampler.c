/* SPDX-License-Identifier: Apache-2.0 */
/* Expected thresholds and verdicts are worked out from E34-E63. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler.h"
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

/* The same by the short way, for a caller's trace with this id. */
static enum verdict verdict_below(const struct span_context *caller, const struct trace_id *trace)
{
	struct span_context parent = *caller;
	uint8_t flags = TRACE_FLAG_RANDOM;
	struct decision d;

	parent.trace = *trace;
	d = sampler_decide_below(&parent, &flags);
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

/* Once asked for and once known (E47), and not any more with other settings. */
static void test_short_way_decides_as_any_other(void **state)
{
	static const char *const samplers[] = {
		"always_on",
		"always_off",
		"traceidratio",
		"probability",
		"parentbased_always_off",
		"parentbased_traceidratio",
	};
	static const char *const arguments[] = { "0", "0.124", "0.5", "0.875", "1" };

	(void)state;
	for (size_t i = 0; i < 4 * ARRAY_LEN(samplers) * ARRAY_LEN(arguments); i++) {
		char sampler[64] = "OTEL_TRACES_SAMPLER=",
		     argument[64] = "OTEL_TRACES_SAMPLER_ARG=";
		struct span_context caller = parent_of(i & 1, NULL);
		const struct trace_id *trace = i & 2 ? &trace_low : &trace_high;

		strcat(sampler, samplers[i / 4 / ARRAY_LEN(arguments)]);
		strcat(argument, arguments[i / 4 % ARRAY_LEN(arguments)]);
		SET(sampler, argument);
		for (int twice = 0; twice < 2; twice++)
			if (verdict_below(&caller, trace) != verdict_of(&caller, trace))
				fail_msg("%s %s %zu", sampler, argument, i % 4);
	}
}

static struct decision decide(const struct span_context *parent, const struct trace_id *trace,
			      unsigned rule, uint64_t now)
{
	struct sampler_case c = { parent, trace, now, rule };
	uint8_t flags = 0;

	return sampler_decide(&c, &flags);
}

static void test_trace_state_tells_the_probability(void **state) /* E46, E54-E58 */
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
	SET("OTEL_TRACES_SAMPLER=parentbased_probability", "OTEL_TRACES_SAMPLER_ARG=0.5");
	d = decide(&random, &trace_low, 0, 0);
	assert_int_equal(d.state, STATE_KEEP);
}

static struct trace_id with_random(uint64_t random)
{
	struct trace_id trace = trace_high;

	for (size_t i = 16; i-- > 9; random >>= 8)
		trace.bytes[i] = (uint8_t)random;
	return trace;
}

/* What th says is what decided, to the last id; and who gives less keeps some of the same (E36). */
static void test_ratio_tells_its_threshold(void **state) /* CM62, E36, E53, E62 */
{
	static const struct {
		const char *ratio;
		uint64_t threshold;
	} rows[] = {
		{ "0.0001", 0xfff97240000000 },
		{ "0.01", 0xfd70a000000000 },
		{ "0.1", 0xe6660000000000 },
		{ "0.25", 0xc0000000000000 },
		{ "0.5", 0x80000000000000 },
		{ "0.95", 0x0ccd0000000000 },
		{ "1", 0 }, /* th:0, which is a probability of 1, and not that nothing is known */
	};
	static const char *const samplers[] = { "OTEL_TRACES_SAMPLER=traceidratio",
						"OTEL_TRACES_SAMPLER=parentbased_traceidratio" };
	uint64_t before = OT_ALL;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		char argument[64] = "OTEL_TRACES_SAMPLER_ARG=";
		uint64_t t = rows[i / 2].threshold;
		struct trace_id kept = with_random(t), dropped = with_random(t - 1);
		struct decision d;

		strcat(argument, rows[i / 2].ratio);
		SET(samplers[i % 2], argument);
		d = decide(NULL, &kept, 0, 0);
		if (d.verdict != VERDICT_SAMPLE || d.state != STATE_SET || d.threshold != t)
			fail_msg("%s: %#llx", argument, (unsigned long long)d.threshold);
		d = decide(NULL, &dropped, 0, 0);
		if (t && (d.verdict != VERDICT_DROP || d.state != STATE_KEEP))
			fail_msg("%s keeps an id below its threshold", argument);
		assert_true(t <= before);
		before = t;
	}
}

static void test_ratio_of_a_trace_of_others(void **state) /* CM62, E36, E52, E54, E58 */
{
	static const struct {
		const char *tracestate;
		bool is_remote;
		enum sampler_state kept, dropped;
	} rows[] = {
		{ NULL, true, STATE_KEEP, STATE_KEEP },
		{ "a=1,ot=rv:ffffffffffffff", true, STATE_KEEP, STATE_KEEP },
		{ "a=1,ot=th:0", true, STATE_ERASE, STATE_ERASE },
		{ "ot=rv:ffffffffffffff;th:c", true, STATE_ERASE, STATE_ERASE },
		/* Of this process: the root's th; what a rule has set by rv is not the id's. */
		{ NULL, false, STATE_KEEP, STATE_KEEP },
		{ "ot=th:c,a=1", false, STATE_SET, STATE_ERASE },
		{ "ot=th:c;rv:ffffffffffffff", false, STATE_ERASE, STATE_ERASE },
	};

	(void)state;
	SET("OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span_context parent = parent_of(1, rows[i].tracestate);
		struct decision kept, dropped;

		parent.is_remote = rows[i].is_remote;
		kept = decide(&parent, &trace_high, 0, 0);
		dropped = decide(&parent, &trace_low, 0, 0); /* whatever rv says */
		if (kept.verdict != VERDICT_SAMPLE || kept.state != rows[i].kept ||
		    dropped.verdict != VERDICT_DROP || dropped.state != rows[i].dropped)
			fail_msg("row %zu: %d %d", i, kept.state, dropped.state);
		assert_int_equal(kept.threshold, OT_ALL / 2);
	}
	SET("OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5");
	assert_int_equal(
		decide(&(struct span_context){ .flags = 1, .tracestate = BYTES("ot=th:c") },
		       &trace_high, 0, 0)
			.state,
		STATE_KEEP); /* decided by the parent, as th says */
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
		cmocka_unit_test(test_short_way_decides_as_any_other),
		cmocka_unit_test(test_trace_state_tells_the_probability),
		cmocka_unit_test(test_ratio_tells_its_threshold),
		cmocka_unit_test(test_ratio_of_a_trace_of_others),
		cmocka_unit_test(test_first_rule_that_fits_decides),
		cmocka_unit_test(test_limit_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
