/* SPDX-License-Identifier: Apache-2.0 */
/* What a mapped file has of TLS: by its name, and by what was linked into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler.h"
#include "tls_library.h"

static const struct row {
	const char *path;
	struct bytes content;
	const char *name, *version; /* name NULL: none */
	bool is_linked_in, is_read;
} rows[] = {
	{ "/usr/lib/libssl.so.3", BYTES("OpenSSL %s\0OpenSSL 3.0.19 27 Jan 2026\0"), "OpenSSL",
	  "3.0.19", false, true },
	{ "/w/x.libs/libssl-0c8fa1e9.so.1.1", BYTES("OpenSSL 1.1.1s  1 Nov 2022"), "OpenSSL",
	  "1.1.1s", false, true },
	{ "/usr/lib/libssl.so.3", BYTES(""), "OpenSSL", "", false, true },
	{ "/usr/lib/libgnutls.so.30.34.3", BYTES("Enabled GnuTLS 3.7.9 logging..."), "GnuTLS",
	  "3.7.9", false, true },
	{ "/usr/lib/libssl3.so", BYTES("ssl/ssl_lib.c OpenSSL 3.0"), "NSS", "", false, false },
	{ "/usr/lib/jvm/libjvm.so", BYTES("\177ELF"), "Java's own", "", false, false },
	{ "/usr/bin/node", BYTES("..deps/openssl/ssl/ssl_lib.c\0OpenSSL 3.0\0OpenSSL 3.0.19+quic"),
	  "OpenSSL", "3.0.19", true, false },
	{ "/x/cygrpc.so", BYTES("/src/boringssl/ssl/ssl_lib.cc"), "BoringSSL", "", true, false },
	{ "/x/client", BYTES("/cargo/registry/src/rustls-0.21.7/src/lib.rs"), "rustls", "0.21.7",
	  true, false },
	{ "/x/server", BYTES("crypto/tls.(*Conn).Handshake"), "Go's own", "", true, false },
	/* It was built with the headers, and is linked with the library. */
	{ "/usr/sbin/nginx", BYTES("OpenSSL 3.0.19 27 Jan 2026"), NULL, "", false, false },
	{ "/usr/lib/libcrypto.so.3", BYTES("OpenSSL 3.0.19 27 Jan 2026"), "libcrypto", "3.0.19",
	  false, true },
	{ "/usr/lib/libinterspan-tls.so", BYTES("ssl/ssl_lib.c"), NULL, "", false, false },
	{ "/usr/lib/libc.so.6", BYTES(""), NULL, "", false, false },
};

static void test_tool_tls_library_by_name_and_content(void **state)
{
	static struct tls_library got;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		if (tls_library_is(bytes_from_str(r->path), r->content, &got) != (r->name != NULL))
			fail_msg("%s", r->path);
		if (!r->name)
			continue;
		assert_string_equal(got.path, r->path);
		assert_string_equal(got.name, r->name);
		assert_string_equal(got.version, r->version);
		assert_int_equal(got.is_linked_in, r->is_linked_in);
		assert_int_equal(got.is_read, r->is_read);
	}
}

/* A program of which this is true of the test itself, and one that is not there. */
static void test_tool_tls_library_of_a_process(void **state)
{
	static struct tls_library list[TLS_LIBRARIES_MAX];

	(void)state;
	for (size_t i = 0; i < tls_libraries_of(getpid(), list, TLS_LIBRARIES_MAX); i++)
		assert_int_equal(list[i].path[0], '/');
	assert_int_equal(tls_libraries_of(2000000000, list, TLS_LIBRARIES_MAX), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tool_tls_library_by_name_and_content),
		cmocka_unit_test(test_tool_tls_library_of_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
