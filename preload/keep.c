/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

#include <stdatomic.h>

#include "barrier.h"
#include "config.h"
#include "keep_rule.h"
#include "log.h"
#include "rate.h"
#include "sampling_rule.h"
#include "shake.h"
#include "stats.h"

#define RULES_MAX 32u
#define AGE_NS 600000000000u

bool keep_is_set;
bool keep_has_rules;
uint64_t keep_ordinary_ns;

static struct keep_rule rules[RULES_MAX];
static unsigned rule_count;
static struct rate limit;

enum reason { REASON_NONE, REASON_FORCED, REASON_ERROR, REASON_SLOW, REASON_RULE };

/* --- settings --- */

/* Of OTEL_RESOURCE_ATTRIBUTES, where it is one word. */
static struct bytes resource_find(struct bytes key)
{
	struct bytes list = config.resource_attributes;

	while (list.ptr) {
		struct bytes value = bytes_split(&list, ',');

		if (bytes_equal(bytes_trim(bytes_split(&value, '=')), key))
			return bytes_trim(value);
	}
	return (struct bytes){ NULL, 0 };
}

static bool is_kind(struct bytes mode)
{
	return bytes_equal_nocase(mode, BYTES("local")) ||
	       bytes_equal_nocase(mode, BYTES("testing")) || bytes_equal_nocase(mode, BYTES("lab"));
}

void keep_take_mode(void)
{
	struct bytes mode = config.mode;
	bool is_production;

	if (!mode.len)
		mode = resource_find(BYTES("deployment.environment.name"));
	is_production = bytes_equal_nocase(mode, BYTES("production"));
	if (config.mode.len && !is_production && !is_kind(mode))
		LOG(BYTES("OTEL_INTERSPAN_MODE is not understood, and ignored: "), mode);
	if (is_production && !config.has_sampler) {
		config.traces_sampler = SAMPLER_PROBABILITY | SAMPLER_PARENTBASED;
		config.traces_sampler_arg = BYTES("0.01");
	}
	if (config.keep.len)
		return;
	if (is_production)
		config.keep = BYTES("error,slow>1s,forced");
	else if (is_kind(mode) && !config.has_sampler)
		config.keep = BYTES("all");
}

/* What takes less is none that this rule keeps, unless it failed or `kept` says so. */
static uint64_t least_ns(const struct keep_rule *r)
{
	switch (r->kind) {
	case KEEP_ERROR:
	case KEEP_METHOD:
	case KEEP_ROUTE:
	case KEEP_FORCED:
		return UINT64_MAX;
	case KEEP_SLOW: /* which is more than that, or that */
		return r->number;
	default:
		return 0;
	}
}

static void take_term(struct bytes term)
{
	struct keep_rule *r = &rules[rule_count];

	if (rule_count == RULES_MAX) {
		LOG(BYTES("OTEL_INTERSPAN_KEEP: one too many, and left out: "), term);
		return;
	}
	if (!keep_rule_parse(term, r)) {
		LOG(BYTES("OTEL_INTERSPAN_KEEP: not understood, and left out: "), term);
		return;
	}
	keep_has_rules |= r->kind == KEEP_METHOD || r->kind == KEEP_ROUTE;
	if (least_ns(r) < keep_ordinary_ns)
		keep_ordinary_ns = least_ns(r);
	rule_count++;
}

static void take_limit(void)
{
	struct bytes text = config.kept_per_second;

	limit.interval_ns = 0;
	atomic_store(&limit.next_ns, 0);
	if (text.len && !sampling_rate_parse(text, &limit.interval_ns))
		LOG(BYTES("OTEL_INTERSPAN_KEPT_PER_SECOND is no number above 0: "), text);
}

void keep_init(void)
{
	struct bytes rest = config.keep;
	bool is_none = false;

	rule_count = 0;
	keep_has_rules = false;
	keep_ordinary_ns = UINT64_MAX;
	while (rest.ptr) {
		struct bytes term = bytes_trim(bytes_split(&rest, ','));

		is_none |= bytes_equal_nocase(term, BYTES("none"));
		if (term.len && !is_none)
			take_term(term);
	}
	keep_is_set = rule_count && !is_none && !config.sdk_disabled;
	keep_has_rules &= keep_is_set;
	take_limit();
}

/* --- beginning --- */

/* Of a span that somebody else may be ending: whether it was one is found out afterwards. */
struct peek {
	uint8_t verdict;
	struct span_ref root;
	uint64_t start_ns;
};

__attribute__((no_sanitize("thread"))) static struct peek peek(const struct span *s)
{
	const volatile struct span *v = s;

	return (struct peek){ v->verdict, { v->root.slot, v->root.generation }, v->start_ns };
}

