/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOTE_H
#define REMOTE_H
/*
 * OTEL_TRACES_SAMPLER=jaeger_remote (E40, E41): a Jaeger says how this service is sampled.  The
 * exporter thread asks it and writes the answer into the store; who starts a span reads it there,
 * without a lock, in whatever process of the tree, and raises store->polls_asked when the interval
 * is over: no span, no question, and no timer.
 *
 * There are two places for an answer.  The one that `version` names is read, the other one written,
 * and then version is raised; who finds it raised after reading reads again.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "config.h"
#include "store.h"

#define REMOTE_OPERATIONS 256u

struct remote_operation {
	_Atomic uint32_t name; /* strategy_name() */
	_Atomic uint64_t threshold;
};

/* As struct strategy.  Memory that is anybody's: numbers, none of which leads anywhere. */
struct remote_strategy {
	_Atomic uint32_t kind;
	_Atomic uint32_t n;
	_Atomic uint64_t threshold;
	_Atomic uint64_t interval_ns;
	struct remote_operation operations[REMOTE_OPERATIONS];
};

struct remote {
	_Atomic uint64_t due_ns;  /* CLOCK_MONOTONIC: the next question, not before */
	_Atomic uint32_t version; /* 0: no answer yet */
	struct remote_strategy is[2];
};

_Static_assert(sizeof(struct remote) <= STORE_REMOTE_BYTES, "the slots follow");

static inline struct remote *remote_of(struct store *st)
{
	return (struct remote *)((char *)st + STORE_REMOTE_AREA);
}

/* Of OTEL_TRACES_SAMPLER_ARG. */
struct remote_settings {
	struct bytes endpoint; /* borrows from the configuration */
	uint32_t interval_ms;
	uint64_t keep; /* of OT_ALL (ot_member.h): the share until there is an answer */
};

/* Pure.  False: it is malformed, and as good as unset (E25). */
bool remote_settings(const struct config *cfg, struct remote_settings *ret);

static inline bool remote_is_chosen(const struct config *cfg)
{
	return (cfg->traces_sampler & ~(uint32_t)SAMPLER_PARENTBASED) == SAMPLER_JAEGER_REMOTE;
}

/* By the exporter thread that owns st.  False: not understood, and the last answer stays. */
MUST_USE bool remote_answer(struct store *st, struct bytes body);

#endif
