/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include "alloc.h"
#include "rawsys.h"
#include "text.h"
#include "tls_object.h"
#include "trust.h"

#define FILE_MAX (8u << 20)
#define FILE_STEP (256u << 10)

static void say(const char *what, const char *path)
{
	char buf[512];
	struct text line = TEXT_IN(buf);

	text_add_str(&line, what);
	text_add_str(&line, path);
	text_add_str(&line, ": spans are dropped");
	tls_say(text_bytes(&line));
}

struct bytes tls_file_read(const char *path)
{
	int fd = (int)raw_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	char *at = NULL;
	size_t len = 0;
	long n = fd < 0 ? -1 : 1;

	while (n > 0 && len < FILE_MAX) {
		char *more = pool_realloc(at, len + FILE_STEP);

		n = more ? raw_read(fd, more + len, FILE_STEP) : -1;
		at = more ? more : at;
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		raw_close(fd);
	if (n == 0 && len)
		return (struct bytes){ at, len };
	pool_free(at);
	return (struct bytes){ NULL, 0 };
}

static bool blob_set(CURL *easy, CURLoption option, struct bytes content)
{
	struct curl_blob blob = { (void *)(uintptr_t)content.ptr, content.len, CURL_BLOB_NOCOPY };

	return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static bool file_set(CURL *easy, CURLoption option, struct bytes path, struct bytes *ret)
{
	if (path.len == 0)
		return true;
	*ret = tls_file_read(path.ptr);
	if (ret->ptr && blob_set(easy, option, *ret))
		return true;
	say("cannot read ", path.ptr);
	return false;
}

static bool trusted_set(CURL *easy, const struct endpoint *e, struct tls_files *files)
{
	const char *bundle;

	if (e->certificate.len)
		return file_set(easy, CURLOPT_CAINFO_BLOB, e->certificate, &files->trusted);
	bundle = trust_bundle();
	if (bundle)
		return trust_set(easy, bundle);
	say("no certificates that the system trusts; OTEL_EXPORTER_OTLP_CERTIFICATE names others",
	    "");
	return false;
}

bool tls_options(CURL *easy, const struct endpoint *e, struct tls_files *files)
{
	if (e->kind != ENDPOINT_HTTPS)
		return true;
	return curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		       CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       trusted_set(easy, e, files) &&
	       file_set(easy, CURLOPT_SSLCERT_BLOB, e->client_certificate, &files->certificate) &&
	       file_set(easy, CURLOPT_SSLKEY_BLOB, e->client_key, &files->key);
}

void tls_files_free(struct tls_files *files)
{
	pool_free((void *)(uintptr_t)files->trusted.ptr);
	pool_free((void *)(uintptr_t)files->certificate.ptr);
	pool_free((void *)(uintptr_t)files->key.ptr);
	*files = (struct tls_files){ .key = { NULL, 0 } };
}
