/* SPDX-License-Identifier: Apache-2.0 */
/* Events with attributes, and links: written whole, as one item, or not at all. */
#include "span_told.h"

#include <string.h>

#include "span_items.h"
#include "stats.h"

/* An item that is being put together, in pieces that are copied where it lies. */
struct told {
	struct bytes pieces[2 + 3 * SPAN_PAIRS_MAX];
	unsigned char heads[SPAN_PAIRS_MAX][ITEM_PAIR_HEAD];
	size_t n;
	size_t room; /* of STORE_VALUE_MAX */
	uint16_t dropped;
};

static void told_begin(struct told *t, const void *fixed, size_t len, struct bytes text)
{
	t->pieces[0] = (struct bytes){ fixed, len };
	t->pieces[1] = text;
	t->n = 2;
	t->room = STORE_VALUE_MAX - len - text.len;
	t->dropped = 0;
}

static void told_pairs(struct told *t, const struct span_pair *pairs, size_t n)
{
	size_t dropped = n > SPAN_PAIRS_MAX ? n - SPAN_PAIRS_MAX : 0;

	for (size_t i = 0; i < n - dropped; i++) {
		struct bytes key = pairs[i].key, text = pairs[i].text;
		unsigned char *head = t->heads[i];

		if (!key.len || key.len > ITEM_NAMED_KEY_MAX)
			continue;
		if (t->room < ITEM_PAIR_HEAD + key.len) {
			t->dropped++;
			continue;
		}
		t->room -= ITEM_PAIR_HEAD + key.len;
		text.len = span_text_cut(text, t->room);
		t->room -= text.len;
		head[0] = (unsigned char)key.len;
		head[1] = (unsigned char)text.len;
		head[2] = (unsigned char)(text.len >> 8);
		t->pieces[t->n++] = (struct bytes){ (const char *)head, ITEM_PAIR_HEAD };
		t->pieces[t->n++] = key;
		t->pieces[t->n++] = text;
	}
	dropped += t->dropped;
	t->dropped = (uint16_t)(dropped < UINT16_MAX ? dropped : UINT16_MAX);
}

static void told_add(struct span *s, enum item_type type, const struct told *t)
{
	if (!span_item_add(s, type, t->pieces, t->n))
		stats_inc(STAT_SPAN_PARTS_LOST);
}

void span_add_event_with(struct span *s, struct bytes name, uint64_t monotonic_ns,
			 const struct span_pair *pairs, size_t n)
{
	struct item_event fixed = { .ns = monotonic_ns };
	struct told t;

	if (!span_is_recording(s))
		return;
	name.len = span_text_cut(name, STORE_VALUE_MAX / 2);
	fixed.name_len = (uint16_t)name.len;
	told_begin(&t, &fixed, sizeof(fixed), name);
	told_pairs(&t, pairs, n);
	fixed.dropped = t.dropped;
	told_add(s, ITEM_EVENT_OF, &t);
}

void span_add_link(struct span *s, const struct span_context *to, const struct span_pair *pairs,
		   size_t n)
{
	struct item_link fixed = {
		.trace = to->trace, .span = to->span, .flags = to->flags, .is_remote = to->is_remote
	};
	struct bytes state = to->tracestate;
	struct told t;

	if (!span_is_recording(s))
		return;
	state.len = list_cut(state.ptr, state.len, SPAN_LINK_STATE_MAX);
	stats_add(STAT_LIST_LOST, state.len < to->tracestate.len);
	fixed.state_len = (uint16_t)state.len;
	told_begin(&t, &fixed, sizeof(fixed), state);
	told_pairs(&t, pairs, n);
	fixed.dropped = t.dropped;
	told_add(s, ITEM_LINK, &t);
}

/* --- reading --- */

static bool split(struct bytes value, void *fixed, size_t len)
{
	if (value.len < len)
		return false;
	memcpy(fixed, value.ptr, len);
	return true;
}

static bool split_text(struct bytes rest, size_t len, struct item_told *told)
{
	if (rest.len < len)
		return false;
	told->text = (struct bytes){ rest.ptr, len };
	told->pairs = bytes_skip(rest, len);
	return true;
}

bool item_event_split(struct bytes value, struct item_event *ret, struct item_told *told)
{
	return split(value, ret, sizeof(*ret)) &&
	       split_text(bytes_skip(value, sizeof(*ret)), ret->name_len, told);
}

bool item_link_split(struct bytes value, struct item_link *ret, struct item_told *told)
{
	return split(value, ret, sizeof(*ret)) && !trace_id_is_zero(&ret->trace) &&
	       !span_id_is_zero(&ret->span) && ret->is_remote <= 1 &&
	       split_text(bytes_skip(value, sizeof(*ret)), ret->state_len, told);
}

bool item_pair_next(struct bytes *pairs, struct bytes *ret_key, struct bytes *ret_text)
{
	const unsigned char *head = (const unsigned char *)pairs->ptr;
	size_t key, text;

	if (pairs->len < ITEM_PAIR_HEAD)
		return false;
	key = head[0];
	text = head[1] | (size_t)head[2] << 8;
	if (!key || pairs->len - ITEM_PAIR_HEAD < key + text)
		return false;
	*ret_key = (struct bytes){ pairs->ptr + ITEM_PAIR_HEAD, key };
	*ret_text = (struct bytes){ ret_key->ptr + key, text };
	*pairs = bytes_skip(*pairs, ITEM_PAIR_HEAD + key + text);
	return true;
}
