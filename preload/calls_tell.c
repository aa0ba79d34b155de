/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of the calls of a request when it ends; how they are gathered: calls.c. */
#include "calls_impl.h"
#include "compiler.h"
#include "config.h"
#include "span_put.h"
#include "tracestate.h"

struct sums {
	uint64_t duration_ns;
	uint32_t count;
	uint32_t overlapped;
};

static ALWAYS_INLINE void sums_add(struct sums *sum, const struct group *g)
{
	sum->duration_ns += atomic_load(&g->duration_ns);
	sum->count += atomic_load(&g->count);
	sum->overlapped += atomic_load(&g->overlapped);
}

static NO_INLINE struct sums sum_of_all(const struct found *f, uint64_t hash)
{
	struct sums sum = { 0, 0, 0 };

	for (uint32_t i = 0; i < f->n; i++)
		for (struct group *g = f->entries[i]->groups; g < f->entries[i]->groups + GROUPS;
		     g++) {
			uint64_t seen = atomic_load(&g->hash);

			if (!seen)
				break;
			if (seen == hash)
				sums_add(&sum, g);
		}
	return sum;
}

/* A group's own, and those of the same in the other entries. */
static ALWAYS_INLINE struct sums group_sum(const struct found *f, const struct group *g)
{
	struct sums sum = { 0, 0, 0 };

	if (UNLIKELY(f->n > 1))
		return sum_of_all(f, atomic_load(&g->hash));
	sums_add(&sum, g);
	return sum;
}

static bool has_text(const struct group *g)
{
	return atomic_load_explicit(&g->text_state, memory_order_acquire) == TEXT_WHOLE;
}

static void set_text(struct span *s, enum attr key, const char *text, uint8_t len)
{
	if (len)
		span_set_str(s, key, (struct bytes){ text, len });
}

/* At least half of the repeats: one that was tried again makes no fan-out. */
static bool is_fan_out(const struct sums *sum)
{
	return 2 * sum->overlapped >= sum->count - 1;
}

/* The group of that hash that has a text; NULL: none, as yet. */
static const struct group *named(const struct found *f, uint64_t hash)
{
	for (uint32_t i = 0; i < f->n; i++)
		for (const struct group *g = f->entries[i]->groups;
		     g < f->entries[i]->groups + GROUPS; g++)
			if (atomic_load(&g->hash) == hash && has_text(g))
				return g;
	return NULL;
}

static NO_INLINE void repeated_tell(struct span *s, const struct group *g, const struct sums *sum)
{
	span_set_int(s, ATTR_CALLS_REPEATED_COUNT, sum->count);
	span_set_int(s, ATTR_CALLS_REPEATED_DURATION, (int64_t)(sum->duration_ns / 1000));
	span_set_str(s, ATTR_CALLS_REPEATED_MODE,
		     is_fan_out(sum) ? BYTES("overlapped") : BYTES("serial"));
	if (!g)
		return;
	set_text(s, ATTR_CALLS_REPEATED_PEER, g->text, g->peer);
	set_text(s, ATTR_CALLS_REPEATED_OPERATION, g->text + g->peer, g->operation);
	set_text(s, ATTR_CALLS_REPEATED_SUMMARY, g->text + g->peer + g->operation, g->summary);
}

static NO_INLINE void tell_sums(struct span *s, const struct found *f)
{
	struct sums all = { 0, 0, 0 }, most = { 0, 1, 0 };
	uint64_t repeated = 0;
	uint32_t other = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		struct entry *e = f->entries[i];

		all.count += atomic_load(&e->count);
		all.duration_ns += atomic_load(&e->other_ns);
		other += atomic_load(&e->other);
		for (const struct group *g = e->groups; g < e->groups + GROUPS; g++) {
			struct sums sum;

			if (!atomic_load(&g->hash))
				break;
			all.duration_ns += atomic_load(&g->duration_ns);
			sum = group_sum(f, g);
			if (sum.count <= most.count)
				continue;
			most = sum;
			repeated = atomic_load(&g->hash);
		}
	}
	if (!all.count)
		return;
	span_set_int(s, ATTR_CALLS_COUNT, all.count);
	span_set_int(s, ATTR_CALLS_DURATION, (int64_t)(all.duration_ns / 1000));
	if (repeated)
		repeated_tell(s, named(f, repeated), &most);
	if (other)
		span_set_int(s, ATTR_CALLS_OTHER, other);
}

/* --- calls that were one too many --- */

static void folded_set(struct span *s, const struct folded *f)
{
	uint32_t failed = atomic_load(&f->failed);

	span_set_int(s, ATTR_FOLDED_COUNT, atomic_load(&f->count));
	span_set_int(s, ATTR_FOLDED_DURATION, (int64_t)(atomic_load(&f->duration_ns) / 1000));
	span_set_int(s, ATTR_FOLDED_SLOWEST, (int64_t)(atomic_load(&f->slowest_ns) / 1000));
	if (!failed)
		return;
	span_set_int(s, ATTR_FOLDED_ERRORS, failed);
	span_set_error(s, BYTES("_OTHER"));
}

/* "SELECT orders", "GET": as the spans that it stands for. */
static void folded_name(struct span *s, const struct group *g)
{
	struct bytes operation = { g->text + g->peer, g->operation };
	struct bytes summary = { g->text + g->peer + g->operation, g->summary };

	set_text(s, ATTR_FOLDED_PEER, g->text, g->peer);
	set_text(s, ATTR_FOLDED_SUMMARY, summary.ptr, g->summary);
	span_set_name(s, bytes_start_with(summary, operation) ? summary : operation);
}

/* One span in the place of many; g: NULL for those that are not told apart. */
static void folded_tell(const struct span_context *parent, const struct folded *f,
			const struct group *g)
{
	struct span *s;

	if (!atomic_load(&f->count))
		return;
	s = span_start_at(SPAN_CLIENT, parent, UINT64_MAX - atomic_load(&f->start_before));
	if (!s)
		return;
	if (g && has_text(g))
		folded_name(s, g);
	else
		span_set_name(s, BYTES("other calls"));
	folded_set(s, f);
	span_end_with_root(s, atomic_load(&f->end_ns));
}

/* Apart, since few have any, and it takes a trace state on the stack. */
static NO_INLINE void tell_folded(const struct span *s, const struct found *f)
{
	struct span_context parent;
	char state[TRACESTATE_BYTES];

	if (!span_ref_context(span_ref(s), &parent, state, sizeof(state)))
		return;
	for (uint32_t i = 0; i < f->n; i++) {
		const struct entry *e = f->entries[i];

		for (const struct group *g = e->groups; g < e->groups + GROUPS; g++)
			folded_tell(&parent, &g->folded, g);
		folded_tell(&parent, &e->folded, NULL);
	}
}

static bool has_folded(const struct found *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (atomic_load(&f->entries[i]->count) > config.max_spans_per_request)
			return true;
	return false;
}

void calls_tell_first(struct span *s, const struct call *first)
{
	uint64_t took = first->end_ns > first->start_ns ? first->end_ns - first->start_ns : 0;

	span_put_int(s, ATTR_CALLS_COUNT, 1);
	span_put_int(s, ATTR_CALLS_DURATION, (int64_t)(took / 1000));
}

void calls_tell(struct span *s, const struct found *f)
{
	tell_sums(s, f);
	if (UNLIKELY(has_folded(f)))
		tell_folded(s, f);
}
