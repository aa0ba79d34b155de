/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATUS_H
#define STATUS_H
/*
 * What an exporter shows of itself to the program `interspan status`, which runs as the same user:
 * a memfd in the exporter thread's own table of descriptors, found by /proc/PID/task/TID/fd.  No
 * signal is sent and nobody is traced.
 *
 *   who asks    raises asked, wakes it, waits on answered until both are the same
 *   exporter    writes the text between two steps of version (odd: being written), then answered
 *
 * The text is lines of `key=value` words, the first word says of what:
 *
 *   exporter pid= tid= unix_ns= waiting= ... endpoint=
 *   result failed= unix_ns= text=...            the rest of the line
 *   process pid= NAME=N ...                     stats.def; pid=0: all that have ended
 *   fates pid= at=FD:XX,FD:XX,...               fate.h: what was made of its descriptors
 *
 * Its size is sealed, so that nobody can take the memory away below the exporter.  Both sides take
 * what is in it for anybody's word.
 */
#include <stdatomic.h>
#include <stdint.h>

#define STATUS_NAME "interspan-status"
#define STATUS_MAGIC 0x73707369u /* "isps" */
#define STATUS_BYTES (128u << 10)

struct status_page {
	uint32_t magic;
	_Atomic uint32_t asked;    /* futex */
	_Atomic uint32_t answered; /* futex */
	_Atomic uint32_t version;  /* odd while the text changes */
	_Atomic uint32_t len;
	uint32_t reserved[3];
	char text[STATUS_BYTES - 32];
};

_Static_assert(sizeof(struct status_page) == STATUS_BYTES, "as large as the file");

#endif
