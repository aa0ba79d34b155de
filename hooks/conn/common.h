/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_H
#define COMMON_H
/*
 * What the spans of one connection have in common: all attributes that follow from its ends, and
 * from the method, the host and the agent of its requests, which hardly ever change.  Worked out
 * for the first request, and copied for those that are like it.  Whoever holds the half that
 * carries requests has it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "span.h"

#define COMMON_KEY_BYTES 200u

/* What decides; all else that the attributes follow from must be as it was with the first. */
struct common_key {
	struct bytes method;
	struct bytes host;
	struct bytes agent;
	uint8_t version;
};

struct common {
	uint8_t version; /* 0: nothing is kept */
	uint8_t method_len;
	uint8_t host_len;
	uint8_t agent_len;
	bool is_shared;  /* span_block_share() was asked */
	uint32_t serial; /* another one whenever something else is kept; never 0 then */
	struct span_block block;
	char key[COMMON_KEY_BYTES]; /* method, host, agent */
};

/* Sets on s what is kept for that key; false: nothing is. */
MUST_USE bool common_recall(struct common *k, const struct common_key *key, struct span *s);

/* Keeps what was set on s since then. */
void common_keep(struct common *k, const struct common_key *key, const struct span *s,
		 struct span_mark since);

#endif
