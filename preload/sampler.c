/* SPDX-License-Identifier: Apache-2.0 */
#include "sampler.h"

#include <stdatomic.h>

#include "clock.h"
#include "config.h"
#include "decimal.h"
#include "log.h"
#include "ot_member.h"
#include "rate.h"
#include "remote.h"
#include "remote_pick.h"
#include "sampling_rule.h"
#include "stats.h"
#include "strategy.h"

#define RULES_MAX 32u

bool sampler_is_set;
bool sampler_has_rules;
bool sampler_is_by_parent;

struct rule {
	struct sampling_rule is;
	struct rate limit;
};

static struct rule rules[RULES_MAX];
static unsigned rule_count;
uint64_t sampler_threshold;
_Atomic bool sampler_is_by_id;
static struct rate limit;
static bool is_remote;
static _Atomic uint64_t remote_next_ns[REMOTE_PLACES]; /* of rates, by operation */

/* --- deciding --- */

static struct decision decision(enum verdict verdict, enum sampler_state state)
{
	return (struct decision){ (uint8_t)verdict, (uint8_t)state, 0 };
}

/* E53-E56, E58: kept or not, the trace state says no more than what is so. */
static struct decision by_probability(const struct sampler_case *c, uint64_t at_least)
{
	struct ot_member m = { .has_random = false };
	struct decision d = decision(VERDICT_SAMPLE, STATE_SET);

	if (c->parent)
		ot_member_find(c->parent->tracestate, &m);
	d.threshold = at_least;
	if ((m.has_random ? m.random : sampler_random_of(c->trace)) < at_least)
		d = decision(VERDICT_DROP, STATE_ERASE);
	return d;
}

/*
 * CM62: of a trace that begins here th is what the id was decided by, also in the spans below it,
 * for which the id is asked again.  Of somebody else's trace their th is not, and ours may not be:
 * they may have gone by rv, or made an id that is not random.
 */
static enum sampler_state ratio_state(const struct span_context *parent, bool is_kept)
{
	struct ot_member m;

	if (!parent)
		return is_kept ? STATE_SET : STATE_KEEP;
	if (LIKELY(!parent->tracestate.len))
		return STATE_KEEP;
	ot_member_find(parent->tracestate, &m);
	if (!m.has_threshold)
		return STATE_KEEP;
	return is_kept && !parent->is_remote && !m.has_random ? STATE_SET : STATE_ERASE;
}

/* E36: the id alone decides. */
static struct decision by_ratio(const struct sampler_case *c)
{
	bool is_kept = sampler_random_of(c->trace) >= sampler_threshold;
	struct decision d =
		decision(is_kept ? VERDICT_SAMPLE : VERDICT_DROP, ratio_state(c->parent, is_kept));

	if (c->parent && UNLIKELY(!atomic_load(&sampler_is_by_id)) &&
	    !atomic_exchange(&sampler_is_by_id, true))
		/* E47 */
		LOG(BYTES("traceidratio decides about traces that others began: "
			  "parts of them may be missing"));
	d.threshold = sampler_threshold;
	return d;
}

static struct decision over_limit(void)
{
	stats_inc(STAT_RATE_LIMITED);
	return decision(VERDICT_DROP, STATE_ERASE);
}

static uint64_t now_of(const struct sampler_case *c)
{
	return c->now_ns ? c->now_ns : clock_monotonic_ns();
}

/* E40.  Of an operation that chance leaves out, so many in a second are sampled all the same. */
static struct decision by_remote(const struct sampler_case *c)
{
	uint64_t now = now_of(c);
	struct remote_pick pick = remote_pick(c->rule, now);
	struct decision d = decision(VERDICT_SAMPLE, STATE_ERASE);
	bool is_let = pick.interval_ns &&
		      rate_lets_each(&remote_next_ns[pick.place], pick.interval_ns, now);

	if (pick.is_rate)
		return is_let ? d : over_limit();
	d = by_probability(c, pick.threshold);
	if (d.verdict == VERDICT_DROP && is_let)
		d.verdict = VERDICT_SAMPLE;
	return d;
}

static struct decision by_sampler(const struct sampler_case *c)
{
	switch (config.traces_sampler & ~SAMPLER_PARENTBASED) {
	case SAMPLER_ALWAYS_OFF:
		return decision(VERDICT_DROP, STATE_KEEP);
	case SAMPLER_TRACEIDRATIO:
		return by_ratio(c);
	case SAMPLER_PROBABILITY:
		return by_probability(c, sampler_threshold);
	case SAMPLER_JAEGER_REMOTE:
		return by_remote(c);
	default:
		return decision(VERDICT_SAMPLE, STATE_KEEP);
	}
}

