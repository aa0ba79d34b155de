/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RESOURCE_H
#define RESOURCE_H
/*
 * Who made the spans (rows D120-D151).  All processes that share a store were forked from one
 * program without an exec, since an exec drops the mapping: their resources differ in process.pid
 * alone.
 *
 * Priority (D149): OTEL_SERVICE_NAME, then OTEL_RESOURCE_ATTRIBUTES, then what we find out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define RESOURCE_ATTRS 64
#define RESOURCE_TEXT 16384

struct resource_attr {
	struct bytes key; /* into text, or literals; NUL-terminated, valid UTF-8 */
	struct bytes value;
};

struct resource {
	struct resource_attr attrs[RESOURCE_ATTRS];
	size_t n;
	bool has_pid;    /* the user's own word for process.pid is among them */
	bool is_refused; /* OTEL_RESOURCE_ATTRIBUTES, not well-formed: ignored whole (E20) */
	size_t text_len;
	char text[RESOURCE_TEXT];
};

/* Borrows nothing.  Reads /proc/self/exe and uname by raw system calls. */
void resource_init(struct resource *r, const struct config *cfg);

/* As init, with the program's path given: for tests. */
void resource_init_for(struct resource *r, const struct config *cfg, struct bytes exe,
		       struct bytes host);

#endif
