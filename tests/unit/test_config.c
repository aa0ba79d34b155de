/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config.h"

static struct config c;

/* envp is not const in C, but nobody writes to it. */
static void parse(const char *const *envp)
{
	config_parse(&c, (char *const *)(uintptr_t)envp);
}

static void parse_one(const char *entry)
{
	static char copy[256]; /* not a local: its overwriting would be optimized away */
	const char *envp[] = { copy, NULL };

	assert_true(strlen(entry) < sizeof(copy));
	strcpy(copy, entry);
	parse(envp);
	/* The program overwrites its environment, as nginx does: what we have must be ours. */
	memset(copy, 'x', sizeof(copy));
}

static void assert_text(struct bytes got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len + 1); /* NUL-terminated too */
}

static void assert_defaults(void)
{
	assert_true(c.enabled);
	assert_false(c.sdk_disabled);
	assert_text(c.log, "");
	assert_text(c.service_name, "");
	assert_int_equal(c.traces_exporter, EXPORTER_OTLP);
	assert_text(c.otlp_endpoint, "");
	assert_text(c.otlp_traces_endpoint, "");
	assert_int_equal(c.otlp_timeout_ms, 10000);
	assert_int_equal(c.otlp_traces_timeout_ms, CONFIG_UNSET);
	assert_int_equal(c.bsp_schedule_delay_ms, 5000);
	assert_int_equal(c.bsp_export_timeout_ms, 30000);
	assert_int_equal(c.bsp_queue_size, 2048);
	assert_int_equal(c.bsp_batch_size, 512);
	assert_int_equal(c.shutdown_timeout_ms, 500);
	assert_text(c.known_methods, "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,TRACE,QUERY");
	assert_false(c.truncated);
}

static void test_config_has_defaults_without_an_environment(void **state)
{
	char *empty[] = { NULL };

	(void)state;
	config_parse(&c, NULL);
	assert_defaults();
	config_parse(&c, empty);
	assert_defaults();
	assert_int_equal(c.invalid, 0);
}

static void test_config_takes_empty_for_unset(void **state) /* E1 */
{
	static const char *const envp[] = {
		"OTEL_SDK_DISABLED=",
		"OTEL_BSP_SCHEDULE_DELAY=",
		"OTEL_TRACES_EXPORTER=",
		"OTEL_EXPORTER_OTLP_ENDPOINT=",
		"OTEL_INTERSPAN_ENABLED=",
		"OTEL_SERVICE_NAME=",
		NULL,
	};

	(void)state;
	parse(envp);
	assert_defaults();
	assert_int_equal(c.invalid, 0);
}

static void test_config_knows_one_true(void **state) /* E2, E3 */
{
	static const struct {
		const char *entry;
		bool want;
		uint32_t invalid;
	} rows[] = {
		{ "OTEL_SDK_DISABLED=true", true, 0 },   { "OTEL_SDK_DISABLED=TRUE", true, 0 },
		{ "OTEL_SDK_DISABLED=tRuE", true, 0 },   { "OTEL_SDK_DISABLED=false", false, 0 },
		{ "OTEL_SDK_DISABLED=False", false, 0 }, { "OTEL_SDK_DISABLED=1", false, 1 },
		{ "OTEL_SDK_DISABLED=yes", false, 1 },   { "OTEL_SDK_DISABLED=on", false, 1 },
		{ "OTEL_SDK_DISABLED= true", false, 1 }, { "OTEL_SDK_DISABLED=true ", false, 1 },
		{ "OTEL_SDK_DISABLED=truer", false, 1 }, { "OTEL_SDK_DISABLED=tru", false, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		parse_one(rows[i].entry);
		if (c.sdk_disabled != rows[i].want || c.invalid != rows[i].invalid)
			fail_msg("%s", rows[i].entry);
	}
}

static void test_config_stands_down_by_the_word_only(void **state)
{
	static const char *const on[] = { "true", "TRUE", "0", "no", "off", " false", "falsee" };
	static const char *const off[] = { "false", "False", "FALSE" };
	char entry[64];

	(void)state;
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		snprintf(entry, sizeof(entry), "OTEL_INTERSPAN_ENABLED=%s", on[i]);
		parse_one(entry);
		if (!c.enabled)
			fail_msg("%s", entry);
	}
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		snprintf(entry, sizeof(entry), "OTEL_INTERSPAN_ENABLED=%s", off[i]);
		parse_one(entry);
		if (c.enabled)
			fail_msg("%s", entry);
	}
}

