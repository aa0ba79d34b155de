/* SPDX-License-Identifier: Apache-2.0 */
/* Answers are those of Jaeger's handler (E40), by hand; thresholds are worked out from E53, E62. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ot_member.h"
#include "strategy.h"

static struct strategy s;

static bool parse(const char *body)
{
	memset(&s, 0x5a, sizeof(s));
	return strategy_parse(bytes_from_str(body), &s);
}

static void test_strategy_of_a_service(void **state) /* E40 */
{
	static const struct {
		const char *body;
		enum strategy_kind kind;
		uint64_t threshold, interval_ns;
	} rows[] = {
		{ "{\"strategyType\":\"PROBABILISTIC\",\"probabilisticSampling\":{\"samplingRate\":"
		  "0.5}}",
		  STRATEGY_PROBABILITY, OT_ALL / 2, 0 },
		/* thrift's numbers, and what is null */
		{ "{\"strategyType\":0,\"probabilisticSampling\":{\"samplingRate\":0.25},"
		  "\"rateLimitingSampling\":null,\"operationSampling\":null}",
		  STRATEGY_PROBABILITY, OT_ALL / 4 * 3, 0 },
		{ "{\"strategyType\":\"RATE_LIMITING\",\"rateLimitingSampling\":"
		  "{\"maxTracesPerSecond\":4}}",
		  STRATEGY_RATE, OT_ALL, 250000000 },
		{ "{ \"strategyType\" : 1 , \"rateLimitingSampling\":{ \"maxTracesPerSecond\" :0} "
		  "}\n",
		  STRATEGY_RATE, OT_ALL, 0 },
		{ "{\"probabilisticSampling\":{\"samplingRate\":1e-1}}", STRATEGY_PROBABILITY,
		  0xe666ull << 40, 0 },
		/* protobuf leaves out what is 0 */
		{ "{\"probabilisticSampling\":{}}", STRATEGY_PROBABILITY, OT_ALL, 0 },
		{ "{\"later\":[{}],\"probabilisticSampling\":{\"later\":\"}\",\"samplingRate\":1}}",
		  STRATEGY_PROBABILITY, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!parse(rows[i].body) || s.kind != rows[i].kind ||
		    s.threshold != rows[i].threshold || s.interval_ns != rows[i].interval_ns)
			fail_msg("%s", rows[i].body);
}

static void test_strategy_by_operation(void **state) /* E40 */
{
	(void)state;
	assert_true(parse(
		"{\"strategyType\":\"PROBABILISTIC\",\"probabilisticSampling\":{\"samplingRate\":"
		"0.8},\"operationSampling\":{\"defaultSamplingProbability\":0.5,"
		"\"defaultLowerBoundTracesPerSecond\":0.2,\"perOperationStrategies\":["
		"{\"operation\":\"GET "
		"/users/{id}\",\"probabilisticSampling\":{\"samplingRate\":1}},"
		"{\"operation\":\"GET\",\"probabilisticSampling\":{\"samplingRate\":0}},"
		"{\"operation\":\"caf\xc3\xa9\",\"probabilisticSampling\":null},"
		"{\"operation\":\"\\u0047ET \\/a\\u003cb\",\"probabilisticSampling\":"
		"{\"samplingRate\":0.25}},"
		"{\"operation\":\"\\n\",\"probabilisticSampling\":{\"samplingRate\":0.25}}],"
		"\"defaultUpperBoundTracesPerSecond\":0}}"));
	assert_int_equal(s.kind, STRATEGY_BY_OPERATION);
	assert_int_equal(s.threshold, OT_ALL / 2);
	assert_int_equal(s.interval_ns, 5000000000u);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.operations[0].name, strategy_name(BYTES("GET"), BYTES("/users/{id}")));
	assert_int_equal(s.operations[0].threshold, 0);
	assert_int_equal(s.operations[1].name, strategy_name(BYTES("GET"), BYTES("")));
	assert_int_equal(s.operations[1].threshold, OT_ALL);
	assert_int_equal(s.operations[2].name, strategy_name(BYTES("GET"), BYTES("/a<b")));
	assert_int_equal(s.operations[2].threshold, OT_ALL / 4 * 3);
	/* No number of a rule, and not that of what is forced. */
	assert_true(s.operations[0].name >= 1u << 31 && s.operations[0].name < UINT32_MAX);
	assert_true(parse("{\"operationSampling\":{\"perOperationStrategies\":null}}"));
	assert_int_equal(s.kind, STRATEGY_BY_OPERATION);
	assert_int_equal(s.threshold, OT_ALL);
	assert_int_equal(s.n, 0);
}

