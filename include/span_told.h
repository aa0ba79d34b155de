/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPAN_TOLD_H
#define SPAN_TOLD_H
/*
 * Items of a record that have attributes of their own: events of the application's, and links.  How
 * their values lie there (store.h), and how they are read.  Nothing in them is believed.
 *
 * All functions: any thread, async-signal-safe; what they return borrows from value.
 */
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "compiler.h"
#include "trace_id.h"

/* ITEM_EVENT_OF: this, the name, and pairs. */
struct item_event {
	uint64_t ns; /* CLOCK_MONOTONIC */
	uint16_t name_len;
	uint16_t dropped; /* attributes that there was no room for */
	uint32_t zero;
};

/* ITEM_LINK: this, the trace state, and pairs. */
struct item_link {
	struct trace_id trace;
	struct span_id span;
	uint8_t flags;     /* TRACE_FLAG_* as they came */
	uint8_t is_remote; /* it came over the wire (O53) */
	uint16_t state_len;
	uint16_t dropped;
};

_Static_assert(sizeof(struct item_event) == 16 && sizeof(struct item_link) == 30, "no padding");

/* What both are, apart from that. */
struct item_told {
	struct bytes text;  /* name, or trace state */
	struct bytes pairs; /* as item_pair_next() takes them */
};

/* False: damaged. */
MUST_USE bool item_event_split(struct bytes value, struct item_event *ret, struct item_told *told);
MUST_USE bool item_link_split(struct bytes value, struct item_link *ret, struct item_told *told);

/*
 * Takes one attribute off pairs: a byte, the length of its key; two, that of its text, low byte
 * first; both.  False: no more of them, or damaged.
 */
MUST_USE bool item_pair_next(struct bytes *pairs, struct bytes *ret_key, struct bytes *ret_text);
#define ITEM_PAIR_HEAD 3u

#endif