static void test_config_takes_whole_numbers_in_range_only(void **state) /* E4 - E8 */
{
	static const struct {
		const char *entry;
		uint32_t delay, timeout, queue;
		uint32_t invalid;
	} rows[] = {
		{ "OTEL_BSP_SCHEDULE_DELAY=0", 0, 30000, 2048, 0 }, /* E7: literally zero */
		{ "OTEL_BSP_SCHEDULE_DELAY=1", 1, 30000, 2048, 0 },
		{ "OTEL_BSP_SCHEDULE_DELAY=0100", 100, 30000, 2048, 0 },
		{ "OTEL_BSP_SCHEDULE_DELAY=2147483647", 2147483647, 30000, 2048, 0 }, /* E6 */
		{ "OTEL_BSP_SCHEDULE_DELAY=2147483648", 5000, 30000, 2048, 1 },       /* E5 */
		{ "OTEL_BSP_SCHEDULE_DELAY=18446744073709551617", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_SCHEDULE_DELAY=99999999999999999999999999", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_SCHEDULE_DELAY=12abc", 5000, 30000, 2048, 1 }, /* E4 */
		{ "OTEL_BSP_SCHEDULE_DELAY=5s", 5000, 30000, 2048, 1 },    /* E7 */
		{ "OTEL_BSP_SCHEDULE_DELAY=-1", 5000, 30000, 2048, 1 },    /* E5, E7 */
		{ "OTEL_BSP_SCHEDULE_DELAY=+1", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_SCHEDULE_DELAY= 1", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_SCHEDULE_DELAY=1 ", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_SCHEDULE_DELAY=1.5", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_SCHEDULE_DELAY=0x10", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_EXPORT_TIMEOUT=0", 5000, 0, 2048, 0 }, /* E8: no limit */
		{ "OTEL_BSP_EXPORT_TIMEOUT=-5", 5000, 30000, 2048, 1 },
		{ "OTEL_BSP_MAX_QUEUE_SIZE=1", 5000, 30000, 1, 0 },
		{ "OTEL_BSP_MAX_QUEUE_SIZE=0", 5000, 30000, 2048, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		parse_one(rows[i].entry);
		if (c.bsp_schedule_delay_ms != rows[i].delay ||
		    c.bsp_export_timeout_ms != rows[i].timeout ||
		    c.bsp_queue_size != rows[i].queue || c.invalid != rows[i].invalid)
			fail_msg("%s", rows[i].entry);
	}
}

static void test_config_knows_exporters_in_any_case(void **state) /* E9, E10, E11, E114 */
{
	static const struct {
		const char *value;
		uint32_t want;
		uint32_t invalid;
	} rows[] = {
		{ "otlp", EXPORTER_OTLP, 0 },
		{ "OTLP", EXPORTER_OTLP, 0 },
		{ "console", EXPORTER_CONSOLE, 0 },
		{ "Console", EXPORTER_CONSOLE, 0 },
		{ "none", EXPORTER_NONE, 0 },
		{ "NONE", EXPORTER_NONE, 0 },
		{ "zipkin", EXPORTER_ZIPKIN, 0 },
		{ "otlp/stdout", EXPORTER_OTLP_STDOUT, 0 },
		{ "otlp/file", EXPORTER_OTLP_FILE, 0 },
		{ " otlp , Zipkin,,otlp", EXPORTER_OTLP | EXPORTER_ZIPKIN, 0 }, /* E13, E117 */
		{ "console,jaeger", EXPORTER_CONSOLE, 1 },                      /* E121 */
		{ "jaeger", EXPORTER_OTLP, 1 },
		{ "logging", EXPORTER_OTLP, 1 },
		{ "none,otlp", EXPORTER_OTLP, 1 }, /* E117 */
	};
	char entry[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(entry, sizeof(entry), "OTEL_TRACES_EXPORTER=%s", rows[i].value);
		parse_one(entry);
		if (c.traces_exporter != rows[i].want || c.invalid != rows[i].invalid)
			fail_msg("%s", entry);
	}
}

static void test_config_keeps_texts_when_the_environment_goes(void **state)
{
	(void)state;
	parse_one("OTEL_RESOURCE_ATTRIBUTES=a=b,c=d%20e");
	assert_text(c.resource_attributes, "a=b,c=d%20e");
	parse_one("OTEL_SERVICE_NAME= shop \t");
	assert_text(c.service_name, " shop \t");
}

static void test_config_takes_the_first_of_two_like_getenv(void **state)
{
	static const char *const twice[] = { "OTEL_SERVICE_NAME=one", "OTEL_SERVICE_NAME=two",
					     NULL };
	static const char *const empty_first[] = { "OTEL_SERVICE_NAME=", "OTEL_SERVICE_NAME=two",
						   NULL };

	(void)state;
	parse(twice);
	assert_text(c.service_name, "one");
	parse(empty_first);
	assert_text(c.service_name, "");
}

static void test_config_ignores_what_is_not_a_variable_of_ours(void **state)
{
	static const char *const envp[] = {
		"",
		"=",
		"O",
		"OT",
		"OTEL_SERVICE_NAME",
		"OTEL_SERVICE_NAMES=x",
		"OTEL_SERVICE_NAM=x",
		"otel_service_name=x",
		" OTEL_SERVICE_NAME=x",
		"OTEL_=x",
		NULL,
	};

	(void)state;
	parse(envp);
	assert_defaults();
	assert_int_equal(c.invalid, 0);
}

static void test_config_leaves_out_texts_that_do_not_fit(void **state)
{
	static char big[CONFIG_TEXTS_BYTES + 64] = "OTEL_RESOURCE_ATTRIBUTES=";
	static const char *const envp[] = { big, "OTEL_SERVICE_NAME=shop", NULL };
	size_t name = strlen(big);

	(void)state;
	memset(big + name, 'a', CONFIG_TEXTS_BYTES); /* no room for the NUL */
	parse(envp);
	assert_true(c.truncated);
	assert_text(c.resource_attributes, "");
	assert_text(c.service_name, "shop");

	big[name + CONFIG_TEXTS_BYTES - 1] = '\0'; /* just fits, and leaves nothing */
	parse(envp);
	assert_true(c.truncated);
	assert_int_equal(c.resource_attributes.len, CONFIG_TEXTS_BYTES - 1);
	assert_text(c.service_name, "");
}

static void test_config_is_loaded_once(void **state)
{
	static const char *const first[] = { "OTEL_SERVICE_NAME=first", NULL };
	static const char *const second[] = { "OTEL_SERVICE_NAME=second", NULL };

	(void)state;
	config_load((char *const *)(uintptr_t)first);
	config_load((char *const *)(uintptr_t)second);
	assert_text(config.service_name, "first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_has_defaults_without_an_environment),
		cmocka_unit_test(test_config_takes_empty_for_unset),
		cmocka_unit_test(test_config_knows_one_true),
		cmocka_unit_test(test_config_stands_down_by_the_word_only),
		cmocka_unit_test(test_config_takes_whole_numbers_in_range_only),
		cmocka_unit_test(test_config_knows_exporters_in_any_case),
		cmocka_unit_test(test_config_keeps_texts_when_the_environment_goes),
		cmocka_unit_test(test_config_takes_the_first_of_two_like_getenv),
		cmocka_unit_test(test_config_ignores_what_is_not_a_variable_of_ours),
		cmocka_unit_test(test_config_leaves_out_texts_that_do_not_fit),
		cmocka_unit_test(test_config_is_loaded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
