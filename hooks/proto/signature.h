/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNATURE_H
#define SIGNATURE_H
/*
 * Headers that a signature covers: who changes one breaks the request for whoever checks it.
 *
 *   Authorization: AWS4-HMAC-SHA256 Credential=..., SignedHeaders=host;traceparent, Signature=...
 *   Signature-Input: sig1=("@method" "traceparent");created=...                      (RFC 9421)
 *   Signature: keyId="...",headers="(request-target) host traceparent",...           (its drafts)
 *   /bucket/key?X-Amz-SignedHeaders=host%3Btraceparent&X-Amz-Signature=...
 *
 * A name anywhere in such a value counts: too often is a header left alone, too seldom is a lie
 * found out.  Pure, async-signal-safe.
 */
#include "bytes.h"

enum signature {
	SIGNED_TRACEPARENT = 1u << 0,
	SIGNED_TRACESTATE = 1u << 1,
	SIGNED_BAGGAGE = 1u << 2,
	SIGNED_OTHERS = 1u << 3, /* of format.h */
	SIGNED_ALL = SIGNED_TRACEPARENT | SIGNED_TRACESTATE | SIGNED_BAGGAGE | SIGNED_OTHERS,
};

/* May a header of this name tell?  In any case. */
bool signature_is_name(struct bytes name);

/* Bits of enum signature: what the value of such a header, or a request's target, says. */
unsigned signature_in_value(struct bytes value);
unsigned signature_in_target(struct bytes target);

#endif
