/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's exporter side.  Whatever is in the mapping may have been put there by a process with
 * other rights than ours: it is copied once, and only the copy is believed, after it was checked.
 */
#include "store.h"

#include "clock.h"
#include "shake.h"
#include "span_items.h"
#include "stats.h"
#include "store_block.h"

#define STALE_NS 1000000000u
#define RECORD_BLOCKS 4u /* that a record may name: our own name one */

#define FLAGS_KNOWN (TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM) /* C21 */

static _Atomic uint64_t *done_word(struct store *st, uint32_t word)
{
	return (_Atomic uint64_t *)((char *)st + STORE_DONE_MAP) + word;
}

/*
 * Nothing to collect, and yet done is not 0: somebody is between the two steps of slot_publish(),
 * or was killed there.  If it is still so a second later, nobody is.
 */
static void done_repair(struct store *st)
{
	static uint32_t seen;
	static uint64_t since_ns;
	uint32_t done = atomic_load(&st->done);
	uint64_t now;

	if (LIKELY(done == 0)) {
		since_ns = 0;
		return;
	}
	now = clock_monotonic_ns();
	if (since_ns == 0 || seen != done) {
		seen = done;
		since_ns = now;
	} else if (now - since_ns >= STALE_NS) {
		atomic_compare_exchange_strong(&st->done, &done, 0);
		since_ns = 0;
	}
}

/* Never below 0, where a repair may have been too eager. */
static void done_subtract(struct store *st, uint32_t n)
{
	uint32_t done = atomic_load(&st->done);

	while (!atomic_compare_exchange_weak(&st->done, &done, done > n ? done - n : 0))
		;
}

/* Takes up to max of these bits of one word. */
static size_t word_collect(struct store *st, uint32_t word, uint64_t mask, uint32_t *ret_index,
			   size_t max)
{
	uint64_t seen = mask & atomic_load_explicit(done_word(st, word), memory_order_relaxed);
	uint64_t take = 0;
	size_t n = 0;

	for (; seen && n < max; seen &= seen - 1, n++)
		take |= seen & -seen;
	SHAKE();
	/*
	 * Pairs with slot_publish(): the records are whole from here on.  A process that ends may
	 * take some off, too (exporter_life.c): each is one's.
	 */
	if (take)
		take &= atomic_fetch_and_explicit(done_word(st, word), ~take, memory_order_acquire);
	for (n = 0; take; take &= take - 1)
		ret_index[n++] = word * 64 + (uint32_t)__builtin_ctzll(take);
	return n;
}

/* Of the slots from..to-1; most words of a long queue have none, and cost a load and a branch. */
static size_t range_collect(struct store *st, uint32_t from, uint32_t to, uint32_t *ret_index,
			    size_t max)
{
	size_t n = 0;

	for (uint32_t word = from / 64; word < (to + 63) / 64 && n < max; word++) {
		uint64_t mask = UINT64_MAX;

		if (LIKELY(!atomic_load_explicit(done_word(st, word), memory_order_relaxed)))
			continue;
		if (word == from / 64)
			mask <<= from % 64;
		if (word == to / 64)
			mask &= ~(UINT64_MAX << to % 64);
		n += word_collect(st, word, mask, ret_index + n, max - n);
	}
	return n;
}

/* Goes round: begins behind the slot that was taken last, and comes back to it in the end. */
size_t store_collect(struct store *st, uint32_t *ret_index, size_t max)
{
	uint32_t slots = store_slots();
	uint32_t at = slots ? st->collect_at % slots : 0;
	size_t n = range_collect(st, at, slots, ret_index, max);

	n += range_collect(st, 0, at, ret_index + n, max - n);
	if (n) {
		st->collect_at = ret_index[n - 1] + 1;
		atomic_fetch_add(&st->in_hand, (uint32_t)n);
		SHAKE();
		done_subtract(st, (uint32_t)n);
	} else {
		done_repair(st);
	}
	return n;
}

uint32_t store_account(struct store *st, size_t n)
{
	uint32_t held = atomic_load(&st->in_hand);
	uint32_t taken;

	do
		taken = held < n ? held : (uint32_t)n;
	while (!atomic_compare_exchange_weak(&st->in_hand, &held, held - taken));
	return taken;
}

/* Records of one word that are finished, and that no bit says are. */
static uint32_t word_recover(struct store *st, uint32_t word)
{
	uint64_t taken = atomic_load((_Atomic uint64_t *)((char *)st + STORE_TAKEN_MAP) + word);
	uint64_t bits = taken & ~atomic_load(done_word(st, word));
	uint32_t n = 0;

	for (; bits; bits &= bits - 1) {
		uint64_t bit = bits & -bits;
		uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);

		if (atomic_load(&store_slot(st, index)->state) != SLOT_DONE)
			continue;
		/* Its producer may be about to, and finds then that it is done (slot_publish()). */
		atomic_fetch_add(&st->done, 1);
		SHAKE();
		if (atomic_fetch_or(done_word(st, word), bit) & bit)
			done_subtract(st, 1);
		else
			n++;
	}
	return n;
}

