/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry point of libinterspan-tls.so: OpenSSL is told whose memory it has, and that it ends
 * with the process.
 */
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "alloc.h"
#include "tls_object.h"
#include "version.h"

static void *take(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return pool_malloc(len);
}

static void *resize(void *at, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	if (len)
		return pool_realloc(at, len);
	pool_free(at);
	return NULL;
}

static void give(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	pool_free(at);
}

tls_object_entry interspan_tls_entry;

/* No handler at exit: it would run while the host ends, and free what this thread uses. */
__attribute__((visibility("default"))) bool interspan_tls_entry(const char *version,
								struct transport_ops *ops)
{
	uint64_t how = OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG;

	if (strcmp(version, INTERSPAN_VERSION) != 0 ||
	    !CRYPTO_set_mem_functions(take, resize, give))
		return false;
	if (!OPENSSL_init_crypto(how, NULL) || !OPENSSL_init_ssl(how, NULL))
		return false;
	transport_ops_fill(ops);
	return true;
}
