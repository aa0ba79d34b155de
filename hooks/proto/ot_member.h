/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OT_MEMBER_H
#define OT_MEMBER_H
/*
 * The member of a trace state that is OpenTelemetry's: "ot=th:c;rv:0123456789abcd" (E51-E56).
 * Pure, async-signal-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

#define OT_BITS 56u
#define OT_ALL ((uint64_t)1 << OT_BITS) /* one more than any random value */
#define OT_MEMBER_BYTES 259u            /* "ot=" and 256 characters (E51) */

/* Views into a list that tracestate_add() has built. */
struct ot_member {
	struct bytes before; /* of the list: with a comma at the end if it is not empty */
	struct bytes value;  /* behind "ot="; ptr NULL: there is none */
	struct bytes after;  /* with a comma ahead if it is not empty */
	size_t others;       /* members */
	bool has_threshold;  /* th, whatever it says */
	bool has_random;
	uint64_t random; /* rv (E54) */
};

void ot_member_find(struct bytes list, struct ot_member *ret);

/*
 * Writes "ot=" with th set to that threshold, or taken out when it is OT_ALL, and all else as it
 * was (E52).  0: nothing is left, or it would be too long.
 */
size_t ot_member_write(const struct ot_member *m, uint64_t threshold, char to[OT_MEMBER_BYTES]);

/*
 * Of the traces in which keep of OT_ALL are to be kept, with four significant digits (E62): those
 * are kept whose random value is not below it.  OT_ALL: none is.
 */
uint64_t ot_threshold(uint64_t keep);

#endif
