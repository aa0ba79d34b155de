/* SPDX-License-Identifier: Apache-2.0 */
/* The sampler that a Jaeger tells what to do, on the side of who starts spans (E40, E41, E43). */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ot_member.h"
#include "preload/remote_pick.h"
#include "preload/sampler.h"
#include "remote.h"
#include "stats.h"
#include "strategy.h"

#define SECOND 1000000000ull
#define START (1000 * SECOND)

/* The last seven bytes are the random value: 0x20.., 0xe0... */
static const struct trace_id trace_low = { { 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x20 } };
static const struct trace_id trace_high = { { 1, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xe0 } };

static struct store *st;

static void set(const char *sampler, const char *argument)
{
	char *env[] = { (char *)(uintptr_t)sampler, (char *)(uintptr_t)argument, NULL };

	config_parse(&config, env);
	sampler_init();
	st = store_open();
	assert_non_null(st);
	memset(remote_of(st), 0, sizeof(struct remote));
	st->polls_asked = 0;
	stats_reset();
}

static struct decision decide(const struct span_context *parent, const struct trace_id *trace,
			      unsigned rule, uint64_t now)
{
	struct sampler_case c = { parent, trace, now, rule };
	uint8_t flags = 0;

	return sampler_decide(&c, &flags);
}

static bool samples(const struct trace_id *trace, unsigned rule)
{
	return decide(NULL, trace, rule, START).verdict == VERDICT_SAMPLE;
}

static unsigned kept(unsigned n, unsigned rule, uint64_t now)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++)
		got += decide(NULL, &trace_low, rule, now).verdict == VERDICT_SAMPLE;
	return got;
}

static bool answer(const char *body)
{
	return remote_answer(st, bytes_from_str(body));
}

#define SHARE(n) "{\"probabilisticSampling\":{\"samplingRate\":" n "}}"

static void test_remote_settings(void **state) /* E4, E25, E40 */
{
	static const struct {
		const char *text, *endpoint;
		uint32_t ms;
		uint64_t keep;
		bool is_good;
	} rows[] = {
		{ "", "http://localhost:5778", 60000, OT_ALL / 1000, true },
		{ "endpoint=http://jaeger:14268/api/sampling,pollingIntervalMs=5000,"
		  "initialSamplingRate=0.25",
		  "http://jaeger:14268/api/sampling", 5000, OT_ALL / 4, true },
		{ " initialSamplingRate = 1 ,, pollingIntervalMs=1", "http://localhost:5778", 1,
		  OT_ALL, true },
		{ "endpoint=http://h/s?a=b", "http://h/s?a=b", 60000, OT_ALL / 1000, true },
		{ "endpoint=http://h,pollingIntervalMs=0", "http://localhost:5778", 60000,
		  OT_ALL / 1000, false },
		{ "endpoint=http://h,pollingIntervalMs=5s", "http://localhost:5778", 60000,
		  OT_ALL / 1000, false },
		{ "pollingIntervalMs=1.5", "http://localhost:5778", 60000, OT_ALL / 1000, false },
		{ "pollingIntervalMs=2147483648", "http://localhost:5778", 60000, OT_ALL / 1000,
		  false },
		{ "endpoint=http://h,initialSamplingRate=2", "http://localhost:5778", 60000,
		  OT_ALL / 1000, false },
		{ "endpoint=", "http://localhost:5778", 60000, OT_ALL / 1000, false },
		{ "0.25", "http://localhost:5778", 60000, OT_ALL / 1000, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config cfg = { .traces_sampler_arg = bytes_from_str(rows[i].text) };
		struct remote_settings s;

		if (remote_settings(&cfg, &s) != rows[i].is_good || s.interval_ms != rows[i].ms ||
		    !bytes_equal(s.endpoint, bytes_from_str(rows[i].endpoint)) ||
		    s.keep != rows[i].keep)
			fail_msg("%s", rows[i].text);
	}
}

static void test_share_until_there_is_an_answer(void **state) /* E40 */
{
	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "OTEL_TRACES_SAMPLER_ARG=initialSamplingRate=0.5");
	assert_true(sampler_is_set && sampler_has_rules);
	assert_false(samples(&trace_low, 0));
	assert_true(samples(&trace_high, 0));
	assert_true(answer(SHARE("1")));
	assert_true(samples(&trace_low, 0));
	assert_true(answer(SHARE("0")));
	assert_false(samples(&trace_high, 0));
	/* What is no answer changes nothing. */
	assert_false(answer("{}"));
	assert_false(answer(SHARE("2")));
	assert_false(samples(&trace_high, 0));
	assert_true(answer(SHARE("0.5")));
	assert_int_equal(decide(NULL, &trace_high, 0, START).state, STATE_SET);
	assert_int_equal(decide(NULL, &trace_high, 0, START).threshold, OT_ALL / 2);
}

