/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OUT_H
#define OUT_H
/*
 * Lines for a file, a terminal or a pipe that somebody may read slowly, or not at all.  The
 * descriptor may be the host's, and what is set on it is not ours to change: so nothing is written
 * that could block for long.  Exporter thread only; Q is released while it waits.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "exporter.h"

struct out {
	int fd;         /* -1: none */
	bool is_broken; /* the last line could only be written in part */
	int error;      /* errno of what last failed; 0: nobody read in time */
};

/*
 * Writes lines, which end with a newline, until until_ns or the deadline of x.  False: not as a
 * whole; then a newline comes before the next ones, so that only what was cut is lost.
 */
bool out_write(struct out *o, struct exporter *x, struct bytes lines, uint64_t until_ns);

#endif