void keep_begin(struct span *s, const struct span_context *parent)
{
	const struct span *local = parent && parent->local.slot ? span_get(parent->local) : NULL;
	struct peek seen;

	keep_begin_root(s, atomic_load_explicit(&s->generation, memory_order_relaxed));
	if (!local)
		return;
	seen = peek(local);
	read_barrier();
	if (span_get(parent->local) != local) /* it ended meanwhile, and that was another's */
		return;
	if (seen.verdict == VERDICT_DROP)
		s->verdict = VERDICT_DROP; /* as it was told to be (span_exclude()) */
	else
		s->root = seen.root.slot ? seen.root : parent->local;
}

void keep_request(struct span *s, struct bytes method, struct bytes path)
{
	if (span_verdict(s) != VERDICT_RECORD)
		return;
	for (unsigned i = 0; i < rule_count; i++)
		if (keep_rule_fits(&rules[i], method, path))
			s->kept |= KEPT_BY_RULE;
}

/* --- which are kept --- */

/* What a client did wrong is no failure of the one whom it asked, or of the one who asked. */
static bool has_failed(const struct span *s)
{
	return s->status == SPAN_STATUS_ERROR && (s->http_status < 400 || s->http_status >= 500);
}

static bool rule_holds(const struct keep_rule *r, const struct span *s)
{
	switch (r->kind) {
	case KEEP_STATUS:
		return s->http_status && keep_rule_compares(r, s->http_status);
	case KEEP_ALL:
		return true;
	default:
		return false;
	}
}

/* The first of forced, error, slow, rule, in this order: the one that somebody will ask about. */
static enum reason reason_of(const struct span *s, uint32_t facts)
{
	enum reason best = s->kept & KEPT_BY_RULE ? REASON_RULE : REASON_NONE;
	bool failed = facts & HELD_FAILED || has_failed(s);

	if (s->kept & KEPT_FORCED)
		return REASON_FORCED;
	for (unsigned i = 0; i < rule_count; i++) {
		const struct keep_rule *r = &rules[i];

		if (r->kind == KEEP_ERROR && failed)
			return REASON_ERROR;
		if (r->kind == KEEP_SLOW && keep_rule_compares(r, s->end_ns - s->start_ns))
			best = REASON_SLOW;
		else if (best == REASON_NONE && rule_holds(r, s))
			best = REASON_RULE;
	}
	return best;
}

/* What is asked for one by one needs no limit, nor who wants it all. */
static bool is_limited(enum reason why)
{
	if (why == REASON_FORCED || !limit.interval_ns)
		return false;
	for (unsigned i = 0; i < rule_count; i++)
		if (rules[i].kind == KEEP_ALL)
			return false;
	return true;
}

static const struct told {
	char word[8];
	uint8_t selected, limited; /* enum stat_id */
} told[] = {
	[REASON_FORCED] = { "forced", STAT_SELECTED_FORCED, STAT_SELECTED_FORCED },
	[REASON_ERROR] = { "error", STAT_SELECTED_ERROR, STAT_KEEP_LIMITED_ERROR },
	[REASON_SLOW] = { "slow", STAT_SELECTED_SLOW, STAT_KEEP_LIMITED_SLOW },
	[REASON_RULE] = { "rule", STAT_SELECTED_RULE, STAT_KEEP_LIMITED_RULE },
};

_Static_assert(STATS <= UINT8_MAX, "fits");

/* facts: HELD_*, of what it has called. */
static enum keep_end decide(struct span *s, uint32_t facts)
{
	enum reason why;

	if (keep_is_ordinary(s, s->end_ns - s->start_ns) && LIKELY(!(facts & HELD_FAILED)))
		return KEEP_FORGET;
	why = reason_of(s, facts);
	if (why == REASON_NONE)
		return KEEP_FORGET;
	if (is_limited(why) && !rate_lets(&limit, s->end_ns)) {
		stats_inc((enum stat_id)told[why].limited);
		return KEEP_FORGET;
	}
	stats_inc((enum stat_id)told[why].selected);
	span_set_str(s, ATTR_SELECTED, bytes_from_str(told[why].word));
	if (facts & HELD_PART)
		span_set_bool(s, ATTR_PARTIAL, true);
	s->kept |= KEPT_SELECTED;
	return KEEP_SEND;
}

/* --- the end of what a root has called --- */

