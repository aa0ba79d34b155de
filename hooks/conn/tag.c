/* SPDX-License-Identifier: Apache-2.0 */
#include "tag.h"

#include <stdatomic.h>

#include "barrier.h"
#include "config.h"
#include "conn.h"
#include "hex.h"
#include "process.h"
#include "shake.h"
#include "signature.h"
#include "single.h"
#include "stats.h"
#include "store.h"
#include "traceparent.h"

/* --- ids that were read --- */

_Alignas(64) _Atomic uint64_t tag_table[TAG_BUCKETS][TAG_BUCKET];

/*
 * The open span of this process that an entry tells of; slot 0: it has ended, or it is of the
 * process that forked us.  The slot may be changing hands: span_ref_context() tells.
 */
__attribute__((no_sanitize("thread"))) static struct span_ref open_of(uint64_t word)
{
	uint32_t slot = (uint32_t)(word >> TAG_SLOT_AT) & ((1u << TAG_SLOT_BITS) - 1);
	const struct store *st = store_get();
	const struct span *at;
	const volatile struct span *s;
	struct span_ref ref;

	if (!slot || !st || slot > store_slots())
		return (struct span_ref){ 0, 0 };
	at = store_slot(st, slot - 1);
	ref = (struct span_ref){ slot,
				 atomic_load_explicit(&at->generation, memory_order_relaxed) };
	s = store_span(ref);
	if (UNLIKELY(!s) || s->pid != process_pid() ||
	    UNLIKELY((uint64_t)ref.generation << TAG_GENERATION_AT !=
		     word >> TAG_GENERATION_AT << TAG_GENERATION_AT))
		return (struct span_ref){ 0, 0 };
	return ref;
}

/*
 * Does the entry take it?  Not while it answers for somebody, and not if it is of the same id: that
 * one has come twice must stay known.
 */
static bool entry_take(_Atomic uint64_t *e, uint64_t id, uint64_t word, bool is_last_resort)
{
	uint64_t old = atomic_load_explicit(e, memory_order_relaxed);

	if (UNLIKELY(!is_last_resort && (old & TAG_KNOWN) == tag_known(id)))
		return false;
	return !open_of(old).slot && LIKELY(single_exchange(e, &old, word));
}

/* No room: an id goes that an open span has, and where it is known twice, the other one is void. */
static void entry_force(_Atomic uint64_t *bucket, _Atomic uint64_t *e, uint64_t word)
{
	uint64_t lost = atomic_load(e) & TAG_KNOWN;

	stats_inc(STAT_TAG_LOST);
	for (unsigned i = 0; i < TAG_BUCKET; i++)
		if ((atomic_load(&bucket[i]) & TAG_KNOWN) == lost)
			atomic_store(&bucket[i], lost | TAG_VOID);
	atomic_store_explicit(e, word, memory_order_release);
}

void tag_remember_elsewhere(struct span_ref s, uint64_t id)
{
	uint64_t word = tag_live(id, s);
	_Atomic uint64_t *bucket = tag_bucket_of(id);

	for (unsigned i = 0; i < 2 * TAG_BUCKET; i++)
		if (entry_take(&bucket[(tag_first(id) + i) % TAG_BUCKET], id, word,
			       i >= TAG_BUCKET))
			return;
	entry_force(bucket, &bucket[tag_first(id)], word);
}

void tag_ended_elsewhere(struct span_ref s, uint64_t id)
{
	_Atomic uint64_t *bucket = tag_bucket_of(id);

	for (unsigned i = 0; i < TAG_BUCKET; i++) {
		uint64_t was = tag_live(id, s);

		if (single_exchange(&bucket[i], &was, tag_past(id)))
			return;
	}
}

static bool is_same(const struct span_context *c, const struct trace_id *trace,
		    const struct span_id *id)
{
	return memcmp(&c->trace, trace, sizeof(*trace)) == 0 &&
	       memcmp(&c->span, id, sizeof(*id)) == 0;
}

