/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACE_ID_H
#define TRACE_ID_H
/*
 * Trace and span ids (W3C Trace Context level 2), and where they come from.
 * All functions: any thread, async-signal-safe, no lock, no allocation.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TRACE_ID_HEX 32
#define SPAN_ID_HEX 16

#define TRACE_FLAG_SAMPLED 0x01u
#define TRACE_FLAG_RANDOM 0x02u /* C19, C20 */

struct trace_id {
	uint8_t bytes[16];
};

struct span_id {
	uint8_t bytes[8];
};

static inline bool trace_id_is_zero(const struct trace_id *id)
{
	uint64_t w[2];

	memcpy(w, id->bytes, sizeof(w));
	return (w[0] | w[1]) == 0;
}

static inline bool span_id_is_zero(const struct span_id *id)
{
	uint64_t w;

	memcpy(&w, id->bytes, sizeof(w));
	return w == 0;
}

/*
 * Fresh random ids, never zero, all bits random (C19); of a span's the last 13 are so for who lacks
 * a key of this process (rng.h).  Each thread has a generator of its own, seeded by getrandom(2); a
 * forked child, also one made by raw clone(2), seeds anew (C28).
 */
void trace_id_new(struct trace_id *ret_id);
void span_id_new(struct span_id *ret_id);

/* Lower-case hex, no NUL: 2 * n characters. */
void hex_encode(char *to, const uint8_t *from, size_t n);

/* Lower-case hex only (C4); false: to is unspecified.  Reads 2 * n characters. */
bool hex_decode(uint8_t *to, const char *from, size_t n);

#endif
