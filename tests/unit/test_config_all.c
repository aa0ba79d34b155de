/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every variable there is: unset, empty (E1), valid, invalid, by what its type accepts; a new row
 * of config.def is tested without a line here.  What is peculiar to one is in test_config_rows.c;
 * what is for traces alone and beats what is for all signals, in test_endpoint.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compiler.h"
#include "config.h"

#define VALUES 4

static const struct type {
	const char *name;
	const char *id;            /* rows of the specification's digest */
	const char *valid[VALUES]; /* the first two mean different things */
	const char *invalid[VALUES];
} types[] = {
	{ "enabled", "E2, E3", { "true", "false", "FALSE" }, { "1", "yes", " false", "falsey" } },
	{ "flag", "E2, E3", { "true", "false", "TRUE" }, { "1", "yes", " true", "truer" } },
	{ "answer", "E2, E3", { "true", "false", "TRUE" }, { NULL } },
	{ "duration",
	  "E4, E5, E7",
	  { "1", "0", "2147483647" },
	  { "-1", "1s", "2147483648", "0x1" } },
	{ "timeout", "E4, E5, E8", { "1", "0", "2147483647" }, { "-1", "1.5", "2147483648", "x" } },
	{ "count", "E4, E5, E6", { "1", "7", "2147483647" }, { "0", "-1", "2147483648", "1 2" } },
	{ "limit", "E4, E5, E6", { "1", "0", "2147483647" }, { "-1", "1e3", "2147483648", "x" } },
	{ "exporters", "E9, E10", { "console", "none", "OTLP" }, { "otl", "console2", "jaeger" } },
	{ "protocol",
	  "E9, E10",
	  { "http/json", "http/protobuf", "HTTP/Json" },
	  { "http", "json" } },
	{ "compression", "E9, E10", { "gzip", "none", "GZIP" }, { "gz", "zstd", "gzip,none" } },
	{ "level", "E9, E10", { "none", "debug", "ERROR" }, { "warning", "0", "verbose" } },
	{ "propagators", "E9, E10", { "b3", "none", "XRay" }, { "zipkin" } },
	{ "sampler",
	  "E9, E10",
	  { "always_off", "traceidratio", "ALWAYS_ON" },
	  { "on", "parentbased" } },
	{ "text", "E1", { "one", "two", "1" }, { NULL } },
};

static const struct var {
	const char *name;
	const char *type;
	const char *fallback;
	size_t field;
	size_t size;
} vars[] = {
#define VAR(field, name, type, fallback, text)                   \
	{ name, #type, fallback, offsetof(struct config, field), \
	  sizeof(((struct config *)NULL)->field) },
#include "config.def"
#undef VAR
};

static struct config unset, set, first;

static void parse(const struct var *v, const char *value, struct config *ret)
{
	static char entry[2048];
	char *envp[] = { value ? entry : NULL, NULL };

	snprintf(entry, sizeof(entry), "%s=%s", v->name, value ? value : "");
	memset(ret, 0, sizeof(*ret));
	config_parse(ret, envp);
}

/* Texts lie in each config's own memory. */
static bool same(const struct var *v, const struct config *a, const struct config *b)
{
	const char *x = (const char *)a + v->field, *y = (const char *)b + v->field;
	struct bytes s, t;

	if (strcmp(v->type, "text") != 0)
		return memcmp(x, y, v->size) == 0;
	memcpy(&s, x, sizeof(s));
	memcpy(&t, y, sizeof(t));
	return bytes_equal(s, t);
}

static void expect(const struct var *v, const struct type *t, const char *value, bool is_default,
		   uint32_t invalid)
{
	parse(v, value, &set);
	if (same(v, &set, &unset) != is_default || set.invalid != invalid)
		fail_msg("%s: %s=%s: %sthe default, %u invalid", t->id, v->name, value,
			 is_default ? "not " : "", set.invalid);
}

static void check(const struct var *v, const struct type *t)
{
	parse(v, NULL, &unset);
	assert_int_equal(unset.invalid, 0);
	expect(v, t, "", true, 0);
	if (v->fallback[0])
		expect(v, t, v->fallback, true, 0);
	for (int i = 0; i < VALUES && t->valid[i]; i++) {
		parse(v, t->valid[i], i == 0 ? &first : &set);
		if ((i == 0 ? &first : &set)->invalid != 0)
			fail_msg("%s: %s=%s is invalid", t->id, v->name, t->valid[i]);
		if (i == 1 && same(v, &first, &set))
			fail_msg("%s: %s: %s and %s are the same", t->id, v->name, t->valid[0],
				 t->valid[1]);
	}
	for (int i = 0; i < VALUES && t->invalid[i]; i++)
		expect(v, t, t->invalid[i], true, 1);
}

static void test_config_every_variable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vars); i++) {
		size_t n = 0;

		while (n < ARRAY_LEN(types) && strcmp(types[n].name, vars[i].type) != 0)
			n++;
		if (n == ARRAY_LEN(types))
			fail_msg("%s: nothing is known of the type %s", vars[i].name, vars[i].type);
		check(&vars[i], &types[n]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_every_variable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
