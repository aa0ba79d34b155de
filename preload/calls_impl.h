/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALLS_IMPL_H
#define CALLS_IMPL_H
/* What calls.c gathers and calls_tell.c tells. */
#include <stdatomic.h>
#include <stdint.h>

#include "calls.h"

#define WAYS 4u    /* places where the entry of a request may lie */
#define GROUPS 16u /* different calls of one request that are told apart */
#define TEXT_MAX (CALLS_PEER_MAX + CALLS_OPERATION_MAX + CALLS_SUMMARY_MAX)

/* There is one only where it is told: of what was called twice, or has no span of its own. */
enum text_state { TEXT_NONE, TEXT_CLAIMED, TEXT_WHOLE };

/* Calls of a group that have no spans of their own: one too many, each of them. */
struct folded {
	_Atomic uint32_t count;
	_Atomic uint32_t failed;
	_Atomic uint64_t duration_ns;
	_Atomic uint64_t slowest_ns;
	_Atomic uint64_t start_before; /* as in struct group */
	_Atomic uint64_t end_ns;
};

/*
 * Calls that are the same.  Empty when hash is 0, and then all behind it are; all else only grows
 * meanwhile.
 */
struct group {
	_Atomic uint64_t hash;
	_Atomic uint64_t duration_ns;
	_Atomic uint64_t end_ns;       /* the latest */
	_Atomic uint64_t start_before; /* UINT64_MAX minus the earliest start; 0: none yet */
	_Atomic uint32_t count;
	_Atomic uint32_t overlapped; /* of them, those that began before another one had ended */
	_Atomic uint64_t text_state; /* enum text_state */
	uint8_t peer, operation, summary; /* lengths in text, in this order */
	char text[TEXT_MAX];
	struct folded folded;
};

struct entry {
	_Atomic uint64_t other_ns;
	_Atomic uint32_t count; /* all of them */
	_Atomic uint32_t other; /* calls that found no group */
	struct group groups[GROUPS];
	struct folded folded; /* of those */
};

/*
 * By who uses the entry; true: it is one too many.  is_named: its kind gets its text even where
 * this is the first of them.
 */
bool entry_add(struct entry *e, const struct call *c, uint64_t hash, bool is_named);

/* By who has it alone. */
void entry_clear(struct entry *e);

/* Entries of one request: one, or for threads that began at the same time more. */
struct found {
	struct entry *entries[WAYS];
	uint32_t n;
};

/* What they are becomes attributes of s, and what was folded spans below it. */
void calls_tell(struct span *s, const struct found *f);
/* The same of the only call that there was. */
void calls_tell_first(struct span *s, const struct call *first);

#endif