static void test_strategy_of_many_operations(void **state)
{
	static char body[64 * (STRATEGY_OPERATIONS + 50)];
	char *at = body;

	(void)state;
	at += sprintf(at, "{\"operationSampling\":{\"perOperationStrategies\":[");
	for (unsigned i = 0; i < STRATEGY_OPERATIONS + 20; i++)
		at += sprintf(at, "%s{\"operation\":\"%u\",\"probabilisticSampling\":{}}",
			      i ? "," : "", i);
	sprintf(at, "]}}");
	assert_true(parse(body));
	assert_int_equal(s.n, STRATEGY_OPERATIONS);
}

static void test_no_strategy(void **state)
{
	static const char *const rows[] = {
		"",
		"null",
		"[]",
		"{}",
		"not found",
		"{\"strategyType\":\"PROBABILISTIC\"}",
		"{\"strategyType\":\"RATE_LIMITING\",\"probabilisticSampling\":{\"samplingRate\":1}"
		"}",
		"{\"strategyType\":\"ADAPTIVE\",\"probabilisticSampling\":{\"samplingRate\":1}}",
		"{\"strategyType\":2,\"probabilisticSampling\":{\"samplingRate\":1}}",
		"{\"probabilisticSampling\":{\"samplingRate\":1.01}}",
		"{\"probabilisticSampling\":{\"samplingRate\":-0.5}}",
		"{\"probabilisticSampling\":{\"samplingRate\":\"0.5\"}}",
		"{\"probabilisticSampling\":{\"samplingRate\":NaN}}",
		"{\"probabilisticSampling\":0.5}",
		"{\"probabilisticSampling\":{\"samplingRate\":0.5}",
		"{\"probabilisticSampling\":{\"samplingRate\":0.5}}}",
		"{\"probabilisticSampling\":{\"samplingRate\":0.5}} and more",
		"{\"rateLimitingSampling\":{\"maxTracesPerSecond\":-1},\"strategyType\":1}",
		"{\"operationSampling\":{\"perOperationStrategies\":[{\"operation\":7}]}}",
		"{\"operationSampling\":{\"perOperationStrategies\":{}}}",
		"{\"operationSampling\":{\"perOperationStrategies\":[7]}}",
		"{\"operationSampling\":{\"perOperationStrategies\":[{} {}]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (parse(rows[i]))
			fail_msg("%s", rows[i]);
}

/* Cut off anywhere it is none, and nothing is read beyond. */
static void test_half_a_strategy(void **state)
{
	static const char whole[] = "{\"operationSampling\":{\"defaultSamplingProbability\":0.5,"
				    "\"perOperationStrategies\":[{\"operation\":\"\\u0047 \\\\\","
				    "\"probabilisticSampling\":{\"samplingRate\":0.25}}]}}";

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		char *copy = test_malloc(len + 1);

		memcpy(copy, whole, len);
		assert_false(strategy_parse((struct bytes){ copy, len }, &s));
		test_free(copy);
	}
	assert_true(parse(whole));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strategy_of_a_service),
		cmocka_unit_test(test_strategy_by_operation),
		cmocka_unit_test(test_strategy_of_many_operations),
		cmocka_unit_test(test_no_strategy),
		cmocka_unit_test(test_half_a_strategy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
