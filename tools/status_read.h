/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATUS_READ_H
#define STATUS_READ_H
/*
 * What the processes of this machine show of themselves (status.h): by reading /proc, without a
 * signal and without tracing anybody.  Only those of the same user can be read.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"

/* What an exporter has told; ptr is malloc'ed, and the caller's. */
struct status_told {
	pid_t pid; /* by our own /proc */
	char *text;
	size_t len;
	bool is_old; /* it did not answer: this is what it had told before */
};

enum status_kind {
	STATUS_TOLD,
	STATUS_NO_PROCESS,
	STATUS_FORBIDDEN,   /* somebody else's */
	STATUS_NOT_LOADED,  /* our object is not mapped */
	STATUS_NO_EXPORTER, /* it is, but nobody delivers here */
	STATUS_FILTERED,    /* as that, and there is a seccomp filter */
	STATUS_NO_MEMORY,
};

/* ret is set for STATUS_TOLD alone. */
enum status_kind status_read(pid_t pid, struct status_told *ret);

/* The same, or what another process's exporter tells of it, whose pid is ret's then. */
enum status_kind status_read_of(pid_t pid, struct status_told *ret);

/* The name of the program, as the kernel has it; "?" when there is none to read. */
void status_program(pid_t pid, char *to, size_t size);

/* Takes a line off *rest; the word before its first space is *ret_kind.  False: no more lines. */
bool status_line(struct bytes *rest, struct bytes *ret_kind, struct bytes *ret_words);

/* Takes KEY=VALUE off *words; `text` has the rest of the line.  False: none is left. */
bool status_word(struct bytes *words, struct bytes *ret_key, struct bytes *ret_value);

uint64_t status_value(struct bytes digits);

/* The value of key, or {"", 0}. */
struct bytes status_find(struct bytes words, struct bytes key);
uint64_t status_number(struct bytes words, const char *key);

#endif