void store_inherit(struct store *st)
{
	uint32_t found = 0;

	for (uint32_t word = 0; word < store_slots() / 64; word++)
		found += word_recover(st, word);
	(void)store_account(st, found);
	stats_add(STAT_SPANS_FAILED, store_account(st, STORE_MAX_SLOTS));
}

/* --- reading one record --- */

/* Sampled, as its flags say; or not, and selected all the same. */
static bool verdict_is_sound(const struct span *h)
{
	if (h->flags & ~FLAGS_KNOWN)
		return false;
	if (h->flags & TRACE_FLAG_SAMPLED)
		return h->verdict == VERDICT_SAMPLE;
	return h->verdict == VERDICT_RECORD && h->kept & KEPT_SELECTED;
}

static bool head_is_sound(const struct span *h)
{
	if (h->state != SLOT_DONE || h->pid == 0 || !verdict_is_sound(h))
		return false;
	if (h->kind < SPAN_INTERNAL || h->kind > SPAN_CLIENT)
		return false;
	if (h->status != SPAN_STATUS_UNSET && h->status != SPAN_STATUS_ERROR)
		return false;
	if (h->has_parent > 1 || h->parent_is_remote > h->has_parent)
		return false;
	if (trace_id_is_zero(&h->trace) || span_id_is_zero(&h->id))
		return false;
	if (h->has_parent == span_id_is_zero(&h->parent))
		return false;
	if (h->end_ns < h->start_ns || h->end_ns - h->start_ns > UINT64_MAX - h->start_unix_ns)
		return false;
	return h->attrs <= STORE_ATTRS_MAX;
}

static bool size_is_sound(const struct span *h)
{
	uint32_t cap = (uint32_t)SPAN_DATA_BYTES;

	if (h->slots == 0 || h->slots > STORE_RECORD_SLOTS)
		return false;
	cap += (h->slots - 1u) * (uint32_t)MORE_DATA_BYTES;
	return h->used <= cap && (h->slots == 1) == (h->next == 0);
}

/* Follows the chain as long as the checked head says; each slot must say that it belongs here. */
static bool items_copy(const struct store *st, uint32_t slots, uint32_t index, struct record *ret)
{
	uint32_t left = ret->head.used;
	uint32_t n = left < SPAN_DATA_BYTES ? left : (uint32_t)SPAN_DATA_BYTES;
	uint32_t next = ret->head.next;

	memcpy(ret->items, span_data(store_slot(st, index)), n);
	for (uint32_t i = 1; i < ret->head.slots; i++) {
		const struct slot_more *shared;
		struct slot_more m;

		if (next - 1 >= slots)
			return false;
		shared = (const struct slot_more *)store_slot(st, next - 1);
		memcpy(&m, shared, sizeof(m));
		if (m.state != SLOT_MORE || m.first != index + 1)
			return false;
		left = ret->head.used - n;
		if (left > MORE_DATA_BYTES)
			left = (uint32_t)MORE_DATA_BYTES;
		memcpy(ret->items + n, more_data(shared), left);
		n += left;
		next = m.next;
	}
	ret->items_len = n;
	return next == 0 && n == ret->head.used;
}

/* What an item may be, by its type: the length of its value, and which keys there are. */
static const struct item_rule {
	uint16_t len; /* 0: STORE_VALUE_MAX at most */
	uint16_t keys;
} item_rules[] = {
	[ITEM_STR] = { 0, ATTRS },
	[ITEM_INT] = { sizeof(int64_t), ATTRS },
	[ITEM_BOOL] = { 1, ATTRS },
	[ITEM_ELEMENT] = { 0, ATTRS },
	[ITEM_NAMED] = { 0, ATTRS },
	[ITEM_NAMED_INT] = { 0, ATTRS },
	[ITEM_NAMED_DOUBLE] = { 0, ATTRS },
	[ITEM_NAME] = { 0, UINT16_MAX },
	[ITEM_TRACESTATE] = { 0, UINT16_MAX },
	[ITEM_BAGGAGE] = { 0, UINT16_MAX },
	[ITEM_EVENT] = { sizeof(uint64_t), EVENTS },
	[ITEM_STACK] = { 0, UINT16_MAX },
	[ITEM_OWN_EVENT] = { 0, UINT16_MAX },
	[ITEM_EVENT_OF] = { 0, UINT16_MAX },
	[ITEM_LINK] = { 0, UINT16_MAX },
	[ITEM_CALLER] = { sizeof(struct trace_id) + sizeof(struct span_id), UINT16_MAX },
};

static ALWAYS_INLINE bool item_is_sound(const struct item_head *h)
{
	struct item_rule rule;

	if (h->type >= ARRAY_LEN(item_rules))
		return false;
	rule = item_rules[h->type];
	return h->flags == 0 && h->key < rule.keys &&
	       (rule.len ? h->len == rule.len : h->len <= STORE_VALUE_MAX);
}

