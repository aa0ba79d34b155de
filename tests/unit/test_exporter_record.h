/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_EXPORTER_RECORD_H
#define TEST_EXPORTER_RECORD_H
/* Records as the exporter finds them, made by hand. */
#include <stdint.h>
#include <string.h>

#include "store.h"

static inline void record_item(struct record *r, uint8_t type, uint16_t key, const void *value,
			       size_t len)
{
	struct item_head head = { .type = type, .key = key, .len = (uint32_t)len };

	memcpy(r->items + r->items_len, &head, sizeof(head));
	memcpy(r->items + r->items_len + sizeof(head), value, len);
	r->items_len += (uint32_t)(sizeof(head) + len);
	r->head.attrs = (uint16_t)(r->head.attrs + (type < ITEM_NAME));
}

static inline void record_str(struct record *r, enum attr key, const char *value)
{
	record_item(r, ITEM_STR, (uint16_t)key, value, strlen(value));
}

static inline void record_int(struct record *r, enum attr key, int64_t value)
{
	record_item(r, ITEM_INT, (uint16_t)key, &value, sizeof(value));
}

/* key: one byte of length ahead of it, as "\x04host". */
static inline void record_named(struct record *r, uint8_t type, enum attr prefix, const char *key,
				const char *value)
{
	char packed[300];
	size_t n = strlen(key), len = strlen(value);

	memcpy(packed, key, n);
	memcpy(packed + n, value, len);
	record_item(r, type, (uint16_t)prefix, packed, n + len);
}

static inline void record_name(struct record *r, const char *name)
{
	record_item(r, ITEM_NAME, 0, name, strlen(name));
}

/* Trace 01..10, span a1..a8, a CLIENT, sampled, a root; no items. */
static inline void record_start(struct record *r)
{
	memset(&r->head, 0, sizeof(r->head));
	r->items_len = 0;
	for (int i = 0; i < 16; i++)
		r->head.trace.bytes[i] = (uint8_t)(1 + i);
	for (int i = 0; i < 8; i++)
		r->head.id.bytes[i] = (uint8_t)(0xa1 + i);
	r->head.kind = SPAN_CLIENT;
	r->head.verdict = VERDICT_SAMPLE;
	r->head.flags = TRACE_FLAG_SAMPLED;
	r->head.pid = 77;
	r->head.start_unix_ns = 0x0102030405060708u;
	r->head.start_ns = 1000;
	r->head.end_ns = 1016;
}

#endif