static void test_remote_behind_parents(void **state) /* E41, E43 */
{
	struct span_context sampled = { .trace = trace_low, .flags = 1 };
	struct span_context unsampled = { .trace = trace_high, .flags = 0 };

	(void)state;
	set("OTEL_TRACES_SAMPLER=parentbased_jaeger_remote", "X=");
	assert_true(answer(SHARE("0.5")));
	assert_int_equal(decide(&sampled, &trace_low, 0, START).verdict, VERDICT_SAMPLE);
	assert_int_equal(decide(&unsampled, &trace_high, 0, START).verdict, VERDICT_DROP);
	assert_false(samples(&trace_low, 0));
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	assert_true(answer(SHARE("0.5")));
	assert_int_equal(decide(&sampled, &trace_low, 0, START).verdict, VERDICT_DROP);
	assert_int_equal(decide(&unsampled, &trace_high, 0, START).verdict, VERDICT_SAMPLE);
}

static void test_so_many_in_a_second(void **state)
{
	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	assert_true(answer("{\"strategyType\":\"RATE_LIMITING\",\"rateLimitingSampling\":"
			   "{\"maxTracesPerSecond\":5}}"));
	assert_int_equal(kept(100, 0, START), 5);
	assert_int_equal(stats_read(STAT_RATE_LIMITED), 95);
	assert_int_equal(kept(100, 0, START + SECOND), 5);
	assert_true(answer("{\"strategyType\":1,\"rateLimitingSampling\":"
			   "{\"maxTracesPerSecond\":0}}"));
	assert_int_equal(kept(100, 0, START + 9 * SECOND), 0);
}

static void test_each_operation_by_its_own_share(void **state)
{
	unsigned users, carts, others;

	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	assert_true(answer(
		"{\"operationSampling\":{\"defaultSamplingProbability\":0.5,"
		"\"perOperationStrategies\":["
		"{\"operation\":\"GET "
		"/users/{id}\",\"probabilisticSampling\":{\"samplingRate\":1}},"
		"{\"operation\":\"POST\",\"probabilisticSampling\":{\"samplingRate\":0}}]}}"));
	users = sampler_rule(BYTES("GET"), BYTES("/users/7"),
			     (struct sampler_name){ BYTES("GET"), BYTES("/users/{id}") });
	carts = sampler_rule(BYTES("POST"), BYTES("/cart"),
			     (struct sampler_name){ BYTES("POST"), { NULL, 0 } });
	others = sampler_rule(BYTES("GET"), BYTES("/"),
			      (struct sampler_name){ BYTES("GET"), { NULL, 0 } });
	assert_true(samples(&trace_low, users));
	assert_false(samples(&trace_high, carts));
	assert_false(samples(&trace_low, others));
	assert_true(samples(&trace_high, others));
	assert_true(samples(&trace_low, SAMPLER_FORCED));
}

/* Of each operation that chance would leave out. */
static void test_at_least_so_many_of_each_operation(void **state)
{
	unsigned get = strategy_name(BYTES("GET"), BYTES("")), put;

	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	assert_true(answer(
		"{\"operationSampling\":{\"defaultSamplingProbability\":0,"
		"\"defaultLowerBoundTracesPerSecond\":2,\"perOperationStrategies\":["
		"{\"operation\":\"GET\",\"probabilisticSampling\":{\"samplingRate\":0}}]}}"));
	put = strategy_name(BYTES("PUT"), BYTES(""));
	assert_int_equal(decide(NULL, &trace_low, get, START).state, STATE_ERASE);
	assert_int_equal(kept(50, get, START), 1); /* the second one of this second */
	assert_int_equal(kept(50, put, START), 2);
	assert_int_equal(stats_read(STAT_RATE_LIMITED), 0);
}

static unsigned wanted_calls;

static void wanted(struct store *of)
{
	assert_ptr_equal(of, st);
	wanted_calls++;
}

