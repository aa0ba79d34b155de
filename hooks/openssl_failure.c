/* SPDX-License-Identifier: Apache-2.0 */
/* Why a call of OpenSSL's has failed: by what it tells the application, too. */
#include "openssl.h"
#include "tls_failure.h"

/* SSL_get_error(): of all versions. */
enum { FAILED_BY_PROTOCOL = 1, FAILED_BY_SYSTEM = 5, FAILED_BY_END = 6 };

static int error_of(const struct openssl_call *c, int r)
{
	int error = errno;
	int why = OPENSSL_ASK(c, int (*)(const SSL *, int), get_error)(c->ssl, r);

	errno = error;
	return why;
}

bool openssl_has_failed(const struct openssl_call *c, int r, int error)
{
	if (OPENSSL_ASK(c, openssl_int *, want)(c->ssl) == WANT_NOTHING)
		return true;
	if (LIKELY(error && !error_is_final(error))) /* the usual end of what is there to read */
		return false;
	return error_of(c, r) == FAILED_BY_SYSTEM;
}

/* The verdicts that tell an operator what to do (X509_V_ERR_*, of all versions). */
const char *openssl_unverified(long result)
{
	switch (result) {
	case 0:
		return NULL;
	case 2:
	case 18:
	case 19:
	case 20:
	case 21:
	case 27:
		return TLS_UNVERIFIED ".untrusted";
	case 9:
		return TLS_UNVERIFIED ".not_yet_valid";
	case 10:
		return TLS_UNVERIFIED ".expired";
	case 23:
		return TLS_UNVERIFIED ".revoked";
	case 62:
	case 64:
		return TLS_UNVERIFIED ".name_mismatch";
	default:
		return TLS_UNVERIFIED;
	}
}

static struct bytes unverified(const struct openssl_call *c)
{
	long (*get)(const SSL *) = OPENSSL_ASK(c, long (*)(const SSL *), get_verify_result);
	const char *why = get ? openssl_unverified(get(c->ssl)) : NULL;

	return why ? bytes_from_str(why) : BYTES(TLS_UNVERIFIED);
}

/* Reasons of libssl's, of all versions; an alert that came is 1000 and its number. */
#define REASON(error) ((error)&0xfffu)
#define ALERTS 1000u

static struct bytes name_of(const struct openssl_call *c, unsigned reason)
{
	if (reason > ALERTS && reason <= ALERTS + 255)
		return tls_alert_name(reason - ALERTS);
	switch (reason) {
	case 134: /* CERTIFICATE_VERIFY_FAILED */
		return unverified(c);
	case 155: /* HTTPS_PROXY_REQUEST */
	case 156: /* HTTP_REQUEST */
	case 198: /* PACKET_LENGTH_TOO_LONG */
	case 267: /* WRONG_VERSION_NUMBER */
		return BYTES(TLS_NOT_TLS);
	case 191: /* NO_PROTOCOLS_AVAILABLE */
	case 258: /* UNSUPPORTED_PROTOCOL */
	case 266: /* WRONG_SSL_VERSION */
	case 396: /* VERSION_TOO_LOW */
		return BYTES(TLS_PROTOCOL_VERSION);
	case 294: /* UNEXPECTED_EOF_WHILE_READING */
		return BYTES(TLS_CLOSED);
	default:
		return BYTES(TLS_HANDSHAKE_FAILURE);
	}
}

void openssl_shake_failed(struct openssl_call *c, int r, int error)
{
	unsigned long (*peek)(void);
	struct bytes why = { NULL, 0 };
	unsigned long first;

	switch (error_of(c, r)) {
	case FAILED_BY_PROTOCOL:
		/* It has just called that itself: so it is bound. */
		*(void **)&peek = provider_bound(atomic_load(&c->copy->object), "ERR_peek_error");
		first = peek ? peek() : 0;
		if (first)
			why = name_of(c, (unsigned)REASON(first));
		tls_failed(c->tls, why.len ? why : BYTES(TLS_HANDSHAKE_FAILURE), 0);
		break;
	case FAILED_BY_SYSTEM:
	case FAILED_BY_END:
		tls_failed(c->tls, why, error);
		break;
	default: /* it waits, for a socket or for something else */
		break;
	}
}