/* Is the span open, ours, and is that its own id or the one of its caller? */
static ALWAYS_INLINE bool answers(struct span_ref ref, const struct trace_id *trace,
				  const struct span_id *id, struct span_context *ret, char *state,
				  size_t cap)
{
	if (UNLIKELY(!ref.slot) || UNLIKELY(!span_ref_context(ref, ret, state, cap)))
		return false;
	return LIKELY(is_same(ret, trace, id)) || span_ref_is_called_by(ref, trace, id);
}

/* An entry that has the bits of that id: is it another one's, beyond doubt? */
static bool is_of_another(uint64_t word, const struct trace_id *trace, const struct span_id *id)
{
	struct span_context is;
	struct span_ref ref;

	if (!(word & TAG_SLOT_MASK))
		return word != tag_past(tag_word(id));
	ref = open_of(word);
	return ref.slot && !answers(ref, trace, id, &is, NULL, 0) && span_get(ref);
}

/* Returns how many entries of its bucket are of that id, *ret one of them; each, or as it seems. */
static unsigned entries_of(const struct trace_id *trace, const struct span_id *id, bool each,
			   uint64_t *ret)
{
	uint64_t wanted = tag_word(id), known = tag_known(wanted);
	const _Atomic uint64_t *bucket = tag_bucket_of(wanted);
	unsigned times = 0;

	for (unsigned i = 0; i < TAG_BUCKET; i++) {
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_acquire);

		if ((word & TAG_KNOWN) != known || (each && is_of_another(word, trace, id)))
			continue;
		*ret = word;
		times++;
	}
	return times;
}

enum tag tag_find_context(const struct trace_id *trace, const struct span_id *id,
			  struct span_ref *ret, struct span_context *ret_context, char *state,
			  size_t cap)
{
	uint64_t found = 0;
	unsigned times = entries_of(trace, id, false, &found);

	for (bool each = false; times; each = true) {
		struct span_ref ref = open_of(found);

		if (LIKELY(times == 1) &&
		    LIKELY(answers(ref, trace, id, ret_context, state, cap))) {
			*ret = ref;
			return TAG_LIVE;
		}
		if (each)
			return TAG_STALE;
		times = entries_of(trace, id, true, &found);
	}
	return TAG_UNKNOWN;
}

/* Of a slot that may be changing hands, as open_of() and span_ref_context(). */
__attribute__((no_sanitize("thread"))) static ALWAYS_INLINE bool
is_plain(const struct span *s, const struct span_context *c)
{
	typedef const volatile uint64_t word __attribute__((may_alias, aligned(1)));
	const word *is = (const word *)(const void *)&s->trace, *wanted = (const word *)&c->trace;

	_Static_assert(offsetof(struct span, id) == offsetof(struct span, trace) + 16 &&
			       offsetof(struct span_context, span) ==
				       offsetof(struct span_context, trace) + 16,
		       "one behind the other");
	return !((is[0] ^ wanted[0]) | (is[1] ^ wanted[1]) | (is[2] ^ wanted[2])) &&
	       !(((const volatile struct span *)s)->lists & LIST_OF(ITEM_TRACESTATE));
}

static ALWAYS_INLINE bool is_still(const struct span *s, uint32_t generation)
{
	return LIKELY(atomic_load_explicit(&s->state, memory_order_acquire) == SLOT_OPEN) &&
	       LIKELY(atomic_load_explicit(&s->generation, memory_order_acquire) == generation);
}