static bool has_room(struct store *st, struct span *root, const struct span *s)
{
	uint64_t start_ns = peek(root).start_ns;

	/* Another's, if it has ended meanwhile: then hang() will find out. */
	if (s->end_ns > start_ns && s->end_ns - start_ns > AGE_NS)
		return false;
	if (atomic_fetch_add(&root->holds, 1) >= config.max_spans_per_request)
		return false;
	if (atomic_fetch_add(&st->held, s->slots) + s->slots <= store_slots() / 2)
		return true;
	atomic_fetch_sub(&st->held, s->slots);
	return false;
}

/*
 * One compare-exchange finds out that it still is the same root, and that it has not ended.  False:
 * it has.  number 0: only something to say of it.
 */
static bool hang(struct span *root, struct span *s, uint32_t number, uint32_t facts)
{
	uint64_t first = atomic_load(&root->held), next;

	do {
		uint32_t keep = (uint32_t)first & (HELD_PART | HELD_FAILED);

		if (first >> HELD_GENERATION != s->root.generation || first & HELD_CLOSED)
			return false;
		if (number)
			atomic_store_explicit(&s->held, first & HELD_NUMBER, memory_order_relaxed);
		SHAKE();
		next = held_word(s->root.generation,
				 keep | facts | (number ? number : (uint32_t)first & HELD_NUMBER));
	} while (!atomic_compare_exchange_weak(&root->held, &first, next));
	return true;
}

/* NULL: it is one, or that one has ended. */
static struct span *root_of(const struct span *s)
{
	return s->root.slot ? span_get(s->root) : NULL;
}

static enum keep_end hold(struct store *st, struct span *root, struct span *s)
{
	uint32_t facts = has_failed(s) ? HELD_FAILED : 0;
	uint32_t slots = s->slots;

	if (!has_room(st, root, s)) {
		stats_inc(STAT_KEEP_FULL);
		(void)hang(root, s, 0, facts | HELD_PART);
		return KEEP_FORGET;
	}
	/* Before it can be seen there: from then on it is the root's. */
	atomic_store(&s->state, SLOT_HELD);
	if (hang(root, s, store_index(st, s) + 1, facts))
		return KEEP_HELD;
	atomic_store(&s->state, SLOT_OPEN);
	atomic_fetch_sub(&st->held, slots);
	return decide(s, 0);
}

void keep_force(struct span *s)
{
	if (span_verdict(s) == VERDICT_RECORD)
		atomic_fetch_or(&s->kept, KEPT_FORCED);
}

void span_set_forced(struct span *s)
{
	span_set_str(s, ATTR_SELECTED, BYTES("forced"));
	stats_inc(STAT_SELECTED_FORCED);
}

/* --- the end --- */

enum keep_end keep_end(struct store *st, struct span *s)
{
	struct span *root = root_of(s);

	/* Later than its root it is on its own. */
	if (root)
		return hold(st, root, s);
	return decide(s, s->root.slot ? 0 : (uint32_t)atomic_fetch_or(&s->held, HELD_CLOSED));
}

void keep_fold(struct span *s)
{
	struct span *root = root_of(s);

	if (root && has_failed(s))
		(void)hang(root, s, 0, HELD_FAILED);
}

/* What hangs there, if it is what it should be: a number is anybody's word. */
static struct span *held_get(struct store *st, uint32_t number, struct span_ref root)
{
	struct span *s = number - 1 < store_slots() ? store_slot(st, number - 1) : NULL;

	if (!s || atomic_load(&s->state) != SLOT_HELD || s->root.slot != root.slot ||
	    s->root.generation != root.generation)
		return NULL;
	return s;
}

void keep_settle(struct store *st, struct span *s, bool is_sent)
{
	struct span_ref root = span_ref(s);
	uint32_t number, left = config.max_spans_per_request;

	if (s->root.slot)
		return;
	number = (uint32_t)atomic_load(&s->held);
	if (!(number & HELD_CLOSED)) /* by keep_end() */
		number = (uint32_t)atomic_fetch_or(&s->held, HELD_CLOSED);
	number &= HELD_NUMBER;
	while (number && left--) {
		struct span *h = held_get(st, number, root);

		if (!h)
			return;
		number = (uint32_t)atomic_load_explicit(&h->held, memory_order_relaxed) &
			 HELD_NUMBER;
		/* First out of the list: who dies here leaves one that another can go on with. */
		atomic_store_explicit(&s->held, held_word(root.generation, HELD_CLOSED | number),
				      memory_order_relaxed);
		SHAKE();
		atomic_fetch_sub(&st->held, h->slots);
		SHAKE();
		if (!is_sent) {
			stats_inc(STAT_SPANS_UNSAMPLED);
			slot_free(st, h);
			continue;
		}
		h->kept |= KEPT_SELECTED;
		if (slot_publish_held(st, h))
			stats_inc(STAT_SPANS_ENDED);
	}
}
