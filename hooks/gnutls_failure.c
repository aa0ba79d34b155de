/* SPDX-License-Identifier: Apache-2.0 */
#include "gnutls_failure.h"

#include "tls_failure.h"

/* Bits of a status, those first that tell most. */
static const struct {
	unsigned bit;
	char name[48]; /* no pointer: it would be relocated in every process */
} reasons[] = {
	{ 1u << 5, TLS_UNVERIFIED ".revoked" },
	{ 1u << 6, TLS_UNVERIFIED ".untrusted" }, /* SIGNER_NOT_FOUND, NOT_CA */
	{ 1u << 7, TLS_UNVERIFIED ".untrusted" },
	{ 1u << 9, TLS_UNVERIFIED ".not_yet_valid" },
	{ 1u << 10, TLS_UNVERIFIED ".expired" },
	{ 1u << 14, TLS_UNVERIFIED ".name_mismatch" },
};

const char *gnutls_unverified(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (status & reasons[i].bit)
			return reasons[i].name;
	return status ? TLS_UNVERIFIED : NULL;
}

struct bytes gnutls_failure(int r, unsigned alert, unsigned status)
{
	const char *why = gnutls_unverified(status);
	struct bytes name = { NULL, 0 };

	switch (r) {
	case -12: /* FATAL_ALERT_RECEIVED */
		name = tls_alert_name(alert);
		break;
	case -53: /* PUSH_ERROR */
	case -54: /* PULL_ERROR */
		return name;
	case -110: /* PREMATURE_TERMINATION: errno is that of something else */
		return BYTES(TLS_CLOSED);
	case -319: /* TIMEDOUT */
		return BYTES("timeout");
	case -43:  /* CERTIFICATE_ERROR */
	case -348: /* CERTIFICATE_VERIFICATION_ERROR */
		return why ? bytes_from_str(why) : BYTES(TLS_UNVERIFIED);
	case -8: /* UNSUPPORTED_VERSION_PACKET */
		return BYTES(TLS_PROTOCOL_VERSION);
	case -9: /* UNEXPECTED_PACKET_LENGTH */
		return BYTES(TLS_NOT_TLS);
	case -15: /* UNEXPECTED_PACKET */
		return BYTES("unexpected_message");
	default:
		break;
	}
	return name.len ? name : BYTES(TLS_HANDSHAKE_FAILURE);
}
