/* SPDX-License-Identifier: Apache-2.0 */
#include "tracer.h"

#include <stdatomic.h>
#include <string.h>

#include "bytes.h"

/* --- told at start-up --- */

/* Arrays, not pointers: those would be relocated in every process that loads us. */

/* Words that the packages of OpenTelemetry and of vendors have in their names. */
static const char packages[][20] = {
	"opentelemetry", "ddtrace",  "dd-trace",      "dd-java-agent", "elastic-apm",
	"elasticapm",    "newrelic", "splunk-otel",   "@splunk/otel",  "applicationinsights",
	"skywalking",    "instana",  "pinpoint-boot", "appdynamics",   "datadog/auto",
};

/* The directories by which launchers get their sitecustomize.py loaded first. */
static const char directories[][40] = {
	"opentelemetry/instrumentation/auto_",
	"ddtrace/bootstrap",
	"newrelic/bootstrap",
	"elasticapm/instrumentation",
};

enum how {
	HOW_PACKAGE,
	HOW_AGENT, /* only in the word behind -javaagent: */
	HOW_DIRECTORY,
};

static const struct variable {
	char name[20];
	uint16_t runtimes;
	uint16_t how;
} variables[] = {
	{ "NODE_OPTIONS=", RUNTIME_NODE, HOW_PACKAGE },
	{ "RUBYOPT=", RUNTIME_RUBY, HOW_PACKAGE },
	{ "JAVA_TOOL_OPTIONS=", RUNTIME_JVM, HOW_AGENT },
	{ "JDK_JAVA_OPTIONS=", RUNTIME_JVM, HOW_AGENT },
	{ "_JAVA_OPTIONS=", RUNTIME_JVM, HOW_AGENT },
	{ "PYTHONPATH=", RUNTIME_PYTHON | RUNTIME_UWSGI, HOW_DIRECTORY },
};

static bool has_package(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(packages); i++)
		if (strstr(text, packages[i]))
			return true;
	return false;
}

static bool has_directory(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(directories); i++)
		if (strstr(text, directories[i]))
			return true;
	return false;
}

/* Options are divided by blanks; a path with blanks may be quoted, and its end matters most. */
static bool has_agent(const char *text)
{
	const char *agent = strstr(text, "-javaagent:");

	if (!agent)
		agent = strstr(text, "-agentpath:");
	return agent && has_package(agent);
}

static bool variable_tells(const struct variable *v, const char *entry)
{
	size_t len = strlen(v->name);

	if (strncmp(entry, v->name, len) != 0)
		return false;
	switch (v->how) {
	case HOW_PACKAGE:
		return has_package(entry + len);
	case HOW_AGENT:
		return has_agent(entry + len);
	default:
		return has_directory(entry + len);
	}
}

/* node --require X, -r X, --import X, or with "=". */
static bool is_loader(const char *arg)
{
	return strcmp(arg, "-r") == 0 || strcmp(arg, "--require") == 0 ||
	       strcmp(arg, "--import") == 0;
}

static bool is_asked_by_argument(uint32_t runtimes, char *const *argv, size_t argc)
{
	for (size_t i = 1; i < argc && (argv[i][0] == '-' || is_loader(argv[i - 1])); i++) {
		if (runtimes & RUNTIME_JVM && has_agent(argv[i]))
			return true;
		if (runtimes & RUNTIME_NODE && has_package(argv[i]))
			return true;
		/* java's options that take the next word */
		if (runtimes & RUNTIME_JVM && i + 1 < argc &&
		    (strcmp(argv[i], "-cp") == 0 || strcmp(argv[i], "-classpath") == 0))
			i++;
	}
	return false;
}

bool tracer_is_asked_for(uint32_t runtimes, char *const *envp, char *const *argv, size_t argc)
{
	bool is_asked = is_asked_by_argument(runtimes, argv, argc);

	for (; envp && *envp; envp++) {
		if (runtimes & RUNTIME_JVM && strcmp(*envp, "OTEL_JAVAAGENT_ENABLED=false") == 0)
			return false;
		for (size_t i = 0; !is_asked && i < ARRAY_LEN(variables); i++)
			is_asked = variables[i].runtimes & runtimes &&
				   variable_tells(&variables[i], *envp);
	}
	return is_asked;
}

/* --- told by what it does --- */

/*
 * A program may write a traceparent once that is none of its tracer's: a message that waited, a
 * test by hand.
 */
#define HEADERS_ENOUGH 8u

/*
 * They pass on what came in by TLS, where nobody here saw it, beside plain requests that we serve;
 * a tracer comes into them as a library that is known, if no language is in there, too.
 */
#define PROXIES (RUNTIME_NGINX | RUNTIME_LIGHTTPD | RUNTIME_APACHE | RUNTIME_HAPROXY)
#define LANGUAGES (RUNTIME_LUA | RUNTIME_JVM | RUNTIME_NODE | RUNTIME_RUBY | RUNTIME_PYTHON)

static bool is_proxy(void)
{
	uint32_t flags = runtime_flags();

	return flags & PROXIES && !(flags & LANGUAGES);
}

static atomic_bool has_served;
static _Atomic uint32_t headers;

void tracer_saw_request(void)
{
	if (!atomic_load_explicit(&has_served, memory_order_relaxed))
		atomic_store_explicit(&has_served, true, memory_order_relaxed);
}

void tracer_saw_header(bool is_served)
{
	if (!atomic_load_explicit(&has_served, memory_order_relaxed) || tracer_is_here())
		return;
	if (is_served || (!is_proxy() && atomic_fetch_add(&headers, 1) + 1 >= HEADERS_ENOUGH))
		runtime_raise(RUNTIME_TRACER);
}
