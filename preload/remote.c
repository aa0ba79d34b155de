/* SPDX-License-Identifier: Apache-2.0 */
#include "remote.h"

#include <linux/futex.h>

#include "decimal.h"
#include "log.h"
#include "ot_member.h"
#include "rawsys.h"
#include "remote_pick.h"
#include "shake.h"
#include "strategy.h"

#define MS_NS 1000000u
#define INTERVAL_MS 60000u
#define KEEP (OT_ALL / 1000) /* as Jaeger's own clients */
#define TRIES 4u             /* an answer comes once in a while: the second one is good */

_Static_assert(REMOTE_OPERATIONS == STRATEGY_OPERATIONS, "an answer fits");
_Static_assert(REMOTE_PLACES == REMOTE_OPERATIONS + 1, "a place for the rest");

static uint64_t first_threshold; /* until there is an answer */
static uint64_t interval_ns;

/* --- settings --- */

static bool ms_parse(struct bytes s, uint32_t *ret)
{
	uint64_t ms;

	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	if (!decimal_parse(s, 1, &ms) || ms == 0 || ms > INT32_MAX)
		return false;
	*ret = (uint32_t)ms;
	return true;
}

static bool pair_take(struct bytes value, struct remote_settings *s)
{
	struct bytes key = bytes_trim(bytes_split(&value, '='));

	value = bytes_trim(value);
	if (!value.len)
		return false;
	if (bytes_equal(key, BYTES("endpoint"))) {
		s->endpoint = value;
		return true;
	}
	if (bytes_equal(key, BYTES("pollingIntervalMs")))
		return ms_parse(value, &s->interval_ms);
	if (bytes_equal(key, BYTES("initialSamplingRate")))
		return decimal_parse(value, OT_ALL, &s->keep) && s->keep <= OT_ALL;
	return false;
}

bool remote_settings(const struct config *cfg, struct remote_settings *ret)
{
	const struct remote_settings usual = { BYTES("http://localhost:5778"), INTERVAL_MS, KEEP };
	struct bytes rest = cfg->traces_sampler_arg;

	*ret = usual;
	while (rest.len) {
		struct bytes pair = bytes_trim(bytes_split(&rest, ','));

		if (pair.len && !pair_take(pair, ret)) {
			*ret = usual;
			return false;
		}
	}
	return true;
}

void remote_init(void)
{
	struct remote_settings s;

	if (!remote_settings(&config, &s))
		LOG(BYTES("OTEL_TRACES_SAMPLER_ARG is not understood, and ignored: "),
		    config.traces_sampler_arg);
	first_threshold = ot_threshold(s.keep);
	interval_ns = (uint64_t)s.interval_ms * MS_NS;
}

/* --- writing --- */

/*
 * Releases: who reads one of these numbers while he believes in the version before sees by the next
 * look at it that he must not.
 */
static void strategy_write(struct remote_strategy *to, const struct strategy *from)
{
	atomic_store_explicit(&to->kind, from->kind, memory_order_release);
	atomic_store_explicit(&to->n, from->n, memory_order_release);
	atomic_store_explicit(&to->threshold, from->threshold, memory_order_release);
	atomic_store_explicit(&to->interval_ns, from->interval_ns, memory_order_release);
	for (unsigned i = 0; i < from->n; i++) {
		SHAKE();
		atomic_store_explicit(&to->operations[i].name, from->operations[i].name,
				      memory_order_release);
		atomic_store_explicit(&to->operations[i].threshold, from->operations[i].threshold,
				      memory_order_release);
	}
}

bool remote_answer(struct store *st, struct bytes body)
{
	static struct strategy strategy; /* one thread of a process, and not a small thing */
	struct remote *r = remote_of(st);
	uint32_t version = atomic_load_explicit(&r->version, memory_order_relaxed) + 1;

	if (!strategy_parse(body, &strategy))
		return false;
	strategy_write(&r->is[version & 1], &strategy);
	SHAKE();
	atomic_store(&r->version, version ? version : 2);
	return true;
}

/* --- reading --- */

static uint64_t number(const _Atomic uint64_t *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

static uint32_t word(const _Atomic uint32_t *from)
{
	return atomic_load_explicit(from, memory_order_acquire);
}

static void strategy_read(struct remote_strategy *s, uint32_t name, struct remote_pick *ret)
{
	uint32_t kind = word(&s->kind), n = word(&s->n);

	*ret = (struct remote_pick){ kind == STRATEGY_RATE, number(&s->threshold),
				     number(&s->interval_ns), REMOTE_OPERATIONS };
	if (n > REMOTE_OPERATIONS)
		n = REMOTE_OPERATIONS;
	for (uint32_t i = 0; kind == STRATEGY_BY_OPERATION && i < n; i++)
		if (word(&s->operations[i].name) == name) {
			ret->threshold = number(&s->operations[i].threshold);
			ret->place = i;
			break;
		}
	if (ret->threshold > OT_ALL)
		ret->threshold = OT_ALL;
}

/* Wakes the exporter, or has one started; inside the guard, as at the end of a span. */
static NO_INLINE void ask(struct store *st, uint64_t due, uint64_t now)
{
	void (*wanted)(struct store *) = atomic_load(&span_ended_without_owner);

	if (!atomic_compare_exchange_strong(&remote_of(st)->due_ns, &due, now + interval_ns))
		return;
	atomic_fetch_add(&st->polls_asked, 1);
	SHAKE();
	atomic_fetch_add(&st->wake, 1);
	raw_futex(&st->wake, FUTEX_WAKE, 1, NULL);
	if (!store_has_owner(st) && wanted)
		wanted(st);
}

struct remote_pick remote_pick(uint32_t name, uint64_t now_ns)
{
	struct remote_pick pick = { false, first_threshold, 0, REMOTE_OPERATIONS };
	struct store *st = store_get();
	struct remote *r;
	uint32_t version;
	uint64_t due;

	if (!st)
		return pick;
	r = remote_of(st);
	due = atomic_load_explicit(&r->due_ns, memory_order_relaxed);
	if (UNLIKELY(now_ns >= due))
		ask(st, due, now_ns);
	version = word(&r->version);
	for (unsigned i = 0; version && i < TRIES; i++) {
		uint32_t before = version;

		strategy_read(&r->is[version & 1], name, &pick);
		SHAKE();
		version = word(&r->version);
		if (version == before)
			break;
	}
	return pick;
}
