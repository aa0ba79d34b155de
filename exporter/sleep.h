/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLEEP_H
#define SLEEP_H
/*
 * How the exporter thread waits: in a futex on store->wake, with Q released, so that a stop or a
 * flush ends every wait at once and an idle process is never woken.
 */
#include <stdbool.h>
#include <stdint.h>

#include "exporter.h"

#define SLEEP_FOR_EVER UINT64_MAX
#define SLEEP_WHATEVER_WAITS UINT32_MAX

/* What the host has asked for so far; a change of it ends a sleep. */
struct asked {
	uint32_t stop;
	uint32_t flush;
	uint32_t polls; /* of a remote sampler */
};
struct asked asked_now(struct exporter *x);

/* A stop or a flush is waited for: no time for patience. */
bool is_hurried(struct exporter *x);

/* Is there a deadline, and has it passed? */
bool is_too_late(struct exporter *x);

/*
 * Sleeps until the time until_ns (CLOCK_MONOTONIC), unless something else was asked for than in
 * seen, or at least enough finished spans wait.  May return early for no reason: callers look
 * again.
 */
void exporter_sleep(struct exporter *x, uint64_t until_ns, struct asked seen, uint32_t enough);

#endif
