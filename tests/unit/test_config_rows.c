/* SPDX-License-Identifier: Apache-2.0 */
/* Every variable that is more than a text: unset, empty, valid, invalid; rows of the digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "preload/log.h"

enum type { NUMBER, BOOLEAN };

static const struct row {
	const char *id; /* of the specification's digest */
	const char *name;
	const char *value; /* NULL: unset */
	size_t field;
	enum type type;
	uint32_t want;
	uint32_t invalid;
} rows[] = {
#define NUM(id, name, value, field, want, invalid)                                     \
	{                                                                              \
		id, name, value, offsetof(struct config, field), NUMBER, want, invalid \
	}
#define BOOL(id, name, value, field, want, invalid)                                     \
	{                                                                               \
		id, name, value, offsetof(struct config, field), BOOLEAN, want, invalid \
	}
	BOOL("E18", "OTEL_SDK_DISABLED", NULL, sdk_disabled, false, 0),
	BOOL("E1", "OTEL_SDK_DISABLED", "", sdk_disabled, false, 0),
	BOOL("E2", "OTEL_SDK_DISABLED", "true", sdk_disabled, true, 0),
	BOOL("E2", "OTEL_SDK_DISABLED", "TRUE", sdk_disabled, true, 0),
	BOOL("E2", "OTEL_SDK_DISABLED", "false", sdk_disabled, false, 0),
	BOOL("E3", "OTEL_SDK_DISABLED", "1", sdk_disabled, false, 1),
	BOOL("E3", "OTEL_SDK_DISABLED", "yes", sdk_disabled, false, 1),
	BOOL("E3", "OTEL_SDK_DISABLED", " true ", sdk_disabled, false, 1),

	NUM("E22", "OTEL_LOG_LEVEL", NULL, log_level, LEVEL_INFO, 0),
	NUM("E1", "OTEL_LOG_LEVEL", "", log_level, LEVEL_INFO, 0),
	NUM("E22", "OTEL_LOG_LEVEL", "none", log_level, LEVEL_NONE, 0),
	NUM("E22", "OTEL_LOG_LEVEL", "off", log_level, LEVEL_NONE, 0),
	NUM("E22", "OTEL_LOG_LEVEL", "fatal", log_level, LEVEL_FATAL, 0),
	NUM("E22", "OTEL_LOG_LEVEL", "error", log_level, LEVEL_ERROR, 0),
	NUM("E9", "OTEL_LOG_LEVEL", "WARN", log_level, LEVEL_WARN, 0),
	NUM("E22", "OTEL_LOG_LEVEL", "debug", log_level, LEVEL_DEBUG, 0),
	NUM("E22", "OTEL_LOG_LEVEL", "trace", log_level, LEVEL_TRACE, 0),
	NUM("E10", "OTEL_LOG_LEVEL", "verbose", log_level, LEVEL_INFO, 1),

#define SAMPLER(id, value, want, invalid) \
	NUM(id, "OTEL_TRACES_SAMPLER", value, traces_sampler, want, invalid)
	SAMPLER("E24", NULL, SAMPLER_PARENTBASED | SAMPLER_ALWAYS_ON, 0),
	SAMPLER("E1", "", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_ON, 0),
	SAMPLER("E34", "always_on", SAMPLER_ALWAYS_ON, 0),
	SAMPLER("E35", "always_off", SAMPLER_ALWAYS_OFF, 0),
	SAMPLER("E36", "traceidratio", SAMPLER_TRACEIDRATIO, 0),
	SAMPLER("E37", "parentbased_always_on", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_ON, 0),
	SAMPLER("E38", "parentbased_always_off", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_OFF, 0),
	SAMPLER("E39", "parentbased_traceidratio", SAMPLER_PARENTBASED | SAMPLER_TRACEIDRATIO, 0),
	SAMPLER("E9", "PARENTBASED_ALWAYS_OFF", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_OFF, 0),
	SAMPLER("E12", "probability", SAMPLER_PROBABILITY, 0),
	SAMPLER("E40", "jaeger_remote", SAMPLER_JAEGER_REMOTE, 0),
	SAMPLER("E41", "parentbased_jaeger_remote", SAMPLER_PARENTBASED | SAMPLER_JAEGER_REMOTE, 0),
	SAMPLER("E9", "Jaeger_Remote", SAMPLER_JAEGER_REMOTE, 0),
	SAMPLER("E10", "jaeger_remotes", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_ON, 1),
	SAMPLER("E10", "always_of", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_ON, 1),
	SAMPLER("E42", "xray", SAMPLER_PARENTBASED | SAMPLER_ALWAYS_ON, 1),

#define CHILDREN(id, value, want) BOOL(id, "OTEL_PROPAGATORS", value, propagate_env, want, 0)
	CHILDREN("C100", NULL, true),
	CHILDREN("C100", "baggage,tracecontext", true),
	CHILDREN("C51", "none", false),
	CHILDREN("C100", "b3", false),
#define ORDER(id, value, want, invalid) \
	NUM(id, "OTEL_PROPAGATORS", value, propagators.order, want, invalid)
	ORDER("E23", NULL, 0x21, 0),
	ORDER("E1", "", 0x21, 0),
	ORDER("E26", "tracecontext", 0x1, 0),
	ORDER("E27", "baggage", 0x2, 0),
	ORDER("E28", "b3", 0x3, 0),
	ORDER("E29", "b3multi", 0x4, 0),
	ORDER("E30", "jaeger", 0x5, 0),
	ORDER("E31", "xray", 0x6, 0),
	ORDER("E32", "ottrace", 0x7, 0),
	ORDER("E33", "none", 0, 0),
	ORDER("C51", "none,b3", 0, 0),
	ORDER("C50", "baggage,b3,tracecontext", 0x132, 0),
	ORDER("E23", "b3,b3,tracecontext,b3", 0x13, 0),
	ORDER("E9", "TraceContext,B3", 0x31, 0),
	ORDER("E13", " b3 ,, baggage\t", 0x23, 0),
	ORDER("C51", "b3,zipkin", 0x3, 1),
	ORDER("E10", "zipkin", 0x21, 1),
	ORDER("E13", ",", 0x21, 0),
	ORDER("E23", "ottrace,xray,jaeger,b3multi,b3,baggage,tracecontext", 0x1234567, 0),
	NUM("E64", "OTEL_BSP_SCHEDULE_DELAY", NULL, bsp_schedule_delay_ms, 5000, 0),
	NUM("E1", "OTEL_BSP_SCHEDULE_DELAY", "", bsp_schedule_delay_ms, 5000, 0),
	NUM("E7", "OTEL_BSP_SCHEDULE_DELAY", "0", bsp_schedule_delay_ms, 0, 0),
	NUM("E6", "OTEL_BSP_SCHEDULE_DELAY", "2147483647", bsp_schedule_delay_ms, 2147483647, 0),
	NUM("E4", "OTEL_BSP_SCHEDULE_DELAY", "12abc", bsp_schedule_delay_ms, 5000, 1),
	NUM("E7", "OTEL_BSP_SCHEDULE_DELAY", "5s", bsp_schedule_delay_ms, 5000, 1),
	NUM("E5", "OTEL_BSP_SCHEDULE_DELAY", "-1", bsp_schedule_delay_ms, 5000, 1),
	NUM("E65", "OTEL_BSP_EXPORT_TIMEOUT", NULL, bsp_export_timeout_ms, 30000, 0),
	NUM("E8", "OTEL_BSP_EXPORT_TIMEOUT", "0", bsp_export_timeout_ms, 0, 0),
	NUM("E4", "OTEL_BSP_EXPORT_TIMEOUT", "x", bsp_export_timeout_ms, 30000, 1),
	NUM("E66", "OTEL_BSP_MAX_QUEUE_SIZE", NULL, bsp_queue_size, 2048, 0),
	NUM("E66", "OTEL_BSP_MAX_QUEUE_SIZE", "1", bsp_queue_size, 1, 0),
	NUM("E66", "OTEL_BSP_MAX_QUEUE_SIZE", "0", bsp_queue_size, 2048, 1),
	NUM("E67", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", NULL, bsp_batch_size, 512, 0),
	NUM("E67", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7", bsp_batch_size, 7, 0),
	NUM("E67", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0", bsp_batch_size, 512, 1),
	NUM("E73", "OTEL_ATTRIBUTE_COUNT_LIMIT", NULL, attr_count, CONFIG_UNSET, 0),
	NUM("E1", "OTEL_ATTRIBUTE_COUNT_LIMIT", "", attr_count, CONFIG_UNSET, 0),
	NUM("E73", "OTEL_ATTRIBUTE_COUNT_LIMIT", "0", attr_count, 0, 0),
	NUM("E5", "OTEL_ATTRIBUTE_COUNT_LIMIT", "-1", attr_count, CONFIG_UNSET, 1),
	NUM("E72", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", NULL, attr_length, CONFIG_UNSET, 0),
	NUM("E72", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "64", attr_length, 64, 0),
	NUM("E75", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", NULL, span_attr_count, CONFIG_UNSET, 0),
	NUM("E75", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3", span_attr_count, 3, 0),
	NUM("E4", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3x", span_attr_count, CONFIG_UNSET, 1),
	NUM("E74", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", NULL, span_attr_length, CONFIG_UNSET,
	    0),
	NUM("E74", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0", span_attr_length, 0, 0),
	NUM("E78", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", NULL, event_attr_count, UINT32_MAX, 0),
	NUM("E78", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "0", event_attr_count, 0, 0),
	NUM("E79", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", NULL, link_attr_count, UINT32_MAX, 0),
	NUM("E79", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "7", link_attr_count, 7, 0),
	NUM("E77", "OTEL_SPAN_LINK_COUNT_LIMIT", NULL, span_link_count, 128, 0),
	NUM("E77", "OTEL_SPAN_LINK_COUNT_LIMIT", "3", span_link_count, 3, 0),
	NUM("E76", "OTEL_SPAN_EVENT_COUNT_LIMIT", NULL, span_event_count, 128, 0),
	NUM("E76", "OTEL_SPAN_EVENT_COUNT_LIMIT", "0", span_event_count, 0, 0),
	NUM("E5", "OTEL_SPAN_EVENT_COUNT_LIMIT", "-5", span_event_count, 128, 1),
#define PROTOCOL(id, value, want, invalid) \
	NUM(id, "OTEL_EXPORTER_OTLP_PROTOCOL", value, otlp_protocol, want, invalid)
	PROTOCOL("E90", NULL, PROTOCOL_HTTP_PROTOBUF, 0),
	PROTOCOL("E1", "", PROTOCOL_HTTP_PROTOBUF, 0),
	PROTOCOL("E90", "http/protobuf", PROTOCOL_HTTP_PROTOBUF, 0),
	PROTOCOL("E90", "http/json", PROTOCOL_HTTP_JSON, 0),
	PROTOCOL("E9", "HTTP/JSON", PROTOCOL_HTTP_JSON, 0),
	PROTOCOL("E90", "grpc", PROTOCOL_GRPC, 0),
	PROTOCOL("E10", "json", PROTOCOL_HTTP_PROTOBUF, 1),
	NUM("E90", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", NULL, otlp_traces_protocol, PROTOCOL_UNSET,
	    0),
	NUM("E90", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", otlp_traces_protocol,
	    PROTOCOL_HTTP_JSON, 0),
	NUM("E90", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc", otlp_metrics_protocol,
	    PROTOCOL_GRPC, 0),
	NUM("E10", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "x", otlp_traces_protocol, PROTOCOL_UNSET,
	    1),
#define COMPRESSION(id, value, want, invalid) \
	NUM(id, "OTEL_EXPORTER_OTLP_COMPRESSION", value, otlp_compression, want, invalid)
	COMPRESSION("E93", NULL, COMPRESSION_NONE, 0),
	COMPRESSION("E1", "", COMPRESSION_NONE, 0),
	COMPRESSION("E93", "gzip", COMPRESSION_GZIP, 0),
	COMPRESSION("E9", "GZip", COMPRESSION_GZIP, 0),
	COMPRESSION("E93", "none", COMPRESSION_NONE, 0),
	COMPRESSION("E10", "zstd", COMPRESSION_NONE, 1),
	NUM("E93", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", NULL, otlp_traces_compression,
	    COMPRESSION_UNSET, 0),
	NUM("E93", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none", otlp_traces_compression,
	    COMPRESSION_NONE, 0),
	NUM("E97", "OTEL_EXPORTER_OTLP_INSECURE", NULL, otlp_insecure, CONFIG_UNSET, 0),
	NUM("E1", "OTEL_EXPORTER_OTLP_INSECURE", "", otlp_insecure, CONFIG_UNSET, 0),
	NUM("E2", "OTEL_EXPORTER_OTLP_INSECURE", "True", otlp_insecure, 1, 0),
	NUM("E2", "OTEL_EXPORTER_OTLP_INSECURE", "false", otlp_insecure, 0, 0),
	NUM("E3", "OTEL_EXPORTER_OTLP_INSECURE", "1", otlp_insecure, 0, 1),
	NUM("E97", "OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true", otlp_traces_insecure, 1, 0),
	NUM("E92", "OTEL_EXPORTER_OTLP_TIMEOUT", NULL, otlp_timeout_ms, 10000, 0),
	NUM("E92", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", NULL, otlp_traces_timeout_ms, CONFIG_UNSET,
	    0),
	NUM("E8", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", otlp_traces_timeout_ms, 0, 0),
	NUM("E120", "OTEL_EXPORTER_ZIPKIN_TIMEOUT", NULL, zipkin_timeout_ms, 10000, 0),
	NUM("E124", "OTEL_METRIC_EXPORT_INTERVAL", NULL, metric_interval_ms, 60000, 0),
	NUM("E125", "OTEL_METRIC_EXPORT_TIMEOUT", NULL, metric_timeout_ms, 30000, 0),
	NUM("E114", "OTEL_TRACES_EXPORTER", NULL, traces_exporter, EXPORTER_OTLP, 0),
	NUM("E114", "OTEL_TRACES_EXPORTER", "none", traces_exporter, EXPORTER_NONE, 0),
	NUM("E117", "OTEL_TRACES_EXPORTER", "otlp,console", traces_exporter,
	    EXPORTER_OTLP | EXPORTER_CONSOLE, 0),
	NUM("E117", "OTEL_TRACES_EXPORTER", "none,otlp", traces_exporter, EXPORTER_OTLP, 1),
	NUM("E8", "OTEL_EXPORTER_OTLP_TIMEOUT", "0", otlp_timeout_ms, 0, 0),
	NUM("E5", "OTEL_EXPORTER_OTLP_TIMEOUT", "-1", otlp_timeout_ms, 10000, 1),
};

static struct config c;

static uint32_t field_of(const struct config *cfg, const struct row *r)
{
	const char *field = (const char *)cfg + r->field;
	uint32_t number;

	if (r->type == BOOLEAN)
		return *(const bool *)field;
	memcpy(&number, field, sizeof(number));
	return number;
}

static void test_config_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		char entry[128];
		char *envp[] = { r->value ? entry : NULL, NULL };

		snprintf(entry, sizeof(entry), "%s=%s", r->name, r->value ? r->value : "");
		config_parse(&c, envp);
		if (field_of(&c, r) != r->want || c.invalid != r->invalid)
			fail_msg("%s: %s: %u, %u invalid", r->id, entry, field_of(&c, r),
				 c.invalid);
	}
}

/* --- each row of config.def, by its type: unset, empty, valid, invalid (E1-E10) --- */

enum kind {
	KIND_enabled,
	KIND_flag,
	KIND_text,
	KIND_duration,
	KIND_timeout,
	KIND_count,
	KIND_limit,
	KIND_exporters,
	KIND_protocol,
	KIND_answer,
	KIND_compression,
	KIND_sampler,
	KIND_level,
	KIND_propagators,
};

/* good: no row has it for its default.  bad: NULL, there is none. */
static const struct values {
	const char *id, *good, *bad;
} values[] = {
	[KIND_enabled] = { "E2 E3", "FALSE", "no" },
	[KIND_flag] = { "E2 E3", "True", "yes" },
	[KIND_text] = { "E1", "a text", NULL },
	[KIND_duration] = { "E4 E7", "77", "7s" },
	[KIND_timeout] = { "E4 E8", "77", "-1" },
	[KIND_count] = { "E4 E5", "77", "0" },
	[KIND_limit] = { "E4 E5", "77", "12abc" },
	[KIND_exporters] = { "E9 E10", "Console", "logging" },
	[KIND_protocol] = { "E9 E10", "HTTP/JSON", "json" },
	[KIND_answer] = { "E2", "TRUE", NULL }, /* what is neither is false: rows of its own */
	[KIND_compression] = { "E9 E10", "GZIP", "zstd" },
	[KIND_sampler] = { "E9 E10", "Always_Off", "always" },
	[KIND_level] = { "E9 E10", "ERROR", "loud" },
	[KIND_propagators] = { "E9 E10", "B3", "w3c" },
};

static const struct variable {
	const char *name;
	enum kind kind;
	size_t at, len;
} variables[] = {
#define VAR(field, name, type, fallback, help) \
	{ name, KIND_##type, offsetof(struct config, field), sizeof(((struct config *)0)->field) },
#include "config.def"
#undef VAR
};

/* Is the variable, with that value, what it is without? */
static bool is_default(const struct variable *v, const char *value, uint32_t *ret_invalid)
{
	static struct config unset, set;
	char entry[128];
	char *none[] = { NULL }, *envp[] = { entry, NULL };

	snprintf(entry, sizeof(entry), "%s=%s", v->name, value);
	config_parse(&unset, none);
	config_parse(&set, envp);
	*ret_invalid = set.invalid;
	return memcmp((char *)&unset + v->at, (char *)&set + v->at, v->len) == 0;
}

static void test_config_every_variable_by_its_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const struct variable *v = &variables[i];
		const struct values *of = &values[v->kind];
		uint32_t invalid;

		if (!is_default(v, "", &invalid) || invalid)
			fail_msg("E1: %s=", v->name);
		if (is_default(v, of->good, &invalid) || invalid)
			fail_msg("%s: %s=%s", of->id, v->name, of->good);
		if (of->bad && (!is_default(v, of->bad, &invalid) || invalid != 1))
			fail_msg("%s: %s=%s, %u invalid", of->id, v->name, of->bad, invalid);
	}
}

/* What the log has of that environment. */
static const char *told(const char *const *settings)
{
	static char got[4096];
	char path[] = "/tmp/test_config.XXXXXX", entry[64];
	int fd = mkstemp(path);
	const char *envp[8] = { entry };
	ssize_t n;

	assert_true(fd >= 0);
	snprintf(entry, sizeof(entry), "OTEL_INTERSPAN_LOG=%s", path);
	for (size_t i = 0; settings[i]; i++)
		envp[i + 1] = settings[i];
	config_parse(&config, (char *const *)(uintptr_t)envp);
	config_tell();
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n >= 0);
	got[n] = '\0';
	close(fd);
	unlink(path);
	return got;
}

#define TOLD(...) told((const char *const[]){ __VA_ARGS__, NULL })

static void test_config_tells_what_it_refused(void **state) /* E3, E4, E10 */
{
	char want[512];

	(void)state;
	snprintf(want, sizeof(want),
		 "interspan pid=%d OTEL_SDK_DISABLED is not understood, and ignored: yes\n"
		 "interspan pid=%d OTEL_TRACES_SAMPLER is not understood, and ignored: X-Ray\n",
		 (int)getpid(), (int)getpid());
	assert_string_equal(TOLD("OTEL_SDK_DISABLED=yes", "OTEL_TRACES_SAMPLER=X-Ray"), want);
	assert_string_equal(TOLD("OTEL_SDK_DISABLED=false", "OTEL_TRACES_SAMPLER="), "");
}

static void test_config_tells_as_much_as_wanted(void **state) /* E22 */
{
	(void)state;
	assert_string_equal(TOLD("OTEL_SDK_DISABLED=yes", "OTEL_LOG_LEVEL=error"), "");
	assert_string_equal(TOLD("OTEL_SDK_DISABLED=yes", "OTEL_LOG_LEVEL=off"), "");
	assert_string_not_equal(TOLD("OTEL_SDK_DISABLED=yes", "OTEL_LOG_LEVEL=warn"), "");
}

static void test_config_tells_of_batches_that_cannot_be(void **state) /* E83 */
{
	(void)state;
	assert_non_null(strstr(TOLD("OTEL_BSP_MAX_QUEUE_SIZE=100"), "MAX_EXPORT_BATCH_SIZE"));
	assert_string_equal(TOLD("OTEL_BSP_MAX_QUEUE_SIZE=512"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_rows),
		cmocka_unit_test(test_config_every_variable_by_its_type),
		cmocka_unit_test(test_config_tells_what_it_refused),
		cmocka_unit_test(test_config_tells_as_much_as_wanted),
		cmocka_unit_test(test_config_tells_of_batches_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
