/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OUTPUT_H
#define OUTPUT_H
#include "bytes.h"
#include "compiler.h"

enum output_verdict {
	OUTPUT_DONE,
	OUTPUT_CLOSED,      /* nobody reads any more */
	OUTPUT_INTERRUPTED, /* interrupt_fd was readable while the reader took nothing */
	OUTPUT_STANDS,      /* the reader took nothing for timeout_ms */
};

/*
 * Writes *s to fd and leaves in *s what could not be written.  A reader that has stopped (a pager,
 * a terminal on ctrl-S) blocks us, but not against interrupt_fd, and not for longer than timeout_ms
 * (-1: for ever).
 */
MUST_USE enum output_verdict output_write(int fd, int interrupt_fd, struct bytes *s,
					  int timeout_ms);

#endif
