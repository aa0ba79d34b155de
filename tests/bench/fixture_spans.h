/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXTURE_SPANS_H
#define FIXTURE_SPANS_H
/*
 * 512 typical HTTP spans of 512 traces, the same in every run: what a shop's front end makes of a
 * second of its traffic, SERVER and CLIENT in turn.  Ids and times are as random as real ones.
 */
#include <stdio.h>
#include <string.h>

#include "store.h"

#define FIXTURE_SPANS 512

static uint64_t fixture_seed = 0x9e3779b97f4a7c15u;

/* splitmix64 */
static uint64_t fixture_random(void)
{
	uint64_t z = fixture_seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static void fixture_item(struct record *r, uint8_t type, uint16_t key, const void *value,
			 size_t len)
{
	struct item_head head = { .type = type, .key = key, .len = (uint32_t)len };

	memcpy(r->items + r->items_len, &head, sizeof(head));
	memcpy(r->items + r->items_len + sizeof(head), value, len);
	r->items_len += (uint32_t)(sizeof(head) + len);
	r->head.attrs = (uint16_t)(r->head.attrs + (type < ITEM_NAME));
}

static void fixture_str(struct record *r, enum attr key, const char *value)
{
	fixture_item(r, ITEM_STR, (uint16_t)key, value, strlen(value));
}

static void fixture_int(struct record *r, enum attr key, int64_t value)
{
	fixture_item(r, ITEM_INT, (uint16_t)key, &value, sizeof(value));
}

static void fixture_head(struct record *r, uint32_t n)
{
	uint64_t id[3] = { fixture_random(), fixture_random(), fixture_random() };
	uint64_t parent = fixture_random();

	memset(&r->head, 0, sizeof(r->head));
	r->items_len = 0;
	memcpy(r->head.trace.bytes, id, 16);
	memcpy(r->head.id.bytes, id + 2, 8);
	memcpy(r->head.parent.bytes, &parent, 8);
	r->head.has_parent = n % 4 != 0; /* every other SERVER span is a root */
	r->head.parent_is_remote = n % 2 == 0;
	r->head.kind = n % 2 ? SPAN_CLIENT : SPAN_SERVER;
	r->head.flags = TRACE_FLAG_SAMPLED;
	r->head.verdict = VERDICT_SAMPLE;
	r->head.pid = 4711;
	r->head.start_unix_ns = 1800000000000000000u + n * 2000000u + fixture_random() % 2000000u;
	r->head.end_ns = 300000u + fixture_random() % 40000000u;
}

static void fixture_server(struct record *r, const char *path)
{
	fixture_str(r, ATTR_HTTP_REQUEST_METHOD, "GET");
	fixture_str(r, ATTR_URL_PATH, path);
	fixture_str(r, ATTR_URL_SCHEME, "http");
	fixture_str(r, ATTR_SERVER_ADDRESS, "shop.example.org");
	fixture_str(r, ATTR_NETWORK_PEER_ADDRESS, "10.1.2.3");
	fixture_int(r, ATTR_NETWORK_PEER_PORT, 32768 + (int64_t)(fixture_random() % 28000));
	fixture_str(r, ATTR_USER_AGENT_ORIGINAL,
		    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
	fixture_int(r, ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
	fixture_item(r, ITEM_NAME, 0, "GET", 3);
}

static void fixture_client(struct record *r, const char *path)
{
	char url[128];

	snprintf(url, sizeof(url), "http://stock.internal:8080%s", path);
	fixture_str(r, ATTR_HTTP_REQUEST_METHOD, "GET");
	fixture_str(r, ATTR_URL_FULL, url);
	fixture_str(r, ATTR_SERVER_ADDRESS, "stock.internal");
	fixture_int(r, ATTR_SERVER_PORT, 8080);
	fixture_str(r, ATTR_NETWORK_PEER_ADDRESS, "10.1.7.9");
	fixture_int(r, ATTR_NETWORK_PEER_PORT, 8080);
	fixture_int(r, ATTR_HTTP_RESPONSE_STATUS_CODE, 200);
	fixture_item(r, ITEM_NAME, 0, "GET", 3);
}

/* The n-th of FIXTURE_SPANS, in order: each takes numbers from the same sequence. */
static void fixture_span(struct record *r, uint32_t n)
{
	static const char *const kinds[] = { "orders", "items", "users", "carts" };
	char path[64];

	fixture_head(r, n);
	snprintf(path, sizeof(path), "/api/v1/%s/%u", kinds[fixture_random() % 4],
		 (unsigned int)(fixture_random() % 10000));
	if (n % 2)
		fixture_client(r, path);
	else
		fixture_server(r, path);
}

#endif
