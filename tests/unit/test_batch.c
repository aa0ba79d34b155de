/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch.h"
#include "test_exporter_record.h"

static struct otlp_encoder encoder;
static struct batch batch;
static struct record r;
static struct resource res;

static int setup(void **state)
{
	static struct config cfg;

	(void)state;
	cfg.service_name = BYTES("shop");
	resource_init_for(&res, &cfg, BYTES("/bin/shop"), BYTES("box"));
	otlp_encoder_init(&encoder);
	batch_init(&batch, BATCH_PROTOBUF, &encoder);
	record_start(&r);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	batch_done(&batch);
	assert_int_equal(batch.memory.mapped, 0);
	return 0;
}

static void add(uint32_t pid, const char *name)
{
	r.items_len = 0;
	r.head.pid = pid;
	record_name(&r, name);
	assert_int_equal(batch_add(&batch, &r), BATCH_ADDED);
}

static Otlp__ExportTraceServiceRequest *finish(void)
{
	struct bytes body = batch_finish(&batch, &res);

	assert_non_null(body.ptr);
	assert_true(body.len <= batch.bytes);
	return otlp__export_trace_service_request__unpack(NULL, body.len,
							  (const uint8_t *)body.ptr);
}

static int64_t pid_of(const Otlp__ResourceSpans *rs)
{
	for (size_t i = 0; i < rs->resource->n_attributes; i++)
		if (strcmp(rs->resource->attributes[i]->key, "process.pid") == 0)
			return rs->resource->attributes[i]->value->int_value;
	return -1;
}

/* O46, O47, H111 */
static void test_batch_has_one_group_for_each_process(void **state)
{
	Otlp__ExportTraceServiceRequest *q;
	unsigned int seen = 0;

	(void)state;
	add(77, "a");
	add(78, "b");
	add(77, "c");
	q = finish();
	assert_int_equal(q->n_resource_spans, 2);
	for (size_t i = 0; i < 2; i++) {
		Otlp__ResourceSpans *rs = q->resource_spans[i];
		Otlp__ScopeSpans *ss = rs->scope_spans[0];

		assert_int_equal(rs->n_scope_spans, 1);
		assert_string_equal(rs->schema_url, "https://opentelemetry.io/schemas/1.44.0");
		assert_string_equal(ss->schema_url, "https://opentelemetry.io/schemas/1.44.0");
		assert_string_equal(ss->scope->name, "interspan");
		seen |= pid_of(rs) == 77 ? 1 : 2;
		assert_int_equal(ss->n_spans, pid_of(rs) == 77 ? 2 : 1);
		assert_string_equal(ss->spans[0]->name, pid_of(rs) == 77 ? "a" : "b");
		if (pid_of(rs) == 77)
			assert_string_equal(ss->spans[1]->name, "c");
	}
	assert_int_equal(seen, 3);
	otlp__export_trace_service_request__free_unpacked(q, NULL);
}

/* The frame by hand: field numbers of O110, O102, O103. */
static void test_batch_is_these_bytes(void **state)
{
	static const char span[] =
		"\x0a\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
		"\x0f\x10\x12\x08\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\x2a\x01n\x30"
		"\x03\x39\x08\x07\x06\x05\x04\x03\x02\x01\x41\x18\x07\x06\x05\x04"
		"\x03\x02\x01\x85\x01\x01\x01\x00\x00";
	struct bytes body;

	(void)state;
	res.n = 0;
	add(5, "n");
	body = batch_finish(&batch, &res);
	/* request.1 { 1 resource (22) { attribute pid = 5 }, 2 scope_spans { ... } } */
	assert_memory_equal(body.ptr, "\x0a", 1);
	assert_memory_equal(body.ptr + 3, "\x0a\x13\x0a\x11\x0a\x0bprocess.pid\x12\x02\x18\x05\x12",
			    22);
	/* scope_spans.2 span, then .3 schema_url, and that of the resource, at the end */
	assert_memory_equal(body.ptr + body.len - 82 - 57 - 2, "\x12\x39", 2);
	assert_memory_equal(body.ptr + body.len - 82 - 57, span, 57);
	assert_memory_equal(body.ptr + body.len - 82,
			    "\x1a\x27https://opentelemetry.io/schemas/1.44.0"
			    "\x1a\x27https://opentelemetry.io/schemas/1.44.0",
			    82);
}

static void test_batch_is_empty_again_after_reset(void **state)
{
	Otlp__ExportTraceServiceRequest *q;

	(void)state;
	for (int i = 0; i < 1000; i++)
		add(77, "old");
	batch_reset(&batch);
	assert_int_equal(batch.spans, 0);
	add(1, "new");
	q = finish();
	assert_int_equal(q->n_resource_spans, 1);
	assert_int_equal(q->resource_spans[0]->scope_spans[0]->n_spans, 1);
	otlp__export_trace_service_request__free_unpacked(q, NULL);
}

/* O10: never longer than the cap, and what does not fit goes into the next request. */
static void test_batch_is_full_at_its_limit(void **state)
{
	static char value[STORE_VALUE_MAX];
	struct bytes body;
	size_t spans = 0;

	(void)state;
	memset(value, 'v', sizeof(value));
	batch.bytes_max = 200000;
	record_item(&r, ITEM_STR, ATTR_URL_FULL, value, sizeof(value));
	while (batch_add(&batch, &r) == BATCH_ADDED)
		spans++;
	assert_in_range(spans, 18, 24);
	assert_int_equal(batch.spans, spans);
	assert_int_equal(batch_add(&batch, &r), BATCH_FULL);
	body = batch_finish(&batch, &res);
	assert_true(body.len <= 200000);
	batch_reset(&batch);
	assert_int_equal(batch_add(&batch, &r), BATCH_ADDED);
}

static void test_batch_refuses_what_never_fits(void **state)
{
	static char value[STORE_VALUE_MAX];

	(void)state;
	batch.bytes_max = 8000;
	record_item(&r, ITEM_STR, ATTR_URL_FULL, value, sizeof(value));
	assert_int_equal(batch_add(&batch, &r), BATCH_TOO_LONG);
	assert_int_equal(batch.spans, 0);
	batch.bytes_max = BATCH_BYTES_MAX;
	add(1, "n");
	assert_int_equal(batch.spans, 1);
}

static void test_batch_without_memory_is_full(void **state)
{
	(void)state;
	batch.memory.limit = 3 * SCRATCH_CHUNK;
	while (batch_add(&batch, &r) == BATCH_ADDED)
		;
	assert_true(batch.spans > 100);
	/* No room for the body: nothing is sent, nothing is broken. */
	assert_null(batch_finish(&batch, &res).ptr);
}

/* A fork bomb of spans: a group each. */
static void test_batch_takes_many_processes(void **state)
{
	Otlp__ExportTraceServiceRequest *q;

	(void)state;
	for (uint32_t pid = 1; pid <= 512; pid++)
		add(pid, "n");
	q = finish();
	assert_int_equal(q->n_resource_spans, 512);
	otlp__export_trace_service_request__free_unpacked(q, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_batch_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(has_one_group_for_each_process), TEST(is_these_bytes),
		TEST(is_empty_again_after_reset),     TEST(is_full_at_its_limit),
		TEST(refuses_what_never_fits),        TEST(without_memory_is_full),
		TEST(takes_many_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
