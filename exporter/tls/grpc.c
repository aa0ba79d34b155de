/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc.h"

#include "base64.h"

#define DETAILS_MAX 512u
#define RETRY_MAX_S 86400u

/* --- framing: one byte for compression, four for the length, the message --- */

struct bytes grpc_frame(struct bytes body, bool is_gzip)
{
	uint8_t *at = (uint8_t *)(uintptr_t)body.ptr - TRANSPORT_PREFIX;

	at[0] = is_gzip;
	for (int i = 0; i < 4; i++)
		at[1 + i] = (uint8_t)(body.len >> (24 - 8 * i));
	return (struct bytes){ (const char *)at, body.len + TRANSPORT_PREFIX };
}

struct bytes grpc_unframe(struct bytes body)
{
	size_t len = 0;

	if (body.len < TRANSPORT_PREFIX || body.ptr[0])
		return (struct bytes){ body.ptr, 0 };
	for (int i = 1; i < 5; i++)
		len = len << 8 | (uint8_t)body.ptr[i];
	body = bytes_skip(body, TRANSPORT_PREFIX);
	if (len < body.len)
		body.len = len;
	return body;
}

/* --- grpc-status-details-bin: a google.rpc.Status, and in it perhaps a RetryInfo (O36) --- */

static bool varint_take(struct bytes *s, uint64_t *ret)
{
	*ret = 0;
	for (unsigned int shift = 0; s->len && shift < 64; shift += 7) {
		uint8_t byte = (uint8_t)s->ptr[0];

		*s = bytes_skip(*s, 1);
		*ret |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* The next field: a number, or bytes.  False: the end, or what is not understood. */
static bool field_take(struct bytes *s, uint64_t *ret_field, uint64_t *ret_number,
		       struct bytes *ret_bytes)
{
	uint64_t key;

	*ret_bytes = (struct bytes){ NULL, 0 };
	if (!varint_take(s, &key) || !varint_take(s, ret_number))
		return false;
	*ret_field = key >> 3;
	if ((key & 7) == 0)
		return true;
	if ((key & 7) != 2 || *ret_number > s->len)
		return false;
	*ret_bytes = (struct bytes){ s->ptr, (size_t)*ret_number };
	*s = bytes_skip(*s, ret_bytes->len);
	return true;
}

/* Duration: 1 seconds, 2 nanoseconds. */
static uint64_t duration_ms(struct bytes s)
{
	uint64_t field, number, ms = 0;
	struct bytes unused;

	while (field_take(&s, &field, &number, &unused)) {
		if (field == 1)
			ms += (number < RETRY_MAX_S ? number : RETRY_MAX_S) * 1000u;
		else if (field == 2 && number < 1000000000u)
			ms += number / 1000000u;
	}
	return ms;
}

/* Any: 1 type_url, 2 value; RetryInfo: 1 the delay. */
static void any_take(struct grpc_answer *a, struct bytes s)
{
	static const char wanted[] = "google.rpc.RetryInfo";
	struct bytes part, type = { NULL, 0 }, value = { NULL, 0 };
	uint64_t field, number;

	while (field_take(&s, &field, &number, &part)) {
		if (field == 1)
			type = part;
		else if (field == 2)
			value = part;
	}
	if (type.len < sizeof(wanted) - 1 ||
	    memcmp(type.ptr + type.len - (sizeof(wanted) - 1), wanted, sizeof(wanted) - 1) != 0)
		return;
	while (field_take(&value, &field, &number, &part))
		if (field == 1 && part.ptr) {
			a->has_retry_info = true;
			a->retry_after_ms = duration_ms(part);
		}
}

static void details_take(struct grpc_answer *a, struct bytes value)
{
	uint8_t raw[DETAILS_MAX];
	struct bytes s = { (const char *)raw, base64_decode(value, raw, sizeof(raw)) };
	uint64_t field, number;
	struct bytes part;

	while (field_take(&s, &field, &number, &part))
		if (field == 3 && part.ptr)
			any_take(a, part);
}

/* --- headers and trailers --- */

void grpc_answer_reset(struct grpc_answer *a)
{
	*a = (struct grpc_answer){ .status = GRPC_NO_STATUS };
}

/* Percent-encoded; it is shown to people as it is. */
static void message_take(struct grpc_answer *a, struct bytes value)
{
	size_t n = value.len < GRPC_MESSAGE_MAX - 1 ? value.len : GRPC_MESSAGE_MAX - 1;

	memcpy(a->message, value.ptr, n);
	a->message[n] = '\0';
}

void grpc_take_header(struct grpc_answer *a, struct bytes name, struct bytes value)
{
	value = bytes_trim(value);
	if (bytes_equal_nocase(name, BYTES("grpc-message"))) {
		message_take(a, value);
	} else if (bytes_equal_nocase(name, BYTES("grpc-status-details-bin"))) {
		details_take(a, value);
	} else if (bytes_equal_nocase(name, BYTES("grpc-status"))) {
		a->status = 0;
		for (size_t i = 0; i < value.len && a->status < 100; i++)
			a->status = value.ptr[i] >= '0' && value.ptr[i] <= '9' ?
					    a->status * 10 + (value.ptr[i] - '0') :
					    100;
	}
}

/* O33-O35: CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS. */
static bool is_retryable(int status)
{
	return status == 1 || status == 4 || status == 10 || status == 11 || status == 14 ||
	       status == 15;
}

enum outcome grpc_outcome(const struct grpc_answer *a, long http_status)
{
	if (a->status == 0)
		return OUTCOME_ACCEPTED;
	if (a->status == GRPC_NO_STATUS)
		return http_status == 429 || (http_status >= 502 && http_status <= 504) ?
			       OUTCOME_BUSY :
			       OUTCOME_REJECTED;
	/* RESOURCE_EXHAUSTED: only if it says when. */
	return is_retryable(a->status) || (a->status == 8 && a->has_retry_info) ? OUTCOME_BUSY :
										  OUTCOME_REJECTED;
}
