/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "otlp_encode.h"
#include "resource.h"

static struct config cfg;
static struct resource res;

static const char *value_of(const char *key)
{
	const char *value = NULL;

	for (size_t i = 0; i < res.n; i++)
		if (strcmp(res.attrs[i].key.ptr, key) == 0) {
			assert_null(value); /* keys are unique (O39) */
			value = res.attrs[i].value.ptr;
		}
	return value;
}

static void assert_value(const char *key, const char *want)
{
	const char *got = value_of(key);

	if (!got)
		fail_msg("%s is missing", key);
	assert_string_equal(got, want);
}

static void make(const char *service, const char *attrs)
{
	cfg.service_name = bytes_from_str(service);
	cfg.resource_attributes = bytes_from_str(attrs);
	resource_init_for(&res, &cfg, BYTES("/usr/sbin/nginx"), BYTES("box"));
}

/* E19, D120, D126-D132 */
static void test_resource_says_who_we_are(void **state)
{
	(void)state;
	make("", "");
	assert_value("service.name", "unknown_service:nginx");
	assert_value("process.executable.name", "nginx");
	assert_value("host.name", "box");
	assert_value("telemetry.sdk.name", "interspan");
	assert_value("telemetry.sdk.language", "c");
	assert_non_null(value_of("telemetry.sdk.version"));
	assert_value("telemetry.distro.name", "interspan"); /* D129 */
	assert_non_null(value_of("telemetry.distro.version"));
	assert_value("process.executable.path", "/usr/sbin/nginx");
	assert_value("os.type", "linux"); /* D144 */
}

static void test_resource_without_program_is_plain_unknown(void **state)
{
	(void)state;
	make("", "");
	resource_init_for(&res, &cfg, (struct bytes){ NULL, 0 }, (struct bytes){ NULL, 0 });
	assert_value("service.name", "unknown_service");
	assert_null(value_of("host.name"));
}

static void test_resource_of_a_deleted_program(void **state)
{
	(void)state;
	make("", "");
	resource_init_for(&res, &cfg, BYTES("/opt/a (deleted)"), BYTES(""));
	assert_value("process.executable.name", "a");
	assert_value("process.executable.path", "/opt/a");
}

/* E19: OTEL_SERVICE_NAME > OTEL_RESOURCE_ATTRIBUTES > default. */
static void test_resource_service_name_has_an_order(void **state)
{
	(void)state;
	make("", "service.name=from-attrs");
	assert_value("service.name", "from-attrs");
	make("from-name", "service.name=from-attrs");
	assert_value("service.name", "from-name");
}

/* E20, D149: decoded in keys and values; the user's word beats what we found. */
static void test_resource_attributes_are_decoded(void **state)
{
	(void)state;
	make("", "deployment.environment.name=a%2Cb, k%3D = v%3Dw ,host.name=mine,k2=a=b,empty=");
	assert_false(res.is_refused);
	assert_value("deployment.environment.name", "a,b");
	assert_value("k=", "v=w");
	assert_value("host.name", "mine");
	assert_value("k2", "a=b");
	assert_value("empty", "");
}

/* E20: any error, and the whole variable is discarded. */
static void test_resource_attributes_are_all_or_nothing(void **state)
{
	static const char *const rows[] = {
		"good=1,bad",   "good=1,=v",   "good=1,b=%4",
		"good=1,b=%zz", "good=1,,b=1", "good=1,%=1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make("", rows[i]);
		if (!res.is_refused || value_of("good"))
			fail_msg("%s", rows[i]);
		assert_value("host.name", "box");
		assert_int_equal(res.n, 10);
	}
}

static void test_resource_that_does_not_fit_is_refused(void **state)
{
	static char list[RESOURCE_TEXT];

	(void)state;
	strcpy(list, "a=");
	memset(list + 2, 'x', 6000);
	make("svc", list);
	assert_true(res.is_refused);
	assert_value("service.name", "svc");
	list[0] = '\0';
	for (int i = 0; i < RESOURCE_ATTRS; i++)
		sprintf(list + strlen(list), "%skey%d=v", i ? "," : "", i);
	make("svc", list);
	assert_true(res.is_refused);
	assert_value("service.name", "svc");
}

/* O40 */
static void test_resource_text_is_utf8(void **state)
{
	(void)state;
	make("caf\xe9", "k=%FF");
	assert_value("service.name", "caf\xef\xbf\xbd");
	assert_value("k", "\xef\xbf\xbd");
}

static void test_resource_of_this_process(void **state)
{
	(void)state;
	cfg.service_name = BYTES("");
	cfg.resource_attributes = BYTES("");
	resource_init(&res, &cfg, (const uint64_t[2]){ 0, 0 });
	assert_non_null(strstr(value_of("process.executable.name"), "test_resource"));
	assert_non_null(value_of("host.name"));
}

