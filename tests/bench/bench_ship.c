/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the exporter thread does with spans, in processor time of its own: encoded, compressed and
 * sent to a receiver on this machine, in batches of 512; and how long a span is on the wire.
 */
#include <stdlib.h>

#include "batch.h"
#include "fixture_spans.h"
#include "gzip.h"
#include "transport.h"

#define assert_int_equal(got, want) ((got) == (want) ? (void)0 : abort())
#include "test_exporter_server.h"

#define ROUNDS 20
#define REPEATS 15

static const char *const always_ok[] = { OK_EMPTY, NULL };

static struct record records[FIXTURE_SPANS];
static struct otlp_encoder encoder;
static struct batch batch;
static struct resource resource;
static struct server server;
static struct store store;
static struct config cfg;
static struct exporter x;
static struct endpoint endpoint;
static struct transport *transport;

void exporter_log(struct bytes message)
{
	(void)message;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct bytes encode(void)
{
	struct bytes body;

	batch_reset(&batch);
	for (int i = 0; i < FIXTURE_SPANS; i++)
		if (batch_add(&batch, &records[i]) != BATCH_ADDED)
			abort();
	body = batch_finish(&batch, &resource);
	if (!body.ptr)
		abort();
	return body;
}

static struct bytes compress(void)
{
	struct bytes body = gzip(&batch.memory, encode());

	if (!body.ptr)
		abort();
	return body;
}

static void send_body(struct bytes body)
{
	struct response r;

	if (transport_post(transport, &x, body, UINT64_MAX, &r) != OUTCOME_ACCEPTED)
		abort();
}

static void encode_only(void)
{
	encode();
}

static void encode_json(void)
{
	batch_reset(&batch);
	batch.format = BATCH_JSON;
	encode();
	batch_reset(&batch);
	batch.format = BATCH_PROTOBUF;
}

static void encode_gzip(void)
{
	compress();
}

static void encode_gzip_send(void)
{
	send_body(compress());
}

static void encode_send(void)
{
	send_body(encode());
}

static void measure(const char *name, void (*work)(void))
{
	uint64_t best = UINT64_MAX;

	for (int repeat = 0; repeat < REPEATS; repeat++) {
		uint64_t begin = cpu_ns();

		for (int i = 0; i < ROUNDS; i++)
			work();
		begin = cpu_ns() - begin;
		if (begin < best)
			best = begin;
	}
	printf("%s_spans_per_second %.0f\n", name, ROUNDS * FIXTURE_SPANS * 1e9 / (double)best);
}

int main(void)
{
	char url[64];

	for (uint32_t i = 0; i < FIXTURE_SPANS; i++)
		fixture_span(&records[i], i);
	server_start(&server, always_ok);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
	cfg.otlp_endpoint = bytes_from_str(url);
	x.store = &store;
	x.config = &cfg;
	endpoint_init(&endpoint, &cfg);
	transport = transport_new(&endpoint);
	resource_init(&resource, &cfg, (const uint64_t[2]){ 1, 2 });
	otlp_encoder_init(&encoder);
	batch_init(&batch, BATCH_PROTOBUF, &encoder);
	printf("plain_bytes_per_span %.1f\n", (double)encode().len / FIXTURE_SPANS);
	printf("gzip_bytes_per_span %.1f\n", (double)compress().len / FIXTURE_SPANS);
	measure("encode", encode_only);
	measure("encode_json", encode_json);
	measure("encode_gzip", encode_gzip);
	measure("encode_send", encode_send);
	measure("encode_gzip_send", encode_gzip_send);
	server_stop(&server);
	return 0;
}
