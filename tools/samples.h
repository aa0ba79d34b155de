/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLES_H
#define SAMPLES_H
/*
 * Durations, for their percentiles: exact up to SAMPLES_MAX of them, beyond that of a fair choice
 * of so many (reservoir).  The choice is the same for the same sequence.
 */
#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

#define SAMPLES_MAX 8192u

struct samples {
	uint64_t *list;
	uint32_t cap;
	uint64_t count; /* of all that were added */
	uint64_t sum;   /* UINT64_MAX at most */
	uint64_t max;
	uint64_t random;
	bool is_sorted;
};

/* Zeroed storage is empty.  Without memory a sample is counted, but does not take part. */
void samples_add(struct samples *s, uint64_t ns);

/* The least sample that so many percent (1 to 100) are not above; 0: there are none. */
uint64_t samples_percentile(struct samples *s, unsigned percent);

/* n of them in percent: 0 only if it is none. */
unsigned samples_share(const struct samples *s, uint64_t n);

void samples_done(struct samples *s);

#endif
