/* SPDX-License-Identifier: Apache-2.0 */
#include "span_limits.h"

#include <string.h>

#include "span_told.h"

#define ITEMS_MAX (STORE_ITEMS_MAX / sizeof(struct item_head))

/* Items that are to be taken out, by their number. */
struct marks {
	uint64_t bits[ITEMS_MAX / 64];
};

static void mark(struct marks *m, size_t i)
{
	m->bits[i / 64] |= (uint64_t)1 << i % 64;
}

static bool is_marked(const struct marks *m, size_t i)
{
	return m->bits[i / 64] >> i % 64 & 1;
}

static uint32_t first_set(uint32_t a, uint32_t b, uint32_t otherwise)
{
	return a != CONFIG_UNSET ? a : b != CONFIG_UNSET ? b : otherwise;
}

void span_limits_init(struct span_limits *l, const struct config *cfg)
{
	l->attrs = first_set(cfg->span_attr_count, cfg->attr_count, STORE_ATTRS_MAX);
	l->value = first_set(cfg->span_attr_length, cfg->attr_length, STORE_VALUE_MAX);
	l->events = cfg->span_event_count;
	l->links = cfg->span_link_count;
	l->event_attrs = first_set(cfg->event_attr_count, cfg->attr_count, STORE_ATTRS_MAX);
	l->link_attrs = first_set(cfg->link_attr_count, cfg->attr_count, STORE_ATTRS_MAX);
	l->is_set = l->attrs < STORE_ATTRS_MAX || l->value < STORE_VALUE_MAX ||
		    l->events < STORE_ATTRS_MAX || l->links < STORE_ATTRS_MAX ||
		    l->event_attrs < STORE_ATTRS_MAX || l->link_attrs < STORE_ATTRS_MAX;
}

/* --- which go --- */

static bool is_attr(const struct item_head *h)
{
	return h->type < ITEM_NAME;
}

static bool is_named(const struct item_head *h)
{
	return item_is_named(h->type);
}

static bool is_same_key(const struct item_head *a, struct bytes a_value, const struct item_head *b,
			struct bytes b_value)
{
	struct bytes a_rest, b_rest, unused;

	if (a->key != b->key || is_named(a) != is_named(b))
		return false;
	return !is_named(a) ||
	       (item_named_split(a_value, &a_rest, &unused) &&
		item_named_split(b_value, &b_rest, &unused) && bytes_equal(a_rest, b_rest));
}

/* The number of the first item with the same key: its own, if there is none ahead of it. */
static size_t first_of(const struct record *r, const struct item_head *head, struct bytes value)
{
	struct item_head h;
	struct bytes v;
	size_t at = 0, i = 0;

	for (; record_next(r, &at, &h, &v); i++)
		if (is_attr(&h) && is_same_key(&h, v, head, value))
			break;
	return i;
}

/* E85: setting a key again is no new attribute. */
static void mark_attrs(struct record *r, uint32_t limit, struct marks *m)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;
	uint32_t keys = 0, dropped = r->head.dropped_attrs;

	for (size_t i = 0; record_next(r, &at, &head, &value); i++) {
		size_t first = is_attr(&head) ? first_of(r, &head, value) : 0;

		if (!is_attr(&head))
			continue;
		if (first < i && is_marked(m, first))
			mark(m, i);
		if (first < i || keys++ < limit)
			continue;
		mark(m, i);
		dropped++;
	}
	r->head.dropped_attrs = (uint16_t)(dropped < UINT16_MAX ? dropped : UINT16_MAX);
}

static bool is_event(const struct item_head *h)
{
	return h->type == ITEM_EVENT || h->type == ITEM_OWN_EVENT || h->type == ITEM_EVENT_OF;
}

static void mark_told(struct record *r, const struct span_limits *l, struct marks *m)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0;
	uint32_t events = 0, links = 0;

	for (size_t i = 0; record_next(r, &at, &head, &value); i++) {
		if (is_event(&head) && events++ >= l->events) {
			mark(m, i);
			r->dropped_events++;
		} else if (head.type == ITEM_LINK && links++ >= l->links) {
			mark(m, i);
			r->dropped_links++;
		}
	}
}

/* --- what stays --- */

