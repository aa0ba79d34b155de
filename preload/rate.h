/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RATE_H
#define RATE_H
/*
 * So many in a second, and no more than those of one second at once.  Any thread,
 * async-signal-safe, no lock.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rate {
	uint64_t interval_ns;     /* between two; 0: no limit, and not to be asked */
	_Atomic uint64_t next_ns; /* when those that were let through so far are paid for */
};

/* now_ns: CLOCK_MONOTONIC. */
bool rate_lets(struct rate *r, uint64_t now_ns);

/* The same where the interval, which is not 0, may be another one each time. */
bool rate_lets_each(_Atomic uint64_t *next_ns, uint64_t interval_ns, uint64_t now_ns);

#endif
