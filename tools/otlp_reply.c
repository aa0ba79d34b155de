/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_reply.h"

#include <stdio.h>

/* Numbers of google.rpc.Code for "the caller sent something wrong". */
#define RPC_INVALID_ARGUMENT 3

static void put_varint(struct text *to, uint64_t n)
{
	for (; n >= 0x80; n >>= 7)
		text_add_char(to, (char)(n | 0x80));
	text_add_char(to, (char)n);
}

/* Field number and type in one byte: 1 and 2 are all there is. */
static void put_field_bytes(struct text *to, unsigned number, struct bytes s)
{
	text_add_char(to, (char)(number << 3 | 2));
	put_varint(to, s.len);
	text_add(to, s);
}

static void put_field_int(struct text *to, unsigned number, uint64_t n)
{
	text_add_char(to, (char)(number << 3));
	put_varint(to, n);
}

const char *otlp_content_type(enum otlp_encoding e)
{
	return e == OTLP_JSON ? "application/json" : "application/x-protobuf";
}

void otlp_reply_accept(struct text *to, enum otlp_encoding e, uint32_t rejected, const char *why)
{
	struct text partial = { 0 };

	if (e == OTLP_JSON && !rejected) {
		text_add_str(to, "{}");
	} else if (e == OTLP_JSON) {
		text_printf(
			to,
			"{\"partialSuccess\":{\"rejectedSpans\":\"%u\",\"errorMessage\":\"%s\"}}",
			rejected, why);
	} else if (rejected) {
		put_field_int(&partial, 1, rejected);
		put_field_bytes(&partial, 2, bytes_from_str(why));
		put_field_bytes(to, 1, (struct bytes){ partial.ptr, partial.len });
	}
	text_done(&partial);
}

void otlp_reply_refuse(struct text *to, enum otlp_encoding e, const char *why)
{
	if (e == OTLP_JSON) {
		text_printf(to, "{\"code\":%d,\"message\":\"%s\"}", RPC_INVALID_ARGUMENT, why);
		return;
	}
	put_field_int(to, 1, RPC_INVALID_ARGUMENT);
	put_field_bytes(to, 2, bytes_from_str(why));
}
