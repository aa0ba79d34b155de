/* SPDX-License-Identifier: Apache-2.0 */
/* Events with attributes, and links (O53, O106, O107). */
#include "otlp_encode_impl.h"
#include "span_told.h"

/* Attributes that are in hand for one event or link: the last of those in e->pairs. */
struct pairs {
	Otlp__KeyValue **list;
	size_t n;
	uint32_t dropped;
};

/* O39: of a key that comes again the last text counts. */
static Otlp__KeyValue *pair_of(const struct pairs *p, struct bytes key)
{
	for (size_t i = 0; i < p->n; i++)
		if (bytes_equal(bytes_from_str(p->list[i]->key), key))
			return p->list[i];
	return NULL;
}

static Otlp__KeyValue *pair_new(struct otlp_encoder *e, struct pairs *p, struct bytes key)
{
	struct otlp_pair *to = &e->pairs[e->n_pairs];

	if (e->n_pairs == OTLP_PAIRS_MAX) {
		p->dropped++;
		return NULL;
	}
	otlp__key_value__init(&to->pair);
	otlp__any_value__init(&to->value);
	to->pair.key = otlp_keep_text(e, key);
	to->pair.value = &to->value;
	e->pair_list[e->n_pairs++] = &to->pair;
	p->n++;
	return &to->pair;
}

static struct pairs pairs_take(struct otlp_encoder *e, const struct item_told *told,
			       uint32_t dropped)
{
	struct pairs p = { e->pair_list + e->n_pairs, 0, dropped };
	struct bytes rest = told->pairs, key, text;

	while (item_pair_next(&rest, &key, &text)) {
		Otlp__KeyValue *pair = NULL;

		if (otlp_is_string(key))
			pair = pair_of(&p, key);
		if (!pair && otlp_is_string(key))
			pair = pair_new(e, &p, key);
		if (pair)
			otlp_set_text(e, pair->value, text);
	}
	return p;
}

void otlp_add_event_of(struct otlp_encoder *e, const struct span *h, struct bytes value)
{
	struct item_event fixed;
	struct item_told told;
	Otlp__Span__Event *to;
	struct pairs p;

	if (!item_event_split(value, &fixed, &told))
		return;
	to = otlp_event_new(e, h, value);
	if (!to)
		return;
	to->name = otlp_keep_repaired(e, told.text);
	p = pairs_take(e, &told, fixed.dropped);
	to->attributes = p.list;
	to->n_attributes = p.n;
	to->dropped_attributes_count = p.dropped;
}

static ProtobufCBinaryData id_in(struct bytes value, size_t at, size_t len)
{
	return (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)value.ptr + at };
}

static void link_fill(struct otlp_encoder *e, Otlp__Span__Link *to, struct bytes value,
		      const struct item_link *fixed, const struct item_told *told)
{
	struct pairs p = pairs_take(e, told, fixed->dropped);

	otlp__span__link__init(to);
	to->trace_id = id_in(value, offsetof(struct item_link, trace), sizeof(fixed->trace));
	to->span_id = id_in(value, offsetof(struct item_link, span), sizeof(fixed->span));
	to->trace_state = otlp_keep_repaired(e, told->text);
	to->attributes = p.list;
	to->n_attributes = p.n;
	to->dropped_attributes_count = p.dropped;
	to->flags = (fixed->flags & (TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM)) |
		    OTLP_FLAG_HAS_IS_REMOTE | (fixed->is_remote ? OTLP_FLAG_IS_REMOTE : 0);
}

void otlp_add_link(struct otlp_encoder *e, struct bytes value)
{
	Otlp__Span__Link *to = &e->links[e->span.n_links];
	struct item_link fixed;
	struct item_told told;

	if (!item_link_split(value, &fixed, &told))
		return;
	if (e->span.n_links == OTLP_LINKS_MAX) {
		e->span.dropped_links_count++;
		return;
	}
	link_fill(e, to, value, &fixed, &told);
	e->link_list[e->span.n_links++] = to;
}
