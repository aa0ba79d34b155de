/* SPDX-License-Identifier: Apache-2.0 */
/* How agents are loaded, as their manuals tell it, and what looks like that and is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tracer.h"

#define ARGS 8

struct row {
	uint32_t runtimes;
	const char *variable; /* NULL: none */
	const char *args[ARGS];
	bool is_asked;
};

#define OTEL_JAR "/opt/opentelemetry-javaagent.jar"
#define OTEL_NODE "@opentelemetry/auto-instrumentations-node/register"
#define OTEL_PY "/v/lib/python3.11/site-packages/opentelemetry/instrumentation/auto_instrumentation"

static const struct row rows[] = {
	{ RUNTIME_JVM, "JAVA_TOOL_OPTIONS=-Xmx1g -javaagent:" OTEL_JAR, { "java", "A" }, true },
	{ RUNTIME_JVM, "JDK_JAVA_OPTIONS=-javaagent:/dd-java-agent.jar", { "java" }, true },
	{ RUNTIME_JVM, NULL, { "java", "-javaagent:" OTEL_JAR, "-jar", "a.jar" }, true },
	{ RUNTIME_JVM, NULL, { "java", "-cp", "a:b", "-javaagent:" OTEL_JAR, "Main" }, true },
	{ RUNTIME_JVM, NULL, { "java", "-agentpath:/opt/appdynamics/lib.so", "Main" }, true },
	{ RUNTIME_JVM, NULL, { "java", "-javaagent:/opt/jacocoagent.jar", "Main" }, false },
	{ RUNTIME_JVM, NULL, { "java", "-cp", "opentelemetry-api.jar", "Main" }, false },
	{ RUNTIME_JVM, NULL, { "java", "Main", "-javaagent:" OTEL_JAR }, false },
	{ RUNTIME_JVM, "JAVA_TOOL_OPTIONS=-Dopentelemetry=1", { "java", "A" }, false },
	{ RUNTIME_JVM, "NODE_OPTIONS=--require " OTEL_NODE, { "java", "A" }, false },
	{ RUNTIME_JVM,
	  "OTEL_JAVAAGENT_ENABLED=false",
	  { "java", "-javaagent:" OTEL_JAR, "Main" },
	  false },
	{ RUNTIME_NODE, "NODE_OPTIONS=--require " OTEL_NODE, { "node", "a.js" }, true },
	{ RUNTIME_NODE, NULL, { "node", "--require", OTEL_NODE, "a.js" }, true },
	{ RUNTIME_NODE, NULL, { "node", "-r", "dd-trace/init", "a.js" }, true },
	{ RUNTIME_NODE, NULL, { "node", "--import=" OTEL_NODE, "a.js" }, true },
	{ RUNTIME_NODE, NULL, { "node", "opentelemetry.js" }, false },
	{ RUNTIME_NODE, NULL, { "node", "a.js", "-r", "dd-trace/init" }, false },
	{ RUNTIME_NODE, "NODE_OPTIONS=--max-old-space-size=99", { "node", "a.js" }, false },
	{ RUNTIME_PYTHON, "PYTHONPATH=" OTEL_PY ":/app", { "python3", "a.py" }, true },
	{ RUNTIME_UWSGI, "PYTHONPATH=" OTEL_PY, { "uwsgi" }, true },
	{ RUNTIME_PYTHON, "PYTHONPATH=/x/ddtrace/bootstrap", { "python3", "a.py" }, true },
	{ RUNTIME_PYTHON, "PYTHONPATH=/home/me/opentelemetry/src", { "python3", "a.py" }, false },
	{ RUNTIME_PYTHON, "OLD_PYTHONPATH=" OTEL_PY, { "python3", "a.py" }, false },
	{ RUNTIME_RUBY, "RUBYOPT=-ropentelemetry-auto-instrumentation", { "ruby" }, true },
	{ RUNTIME_RUBY, "RUBYOPT=-W0", { "ruby" }, false },
	{ RUNTIME_RUBY, NULL, { NULL }, false },
};

static void test_tracer_that_was_asked_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *envp[] = { "HOME=/", rows[i].variable, NULL };
		size_t argc = 0;

		while (argc < ARGS && rows[i].args[argc])
			argc++;
		assert_int_equal(tracer_is_asked_for(rows[i].runtimes,
						     (char *const *)(uintptr_t)envp,
						     (char *const *)(uintptr_t)rows[i].args, argc),
				 rows[i].is_asked);
	}
	assert_false(tracer_is_asked_for(RUNTIME_NODE, NULL, NULL, 0));
}

/* In this order: a flag is never taken back. */
static void test_tracer_that_writes_headers(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		tracer_saw_header(false); /* a client alone: whoever tests by hand writes headers */
	tracer_saw_header(true);
	assert_false(tracer_is_here());
	tracer_saw_request();
	for (int i = 0; i < 7; i++)
		tracer_saw_header(false);
	assert_false(tracer_is_here());
	tracer_saw_header(false);
	assert_true(tracer_is_here());
}

static void test_tracer_that_writes_a_header_for_a_request(void **state)
{
	(void)state;
	atomic_store(&runtime_seen_flags, 0);
	tracer_saw_request();
	tracer_saw_header(true);
	assert_true(tracer_is_here());
}

/* Headers that came in by TLS, which are as unknown, are passed on by these all the time. */
static void test_tracer_that_may_be_a_proxy(void **state)
{
	static const uint32_t proxies[] = { RUNTIME_NGINX, RUNTIME_LIGHTTPD, RUNTIME_APACHE,
					    RUNTIME_HAPROXY };

	(void)state;
	for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
		atomic_store(&runtime_seen_flags, proxies[i]);
		tracer_saw_request();
		for (int k = 0; k < 100; k++)
			tracer_saw_header(false);
		assert_false(tracer_is_here());
		tracer_saw_header(true);
		assert_true(tracer_is_here());
	}
	atomic_store(&runtime_seen_flags, RUNTIME_NGINX | RUNTIME_LUA);
	for (int k = 0; k < 8; k++)
		tracer_saw_header(false);
	assert_true(tracer_is_here());
}

static void test_tracer_that_is_a_library(void **state)
{
	(void)state;
	atomic_store(&runtime_seen_flags, 0);
	runtime_seen("/usr/lib/php/20220829/opentelemetry.so");
	assert_true(tracer_is_here());
	atomic_store(&runtime_seen_flags, 0);
	runtime_seen("/usr/lib/nginx/modules/ngx_otel_module.so");
	assert_true(tracer_is_here());
	atomic_store(&runtime_seen_flags, 0);
	runtime_seen("/usr/lib/nginx/modules/ngx_http_perl_module.so");
	assert_false(tracer_is_here());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tracer_that_was_asked_for),
		cmocka_unit_test(test_tracer_that_writes_headers),
		cmocka_unit_test(test_tracer_that_writes_a_header_for_a_request),
		cmocka_unit_test(test_tracer_that_may_be_a_proxy),
		cmocka_unit_test(test_tracer_that_is_a_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
