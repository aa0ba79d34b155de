/* SPDX-License-Identifier: Apache-2.0 */
#include "partial.h"

#include "alloc.h"
#include "otlp_trace.pb-c.h"
#include "partial_json.h"
#include "text.h"

static void *unpack_alloc(void *unused, size_t len)
{
	(void)unused;
	return pool_malloc(len);
}

static void unpack_free(void *unused, void *at)
{
	(void)unused;
	pool_free(at);
}

/* O4: a proxy in between may have answered in its own words. */
static bool is_type(struct bytes content_type, struct bytes wanted)
{
	return bytes_equal_nocase(bytes_trim(bytes_split(&content_type, ';')), wanted);
}

void partial_read(struct bytes body, struct bytes content_type, int64_t *ret_rejected, char *text,
		  size_t text_size)
{
	ProtobufCAllocator memory = { unpack_alloc, unpack_free, NULL };
	struct text to = { text, text_size - 1, 0, false };
	Otlp__ExportTraceServiceResponse *r = NULL;

	*ret_rejected = 0;
	text[0] = '\0';
	if (is_type(content_type, BYTES("application/json"))) {
		if (!partial_json_read(body, ret_rejected, &to))
			to.len = 0;
		text[to.len] = '\0';
		return;
	}
	if (body.len && is_type(content_type, BYTES("application/x-protobuf")))
		r = otlp__export_trace_service_response__unpack(&memory, body.len,
								(const uint8_t *)body.ptr);
	if (!r)
		return;
	if (r->partial_success) {
		*ret_rejected = r->partial_success->rejected_spans;
		text_add_str(&to, r->partial_success->error_message);
		text[to.len] = '\0';
	}
	otlp__export_trace_service_response__free_unpacked(r, &memory);
}