/* So many characters at most: every byte but those that continue one begins another. */
static size_t cut(struct bytes text, uint32_t limit)
{
	uint32_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.ptr[i] & 0xc0) != 0x80 && n++ == limit)
			return i;
	return text.len;
}

static bool pair_is_there(struct bytes pairs, struct bytes key)
{
	struct bytes k, text;

	while (item_pair_next(&pairs, &k, &text))
		if (bytes_equal(k, key))
			return true;
	return false;
}

/*
 * Of an event's or a link's attributes, where they lie: those that stay, closed up and cut, and the
 * length of all that stays.  A key that comes again is no new one (E85).
 */
static size_t shorten_pairs(struct bytes pairs, uint32_t attrs, uint32_t limit, uint16_t *dropped)
{
	unsigned char *to = (unsigned char *)(uintptr_t)pairs.ptr;
	struct bytes rest = pairs, key, text;
	size_t len = 0;
	uint32_t keys = 0;

	while (item_pair_next(&rest, &key, &text)) {
		bool is_new = !pair_is_there((struct bytes){ pairs.ptr, len }, key);
		size_t stays = cut(text, limit);

		if (is_new && keys++ >= attrs) {
			*dropped = (uint16_t)(*dropped + (*dropped < UINT16_MAX));
			continue;
		}
		memmove(to + len, key.ptr - ITEM_PAIR_HEAD, ITEM_PAIR_HEAD + key.len + stays);
		to[len + 1] = (unsigned char)stays;
		to[len + 2] = (unsigned char)(stays >> 8);
		len += ITEM_PAIR_HEAD + key.len + stays;
	}
	return len;
}

static void shorten_event(struct item_head *head, struct bytes value, const struct span_limits *l)
{
	struct item_event event;
	struct item_told told;

	if (!item_event_split(value, &event, &told))
		return;
	head->len -= (uint32_t)(told.pairs.len - shorten_pairs(told.pairs, l->event_attrs, l->value,
							       &event.dropped));
	memcpy((char *)(uintptr_t)value.ptr, &event, sizeof(event));
}

static void shorten_link(struct item_head *head, struct bytes value, const struct span_limits *l)
{
	struct item_link link;
	struct item_told told;

	if (!item_link_split(value, &link, &told))
		return;
	head->len -= (uint32_t)(told.pairs.len -
				shorten_pairs(told.pairs, l->link_attrs, l->value, &link.dropped));
	memcpy((char *)(uintptr_t)value.ptr, &link, sizeof(link));
}

static void shorten(struct item_head *head, struct bytes value, const struct span_limits *l)
{
	struct bytes rest, text;
	uint32_t limit = l->value;

	if (head->type == ITEM_STR)
		head->len = (uint32_t)cut(value, limit);
	else if ((head->type == ITEM_ELEMENT || head->type == ITEM_NAMED) &&
		 item_named_split(value, &rest, &text))
		head->len -= (uint32_t)(text.len - cut(text, limit));
	else if (head->type == ITEM_EVENT_OF)
		shorten_event(head, value, l);
	else if (head->type == ITEM_LINK)
		shorten_link(head, value, l);
}

/* What is written is never ahead of what is read. */
static void rebuild(struct record *r, const struct span_limits *l, const struct marks *m)
{
	struct item_head head;
	struct bytes value;
	size_t at = 0, to = 0;
	uint16_t attrs = 0;

	r->sound_len = 0;
	for (size_t i = 0; record_next(r, &at, &head, &value); i++) {
		if (is_marked(m, i))
			continue;
		shorten(&head, value, l);
		attrs = (uint16_t)(attrs + is_attr(&head));
		memmove(r->items + to + sizeof(head), value.ptr, head.len);
		memcpy(r->items + to, &head, sizeof(head));
		to += sizeof(head) + head.len;
	}
	r->items_len = (uint32_t)to;
	r->head.attrs = attrs;
}

static void apply(const struct span_limits *l, struct record *r)
{
	struct marks m = { { 0 } };

	mark_attrs(r, l->attrs, &m);
	mark_told(r, l, &m);
	rebuild(r, l, &m);
}

void span_limits_apply(const struct span_limits *l, struct record *r)
{
	if (l->is_set)
		apply(l, r);
}