/* O100: bytes by hand. */
static void test_resource_is_these_bytes(void **state)
{
	static const uint8_t want[] = {
		0x0a, 0x08, 0x0a, 0x01, 'k', 0x12, 0x03, 0x0a, 0x01, 'v',
		0x0a, 0x12, 0x0a, 0x0b, 'p', 'r',  'o',  'c',  'e',  's',
		's',  '.',  'p',  'i',  'd', 0x12, 0x03, 0x18, 0xac, 0x02,
	};
	uint8_t out[256];
	size_t len;

	(void)state;
	res.n = 1;
	res.has_pid = false;
	res.attrs[0].key = BYTES("k");
	res.attrs[0].value = BYTES("v");
	len = otlp_encode_resource(&res, 300, out);
	assert_true(len <= otlp_resource_bound(&res));
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(out, want, len);
}

static void test_resource_pid_of_the_user_stays(void **state)
{
	(void)state;
	make("", "process.pid=5");
	assert_true(res.has_pid);
	make("", "");
	assert_false(res.has_pid);
}

static void test_resource_has_what_kubernetes_says(void **state) /* D148, D149 */
{
	static const char *const envp[] = { "OTEL_RESOURCE_ATTRIBUTES_POD_NAME=operators",
					    "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME=node-1",
					    "OTEL_RESOURCE_ATTRIBUTES_POD_UID=uid-1",
					    "K8S_POD_NAME=shop-1",
					    "K8S_NAMESPACE_NAME=prod",
					    "K8S_CONTAINER_NAME=app",
					    "K8S_DEPLOYMENT_NAME=shop",
					    "OTEL_RESOURCE_ATTRIBUTES=k8s.namespace.name=mine",
					    NULL };
	static struct config told;

	(void)state;
	config_parse(&told, (char *const *)(uintptr_t)envp);
	resource_init_for(&res, &told, BYTES("/a"), BYTES("box"));
	assert_value("k8s.pod.name", "shop-1");
	assert_value("k8s.pod.uid", "uid-1");
	assert_value("k8s.node.name", "node-1");
	assert_value("k8s.container.name", "app");
	assert_value("k8s.deployment.name", "shop");
	assert_value("k8s.namespace.name", "mine");
	make("", "");
	assert_null(value_of("k8s.pod.name"));
}

static void instance(uint32_t pid, char to[RESOURCE_INSTANCE_LEN + 1])
{
	resource_instance(&res, pid, to);
	to[RESOURCE_INSTANCE_LEN] = '\0';
}

static void test_resource_of_each_process_is_an_instance(void **state) /* D122, D151 */
{
	char a[RESOURCE_INSTANCE_LEN + 1], b[RESOURCE_INSTANCE_LEN + 1];
	unsigned char out[8192];
	size_t len;

	(void)state;
	make("", "");
	res.seed[0] = 0x0123456789abcdefu;
	res.seed[1] = 0xfedcba9876543210u;
	instance(77, a);
	instance(78, b);
	assert_string_not_equal(a, b);
	instance(77, b);
	assert_string_equal(a, b);
	/* version 4, variant 10 */
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
	len = otlp_encode_resource(&res, 77, out);
	assert_true(len <= otlp_resource_bound(&res));
	assert_non_null(memmem(out, len, a, RESOURCE_INSTANCE_LEN));
	res.seed[1] = 0;
	instance(77, b);
	assert_string_not_equal(a, b);
	make("", "service.instance.id=mine");
	res.seed[0] = 1;
	len = otlp_encode_resource(&res, 77, out);
	instance(77, b);
	assert_null(memmem(out, len, b, RESOURCE_INSTANCE_LEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resource_says_who_we_are),
		cmocka_unit_test(test_resource_without_program_is_plain_unknown),
		cmocka_unit_test(test_resource_of_a_deleted_program),
		cmocka_unit_test(test_resource_service_name_has_an_order),
		cmocka_unit_test(test_resource_attributes_are_decoded),
		cmocka_unit_test(test_resource_attributes_are_all_or_nothing),
		cmocka_unit_test(test_resource_that_does_not_fit_is_refused),
		cmocka_unit_test(test_resource_text_is_utf8),
		cmocka_unit_test(test_resource_of_this_process),
		cmocka_unit_test(test_resource_is_these_bytes),
		cmocka_unit_test(test_resource_pid_of_the_user_stays),
		cmocka_unit_test(test_resource_has_what_kubernetes_says),
		cmocka_unit_test(test_resource_of_each_process_is_an_instance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