__attribute__((no_sanitize("thread"))) bool tag_find_plain(struct span_context *c)
{
	uint64_t wanted = tag_word(&c->span), known = tag_known(wanted);
	const _Atomic uint64_t *bucket = tag_bucket_of(wanted);
	uint64_t word = atomic_load_explicit(tag_entry_of(wanted), memory_order_acquire);
	uint32_t slot = (uint32_t)(word >> TAG_SLOT_AT) & ((1u << TAG_SLOT_BITS) - 1), generation;
	const struct store *st = store_get();
	const volatile struct span *v;
	const struct span *s;
	unsigned times = 0;

	for (unsigned i = 0; i < TAG_BUCKET; i++)
		times += (atomic_load_explicit(&bucket[i], memory_order_acquire) & TAG_KNOWN) ==
			 known;
	if (UNLIKELY(times != 1) || UNLIKELY((word & TAG_KNOWN) != known) || UNLIKELY(!st) ||
	    UNLIKELY(slot - 1 >= store_slots()))
		return false;
	v = s = store_slot(st, slot - 1);
	generation = atomic_load_explicit(&s->generation, memory_order_relaxed);
	if (UNLIKELY((uint64_t)generation << TAG_GENERATION_AT !=
		     word >> TAG_GENERATION_AT << TAG_GENERATION_AT) ||
	    !is_still(s, generation) || UNLIKELY(v->pid != process_pid()) ||
	    UNLIKELY(!is_plain(s, c)))
		return false;
	c->flags = v->flags;
	c->local = (struct span_ref){ slot, generation };
	SHAKE();
	read_barrier();
	return is_still(s, generation);
}

enum tag tag_find(const struct trace_id *trace, const struct span_id *id, struct span_ref *ret)
{
	struct span_context context;

	return tag_find_context(trace, id, ret, &context, NULL, 0);
}

/* --- bytes that a call returned --- */

char *arrival_at(const struct arrival *a, uint64_t at, size_t *ret_run)
{
	uint64_t skip = at - a->at;
	size_t left;

	if (at < a->at || skip >= a->len)
		return NULL;
	left = a->len - skip; /* the vector may have room for more */
	for (size_t i = 0; i < a->count; i++) {
		if (skip < a->iov[i].iov_len) {
			*ret_run = a->iov[i].iov_len - skip;
			*ret_run = *ret_run < left ? *ret_run : left;
			return (char *)a->iov[i].iov_base + skip;
		}
		skip -= a->iov[i].iov_len;
	}
	return NULL;
}

/* Copies len bytes at that position, out or in; false: this call brought not all. */
static bool copy_at(const struct arrival *a, uint64_t at, char *bytes, size_t len, bool is_write)
{
	while (len) {
		size_t run;
		char *p = arrival_at(a, at, &run);

		if (!p)
			return false;
		run = run < len ? run : len;
		memcpy(is_write ? p : bytes, is_write ? bytes : p, run);
		at += run;
		bytes += run;
		len -= run;
	}
	return true;
}

bool arrival_copy(const struct arrival *a, uint64_t at, char *to, size_t len)
{
	return copy_at(a, at, to, len, false);
}

static bool is_at(const struct arrival *a, uint64_t at, char c)
{
	size_t run;
	const char *p = arrival_at(a, at, &run);

	return p && *p == c;
}

/*
 * The value lies ahead of the blanks and the line end that end its line.  A line that was gathered
 * from several pieces lies there as well; one that was folded inside the value does not compare.
 */
static bool value_find(const struct arrival *a, uint64_t line_end, struct bytes value,
		       uint64_t *ret_at)
{
	uint64_t at = line_end - 1;
	char got[TRACEPARENT_LEN];

	*ret_at = line_end;
	if (!is_at(a, at, '\n'))
		return false;
	if (is_at(a, at - 1, '\r'))
		at--;
	while (is_at(a, at - 1, ' ') || is_at(a, at - 1, '\t'))
		at--;
	at -= value.len;
	*ret_at = at;
	return copy_at(a, at, got, sizeof(got), false) && memcmp(got, value.ptr, sizeof(got)) == 0;
}

/* The same of a value that the parser has seen in the very bytes of this call. */
static ALWAYS_INLINE bool value_place(const struct arrival *a, struct bytes value, uint64_t *ret_at)
{
	size_t left = a->len;

	for (size_t i = 0; i < a->count && left; i++) {
		size_t n = a->iov[i].iov_len < left ? a->iov[i].iov_len : left;
		size_t skip = (uintptr_t)value.ptr - (uintptr_t)a->iov[i].iov_base;

		*ret_at = a->at + (a->len - left) + skip;
		if (skip < n)
			return value.len <= n - skip;
		left -= n;
	}
	return false;
}

