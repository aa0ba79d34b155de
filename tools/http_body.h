/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H
/*
 * Request bodies: gathered as they come, never on the word of a Content-Length, and inflated.
 * One thread.
 */
#include "bytes.h"
#include "compiler.h"

#define BODY_MAX ((size_t)64 << 20)    /* O10: of one body, before and after decompression */
#define BODIES_MAX ((size_t)256 << 20) /* of all bodies that are under way */

enum body_verdict {
	BODY_GOOD,
	BODY_TOO_LARGE,
	BODY_NO_ROOM, /* too much under way: try again later */
	BODY_DAMAGED, /* not gzip, or cut off */
};

struct body {
	char *ptr;
	size_t len;
	size_t cap;
};

MUST_USE enum body_verdict body_add(struct body *b, struct bytes more);

/* Replaces b, which is a gzip file of one or several members, by its contents. */
MUST_USE enum body_verdict body_gunzip(struct body *b);

void body_done(struct body *b);

#endif
