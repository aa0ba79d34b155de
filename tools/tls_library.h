/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H
/*
 * Which TLS libraries a process has mapped, and whether the plaintext of their connections can be
 * seen (README "HTTPS").  By names of files, and by what each linker leaves in one: OpenSSL's and
 * BoringSSL's names of their sources are in whatever they are linked into, and in nothing else.
 * Files are anybody's: only regular ones are looked at, of a bounded size, and nothing in them is
 * believed but a version.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bytes.h"

#define TLS_LIBRARIES_MAX 16u
#define TLS_VERSION_MAX 16u

struct tls_library {
	char path[PATH_MAX];           /* as the process has it */
	const char *name;              /* OpenSSL, GnuTLS, ...; lasts for ever */
	char version[TLS_VERSION_MAX]; /* empty: not known */
	bool is_linked_in;             /* part of a program, or of a library for something else */
	bool is_read;
};

/* Those of a process that may be looked at, at most max; 0: none, or it may not. */
size_t tls_libraries_of(pid_t pid, struct tls_library *list, size_t max);

/*
 * What a file is, by its name and content, OpenSSL's libcrypto among them; false: no TLS library is
 * in it.
 */
bool tls_library_is(struct bytes path, struct bytes content, struct tls_library *ret);

#endif
