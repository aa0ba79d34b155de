/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROC_FILE_H
#define PROC_FILE_H
/* What /proc has of a process, and of ourselves in the same form. */
#include <sys/types.h>

#include "text.h"

/* More of a file is not read. */
#define PROC_FILE_MAX ((size_t)8 << 20)

/* Adds the file; 0 or -errno. */
int file_read(struct text *to, const char *path);

/* Adds what is at its end, 256 KiB at most; 0 or -errno. */
int file_read_end(struct text *to, const char *path);

/* Adds /proc/PID/name; 0 or -errno. */
int proc_read(struct text *to, pid_t pid, const char *name);

/* The value of NAME in a block of NAME=VALUE with NULs behind; ptr NULL: it is not there. */
struct bytes env_find(struct bytes block, const char *name);

/* The same as a string in to, empty if it is not there; false then. */
bool env_copy(struct bytes block, const char *name, char *to, size_t size);

/* Our own environment as such a block. */
void env_own(struct text *to);

#endif
