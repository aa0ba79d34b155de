/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATUS_SHOW_H
#define STATUS_SHOW_H
/* What status_read.h has found, for people and for programs. */
#include "status_read.h"
#include "term.h"

/*
 * pid: of that process alone, which told's exporter delivers for; 0: all of them.  False: it
 * delivers for no such process, and nothing is added.
 */
bool status_show(struct text *to, const struct style *style, const struct status_told *told,
		 pid_t pid);
bool status_show_json(struct text *to, const struct status_told *told, pid_t pid);

/* A line, and its TLS libraries, of a process whose counters cannot be read. */
void status_show_none(struct text *to, const struct style *style, pid_t pid, enum status_kind kind);
void status_show_none_json(struct text *to, pid_t pid, enum status_kind kind);

#endif
