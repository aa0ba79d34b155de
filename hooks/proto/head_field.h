/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEAD_FIELD_H
#define HEAD_FIELD_H
/* The parts of a request's head that spans and propagation need, as places in some text. */
#include <stdbool.h>
#include <stdint.h>

enum head_field {
	HEAD_METHOD,
	HEAD_TARGET,
	HEAD_HOST,
	HEAD_USER_AGENT,
	HEAD_FORWARDED,
	HEAD_X_FORWARDED_FOR,
	HEAD_X_FORWARDED_PROTO,
	HEAD_X_FORWARDED_HOST,
	HEAD_TRACEPARENT,
	HEAD_FIELDS
};

struct head_piece {
	uint16_t at;
	uint16_t len;
};

struct head_fields {
	/* Where the pieces are, if not in a text of our own: borrowed from the input. */
	const char *base;
	uint16_t seen; /* bit per field */
	uint8_t traceparents;
	struct head_piece piece[HEAD_FIELDS]; /* of those seen; the first one counts */
};

#endif
