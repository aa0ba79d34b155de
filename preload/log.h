/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOG_H
#define LOG_H
/*
 * The log that the user asked for with OTEL_INTERSPAN_LOG; without it nothing is ever written.  A
 * line is one open, one write and one close, so that no descriptor of ours is ever there for the
 * program to see, and lines of many processes do not mix.  Any thread, async-signal-safe; what
 * cannot be written is lost without a word, because there is nobody left to tell.
 */
#include <stddef.h>

#include "bytes.h"

#define LOG_LINES_PER_SECOND 10u

/*
 * A warning, which OTEL_LOG_LEVEL may silence.  One line: `interspan pid=PID ` and the pieces,
 * control characters as `?`.  More than LOG_LINES_PER_SECOND are left out.
 */
void log_line(const struct bytes *pieces, size_t n);

/* LOG(BYTES("port "), port_text, BYTES(" is taken")) */
#define LOG(...)                                        \
	log_line((const struct bytes[]){ __VA_ARGS__ }, \
		 sizeof((const struct bytes[]){ __VA_ARGS__ }) / sizeof(struct bytes))

/* `interspan pid=PID exe=PROGRAM loaded=1 name=value ...`: the counters that are not 0. */
void log_stats(void);

#endif