/* Spans alone raise the question, once in an interval; without an exporter one is started. */
static void test_spans_raise_the_question(void **state)
{
	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "OTEL_TRACES_SAMPLER_ARG=pollingIntervalMs=5000");
	atomic_store(&span_ended_without_owner, wanted);
	wanted_calls = 0;
	assert_int_equal(st->polls_asked, 0);
	(void)kept(10, 0, START);
	assert_int_equal(st->polls_asked, 1);
	assert_int_equal(wanted_calls, 1);
	(void)kept(10, 0, START + 5 * SECOND - 1);
	assert_int_equal(st->polls_asked, 1);
	st->owner = 1;
	(void)kept(10, 0, START + 5 * SECOND);
	assert_int_equal(st->polls_asked, 2);
	assert_int_equal(wanted_calls, 1);
	st->owner = 0;
	atomic_store(&span_ended_without_owner, NULL);
}

/* Whatever a forked child that has gone mad writes there. */
static void test_memory_that_is_anybodys(void **state)
{
	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	for (unsigned kind = 0; kind < 4; kind++) {
		memset(remote_of(st), 0xff, sizeof(struct remote));
		remote_of(st)->version = 7 + kind;
		remote_of(st)->is[0].kind = remote_of(st)->is[1].kind = kind;
		(void)kept(3, 0xffffffffu, START);
		(void)kept(3, 0x80000000u, START);
	}
}

/* --- one writes, others read: what they find is one answer or the other, never half of each --- */

#define ROUNDS 20000u

static const char by_operation[] = "{\"operationSampling\":{\"defaultSamplingProbability\":1,"
				   "\"defaultLowerBoundTracesPerSecond\":1,"
				   "\"perOperationStrategies\":[{\"operation\":\"GET\","
				   "\"probabilisticSampling\":{}}]}}";

static _Atomic bool is_over;

/* The threshold tells which answer it is, and the interval that it is the same one. */
static bool is_by_operation(void)
{
	struct remote_pick p = remote_pick(strategy_name(BYTES("GET"), BYTES("")), START);

	if (p.threshold == 0)
		assert_true(p.interval_ns == 0 && p.place == REMOTE_OPERATIONS);
	else
		assert_true(p.interval_ns == SECOND && p.place == 0);
	return p.threshold;
}

static void *reads(void *arg)
{
	unsigned *seen = arg;

	while (!atomic_load(&is_over)) {
		(void)is_by_operation();
		(*seen)++;
	}
	return NULL;
}

/* Steps to the next instruction of a child that is traced; false: it is over. */
static bool step(pid_t child)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSTOPPED(status))
		return true;
	assert_int_equal(status, 0);
	return false;
}

/* Another process writes, and is read behind each of its instructions: no moment is left out. */
static void test_answer_half_written_is_nobodys(void **state)
{
	pid_t child;
	int status;

	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	assert_true(answer(SHARE("1")));
	child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(1);
		raise(SIGSTOP);
		_exit(!remote_answer(st, bytes_from_str(by_operation)));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSTOPPED(status)) {
		print_message("SKIP: a process may not be traced here\n");
		skip();
	}
	assert_false(is_by_operation());
	while (step(child))
		(void)is_by_operation();
	assert_true(is_by_operation());
}

static void test_no_answer_is_mixed_with_another(void **state)
{
	unsigned seen[2] = { 0, 0 };
	pthread_t thread[2];

	(void)state;
	set("OTEL_TRACES_SAMPLER=jaeger_remote", "X=");
	assert_true(answer(SHARE("1")));
	atomic_store(&is_over, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reads, &seen[i]), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_true(answer(by_operation));
		assert_true(answer(SHARE("1")));
	}
	atomic_store(&is_over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remote_settings),
		cmocka_unit_test(test_share_until_there_is_an_answer),
		cmocka_unit_test(test_remote_behind_parents),
		cmocka_unit_test(test_so_many_in_a_second),
		cmocka_unit_test(test_each_operation_by_its_own_share),
		cmocka_unit_test(test_at_least_so_many_of_each_operation),
		cmocka_unit_test(test_spans_raise_the_question),
		cmocka_unit_test(test_memory_that_is_anybodys),
		cmocka_unit_test(test_answer_half_written_is_nobodys),
		cmocka_unit_test(test_no_answer_is_mixed_with_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
