/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that a signature covers, as AWS, RFC 9421 and its drafts write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "signature.h"

static const struct row {
	const char *text;
	unsigned want;
} values[] = {
	{ "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, "
	  "SignedHeaders=host;range;x-amz-date, Signature=fe5f80",
	  0 },
	{ "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/s3/aws4_request, "
	  "SignedHeaders=host;traceparent;x-amz-date, Signature=fe5f80",
	  SIGNED_TRACEPARENT },
	{ "AWS4-HMAC-SHA256 Credential=A,SignedHeaders=baggage;host;traceparent;tracestate,"
	  "Signature=0",
	  SIGNED_TRACEPARENT | SIGNED_TRACESTATE | SIGNED_BAGGAGE },
	{ "AWS4-ECDSA-P256-SHA256 Credential=A, SignedHeaders=host;tracestate, Signature=3045",
	  SIGNED_TRACESTATE },
	{ "sig1=(\"@method\" \"@authority\" \"traceparent\");created=1618884473;keyid=\"k\"",
	  SIGNED_TRACEPARENT },
	{ "sig1=(\"@method\");created=1, sig2=(\"baggage\";sf \"date\");alg=\"x\"",
	  SIGNED_BAGGAGE },
	{ "keyId=\"k\",headers=\"(request-target) Host TraceParent\",signature=\"a\"",
	  SIGNED_TRACEPARENT },
	{ "traceparent", SIGNED_TRACEPARENT },
	{ "AWS4-HMAC-SHA256 SignedHeaders=host;x-amzn-trace-id, Signature=0", SIGNED_OTHERS },
	{ "sig1=(\"@method\" \"X-B3-TraceId\")", SIGNED_OTHERS },
	{ "x-traceparent;traceparents;traceparent-x;trace-parent;mytracestate", 0 },
	{ "Bearer traceparent", 0 },
	{ "basic dHJhY2VwYXJlbnQ=", 0 },
	{ "", 0 },
	{ "%", 0 },
};

static const struct row targets[] = {
	{ "/", 0 },
	{ "/traceparent?traceparent=1", 0 },
	{ "/S?S=S&SignedHeaders", 0 },
	{ "/b/k?X-Amz-SignedHeaders=host&traceparent=1&X-Amz-Signature=f", 0 },
	{ "/b/k?X-Amz-SignedHeaders=host%3Btraceparent%3Bx-amz-date&X-Amz-Signature=f",
	  SIGNED_TRACEPARENT },
	{ "/b/k?X-Amz-Signature=f&X-Amz-SignedHeaders=baggage;host", SIGNED_BAGGAGE },
};

static void test_signature_covers_names_as_whole_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (signature_in_value(bytes_from_str(values[i].text)) != values[i].want)
			fail_msg("%s", values[i].text);
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
		if (signature_in_target(bytes_from_str(targets[i].text)) != targets[i].want)
			fail_msg("%s", targets[i].text);
}

static void test_signature_is_told_by_three_headers(void **state)
{
	(void)state;
	assert_true(signature_is_name(BYTES("Authorization")));
	assert_true(signature_is_name(BYTES("Signature-Input")));
	assert_true(signature_is_name(BYTES("signature")));
	assert_false(signature_is_name(BYTES("x-signature")));
	assert_false(signature_is_name(BYTES("www-authenticate")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signature_covers_names_as_whole_words),
		cmocka_unit_test(test_signature_is_told_by_three_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