static ALWAYS_INLINE bool item_next(const struct record *r, size_t *at, struct item_head *ret_head,
				    struct bytes *ret_value)
{
	struct item_head head;
	struct bytes left;

	if (r->items_len > sizeof(r->items) || *at > r->items_len)
		return false;
	left = (struct bytes){ (const char *)r->items + *at, r->items_len - *at };
	if (!items_next(&left, &head, ret_value) || !item_is_sound(&head))
		return false;
	*ret_head = head;
	*at = r->items_len - left.len;
	return true;
}

/* Is it a block's number that is there?  Then puts what it says in its place. */
static bool block_open(const struct store *st, struct record *r, size_t at)
{
	struct item_head head;
	struct bytes items;
	size_t rest;

	if (r->items_len - at < sizeof(head))
		return false;
	memcpy(&head, r->items + at, sizeof(head));
	if (head.type != ITEM_BLOCK || head.flags || head.len)
		return false;
	items = store_block_items(st, head.key);
	rest = r->items_len - at - sizeof(head);
	if (!items.len || items.len > sizeof(r->items) - at - rest)
		return false;
	memmove(r->items + at + items.len, r->items + at + sizeof(head), rest);
	memcpy(r->items + at, items.ptr, items.len);
	r->items_len = (uint32_t)(at + items.len + rest);
	if (r->blocks++ == 0) {
		r->block = head.key;
		r->block_at = (uint32_t)at;
		r->block_len = (uint32_t)items.len;
	}
	return true;
}

/* Every item fits, the last one ends at the end, and there are as many attributes as it says. */
static bool items_are_sound(const struct store *st, struct record *r)
{
	struct item_head head;
	struct bytes value;
	uint32_t attrs = 0;
	size_t at = 0;

	r->types = r->blocks = 0;
	do {
		while (item_next(r, &at, &head, &value)) {
			attrs += head.type < ITEM_NAME;
			r->types |= 1u << head.type;
		}
	} while (r->blocks < RECORD_BLOCKS && block_open(st, r, at));
	if (at != r->items_len || attrs != r->head.attrs)
		return false;
	r->sound_len = r->head.used = r->items_len;
	return true;
}

/* The same number is another block in another store. */
static bool block_is_as_before(const struct store *st, const struct record *r)
{
	struct bytes items;

	if (!r->blocks)
		return true;
	items = store_block_items(st, r->block);
	return r->blocks == 1 && items.len == r->block_len &&
	       memcmp(r->items + r->block_at, items.ptr, items.len) == 0;
}

/* Our own copy, which nobody else can write to, is what was sound, and stays what is read. */
static bool is_as_before(const struct store *st, uint32_t index, struct record *r)
{
	uint32_t len = r->head.used;

	if (r->head.slots != 1 || !r->sound_len || len != r->raw_len ||
	    r->head.attrs != r->raw_attrs ||
	    memcmp(r->raw, span_data(store_slot(st, index)), len) != 0 ||
	    !block_is_as_before(st, r))
		return false;
	r->items_len = r->head.used = r->sound_len;
	return true;
}

/* What is read was copied once: the same for both. */
static void raw_keep(struct record *r)
{
	r->raw_len = r->raw_attrs = 0;
	if (r->head.slots != 1)
		return;
	r->raw_len = r->head.used;
	r->raw_attrs = r->head.attrs;
	memcpy(r->raw, r->items, r->raw_len);
}

static bool items_read(const struct store *st, uint32_t slots, uint32_t index, struct record *ret)
{
	if (is_as_before(st, index, ret))
		return true;
	ret->sound_len = 0;
	if (!items_copy(st, slots, index, ret))
		return false;
	raw_keep(ret);
	return items_are_sound(st, ret);
}

bool store_read(struct store *st, uint32_t index, struct record *ret)
{
	return store_read_of(st, store_slots(), index, ret);
}

bool store_read_of(struct store *st, uint32_t slots, uint32_t index, struct record *ret)
{
	ret->items_len = ret->dropped_events = ret->dropped_links = 0;
	if (index < slots) {
		memcpy(&ret->head, store_slot(st, index), sizeof(ret->head));
		if (head_is_sound(&ret->head) && size_is_sound(&ret->head) &&
		    items_read(st, slots, index, ret))
			return true;
	}
	ret->items_len = 0;
	stats_inc(STAT_SPANS_DAMAGED);
	return false;
}

bool item_named_split(struct bytes packed, struct bytes *ret_key, struct bytes *ret_value)
{
	size_t len = packed.len ? (unsigned char)*packed.ptr : 0;

	if (!packed.len || len + 1 > packed.len)
		return false;
	*ret_key = (struct bytes){ packed.ptr + 1, len };
	*ret_value = bytes_skip(packed, 1 + len);
	return true;
}

bool record_next(const struct record *r, size_t *at, struct item_head *ret_head,
		 struct bytes *ret_value)
{
	return item_next(r, at, ret_head, ret_value);
}
