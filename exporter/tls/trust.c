/* SPDX-License-Identifier: Apache-2.0 */
#include "trust.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "alloc.h"
#include "base64.h"
#include "options.h"
#include "rawsys.h"

#define CERTIFICATE_MAX (32u << 10)
#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

/* Where distributions keep what everybody trusts: Debian, Fedora, SUSE, Alpine. */
static const char bundles[][48] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
};

const char *trust_bundle(void)
{
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++) {
		int fd = (int)raw_open(bundles[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);

		if (fd < 0)
			continue;
		raw_close(fd);
		return bundles[i];
	}
	return NULL;
}

/* --- PEM and DER, as far as the name of whom a certificate is about --- */

/* What stands before and behind a text; false: it is not there. */
static bool split_at(struct bytes s, const char *text, struct bytes *ret_before,
		     struct bytes *ret_after)
{
	const char *at = s.len ? memmem(s.ptr, s.len, text, strlen(text)) : NULL;

	if (!at)
		return false;
	*ret_before = (struct bytes){ s.ptr, (size_t)(at - s.ptr) };
	*ret_after = bytes_skip(s, ret_before->len + strlen(text));
	return true;
}

/* Takes one element off; whole: with its tag and length. */
static bool der_take(struct bytes *s, uint8_t tag, struct bytes *ret_whole, struct bytes *ret_in)
{
	size_t head = 2, len;

	if (s->len < 2 || (uint8_t)s->ptr[0] != tag)
		return false;
	len = (uint8_t)s->ptr[1];
	if (len >= 0x80) {
		size_t more = len & 0x7f;

		if (more == 0 || more > 3 || s->len < 2 + more)
			return false;
		len = 0;
		for (; head < 2 + more; head++)
			len = len << 8 | (uint8_t)s->ptr[head];
	}
	if (len > s->len - head)
		return false;
	*ret_whole = (struct bytes){ s->ptr, head + len };
	*ret_in = (struct bytes){ s->ptr + head, len };
	*s = bytes_skip(*s, head + len);
	return true;
}

#define SEQUENCE 0x30u
#define INTEGER 0x02u
#define VERSION 0xa0u

/* RFC 5280 4.1: version, serial number, algorithm, issuer, validity, subject. */
static bool subject_of(struct bytes certificate, struct bytes *ret)
{
	struct bytes whole, s;

	if (!der_take(&certificate, SEQUENCE, &whole, &s))
		return false;
	certificate = s;
	if (!der_take(&certificate, SEQUENCE, &whole, &s))
		return false;
	certificate = s;
	(void)der_take(&certificate, VERSION, &whole, &s);
	return der_take(&certificate, INTEGER, &whole, &s) &&
	       der_take(&certificate, SEQUENCE, &whole, &s) &&
	       der_take(&certificate, SEQUENCE, &whole, &s) &&
	       der_take(&certificate, SEQUENCE, &whole, &s) &&
	       der_take(&certificate, SEQUENCE, ret, &s);
}

/* --- the search --- */

static bool is_about(struct bytes certificate, const X509_NAME *name)
{
	const unsigned char *at;
	struct bytes subject;
	X509_NAME *parsed;
	bool is_same;

	if (!subject_of(certificate, &subject))
		return false;
	at = (const unsigned char *)subject.ptr;
	parsed = d2i_X509_NAME(NULL, &at, (long)subject.len);
	is_same = parsed && X509_NAME_cmp(parsed, name) == 0;
	X509_NAME_free(parsed);
	return is_same;
}

static bool store_add(X509_STORE *store, struct bytes certificate)
{
	const unsigned char *at = (const unsigned char *)certificate.ptr;
	X509 *x = d2i_X509(NULL, &at, (long)certificate.len);
	bool is_added = x && X509_STORE_add_cert(store, x);

	X509_free(x);
	return is_added;
}

/* Into the store go all that are about name; false: none. */
static bool search(X509_STORE *store, struct bytes bundle, const X509_NAME *name)
{
	uint8_t *der = pool_malloc(CERTIFICATE_MAX);
	struct bytes before, text;
	bool is_any = false;

	while (der && split_at(bundle, BEGIN, &before, &bundle) &&
	       split_at(bundle, END, &text, &bundle)) {
		struct bytes one = { (const char *)der, base64_decode(text, der, CERTIFICATE_MAX) };

		if (is_about(one, name))
			is_any |= store_add(store, one);
	}
	pool_free(der);
	return is_any;
}

static const char *bundle_path;

/* As OpenSSL's own, which asks the store alone. */
static int issuer_get(X509 **ret, X509_STORE_CTX *c, X509 *x)
{
	int found = X509_STORE_CTX_get1_issuer(ret, c, x);
	struct bytes bundle;
	bool is_any;

	if (found != 0)
		return found;
	bundle = tls_file_read(bundle_path);
	is_any = search(X509_STORE_CTX_get0_store(c), bundle, X509_get_issuer_name(x));
	pool_free((void *)(uintptr_t)bundle.ptr);
	return is_any ? X509_STORE_CTX_get1_issuer(ret, c, x) : 0;
}

static CURLcode prepare(CURL *easy, void *ssl_ctx, void *unused)
{
	(void)easy;
	(void)unused;
	X509_STORE_set_get_issuer(SSL_CTX_get_cert_store(ssl_ctx), issuer_get);
	return CURLE_OK;
}

bool trust_set(CURL *easy, const char *bundle)
{
	bundle_path = bundle;
	return curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, prepare) == CURLE_OK;
}
