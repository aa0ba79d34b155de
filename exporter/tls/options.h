/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPTIONS_H
#define OPTIONS_H
/* What a connection with TLS is told beside the rest: whom it trusts, and who we are. */
#include <curl/curl.h>

#include "endpoint.h"

/* Files that were read, which libcurl borrows. */
struct tls_files {
	struct bytes trusted;
	struct bytes certificate;
	struct bytes key;
};

/*
 * False: a file that was named cannot be read, or no memory; exporter_log() was told.  Nothing is
 * ever sent without having looked who answers.
 */
bool tls_options(CURL *easy, const struct endpoint *e, struct tls_files *files);
void tls_files_free(struct tls_files *files);

/* The whole file, the caller's to pool_free(); {NULL, 0}: not to be had. */
struct bytes tls_file_read(const char *path);

#endif