/* Does what is there lie in one place only?  Vectors may name the same memory twice. */
static bool is_apart(const struct arrival *a)
{
	size_t left = a->len;

	for (size_t i = 0; i < a->count && left; i++) {
		const char *p = a->iov[i].iov_base;
		size_t n = a->iov[i].iov_len < left ? a->iov[i].iov_len : left;
		size_t others = left -= n;

		for (size_t k = i + 1; k < a->count && others && n; k++) {
			const char *q = a->iov[k].iov_base;
			size_t m = a->iov[k].iov_len < others ? a->iov[k].iov_len : others;

			if (p < q + m && q < p + n)
				return false;
			others -= m;
		}
	}
	return true;
}

/* --- the tag --- */

/* More pieces than anybody reads a head into: not worth comparing each with each. */
#define PIECES_MAX 64u

bool tag_is_allowed(void)
{
	return config.header_tag;
}

static void write_id(const struct arrival *a, uint64_t at, const struct span_id *id)
{
	char hex[SPAN_ID_HEX];
	size_t run;
	char *to = arrival_at(a, at + TRACEPARENT_SPAN_AT, &run);

	if (LIKELY(to && run >= sizeof(hex))) {
		hex_encode_8(to, id->bytes);
		return;
	}
	hex_encode_8(hex, id->bytes);
	copy_at(a, at + TRACEPARENT_SPAN_AT, hex, sizeof(hex), true);
}

static void write_all(const struct arrival *a, uint64_t at, size_t len,
		      const struct span_context *own)
{
	char value[TRACEPARENT_LEN];
	char blank = ' ';

	traceparent_format(value, &own->trace, &own->span, own->flags);
	copy_at(a, at, value, sizeof(value), true);
	for (size_t i = sizeof(value); i < len; i++) /* of a later version */
		copy_at(a, at + i, &blank, 1, true);
}

/* Where in this call is the value?  False: that is counted. */
static bool find(const struct arrival *a, const struct head *h, struct bytes value,
		 uint64_t *ret_at)
{
	uint64_t at = 0;
	bool is_found = a->count <= PIECES_MAX &&
			(LIKELY(h->fields.base) ? value_place(a, value, &at) :
						  value_find(a, h->traceparent_end, value, &at));

	if (!is_found || (a->count > 1 && !is_apart(a))) {
		stats_inc(at < a->at ? STAT_TAG_LATE : STAT_TAG_REFUSED);
		return false;
	}
	*ret_at = at;
	return true;
}

static bool write_tag(struct conn *c, const struct span_context *own, bool is_all)
{
	const struct arrival *a = c->arrival;
	const struct head *h = &c->in.head;
	struct bytes value = head_get(h, c->in.scratch->text, HEAD_TRACEPARENT);
	uint64_t at;

	if (!tag_is_allowed())
		return false;
	if (h->signed_names & SIGNED_TRACEPARENT) {
		stats_inc(STAT_TAG_SIGNED);
		return false;
	}
	if (!a || (!h->fields.base && h->traceparent_end <= a->at)) {
		stats_inc(STAT_TAG_LATE);
		return false;
	}
	if (!find(a, h, value, &at))
		return false;
	if (conn_is_peeked(c, at)) {
		stats_inc(STAT_TAG_PEEKED);
		return false;
	}
	if (is_all)
		write_all(a, at, value.len, own);
	else
		write_id(a, at, &own->span);
	stats_inc(STAT_TAGGED);
	return true;
}

const struct span_id *tag_request(struct conn *c, const struct span_context *own,
				  const struct span_context *caller, bool is_trusted)
{
	bool is_written = !caller->is_other && write_tag(c, own, !is_trusted);

	return is_written ? &own->span : &caller->span;
}

bool tag_write(const struct conn *c, char *value, uint64_t at, const struct span_context *own,
	       bool is_all)
{
	if (UNLIKELY(!tag_is_allowed()))
		return false;
	if (UNLIKELY(conn_is_peeked(c, at))) {
		stats_inc(STAT_TAG_PEEKED);
		return false;
	}
	tag_write_id(value, &own->span);
	if (UNLIKELY(is_all))
		traceparent_format(value, &own->trace, &own->span, own->flags);
	return true;
}