static struct decision by_rule(const struct sampler_case *c, struct rule *r)
{
	if (!r->limit.interval_ns)
		return by_probability(c, r->is.threshold);
	if (rate_lets(&r->limit, now_of(c)))
		return decision(VERDICT_SAMPLE, STATE_ERASE);
	return over_limit();
}

static struct decision as_set(const struct sampler_case *c)
{
	struct decision d;

	if (LIKELY(c->parent && !c->parent->is_deferred) &&
	    config.traces_sampler & SAMPLER_PARENTBASED)
		return decision(c->parent->flags & TRACE_FLAG_SAMPLED ? VERDICT_SAMPLE :
									VERDICT_DROP,
				STATE_KEEP);
	if (c->rule - 1 < rule_count)
		d = by_rule(c, &rules[c->rule - 1]);
	else
		d = by_sampler(c);
	if (c->parent || d.verdict != VERDICT_SAMPLE || !limit.interval_ns)
		return d;
	/* How many of all traces these are nobody knows beforehand: no th (E58). */
	if (rate_lets(&limit, now_of(c)))
		return decision(VERDICT_SAMPLE, STATE_ERASE);
	return over_limit();
}

struct decision sampler_decide_as_set(const struct sampler_case *c)
{
	struct decision d = as_set(c);

	/* By what share of chance nobody knows: no th (E58). */
	if (UNLIKELY(c->rule == SAMPLER_FORCED) && d.verdict != VERDICT_SAMPLE)
		return decision(VERDICT_SAMPLE, STATE_ERASE);
	return d;
}

unsigned sampler_rule(struct bytes method, struct bytes path, struct sampler_name name)
{
	for (unsigned i = 0; i < rule_count; i++)
		if (sampling_rule_fits(&rules[i].is, method, path))
			return i + 1;
	return is_remote ? strategy_name(name.method, name.route) : 0;
}

/* --- settings --- */

static bool is_by_ratio(void)
{
	unsigned which = config.traces_sampler & ~SAMPLER_PARENTBASED;

	return which == SAMPLER_TRACEIDRATIO || which == SAMPLER_PROBABILITY;
}

/* E25: what is no ratio is as good as nothing. */
static void take_argument(void)
{
	uint64_t keep = OT_ALL;

	sampler_threshold = 0;
	if (!is_by_ratio() || !config.traces_sampler_arg.len)
		return;
	if (!decimal_parse(config.traces_sampler_arg, OT_ALL, &keep) || keep > OT_ALL) {
		LOG(BYTES("OTEL_TRACES_SAMPLER_ARG is no ratio from 0 to 1, and is taken for 1: "),
		    config.traces_sampler_arg);
		return;
	}
	/* Rounded as th is written, so that th is what decides. */
	sampler_threshold = ot_threshold(keep);
}

static void take_rule(struct bytes text)
{
	struct rule *r = &rules[rule_count];

	if (!sampling_rule_parse(text, &r->is)) {
		LOG(BYTES("OTEL_INTERSPAN_SAMPLING_RULES: not understood, and left out: "), text);
		return;
	}
	if (!sampling_rule_is_for(&r->is, config.service_name))
		return;
	r->limit.interval_ns = r->is.interval_ns;
	atomic_store(&r->limit.next_ns, 0);
	rule_count++;
}

static void take_rules(void)
{
	struct bytes rest = config.sampling_rules;

	rule_count = 0;
	while (rest.ptr) {
		struct bytes text = bytes_trim(bytes_split(&rest, ';'));

		if (!text.len)
			continue;
		if (rule_count == RULES_MAX) {
			LOG(BYTES("OTEL_INTERSPAN_SAMPLING_RULES: one too many, and left out: "),
			    text);
			continue;
		}
		take_rule(text);
	}
	sampler_has_rules = rule_count != 0 || is_remote;
}

static void take_limit(void)
{
	struct bytes text = config.traces_per_second;

	limit.interval_ns = 0;
	atomic_store(&limit.next_ns, 0);
	if (text.len && !sampling_rate_parse(text, &limit.interval_ns))
		LOG(BYTES("OTEL_INTERSPAN_TRACES_PER_SECOND is no number above 0: "), text);
}

static void take_remote(void)
{
	is_remote = remote_is_chosen(&config);
	if (!is_remote)
		return;
	remote_init();
	for (unsigned i = 0; i < REMOTE_PLACES; i++)
		atomic_store_explicit(&remote_next_ns[i], 0, memory_order_relaxed);
}

void sampler_init(void)
{
	atomic_store(&sampler_is_by_id, false);
	take_argument();
	take_remote();
	take_rules();
	take_limit();
	sampler_is_by_parent = config.traces_sampler & SAMPLER_PARENTBASED;
	sampler_is_set = config.traces_sampler != (SAMPLER_ALWAYS_ON | SAMPLER_PARENTBASED) ||
			 sampler_has_rules || limit.interval_ns || config.force_header.len ||
			 config.force_baggage.len;
}
