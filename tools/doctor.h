/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCTOR_H
#define DOCTOR_H
/* Why is there no data: each part adds what it finds.  env: blocks as in proc_file.h. */
#include <sys/types.h>

#include "compiler.h"
#include "diagnosis.h"
#include "fate.h"
#include "sockets.h"
#include "status_read.h"

/* Is it switched off, or told to keep little? */
void doctor_settings(struct diagnosis *d, struct bytes env);

/* Where spans go: is somebody there who takes one?  url: instead of env's; or NULL. */
void doctor_endpoint(struct diagnosis *d, struct bytes env, const char *url);

/* What the files of its unit forbid it, if it is a service of systemd. */
void doctor_unit(struct diagnosis *d, pid_t pid, struct bytes env);

/* AppArmor, SELinux. */
void doctor_guards(struct diagnosis *d, pid_t pid);

/* Its connections; told: what an exporter tells of it and of others, or NULL. */
void doctor_sockets(struct diagnosis *d, pid_t pid, const struct status_told *told);

/* What the process tells of its descriptors (fate.h). */
struct fates {
	bool is_told;
	uint8_t of[FATE_FDS];
};

/* The same; words: its counters, or empty. */
void doctor_connections(struct diagnosis *d, const struct held_socket *list, size_t n,
			const struct fates *told, struct bytes words);

/* Can a program of this name be preloaded? */
void doctor_program(struct diagnosis *d, const char *word);

/*
 * A running process, its settings and its endpoint; false: there is none, or it is somebody else's.
 */
MUST_USE bool doctor_process(struct diagnosis *d, pid_t pid);

#endif
