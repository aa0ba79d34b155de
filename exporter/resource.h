/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RESOURCE_H
#define RESOURCE_H
/*
 * Who made the spans (rows D120-D151).  All processes that share a store were forked from one
 * program without an exec, since an exec drops the mapping: their resources differ in process.pid
 * and service.instance.id alone.
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
	bool has_pid;      /* the user's own word for process.pid is among them */
	bool has_instance; /* and that for service.instance.id */
	uint64_t seed[2];  /* of the store, from which instance ids are made; 0: none is */
	bool is_refused;   /* OTEL_RESOURCE_ATTRIBUTES, not well-formed: ignored whole (E20) */
	size_t text_len;
	char text[RESOURCE_TEXT];
};

/*
 * Borrows nothing.  Reads a few files of /proc and /etc by raw system calls.  seed: the same for
 * all processes of a tree, for ever.
 */
void resource_init(struct resource *r, const struct config *cfg, const uint64_t seed[2]);

/* Its service.name. */
struct bytes resource_service(const struct resource *r);

/* service.instance.id of a process: a random UUID (D122), the same whoever exports its spans. */
#define RESOURCE_INSTANCE_LEN 36
void resource_instance(const struct resource *r, uint32_t pid, char to[RESOURCE_INSTANCE_LEN]);

/* As init, with the program's path given, and nothing read from files: for tests. */
void resource_init_for(struct resource *r, const struct config *cfg, struct bytes exe,
		       struct bytes host);

#endif
