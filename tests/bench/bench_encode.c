/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans a second that the exporter turns into the bytes of a request: the encoding alone, and the
 * whole way from a record to the finished body, in batches of 512.
 */
#include <stdio.h>
#include <stdlib.h>

#include "batch.h"
#include "clock.h"

#define BATCH 512
#define ROUNDS 200
#define REPEATS 15

static struct otlp_encoder encoder;
static struct batch batch;
static struct record record;
static struct resource resource;
static uint8_t out[65536];

static void item(uint8_t type, uint16_t key, const void *value, size_t len)
{
	struct item_head head = { .type = type, .key = key, .len = (uint32_t)len };

	memcpy(record.items + record.items_len, &head, sizeof(head));
	memcpy(record.items + record.items_len + sizeof(head), value, len);
	record.items_len += (uint32_t)(sizeof(head) + len);
}

static void str(enum attr key, const char *value)
{
	item(ITEM_STR, (uint16_t)key, value, strlen(value));
}

static void number(enum attr key, int64_t value)
{
	item(ITEM_INT, (uint16_t)key, &value, sizeof(value));
}

/* A SERVER span as nginx makes them: ten attributes. */
static void fill(void)
{
	memset(&record.head.trace, 7, sizeof(record.head.trace));
	memset(&record.head.id, 8, sizeof(record.head.id));
	record.head.kind = SPAN_SERVER;
	record.head.flags = TRACE_FLAG_SAMPLED;
	record.head.pid = 1234;
	record.head.start_unix_ns = 1800000000000000000u;
	record.head.end_ns = 1234567;
	str(ATTR_HTTP_REQUEST_METHOD, "GET");
	str(ATTR_URL_PATH, "/api/v1/orders/12345/items");
	str(ATTR_URL_QUERY, "page=2&size=50");
	str(ATTR_URL_SCHEME, "http");
	str(ATTR_SERVER_ADDRESS, "shop.example.org");
	number(ATTR_SERVER_PORT, 8080);
	str(ATTR_NETWORK_PEER_ADDRESS, "192.0.2.17");
	number(ATTR_NETWORK_PEER_PORT, 51234);
	str(ATTR_USER_AGENT_ORIGINAL, "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101");
	number(ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
	item(ITEM_NAME, 0, "GET", 3);
}

static void encode_only(void)
{
	for (int i = 0; i < BATCH; i++)
		otlp_encode_span(&encoder, &record, out);
}

static void whole_way(void)
{
	for (int i = 0; i < BATCH; i++)
		if (batch_add(&batch, &record) != BATCH_ADDED)
			abort();
	if (!batch_finish(&batch, &resource).ptr)
		abort();
	batch_reset(&batch);
}

static void measure(const char *name, void (*work)(void))
{
	uint64_t best = UINT64_MAX;

	for (int repeat = 0; repeat < REPEATS; repeat++) {
		uint64_t begin = clock_monotonic_ns();

		for (int i = 0; i < ROUNDS; i++)
			work();
		begin = clock_monotonic_ns() - begin;
		if (begin < best)
			best = begin;
	}
	printf("%s_ns_per_span %.1f\n", name, (double)best / ROUNDS / BATCH);
	printf("%s_spans_per_second %.0f\n", name, ROUNDS * BATCH * 1e9 / (double)best);
}

int main(void)
{
	static struct config cfg;

	fill();
	resource_init(&resource, &cfg, (const uint64_t[2]){ 1, 2 });
	otlp_encoder_init(&encoder);
	batch_init(&batch, BATCH_PROTOBUF, &encoder);
	printf("bytes_per_span %zu\n", otlp_encode_span(&encoder, &record, out));
	measure("encode", encode_only);
	measure("batch", whole_way);
	return 0;
}
